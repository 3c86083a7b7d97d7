"""Rules are written in a form and as text, both ways, and published by one door."""

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from werkzeug.datastructures import MultiDict

from hsm.access.roles import Role
from hsm.catalog.records import DraftRecord
from hsm.policy import parse
from hsm.policy.form import form_of
from hsm.policy.model import Policy, Rule
from hsm.policy.notes import Noted
from hsm.policy.text import to_text
from tests.hsm.policy.test_language import rules
from tests.web.forms import form_with, send
from tests.web.reader import read
from tests.web.test_access import act
from tests.web.world import HOSTILE, RULES, World, browser
from web.rules.posted import rule_in

ME = "a-archivist"


@pytest.fixture
def archivist(world: World) -> FlaskClient:
    """A browser in which an archivist has begun a draft of the rules in force."""
    client = browser(world.services(), Role.ARCHIVIST)
    assert act(client, "/policies/draft")[0] == 200
    return client


def draft(world: World) -> DraftRecord:
    found = world.catalog.drafts.get(ME)
    assert found is not None
    return found


def put(world: World, text: str) -> None:
    """Have a text as the draft."""
    world.catalog.drafts.save(ME, text, draft(world).revision, world.clock.now())


def press(client: FlaskClient, path: str, step: str, **changed: str) -> str:
    """Open a form, fill it in, press a button."""
    return send(client, form_with(client.get(path).text, "step"), ("step", step), **changed).text


def test_a_draft_begins_as_the_rules_in_force_and_changes_nothing(world: World, archivist: FlaskClient) -> None:
    assert (draft(world).text, draft(world).base) == (RULES, 1)
    page = read(archivist.get("/policies/draft").text)
    assert page.faults == []
    assert {"Edit", "Edit as text", "Add a rule", "Publish ..."} <= set(page.labelled)
    assert "two tapes for everything" in page.text and "# The rules of the house." in page.text
    assert 'no rule copies to the pool "disc"' in page.text
    act(archivist, "/policies/draft")
    assert draft(world).revision == 1
    assert "Go on with my draft" in read(archivist.get("/policies").text).labelled
    assert len(world.catalog.policies.history()) == 1


def test_a_form_that_is_kept_unchanged_changes_no_letter(world: World, archivist: FlaskClient) -> None:
    odd = RULES.replace("    release after", "    release   after").replace("verify", "verify  # twice\n  ")
    put(world, odd)
    for number in range(3):
        press(archivist, f"/policies/draft/rules/{number}", "save")
    assert draft(world).text == odd


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=rules())
def test_any_rule_comes_back_from_the_browser_as_it_was(world: World, archivist: FlaskClient, rule: Rule) -> None:
    put(world, to_text(Policy((rule,))))
    form = form_with(archivist.get("/policies/draft/rules/0").text, "step")
    assert rule_in(MultiDict(form.fields)) == form_of(Noted(rule))


def test_a_rule_is_changed_in_the_form_and_the_text_says_so(world: World, archivist: FlaskClient) -> None:
    put(world, RULES.replace('rule "settle"', '# About leaving.\nrule "settle"'))
    path = "/policies/draft/rules/1"
    page = press(archivist, path, "add-group:when")
    form = form_with(page, "step")
    assert form.has("when.2.0.value", "MG, US").fields != form.fields
    page = send(archivist, form.has("when.2.0.value", "MG, US"), ("step", "add-fact:when.2")).text
    changed = form_with(page, "step").has("when.2.1.subject", "size")
    page = send(archivist, changed, ("step", "show")).text
    changed = form_with(page, "step").has("when.2.1.value", "2").has("when.2.1.test", "above").has("do.0.copies", "3")
    assert "or size above 2 GB" in read(send(archivist, changed, ("step", "show")).text).text
    send(archivist, changed, ("step", "save"))
    assert draft(world).text == RULES.replace('rule "settle"', '# About leaving.\nrule "settle"').replace(
        "not accessed for 90 days", "not accessed for 90 days and (modality is one of MG, US or size above 2 GB)"
    ).replace("after 2 verified", "after 3 verified")


