"""Media and devices fail under the real drivers: nothing that was acknowledged or verified is lost."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import Barcode
from drivers.udev import Watcher
from hsm.engine.attendance import Attendance
from hsm.states import Availability, CopyState, DriveState, VolumeState
from tests.devices.attach import eventually, run
from tests.devices.simulated import Simulated, two_drives
from tests.devices.tgt import Tgt
from tests.devices.world import DeskWorld, history, loaded, robot, settle_until, tapes
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, ArchiveWorld, volume_pools

pytestmark = [pytest.mark.devices, pytest.mark.timeout(1200)]

A1, A2, B1, B2 = (Barcode(name) for name in ("A00001L8", "A00002L8", "B00001L8", "B00002L8"))
D1, D2, D3 = Barcode("D00001"), Barcode("D00002"), Barcode("D00003")
ONE_TAPE = """\
rule "one tape":
    when stable for 10 seconds
    copy to tape_a

rule "settle":
    when received more than 60 seconds ago and not accessed for 60 seconds
    release after 1 verified copy
"""
TAPE_AND_DISC = """\
rule "a tape and a disc":
    when stable for 10 seconds
    copy to tape_a, disc

rule "settle":
    when received more than 60 seconds ago and not accessed for 60 seconds
    release after 2 verified copies on 2 kinds of media
"""


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Simulated]:
    with Simulated(tmp_path, two_drives("faults", volumes=tapes(A1, A2, B1, B2))) as made:
        yield made


@pytest.fixture
def world(library: Simulated, tmp_path: Path) -> Iterator[ArchiveWorld]:
    world = ArchiveWorld(tmp_path, {"test": robot(library)}, volume_pools(), TAPES_ONLY)
    yield world
    world.close()


def lives(world: ArchiveWorld, uid: str, before: dict[str, bytes]) -> None:
    """The study has its copies, leaves the disk, and comes back as it was."""
    settle_until(world, [uid], Availability.NEARLINE, rounds=25)
    assert len(world.verified_volumes(uid)) >= 2
    world.recall(uid)
    assert world.online_bytes(uid) == before


def in_mid_write(world: ArchiveWorld, library: Simulated, misfortune: Callable[[], None]) -> None:
    """Let something happen while a drive is busy with the first records of a pack."""
    library.faults("hang write for 20000 s on drive 0 after 2 calls")
    world.later(40)
    world.engine.tick()
    worker = threading.Thread(target=world.engine.drain)
    worker.start()
    try:
        eventually(lambda: CopyState.WRITING in copy_states(world), "a pack is written")
        eventually(lambda: any(fired(library)), "a drive is in the middle of a record")
        misfortune()
    finally:
        worker.join(600)
    assert not worker.is_alive()


@contextmanager
def attended(world: ArchiveWorld) -> Iterator[None]:
    """udev tells the engine of devices that come and go, as in the service."""
    watcher = Watcher(Attendance(world.catalog, {"test"}, world.clock, lambda: None).noticed)
    assert watcher.start(), "there is no udev"
    try:
        yield
    finally:
        watcher.close()


def drive_states(world: ArchiveWorld) -> set[DriveState]:
    return {drive.state for drive in world.catalog.drives.list()}


def copy_states(world: ArchiveWorld) -> set[CopyState]:
    copies = (world.catalog.copies.of_volume(barcode) for barcode in (A1, A2, B1, B2))
    return {copy.state for some in copies for copy in some}


def fired(library: Simulated) -> list[int]:
    """How often each fault happened."""
    state = library.root / "faults.state.json"
    return [count["fired"] for count in json.loads(state.read_text()).values()] if state.exists() else []


def test_a_cartridge_that_fills_up_in_mid_pack_keeps_what_was_flushed(tmp_path: Path) -> None:
    """By the catalog's account a second pack still fits; the drive warns of the end in the middle of it."""
    pools = {"tape_a": replace(volume_pools()["tape_a"], reserve_bytes=0, flush_every_packs=1)}
    volumes = tapes(A1, A2, capacity_bytes=2 * 1024**2)
    with (
        Simulated(tmp_path, two_drives("full", volumes=volumes)) as library,
        closing(ArchiveWorld(tmp_path, {"test": robot(library)}, pools, ONE_TAPE)) as world,
    ):
        uids: list[str] = [world.receive(small_ct(f"s{n}", slices=2, size_px=480)) for n in range(2)]
        before = {uid: world.online_bytes(uid) for uid in uids}
        settle_until(world, uids, Availability.NEARLINE, rounds=25)
        assert [world.catalog.volumes.get(barcode).state for barcode in (A1, A2)] == [
            VolumeState.FULL,
            VolumeState.FILLING,
        ]
        assert [world.catalog.volumes.get(barcode).last_sequence for barcode in (A1, A2)] == [1, 1]
        assert {frozenset(world.verified_volumes(uid)) for uid in uids} == {frozenset((A1,)), frozenset((A2,))}
        for uid in uids:
            world.recall(uid)
        assert {uid: world.online_bytes(uid) for uid in uids} == before


