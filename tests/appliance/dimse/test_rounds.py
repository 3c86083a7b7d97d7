"""Work that goes round: in one process of all, and nothing that goes wrong ends it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.dimse.rounds import Rounds
from appliance.dimse.settings import DimseSettings
from hsm.archive import Archive
from hsm.catalog.errors import CatalogUnavailable
from tests.support.world import TAPES_ONLY, World


class Work(Rounds):
    """Fails in two ways before it succeeds."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive, DimseSettings(report_poll_s=0.01), "work")
        self.troubles: list[Exception] = [CatalogUnavailable("away"), RuntimeError("unforeseen")]
        self.done = threading.Event()

    def look(self) -> int:
        if self.troubles:
            raise self.troubles.pop(0)
        self.done.set()
        return 1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, TAPES_ONLY)
    yield made
    made.close()


def test_a_round_that_fails_is_followed_by_another_and_the_lease_goes_with_the_end(world: World) -> None:
    work = Work(world.archive)
    work.start()
    assert work.done.wait(20)
    work.stop()
    assert work.troubles == []
    assert world.catalog.leases.holder("work", world.clock.now()) is None


def test_who_does_not_hold_the_lease_tells_nobody(world: World) -> None:
    work = Work(world.archive)
    assert work.may_go_on()
    world.later(600)
    assert world.catalog.leases.take("work", "another process", world.clock.now(), 60.0)
    assert not work.may_go_on()
