"""The order in which copies are read back follows the risk of their volumes."""

from pathlib import Path

from drivers.base import Barcode
from hsm.states import JobKind
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, World


def test_what_lies_on_a_volume_with_errors_is_read_back_first(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=())
    world.receive(small_ct())
    world.later(30)
    world.engine.tick()
    world.engine.drain()
    # which of two equals comes first is chance: whichever came last is made the one to be feared for
    first, last = (job.barcode for job in reversed(_verifies(world)))
    assert {first, last} == {"A00001L8", "B00001L8"}
    for job in _verifies(world):
        world.catalog.jobs.cancel(job.id, world.clock.now())
    world.catalog.volumes.count_error(Barcode(str(last)))
    world.engine.tick()
    assert [job.barcode for job in reversed(_verifies(world))][-2:] == [last, first]
    world.close()


def _verifies(world: World) -> list:  # type: ignore[type-arg]
    world.engine.tick()
    return world.catalog.jobs.list(kinds=(JobKind.VERIFY,))