def test_a_drive_that_is_pulled_in_mid_write_is_down_until_it_is_back(world: ArchiveWorld, library: Simulated) -> None:
    first = world.receive(small_ct("first"))
    kept = world.online_bytes(first)
    settle_until(world, [first], Availability.NEARLINE)
    second = world.receive(small_ct("second", slices=2, size_px=512))
    before = world.online_bytes(second)

    with attended(world):
        in_mid_write(world, library, library.pull)

        assert world.online_bytes(second) == before
        states = [copy.state for copy in world.copies(second)]
        assert CopyState.WRITING not in states
        assert states.count(CopyState.WRITTEN) <= 1, "what the other drive flushed in time counts, and nothing else"
        eventually(lambda: drive_states(world) == {DriveState.DOWN}, "both drives are down")
        assert all(drive.reason.startswith("its device is gone") for drive in world.catalog.drives.list())
        library.faults()
        library.plug()
        eventually(lambda: DriveState.DOWN not in drive_states(world), "both drives are up again")
    lives(world, second, before)
    world.recall(first)
    assert world.online_bytes(first) == kept


def test_a_robot_that_fails_delays_the_work(world: ArchiveWorld, library: Simulated) -> None:
    faults = ("fail robot before load 2 times", "fail robot after load", "fail robot after unload")
    library.faults(*faults)
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    lives(world, uid, before)
    assert sorted(fired(library)) == [1, 1, 2]


def test_a_tape_that_was_swapped_behind_our_back_is_not_written(world: ArchiveWorld, library: Simulated) -> None:
    """In mid-write: the kernel would go on at block 0 of the other cartridge after one error."""
    node = loaded(library, A2)
    precious = b"somebody's only backup" * 40_000
    (library.root / "precious").write_bytes(precious)
    run("mt", "-f", node, "rewind")
    run("dd", f"if={library.root / 'precious'}", f"of={node}", "bs=256k")
    run("mt", "-f", node, "offline")
    world.engine.take_inventory()
    world.libraries["test"].clean_up()
    uid = world.receive(small_ct(slices=2, size_px=512))
    before = world.online_bytes(uid)

    in_mid_write(world, library, lambda: library.hands.swap(0, A2))

    library.faults()
    lives(world, uid, before)
    assert A2 not in world.verified_volumes(uid)
    world.libraries["test"].clean_up()
    node = loaded(library, A2)
    run("mt", "-f", node, "rewind")
    run("dd", f"if={node}", "bs=1M", f"of={library.root / 'found'}")
    assert (library.root / "found").read_bytes() == precious


def test_a_write_protected_tape_is_left_alone_and_another_one_taken(world: ArchiveWorld, library: Simulated) -> None:
    library.hands.protect(A1)
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    lives(world, uid, before)
    assert world.verified_volumes(uid) == {A2, B1}
    assert world.catalog.volumes.get(A1).state is VolumeState.WRITE_PROTECTED


def flipped(tgt: Tgt, disc: Barcode, where: int) -> None:
    """Put the disc in again with some bytes changed."""
    tgt("disc", "none")
    with (tgt.media / "discs" / disc).open("r+b") as file:
        file.seek(where)
        wrong = bytes(byte ^ 0xFF for byte in file.read(64))
        file.seek(where)
        file.write(wrong)
    tgt("disc", disc)


def cut_off(tgt: Tgt, disc: Barcode, where: int) -> None:
    """Put the disc in again with sectors that are gone; the drive goes on saying that it is larger."""
    tgt("disc", "none")
    tgt("disc", disc)
    with (tgt.media / "discs" / disc).open("r+b") as file:
        file.truncate(where // 2048 * 2048)


def test_discs_that_went_bad_are_found_by_verification_and_others_burnt(library: Simulated, tmp_path: Path) -> None:
    tgt = Tgt()
    tgt("disc", "none")
    discs = (D1, D2, D3)
    with closing(DeskWorld(tmp_path, library, tgt, TAPE_AND_DISC, discs)) as world:
        discs_go_bad(world, tgt)


def discs_go_bad(world: DeskWorld, tgt: Tgt) -> None:
    """Two discs are harmed before they were read back; a third one is good."""
    uid = world.receive(small_ct(size_px=256))
    before = world.online_bytes(uid)
    for disc, harm in ((D1, flipped), (D2, cut_off)):
        while disc not in world.fed:
            world.settle(1, 40)
            if (wanted := world.wanted_disc()) is not None:
                world.feed(wanted)
        world.settle(1, 40)
        assert world.wanted_disc() == disc, history(world)  # to be verified, in a drive that forgot it
        where = (tgt.media / "discs" / disc).read_bytes().find(next(iter(before.values()))[-4096:])
        assert where > 0
        harm(tgt, disc, where)
        world.engine.take_inventory()
        world.engine.drain()
        assert {copy.state for copy in world.copies(uid) if copy.barcode == disc} == {CopyState.SUSPECT}, history(world)
        assert world.online_bytes(uid) == before, "nothing may be released with one good copy"

    world.live([uid])
    assert world.verified_volumes(uid) == {A1, D3}, history(world)
    world.recall(uid)
    assert world.online_bytes(uid) == before
