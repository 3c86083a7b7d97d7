"""Damaged discs: what their recovery data bring back, and what happens when that is not enough."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Barcode
from drivers.errors import DeviceError, MediumError, RecoveryImpossible
from hsm.engine import Engine
from hsm.engine.reporting import JobReport
from hsm.facts import JobRecord
from hsm.library import DiscSession
from hsm.mover.breaker import Breaker
from hsm.mover.context import MoverContext
from hsm.mover.outcome import RetrySettings
from hsm.mover.recall import Recaller
from hsm.mover.repair import SECTOR_BYTES, repaired, salvage
from hsm.states import CopyState, JobKind, JobState
from tests.hsm.engine.support import submit
from tests.support.studies import small_ct
from tests.support.world import World

DISC = Barcode("D00001")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A study on two tapes and on a disc with recovery data, released; and its bytes."""
    world = World(tmp_path_factory.mktemp("template"), take_over=False)
    settings = replace(world.settings, par2_redundancy_pct=40)
    world.engine = Engine(world.catalog, world.pool, world.libraries, world.volume_pools, settings, world.clock)
    world.engine.take_over()
    uid = world.receive(small_ct(size_px=256))
    before = world.online_bytes(uid)
    world.settle(4)
    assert not world.online_bytes(uid)
    world.close()
    return world.root, before


@pytest.fixture
def world(template: tuple[Path, dict[str, bytes]], tmp_path: Path) -> Iterator[World]:
    shutil.copytree(template[0], tmp_path / "w")
    world = World(tmp_path / "w")
    world.later(7 * 86400)
    world.engine.renew_lease()
    yield world
    world.close()


@pytest.fixture
def before(template: tuple[Path, dict[str, bytes]]) -> dict[str, bytes]:
    return template[1]


def where(world: World, content: bytes) -> int:
    """The offset of a file's bytes on the disc."""
    return (world.root / "test" / "volumes" / DISC / "image").read_bytes().index(content)


def recall(world: World) -> JobRecord:
    job = submit(world, JobKind.RECALL, pack_id=world.catalog.copies.of_volume(DISC)[0].pack_id)
    context = MoverContext(world.catalog, world.pool, world.volume_pools, world.settings.staging, world.clock)
    report = JobReport(world.catalog, world.clock.now, RetrySettings(), Breaker(), Lock())
    with world.library.mount(DISC, 2, "read") as session:
        Recaller(session, context, report).recall(job)
    return world.catalog.jobs.get(job.id)


def online(world: World) -> dict[str, bytes]:
    pack = world.catalog.packs.get(world.catalog.copies.of_volume(DISC)[0].pack_id)
    return world.online_bytes(pack.study_instance_uid)


def copy_state(world: World) -> CopyState:
    return world.catalog.copies.of_volume(DISC)[0].state


@pytest.mark.parametrize("kind", ["rot", "unreadable"])
def test_a_damaged_disc_gives_everything_back_and_its_copy_is_suspect(
    world: World, before: dict[str, bytes], kind: str
) -> None:
    at = where(world, before[sorted(before)[1]]) + 20_000
    if kind == "rot":
        for offset in (at, at + 7, at + 30_000):
            world.simulated.faults.add(f"rot byte {offset} on volume {DISC}")
    else:
        world.simulated.faults.add(f"unreadable bytes {at}-{at + 40_000} on volume {DISC}")
    job = recall(world)
    assert job.state is JobState.DONE and "recovery data" in job.message
    assert online(world) == before
    assert copy_state(world) is CopyState.SUSPECT
    assert not list(world.settings.staging.iterdir())


def test_a_disc_damaged_beyond_repair_keeps_what_was_read_and_another_copy_is_used(
    world: World, before: dict[str, bytes]
) -> None:
    places = sorted(where(world, content) for content in before.values())
    world.simulated.faults.add(f"unreadable bytes {places[1]}-{places[2] + 125_000} on volume {DISC}")
    with pytest.raises(MediumError):
        recall(world)
    assert len(online(world)) == 1
    assert copy_state(world) is CopyState.SUSPECT
    assert not list(world.settings.staging.iterdir())
    for _ in range(4):
        world.later(60)
        world.engine.drain()
    assert online(world) == before


def test_a_disc_that_cannot_be_told_what_lies_where_is_not_repaired(world: World) -> None:
    with world.library.mount(DISC, 2, "read") as session:
        assert isinstance(session, DiscSession)
        world.simulated.faults.add(f"unreadable bytes 32768-34815 on volume {DISC}")
        with (
            pytest.raises(RecoveryImpossible, match="what lies where"),
            repaired(session, world.settings.staging),
        ):
            raise AssertionError("it was repaired")
    assert not list(world.settings.staging.iterdir())


def test_a_disc_without_recovery_data_is_not_repaired(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.receive(small_ct(size_px=64))
    world.settle(4)
    with (
        world.library.mount(DISC, 2, "read") as session,
        pytest.raises(RecoveryImpossible, match="no recovery data"),
        repaired(session, world.settings.staging),  # type: ignore[arg-type]
    ):
        raise AssertionError("it was repaired")
    world.close()


# -- reading what can be read ------------------------------------------------------------------------------------------


def scratched(content: bytes, bad: set[int]) -> bytes:
    """What is left of a disc with these bad sectors."""
    left = bytearray(content)
    for sector in bad:
        left[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES] = bytes(SECTOR_BYTES)
    return bytes(left)


@given(sectors=st.integers(4, 1200), data=st.data())
def test_everything_readable_is_kept_and_nothing_else_is_lost(
    tmp_path_factory: pytest.TempPathFactory, sectors: int, data: st.DataObject
) -> None:
    bad = data.draw(st.sets(st.integers(0, sectors - 1), max_size=min(8, sectors // 2)))
    content = b"".join(number.to_bytes(2, "big") * (SECTOR_BYTES // 2) for number in range(1, sectors + 1))

    def read(offset: int, size: int) -> bytes:
        if any(offset < (sector + 1) * SECTOR_BYTES and sector * SECTOR_BYTES < offset + size for sector in bad):
            raise MediumError("scratched")
        return content[offset : offset + size]

    image = tmp_path_factory.mktemp("salvage") / "disc.iso"
    assert salvage(read, len(content), image) == len(bad) * SECTOR_BYTES
    assert image.read_bytes() == scratched(content, bad)


def test_a_disc_of_which_most_cannot_be_read_is_given_up(tmp_path: Path) -> None:
    def read(offset: int, size: int) -> bytes:
        raise MediumError("scratched")

    with pytest.raises(RecoveryImpossible, match="more than 50 %"):
        salvage(read, 100 * SECTOR_BYTES, tmp_path / "disc.iso")


def test_a_drive_that_fails_is_no_damaged_disc(tmp_path: Path) -> None:
    def read(offset: int, size: int) -> bytes:
        raise DeviceError("no answer")

    with pytest.raises(DeviceError):
        salvage(read, 100 * SECTOR_BYTES, tmp_path / "disc.iso")