def test_parts_are_added_moved_and_removed_by_buttons(world: World, archivist: FlaskClient) -> None:
    page = archivist.get("/policies/draft/new").text
    for step in (
        "add-action:verify",
        "add-action:copy",
        "up:do.1",
        "add-schedule:hours",
        "add-schedule:days",
        "add-limit",
    ):
        page = send(archivist, form_with(page, "step"), ("step", step)).text
    for step in (
        "remove:only.1",
        "add-fact:when",
        "remove:when.0",
        "add-fact:when.7",
        "up:do.0",
        "nonsense",
        "remove:do.9",
    ):
        page = send(archivist, form_with(page, "step"), ("step", step)).text
    form = (
        form_with(page, "step").has("name", "nights").has("do.0.pools", "disc").has("comment", "for the\r\nnight shift")
    )
    send(archivist, form.has("do.0.note", "blu-ray"), ("step", "save"))
    assert draft(world).text == RULES + (
        "\n# for the\n# night shift\n"
        'rule "nights":\n    only between 20:00 and 06:00\n    at most 500 studies per tick\n'
        "    copy to disc  # blu-ray\n    verify every 2 years\n"
    )


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_kept(world: World, archivist: FlaskClient) -> None:
    form = form_with(archivist.get("/policies/draft/rules/0").text, "step").has("do.0.pools", "tape_c")
    answer = send(archivist, form.has("when.0.value", "1.5").has("name", "settle"), ("step", "save"))
    page = read(answer.text)
    assert answer.status_code == 422 and page.faults == []
    for said in ("3 things to put right", 'Did you mean "tape_', "whole number", "Another rule has this name"):
        assert said in page.text
    assert draft(world).text == RULES


def test_rules_are_moved_doubled_and_removed(world: World, archivist: FlaskClient) -> None:
    for step in ("up:1", "double:0", "down:1", "remove:3"):
        press(archivist, "/policies/draft", step)
    names = [rule.name for rule in parse(draft(world).text).rules]
    assert names == ["settle", "two tapes for everything", "settle 2"]
    assert draft(world).text.startswith("# The rules of the house.\n\nrule")
    for step in ("up:0", "burn:0", "remove:9", "down:2"):
        assert (
            send(archivist, form_with(archivist.get("/policies/draft").text, "step"), ("step", step)).status_code == 400
        )


def test_text_with_faults_is_kept_and_each_is_said_at_its_line(world: World, archivist: FlaskClient) -> None:
    form = form_with(archivist.get("/policies/draft/text").text, "text")
    text = 'rule "a":\r\n    when modalty is MG\r\n    copy to tape_c\r\nrule "b":\r\n    keep online'
    page = send(archivist, form, text=text).text
    assert draft(world).text == text.replace("\r", "") + "\n"
    for said in ("Fault, line 2, column 10:", '"modalty" is not understood here', 'Did you mean "modality"?'):
        assert said in read(page).text
    assert read(page).faults == []
    shown = read(archivist.get("/policies/draft").text)
    assert "Repair in the text" in shown.labelled and "Edit" in shown.labelled and "It has faults" in shown.text
    assert archivist.get("/policies/draft/rules/0").headers["Location"] == "/policies/draft/text"
    answer = send(archivist, form_with(archivist.get("/policies/draft/text").text, "text"), text="x" * 50_001)
    assert answer.status_code == 422 and "More than 50000" in answer.text
    fixed = text.replace("modalty", "modality").replace("tape_c", "tape_b")
    answer = send(archivist, form_with(archivist.get("/policies/draft/text").text, "text"), ("go", "form"), text=fixed)
    assert "Add a rule" in read(answer.text).labelled


def test_two_pages_of_one_draft_do_not_overwrite_each_other(world: World, archivist: FlaskClient) -> None:
    text = form_with(archivist.get("/policies/draft/text").text, "text")
    rule = form_with(archivist.get("/policies/draft/rules/0").text, "step")
    whole = form_with(archivist.get("/policies/draft").text, "step")
    put(world, RULES + "\n# elsewhere\n")
    answer = send(archivist, text, text=RULES + "\n# here\n")
    assert answer.status_code == 409 and "elsewhere" in read(answer.text).text and "# here" in answer.text
    answer = send(archivist, rule, ("step", "save"), name="mine")
    assert answer.status_code == 409 and "Nothing was overwritten" in answer.text and 'value="mine"' in answer.text
    assert "Nothing was overwritten" in send(archivist, whole, ("step", "up:1")).text
    assert draft(world).text == RULES + "\n# elsewhere\n"


def publish_page(client: FlaskClient, reason: str = "tapes are cheap") -> str:
    form = form_with(client.get("/policies/draft/publish").text, "reason")
    return read(send(client, form, reason=reason).text).text


def test_a_draft_is_published_with_its_difference_and_a_reason(world: World, archivist: FlaskClient) -> None:
    assert "nothing to publish" in archivist.get("/policies/draft/publish").text
    put(world, RULES.replace("90 days ago", "60 days ago"))
    page = read(archivist.get("/policies/draft/publish").text)
    assert page.faults == [] and "changed settle" in page.text and "60 days ago" in page.text
    assert "Say why" in publish_page(archivist, " ")
    assert "At most 500" in publish_page(archivist, "x" * 501)
    assert "Version 2 is in force" in publish_page(archivist)
    newest = world.catalog.policies.history(limit=1)[0]
    assert (newest.author, newest.reason) == (ME, "tapes are cheap")
    assert world.catalog.drafts.get(ME) is None
    assert "tapes are cheap" in archivist.get("/policies").text


