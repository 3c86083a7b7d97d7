"""Previews on the pages: shown, kept by the browser with care, and asked for when they are missing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from hsm.access.roles import Role
from hsm.cards import CardMaker, CardShelf
from hsm.cards.shelf import KEY
from tests.web.reader import read
from tests.web.world import World, browser
from web.app import create_app


@pytest.fixture
def maker(world: World, tmp_path: Path) -> Iterator[CardMaker]:
    """Keeps previews; what it is asked for is noted and not made."""
    made = CardMaker(world.catalog, world.pool, CardShelf(tmp_path / "cards"))
    yield made
    made.close()


@pytest.fixture
def viewer(world: World, maker: CardMaker) -> FlaskClient:
    return browser(replace(world.services(), cards=maker), Role.VIEWER)


def test_a_study_that_left_the_disk_still_shows_its_pictures(
    world: World, maker: CardMaker, viewer: FlaskClient
) -> None:
    uid = world.nearline()
    maker.shelf.put(uid, 4, {KEY: b"key jpeg", f"{uid}.1": b"small jpeg"}, {f"{uid}.2": "it has no image"})
    page = read(viewer.get(f"/studies/{uid}").text)
    assert page.faults == []
    pictures = [load for load in page.loads if "card.jpg" in load]
    assert pictures == [f"/studies/{uid}/card.jpg", f"/studies/{uid}/series/{uid}.1/card.jpg"]
    answer = viewer.get(pictures[0])
    assert (answer.data, answer.mimetype) == (b"key jpeg", "image/jpeg")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = viewer.get(pictures[0], headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    stranger = create_app(replace(world.services(), cards=maker)).test_client()
    assert "/sign-in" in stranger.get(pictures[0]).headers["Location"]
    assert "being made" not in page.text
    assert viewer.get("/studies").headers["Cache-Control"] == "no-store"


def test_the_list_shows_pictures_on_wish(world: World, maker: CardMaker, viewer: FlaskClient) -> None:
    uid, _ = world.receive("1.2.3.1"), world.receive("1.2.3.2")
    maker.shelf.put(uid, 4, {KEY: b"jpeg"}, {})
    assert "card.jpg" not in viewer.get("/studies").text
    assert viewer.get("/studies?pictures=yes").text.count("card.jpg") == 1


def test_a_study_on_disk_without_a_fresh_card_gets_one_made(
    world: World, maker: CardMaker, viewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[str] = []

    def note(uid: str) -> bool:
        wanted.append(uid)
        return True

    monkeypatch.setattr(maker, "want", note)
    here, gone = world.receive("1.2.3.1"), world.nearline()
    assert "A preview is being made" in viewer.get(f"/studies/{here}").text
    assert "Preview" not in read(viewer.get(f"/studies/{gone}").text).text
    maker.shelf.put(here, 3, {KEY: b"jpeg"}, {})
    assert "A preview is being made" in viewer.get(f"/studies/{here}").text, "one object came since"
    maker.shelf.put(here, 4, {KEY: b"jpeg"}, {})
    assert "A preview is being made" not in viewer.get(f"/studies/{here}").text
    assert wanted == [here, here]


def test_pictures_that_do_not_exist_say_so(world: World, viewer: FlaskClient) -> None:
    uid = world.receive("1.2.3.1")
    for path in (f"/studies/{uid}/card.jpg", f"/studies/{uid}/series/..%2f..%2fx/card.jpg", "/studies/9/card.jpg"):
        assert viewer.get(path).status_code == 404
    assert browser(world.services()).get(f"/studies/{uid}/card.jpg").status_code == 404
