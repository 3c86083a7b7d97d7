"""A study does not leave the disk before its preview is made, unless that cannot be had."""

from datetime import timedelta
from pathlib import Path

import pytest

from hsm.cards import CardMaker, CardShelf
from hsm.cards.shelf import content_of
from hsm.states import Availability
from tests.support.studies import small_ct
from tests.support.world import TAPES, TAPES_ONLY, World


def test_a_release_waits_for_the_preview_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, TAPES_ONLY, TAPES, ())
    cards = CardMaker(world.catalog, world.archive.pool, CardShelf(tmp_path / "cards"))
    wanted: list[str] = []

    def note(uid: str) -> bool:
        wanted.append(uid)
        return True

    monkeypatch.setattr(cards, "want", note)
    monkeypatch.setattr(world.engine._releaser, "cards", cards)
    try:
        uid = str(world.receive(small_ct("preview")))
        for _ in range(10):
            world.settle(1)
        assert set(wanted) == {uid}
        assert world.availability(uid) is Availability.ONLINE
        cards.shelf.put(uid, 3, {}, {}, content=content_of(world.catalog.studies.instances(uid)))
        world.settle(1)
        assert world.availability(uid) is Availability.NEARLINE

        late = str(world.receive(small_ct("late")))
        for _ in range(10):
            world.settle(1)
        assert world.availability(late) is Availability.ONLINE
        monkeypatch.setattr("hsm.engine.releaser.CARD_PATIENCE", timedelta(0))
        world.settle(1)
        assert world.availability(late) is Availability.NEARLINE
    finally:
        world.close()