def test_two_archivists_see_each_other_and_nothing_is_overwritten(world: World, archivist: FlaskClient) -> None:
    bo = browser(world.services(), Role.ADMINISTRATOR)
    act(bo, "/policies/draft")
    put(world, RULES.replace("90 days ago", "60 days ago"))
    for path in ("/policies", "/policies/draft"):
        assert "a-administrator" in read(archivist.get(path).text).text
        assert ME in read(bo.get(path).text).text
    theirs = read(bo.get(f"/policies/drafts/{ME}").text)
    assert theirs.faults == [] and "60 days ago" in theirs.text
    opened = form_with(archivist.get("/policies/draft/publish").text, "reason")
    his = world.catalog.drafts.get("a-administrator")
    assert his is not None
    world.catalog.drafts.save(his.account, RULES.replace("2 years", "1 years"), 1, world.clock.now())
    assert "Version 2 is in force" in publish_page(bo, "yearly")
    late = send(archivist, opened, reason="late")
    assert late.status_code == 409
    for page in (late.text, archivist.get("/policies/draft/publish").text):
        said = read(page).text
        assert "Version 2 was put in force after this draft was begun" in said and "yearly" in said and "1 year" in said
    assert "after you began" in archivist.get("/policies/draft").text
    assert len(world.catalog.policies.history()) == 2
    rebase = form_with(late.text, "seen")
    assert rebase.action == "/policies/draft/rebase"
    assert send(archivist, rebase, seen="1").status_code == 409
    send(archivist, rebase)
    assert draft(world).base == 2
    assert "Version 3 is in force" in publish_page(archivist)


def test_a_draft_that_changed_after_its_question_is_not_published(world: World, archivist: FlaskClient) -> None:
    put(world, RULES.replace("90 days ago", "60 days ago"))
    opened = form_with(archivist.get("/policies/draft/publish").text, "reason")
    put(world, RULES.replace("90 days ago", "1 days ago"))
    assert send(archivist, opened, reason="x").status_code == 409
    put(world, 'rule "x"')
    answer = archivist.get("/policies/draft/publish")
    assert "cannot be put in force" in answer.text
    assert len(world.catalog.policies.history()) == 1


def test_an_earlier_version_is_put_in_force_again(world: World, archivist: FlaskClient) -> None:
    world.catalog.policies.publish(RULES.replace("2 years", "3 years"), "Bo", world.clock.now(), reason="<i>why</i>")
    assert "Go back to this version ..." in read(archivist.get("/policies/1").text).labelled
    page = read(archivist.get("/policies/compare?old=1&new=2").text)
    assert page.faults == [] and "changed read again" in page.text and "<i>why</i>" in page.text
    assert archivist.get("/policies/compare?old=1&new=77").status_code == 404
    form = form_with(archivist.get("/policies/1/restore").text, "reason")
    assert send(archivist, form.has("seen", "1"), reason="x").status_code == 409
    assert "Version 3 is in force" in send(archivist, form, reason="Back to version 1: too slow").text
    current = world.catalog.policies.current()
    assert current is not None and current.text == RULES and current.reason == "Back to version 1: too slow"
    assert archivist.get("/policies/99/restore").status_code == 404


def test_a_draft_is_thrown_away_and_hostile_text_is_text(world: World, archivist: FlaskClient) -> None:
    put(world, f'# {HOSTILE}\nrule "<script>x</script>":\n    copy to "<b>"  # </textarea>\n'.replace("\0", ""))
    for path in ("/policies/draft", "/policies/draft/text", "/policies/draft/rules/0", "/policies/draft/publish"):
        page = read(archivist.get(path).text)
        assert page.faults == [] and "b" not in page.tags, path
    act(archivist, "/policies/draft/discard")
    assert world.catalog.drafts.get(ME) is None
    for path in (
        "/policies/draft/text",
        "/policies/draft/rules/0",
        "/policies/draft/publish",
        "/policies/drafts/nobody",
    ):
        assert archivist.get(path).status_code == 404
    assert "Begin a draft" in archivist.get("/policies/draft").text


def test_rules_are_written_where_there_are_none(world: World) -> None:
    viewer = browser(world.services(), Role.VIEWER)
    assert "may read rules, not change them" in viewer.get("/policies").text
    assert "writing new rules" not in viewer.get("/policies").text
