"""Holds are placed, changed and lifted with a reason, and every study says what keeps it where it is."""

import pytest
from flask.testing import FlaskClient

from hsm.access.roles import Role
from hsm.catalog.records import JobRequest
from hsm.facts import StudyUid
from hsm.states import JobKind
from tests.web.forms import form_with, send
from tests.web.reader import read
from tests.web.world import HOSTILE, World, browser


@pytest.fixture
def archivist(world: World) -> FlaskClient:
    """A browser of an archivist."""
    return browser(world.services(), Role.ARCHIVIST)


def test_a_hold_is_placed_on_the_page_of_a_study(world: World, archivist: FlaskClient) -> None:
    uid = world.receive("1.2.3.7")
    form = form_with(archivist.get(f"/studies/{uid}").text, "until")
    page = send(archivist, form, reason=" court   case 12 ", until="2026-03-31")
    assert page.request.path == f"/studies/{uid}"
    assert "court case 12" in read(page.text).labelled and read(page.text).faults == []
    (hold,) = world.catalog.holds.list()
    assert (hold.reason, hold.placed_by) == ("court case 12", "a-archivist")
    assert hold.until is not None and hold.until.isoformat() == "2026-04-01T00:00:00+00:00"


def test_words_are_searched_for_and_one_study_is_chosen(world: World, archivist: FlaskClient) -> None:
    world.receive("1.2.3.7", name="Meyer^Anna", patient_id="P7")
    world.receive("1.2.3.8", name="Meyer^Bert", patient_id="P8")
    empty = archivist.get("/holds")
    assert "No hold" in empty.text and read(empty.text).faults == []
    form = form_with(empty.text, "study")
    for words, said in (("", "Name the study"), ("nobody at all", "No study fits"), ("meyer", "2 fit")):
        answer = send(archivist, form, study=words, reason="research")
        assert answer.status_code == 422 and said in answer.text and 'value="research"' in answer.text
    assert read(answer.text).faults == [] and "Meyer, Bert" in answer.text
    chosen = form_with(answer.text, "reason")
    chosen.fields.append(("study", "1.2.3.8"))
    assert "1 hold in force" in read(send(archivist, chosen).text).text
    assert [hold.study_instance_uid for hold in world.catalog.holds.list()] == ["1.2.3.8"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"reason": " "}, "Say why"),
        ({"reason": "x" * 501}, "At most 500"),
        ({"reason": "x", "until": "tomorrow"}, "2027-03-31"),
        ({"reason": "x", "until": "9999-12-31"}, "2027-03-31"),
        ({"reason": "x", "until": "2026-03-04"}, "over already"),
    ],
)
def test_what_is_wrong_with_a_hold_is_said_beside_the_field(
    world: World, archivist: FlaskClient, typed: dict[str, str], said: str
) -> None:
    uid = world.receive("1.2.3.7")
    form = form_with(archivist.get("/holds").text, "study").has("study", uid)
    for name, value in typed.items():
        form = form.has(name, value)
    answer = send(archivist, form)
    assert answer.status_code == 422 and said in answer.text and world.catalog.holds.list() == []


def test_a_hold_is_changed_and_lifted_with_who_and_why(world: World, archivist: FlaskClient) -> None:
    uid, now = world.receive("1.2.3.7"), world.clock.now()
    world.catalog.holds.place(uid, "trial", "judge", now)
    page = archivist.get("/holds/1").text
    change, lift = form_with(page, "reason"), form_with(page, "lift_reason")
    assert "appeal" in send(archivist, change, reason="appeal", until="2026-12-31").text
    late = send(archivist, change, reason="mine")
    assert late.status_code == 409 and "Somebody else changed" in late.text and "appeal" in late.text
    again = form_with(archivist.get("/holds/1").text, "reason")
    assert ("until", "2026-12-31") in again.fields
    assert send(archivist, again, reason=" ").status_code == 422
    send(archivist, again, reason="second appeal")
    until = world.catalog.holds.get(1).until
    assert until is not None and until.isoformat() == "2027-01-01T00:00:00+00:00"
    assert send(archivist, lift, lift_reason="").status_code == 422
    done = read(send(archivist, lift, lift_reason="settled").text).text
    assert "is lifted" in done and "settled" in done and "a-archivist" in done
    stale = form_with(page, "reason")
    assert send(archivist, stale, reason="late").status_code == 409
    assert "No hold" in archivist.get("/holds").text
    for show in ("over", "all"):
        assert "settled" in archivist.get(f"/holds?show={show}").text
    assert archivist.get("/holds/77").status_code == 404


def test_holds_are_looked_at_by_everybody_and_hostile_reasons_are_text(world: World) -> None:
    uid = world.receive("1.2.3.7")
    world.catalog.holds.place(uid, HOSTILE.replace("\0", ""), "<b>", world.clock.now())
    viewer = browser(world.services(), Role.VIEWER)
    for path in ("/holds", "/holds/1", f"/studies/{uid}"):
        page = read(viewer.get(path).text)
        assert page.faults == [] and "img" not in page.tags
        assert "Place the hold" not in page.text
    assert "may look at holds" in viewer.get("/holds/1").text


def test_a_study_says_what_keeps_it_and_which_copies_count(world: World, archivist: FlaskClient) -> None:
    uid = world.receive("1.2.3.7")
    for pack in world.seal(uid):
        world.write(pack, "tape_a", "A00001L8")
        world.write(pack, "tape_b", "B00001L8", verified=False)
    page = read(archivist.get(f"/studies/{uid}").text).text
    for said in (
        "What keeps it there",
        "No rule says now that it is kept or released",
        "What happens next",
        "are read back",
        "1 copy counts before a release: on A00001L8",
        "The copy on B00001L8 does not count: it was not read back yet.",
        "What each rule says",
    ):
        assert said in page, said
    assert f"/studies/{uid}#why" in read(archivist.get("/studies").text).links


def test_a_study_that_left_the_disk_says_by_which_rule(world: World, archivist: FlaskClient) -> None:
    uid = world.nearline("1.2.3.9")
    request = JobRequest(JobKind.RELEASE, "release:1", StudyUid(uid), reason='Rule "settle" (line 7): 94 days old.')
    job = world.catalog.jobs.submit(request, world.clock.now())[0]
    world.catalog.jobs.start(job, world.clock.now())
    world.catalog.jobs.finish(job, world.clock.now())
    page = read(archivist.get(f"/studies/{uid}").text).text
    assert "It left the disk" in page and 'Rule "settle" (line 7): 94 days old.' in page
