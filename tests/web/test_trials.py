"""Rules are tried on the real catalog, and what would release much more asks for the number."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from hsm.access.roles import Role
from hsm.policy.cost import Prices
from tests.web.api.conftest import program
from tests.web.forms import form_with, send
from tests.web.reader import read
from tests.web.test_access import act
from tests.web.test_drafts import ME, draft
from tests.web.world import RULES, World, browser
from web.services import Services

SOONER = RULES.replace("received more than 90 days ago and not accessed for 90 days", "stable for 1 hours").replace(
    "copy to tape_a, tape_b", "copy to tape_a, tape_b, disc"
)


def settled(world: World, count: int = 3) -> None:
    """Studies that lie on two tapes and on disk, 20 to 30 days old."""
    for number in range(count):
        uid = world.receive(f"1.2.5.{number}", name=f"Name{number}^A", age=timedelta(days=20 + number))
        for pack in world.seal(uid):
            world.write(pack, "tape_a", "A00001L8")
            world.write(pack, "tape_b", "B00001L8")


def trying(world: World, services: Services, text: str = SOONER) -> FlaskClient:
    """A browser of an archivist with a draft."""
    client = browser(services, Role.ARCHIVIST)
    act(client, "/policies/draft")
    world.catalog.drafts.save(ME, text, draft(world).revision, world.clock.now())
    return client


def test_a_draft_is_tried_against_the_rules_in_force_at_three_moments(world: World) -> None:
    settled(world)
    services = replace(world.services(), prices=Prices("EUR", {"disc": 2.5}))
    page = read(trying(world, services).get("/policies/draft/dry-run").text)
    assert page.faults == []
    for said in (
        "Tonight",
        "In a month",
        "In a year",
        "more",
        "2.50 EUR",
        "Mounts, at least",
        "against version 1",
    ):
        assert said in page.text, said
    assert "1 of disc" in page.labelled


def test_every_figure_leads_to_its_list_with_the_reason_for_each_study(world: World) -> None:
    settled(world)
    client = trying(world, world.services())
    path = "/policies/draft/dry-run"
    assert f"{path}?when=tonight&what=copy&which=more#list" in read(client.get(path).text).links
    listed = read(client.get(f"{path}?when=tonight&what=copy&which=more").text)
    assert listed.faults == [] and "3 copies more would be copied" in listed.text
    assert "Name0, A" in listed.labelled and "a copy of" in listed.text
    released = read(client.get(f"{path}?when=year&what=release&which=does").text)
    assert "would be released" in released.text
    assert "rules in force do these" in client.get(f"{path}?when=year&what=release&which=fewer").text
    for odd in ("when=x&what=copy", "when=year&what=burn", "when=year&what=copy&which=x", "when=year&what=pin&page=9"):
        assert client.get(f"{path}?{odd}").status_code == 200
    assert "Version 1" in read(client.get("/policies/1/dry-run").text).labelled


def test_a_draft_with_faults_cannot_be_tried(world: World) -> None:
    client = trying(world, world.services(), "rule x")
    assert "has faults" in client.get("/policies/draft/dry-run").text


def test_a_long_trial_is_worked_out_aside_with_its_progress(world: World) -> None:
    client = trying(world, world.services(patience_s=0.0))
    first = read(client.get("/policies/draft/publish").text)
    if "being worked out" in first.text:
        assert "Put it in force" not in first.text
        assert "0 studies held against every rule" in first.text.replace("0 of 0", "0")
    patient = trying(world, world.services(patience_s=30.0))
    assert "being worked out" not in patient.get("/policies/draft/publish").text


def test_what_would_release_many_more_asks_for_the_number(world: World) -> None:
    settled(world)
    only_release = RULES.replace("received more than 90 days ago and not accessed for 90 days", "stable for 1 hours")
    client = trying(world, world.services(confirm_releases=3), only_release)
    page = client.get("/policies/draft/publish")
    assert "3 studies more" in read(page.text).text
    form = form_with(page.text, "confirm")
    refused = send(client, form, reason="room", confirm="2")
    assert refused.status_code == 422 and "Type the number 3" in refused.text
    assert world.catalog.policies.history()[0].version == 1
    assert "Version 2 is in force" in send(client, form, reason="room", confirm=" 3 ").text


def test_a_program_is_asked_for_the_number_too(world: World) -> None:
    settled(world)
    asks = program(world, confirm_releases=3)
    rules = {"text": SOONER.replace(", disc", ""), "reason": "room"}
    tag = asks.ask("GET", "/api/v1/policies/current").headers["ETag"]
    refused = asks.ask("POST", "/api/v1/policies", rules, If_Match=tag)
    assert refused.status_code == 409 and "3 studies more" in refused.text
    assert asks.ask("POST", "/api/v1/policies", rules | {"confirm_releases": 3}, If_Match=tag).status_code == 201


def test_a_small_change_asks_for_no_number(world: World) -> None:
    settled(world)
    client = trying(world, world.services(confirm_releases=4), SOONER)
    page = client.get("/policies/draft/publish").text
    assert 'name="confirm"' not in page
    assert "Version 2 is in force" in send(client, form_with(page, "reason"), reason="room").text


@pytest.mark.parametrize("shown", ["1", "x", ""])
def test_a_number_that_grew_since_it_was_shown_is_asked_for_again(world: World, shown: str) -> None:
    settled(world)
    client = trying(world, world.services(confirm_releases=2), SOONER.replace(", disc", ""))
    form = form_with(client.get("/policies/draft/publish").text, "confirm")
    answer = send(client, form.has("shown", shown), reason="room", confirm=shown)
    assert answer.status_code == 422 and len(world.catalog.policies.history()) == 1
