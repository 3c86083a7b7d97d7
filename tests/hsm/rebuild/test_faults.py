"""Volumes that are damaged, torn, foreign or doubled: told in the report, and the others are found all the same."""

import io
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.base import Address, Barcode, MediumKind
from drivers.clock import VirtualClock
from drivers.simulator.cartridge import Cartridge
from hsm.catalog import Catalog
from hsm.facts import PackDigest
from hsm.format.catalog_file import CatalogStream
from hsm.format.header import KIND_CATALOG, PackHeader
from hsm.format.label import VolumeLabel
from hsm.format.label import encode as encode_label
from hsm.format.reading import read_header
from hsm.library import Library, TapeSession
from hsm.mover.context import MoverContext
from hsm.mover.labelling import label_tape
from hsm.rebuild import RebuildReport, rebuild
from hsm.states import Availability, CopyState, OnlineState, VolumeState
from tests.support.studies import small_ct
from tests.support.world import START, TAPES_ONLY, World, volume_pools

FIRST, SECOND, OTHER = Barcode("A00001L8"), Barcode("A00002L8"), Barcode("B00001L8")
Settled = tuple[World, dict[str, dict[str, bytes]]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, bytes]]]:
    """Three studies, one after the other on the same tapes, that left the disk; and what they were."""
    world = World(tmp_path_factory.mktemp("settled"), TAPES_ONLY, discs=())
    uids = [world.receive(small_ct(name, slices=2)) for name in ("one", "two", "three")]
    before = {str(uid): world.online_bytes(uid) for uid in uids}
    world.settle(6)
    assert {world.availability(uid) for uid in uids} == {Availability.NEARLINE}
    world.close()
    return world.root, before


@pytest.fixture
def settled(template: tuple[Path, dict[str, dict[str, bytes]]], tmp_path: Path) -> Settled:
    """The template, copied for this test alone."""
    root, before = template
    shutil.copytree(root, tmp_path / "w")
    return World(tmp_path / "w", TAPES_ONLY, discs=(), clock=VirtualClock(START + timedelta(hours=6))), before


def without_catalog(world: World, keep_pool: bool = False) -> World:
    """The same place after the catalog, and the disk unless it is kept, were lost."""
    world.close()
    for path in world.root.glob("catalog.db*"):
        path.unlink()
    if not keep_pool:
        shutil.rmtree(world.root / "online")
    return World(world.root, TAPES_ONLY, discs=(), clock=VirtualClock(START + timedelta(days=1)))


def run(world: World, *barcodes: str) -> RebuildReport:
    wanted = [Barcode(b) for b in barcodes] or None
    return rebuild(world.catalog, world.pool, {"test": world.library}, world.clock, wanted)


def frame_addresses(world: World, barcode: Barcode) -> list[int]:
    """Where the packs of a volume begin, in order."""
    addresses = {copy.address for copy in world.catalog.copies.of_volume(barcode)}
    return sorted(address for address in addresses if address is not None)


def damage_record(world: World, barcode: Barcode, address: int) -> None:
    """Flip one bit in the first record of a tape file; no drive may hold the volume."""
    cartridge = Cartridge(world.root / "test" / "volumes" / barcode)
    offset_bytes = cartridge.offset_of(address)
    cartridge.close()
    world.simulated.hands.damage(barcode, offset_bytes + 600)


def write_raw(world: World, barcode: Barcode, *files: bytes, at: int | None = None, torn: bytes = b"") -> None:
    """Write tape files as a stranger would, from block `at` on; `torn` is one the plug was pulled on."""
    with world.library.mount_unproved(barcode, 0) as session:
        assert isinstance(session, TapeSession)
        session.drive.rewind()
        if at is not None:
            session.drive.seek(Address(at))
        for content in files:
            session.drive.append(io.BytesIO(content))
        if torn:
            with pytest.raises(OSError, match="unplugged"):
                session.drive.append(Unplugged(torn))
        session.drive.flush()
    world.library.clean_up()


class Unplugged(io.BytesIO):
    """A source that ends in an error instead of an end."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if not content:
            raise OSError("unplugged")
        return content


def context_of(world: World) -> MoverContext:
    return MoverContext(world.catalog, world.pool, world.volume_pools, world.settings.staging, world.clock)


def label_only(world: World, barcode: Barcode, pool: str = "tape_a") -> None:
    with world.library.mount(barcode, 0, "write") as session:
        assert isinstance(session, TapeSession)
        label_tape(session, world.catalog.volumes.get(barcode), world.volume_pools[pool], context_of(world))


# -- damage ------------------------------------------------------------------------------------------------------


def test_a_damaged_frame_in_the_middle_is_told_and_the_frames_around_it_are_found(settled: Settled) -> None:
    world, before = settled
    middle = frame_addresses(world, FIRST)[1]
    hurt = next(c.study_instance_uid for c in world.catalog.copies.of_volume(FIRST) if c.address == middle)
    world.library.clean_up()
    damage_record(world, FIRST, middle)
    world = without_catalog(world)
    report = run(world, FIRST)
    assert report.packs == 2
    assert any(f"what begins at block {middle} is not read" in fault for fault in report.faults)
    assert any("frame 2 is missing: 3 follows" in fault for fault in report.faults)
    assert world.catalog.studies.get(hurt) is None
    for uid in before.keys() - {hurt}:
        world.recall(uid)
        assert world.online_bytes(uid) == before[uid]


def test_a_damaged_volume_is_closed_so_that_nothing_is_written_to_it_any_more(settled: Settled) -> None:
    world, _ = settled
    world.library.clean_up()
    damage_record(world, FIRST, frame_addresses(world, FIRST)[1])
    world = without_catalog(world)
    run(world)
    volume = world.catalog.volumes.get(FIRST)
    assert (volume.state, volume.end_address) == (VolumeState.FULL, None)
    uid = world.receive(small_ct("later"))
    world.settle(8)
    assert FIRST not in world.verified_volumes(uid)
    assert world.availability(uid) is Availability.NEARLINE


def test_what_is_damaged_on_one_tape_is_found_on_the_other(settled: Settled) -> None:
    world, before = settled
    world.library.clean_up()
    damage_record(world, FIRST, frame_addresses(world, FIRST)[1])
    world = without_catalog(world)
    run(world)
    for uid, files in before.items():
        assert world.availability(uid) is Availability.NEARLINE
        world.recall(uid)
        assert world.online_bytes(uid) == files


def test_a_last_pack_that_is_rotten_inside_is_told_and_not_taken_for_verified(settled: Settled) -> None:
    world, _ = settled
    last = frame_addresses(world, FIRST)[-1]
    end = world.catalog.volumes.get(FIRST).end_address
    assert end is not None
    world.library.clean_up()
    cartridge = Cartridge(world.root / "test" / "volumes" / FIRST)
    behind = cartridge.offset_of(end)
    cartridge.close()
    world.simulated.hands.damage(FIRST, behind - 3000)  # pixels of the last instance; padding ends the stream
    world = without_catalog(world)
    report = run(world, FIRST)
    told = [fault for fault in report.faults if f"the last frame, at block {last}, is damaged" in fault]
    states = {copy.address: copy.state for copy in world.catalog.copies.of_volume(FIRST)}
    assert (bool(told), states[last]) == (True, CopyState.WRITTEN)


def test_an_unreadable_block_in_the_middle_costs_one_frame_only(settled: Settled) -> None:
    world, _ = settled
    middle = frame_addresses(world, FIRST)[1]
    world = without_catalog(world)
    world.simulated.faults.add(f"unreadable block {middle} on volume {FIRST}")
    report = run(world, FIRST)
    assert report.packs == 2
    assert any(f"block {middle}" in fault for fault in report.faults)


def test_the_last_pack_is_read_whole_and_counts_as_verified(settled: Settled) -> None:
    world, _ = settled
    last = frame_addresses(world, FIRST)[-1]
    world = without_catalog(world)
    run(world, FIRST)
    states = {copy.address: copy.state for copy in world.catalog.copies.of_volume(FIRST)}
    assert states.pop(last) is CopyState.VERIFIED
    assert set(states.values()) == {CopyState.WRITTEN}


# -- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept_pct", [5, 75])
def test_a_torn_file_at_the_end_is_ignored_and_the_next_pack_takes_its_place(settled: Settled, kept_pct: int) -> None:
    world, _ = settled
    end = world.catalog.volumes.get(FIRST).end_address
    last = frame_addresses(world, FIRST)[-1]
    with world.library.mount_unproved(FIRST, 0) as session:
        assert isinstance(session, TapeSession)
        session.drive.rewind()
        begun = b"".join(session.records(last))
    write_raw(world, FIRST, at=end, torn=begun[: len(begun) * kept_pct // 100])
    world = without_catalog(world)
    report = run(world)
    assert (report.faults, world.catalog.volumes.get(FIRST).end_address) == ([], end)
    uid = world.receive(small_ct("later"))
    files = world.online_bytes(uid)
    world.settle(10)
    assert end in frame_addresses(world, FIRST)
    world.recall(uid)
    assert world.online_bytes(uid) == files


def test_the_chain_of_frames_goes_on_unbroken_after_a_rebuild(settled: Settled) -> None:
    world = without_catalog(settled[0])
    run(world)
    world.receive(small_ct("later"))
    world.settle(8)
    copies = {c.address: c for c in world.catalog.copies.of_volume(FIRST)}
    headers = {}
    with world.library.mount(FIRST, 0, "read") as session:
        assert isinstance(session, TapeSession)
        for address in frame_addresses(world, FIRST):
            headers[address] = read_header(session.records(address))
    assert [header.sequence for header in headers.values()] == [1, 2, 3, 4]
    for (before, earlier), (_, later) in zip(headers.items(), list(headers.items())[1:], strict=False):
        assert later.previous_address == before
        assert later.previous_digest == earlier.pack_digest
        assert later.previous_stream_sha256 == copies[before].stream_sha256


def test_a_labelled_tape_that_holds_nothing_yet_is_found_and_written_later(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=())
    label_only(world, FIRST)
    end = world.catalog.volumes.get(FIRST).end_address
    world = without_catalog(world)
    report = run(world)
    assert (report.faults, report.volumes) == ([], [FIRST])
    volume = world.catalog.volumes.get(FIRST)
    assert (volume.state, volume.pool, volume.end_address) == (VolumeState.LABELLED, "tape_a", end)
    uid = world.receive(small_ct())
    world.settle(8)
    assert FIRST in world.verified_volumes(uid)


def test_a_labelling_that_was_interrupted_counts_as_blank_and_is_completed(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=())
    label = VolumeLabel(FIRST, str(uuid4()), MediumKind.TAPE, "LTO-8", "tape_a", world.clock.now())
    write_raw(world, FIRST, encode_label(label), torn=b"instructions" * 50)
    world = without_catalog(world)
    report = run(world)
    assert (report.faults, FIRST in report.blank) == ([], True)
    uid = world.receive(small_ct())
    files = world.online_bytes(uid)
    world.settle(8)
    assert world.catalog.volumes.get(FIRST).uuid == label.uuid
    world = without_catalog(world)
    run(world, FIRST)
    world.recall(uid)
    assert world.online_bytes(uid) == files


# -- who is who --------------------------------------------------------------------------------------------------


def test_a_tape_of_somebody_else_is_told_and_left_alone(settled: Settled) -> None:
    world, before = settled
    backup = b"somebody's backup" * 1000
    write_raw(world, SECOND, backup)
    world = without_catalog(world)
    report = run(world)
    assert [fault for fault in report.faults if fault.startswith(f"{SECOND}: ") and "not ours" in fault]
    assert {world.availability(uid) for uid in before} == {Availability.NEARLINE}
    with world.library.mount_unproved(SECOND, 0) as session:
        assert isinstance(session, TapeSession)
        session.drive.rewind()
        assert b"".join(session.records(0)) == backup


def test_a_tape_with_the_wrong_sticker_is_told_and_the_others_are_found(settled: Settled) -> None:
    world, before = settled
    world.library.clean_up()
    world.simulated.hands.relabel(SECOND, Barcode("X"))
    world.simulated.hands.relabel(FIRST, SECOND)
    world = without_catalog(world)
    report = run(world, SECOND, OTHER)
    assert report.volumes == [OTHER]
    assert any("barcodes were swapped" in fault for fault in report.faults)
    assert {world.availability(uid) for uid in before} == {Availability.NEARLINE}


def test_a_volume_that_contradicts_the_catalog_does_not_keep_the_others_from_being_found(settled: Settled) -> None:
    world, before = settled
    world = without_catalog(world)
    stranger = str(uuid4())
    world.library.take_inventory()
    world.catalog.volumes.labelled(FIRST, stranger, "tape_a", "LTO-8", 1, None, world.clock.now())
    report = run(world)
    assert report.volumes == [OTHER]
    assert any(fault.startswith(f"{FIRST}: ") and stranger in fault for fault in report.faults)
    assert world.catalog.volumes.get(FIRST).uuid == stranger
    assert {world.availability(uid) for uid in before} == {Availability.NEARLINE}


def test_a_volume_that_is_in_no_library_is_not_counted_and_named(settled: Settled) -> None:
    world = without_catalog(settled[0])
    report = run(world, "A99999L8")
    assert (report.volumes, report.blank, report.packs) == ([], [], 0)
    assert report.faults == ["A99999L8: is in none of the libraries: look for it, or for a slip in its name"]


def test_a_drive_that_cannot_read_is_passed_over_for_one_that_can(settled: Settled) -> None:
    world, before = settled
    world = without_catalog(world)
    world.simulated.faults.add("fail rewind on drive 0 always")
    report = run(world, FIRST)
    assert (report.volumes, report.faults) == ([FIRST], [])
    assert {world.availability(uid) for uid in before} == {Availability.NEARLINE}


def test_a_volume_no_drive_can_read_is_told_and_the_rebuild_goes_on(settled: Settled) -> None:
    world, before = settled
    world = without_catalog(world)
    world.simulated.faults.add(f"fail rewind on volume {FIRST} always")
    report = run(world)
    assert report.volumes == [OTHER]
    assert [fault for fault in report.faults if fault.startswith(f"{FIRST}: ")]
    assert {world.availability(uid) for uid in before} == {Availability.NEARLINE}


# -- the disk ----------------------------------------------------------------------------------------------------


def test_what_was_recalled_is_online_after_a_rebuild_that_finds_the_disk(settled: Settled) -> None:
    world, before = settled
    uid, *others = before
    world.recall(uid)
    world = without_catalog(world, keep_pool=True)
    report = run(world)
    assert (report.faults, report.files) == ([], len(before[uid]))
    assert world.availability(uid) is Availability.ONLINE
    assert world.online_bytes(uid) == before[uid]
    assert {i.online_state for i in world.catalog.studies.instances(uid)} == {OnlineState.ONLINE}
    assert {world.availability(other) for other in others} == {Availability.NEARLINE}


def test_a_file_in_the_pool_that_is_no_object_is_told_and_stays(tmp_path: Path) -> None:
    world = World(tmp_path, TAPES_ONLY, discs=())
    good = world.receive(small_ct("good"))
    bad = world.catalog.studies.instances(world.receive(small_ct("bad", slices=1)))[0]
    assert bad.file is not None
    path = world.pool.locate(bad.file)
    path.chmod(0o600)
    path.write_bytes(b"no object")
    files = world.online_bytes(good)
    world = without_catalog(world, keep_pool=True)
    report = run(world)
    assert report.files == len(files)
    assert len(report.faults) == 1
    assert bad.file.path in report.faults[0]
    assert path.read_bytes() == b"no object"
    assert world.online_bytes(good) == files


# -- policies and holds ------------------------------------------------------------------------------------------


RULES = TAPES_ONLY.replace("two tapes", "two tapes of this house")


@pytest.fixture
def closed(tmp_path: Path) -> tuple[World, str]:
    """Tapes that are full after one pack, each with a copy of the catalog as its last file; one study is held."""
    small = {n: replace(p, reserve_bytes=39_700_000) for n, p in volume_pools().items() if p.kind is MediumKind.TAPE}
    world = World(tmp_path, RULES, discs=(), pools=small)
    uid = world.receive(small_ct("held"))
    world.catalog.holds.place(uid, "a court wants it", "registrar", world.clock.now())
    world.settle(4)
    assert world.catalog.volumes.get(FIRST).state is VolumeState.FULL
    return world, str(uid)


def fresh_catalog(world: World) -> tuple[Catalog, Library]:
    """An empty catalog, without a policy, at the same devices."""
    world.library.clean_up()
    catalog = Catalog.open(f"sqlite:///{world.root / 'fresh.db'}")
    devices = world.simulated
    return catalog, Library(devices.changer, devices.tape_drives, devices.recorders, catalog, world.clock)


def test_a_closed_tape_gives_policy_and_holds_back(closed: tuple[World, str]) -> None:
    world, uid = closed
    catalog, library = fresh_catalog(world)
    report = rebuild(catalog, world.pool, {"test": library}, world.clock)
    assert report.faults == []
    assert report.rules_from in (FIRST, OTHER)
    found, before = catalog.volumes.get(FIRST), world.catalog.volumes.get(FIRST)
    assert found.last_stream_sha256 == before.last_stream_sha256, "the next frame could not name the one before it"
    assert found.end_address == before.end_address
    current = catalog.policies.current()
    assert current is not None
    assert (current.text, current.author) == (RULES, "test")
    holds = catalog.holds.list(in_force_at=world.clock.now())
    assert [(h.study_instance_uid, h.reason, h.placed_by) for h in holds] == [(uid, "a court wants it", "registrar")]
    catalog.close()


def test_restoring_rules_twice_neither_doubles_a_hold_nor_replaces_a_newer_policy(closed: tuple[World, str]) -> None:
    world, _ = closed
    catalog, library = fresh_catalog(world)
    catalog.policies.publish(TAPES_ONLY, "somebody", world.clock.now())
    for _ in range(2):
        rebuild(catalog, world.pool, {"test": library}, world.clock)
    assert [version.author for version in catalog.policies.history()] == ["somebody"]
    assert len(catalog.holds.list(in_force_at=world.clock.now())) == 1
    catalog.close()


def test_a_damaged_catalog_file_is_told_and_costs_no_pack(closed: tuple[World, str]) -> None:
    world, uid = closed
    address = world.catalog.volumes.get(FIRST).last_address
    assert address is not None
    catalog, library = fresh_catalog(world)
    cartridge = Cartridge(world.root / "test" / "volumes" / FIRST)
    at, length = cartridge.entry(address)
    cartridge.close()
    assert length is not None
    world.simulated.hands.damage(FIRST, at + length // 2)
    report = rebuild(catalog, world.pool, {"test": library}, world.clock, [FIRST])
    assert (report.packs, report.rules_from) == (1, None)
    assert any(f"the catalog file at block {address} is damaged" in fault for fault in report.faults)
    assert {copy.barcode for copy in catalog.copies.of_study(uid)} == {FIRST}
    catalog.close()


def test_a_catalog_file_of_another_schema_is_told_and_the_rest_is_found(closed: tuple[World, str]) -> None:
    world, uid = closed
    catalog, library = fresh_catalog(world)
    volume = world.catalog.volumes.get(FIRST)
    assert volume.end_address is not None
    assert volume.uuid is not None
    previous = {"previous_address": volume.last_address, "previous_stream_sha256": volume.last_stream_sha256}

    def header(digest: str, size_bytes: int) -> PackHeader:
        return PackHeader(
            kind=KIND_CATALOG, pack_digest=PackDigest(digest), pack_bytes=size_bytes, barcode=FIRST,
            volume_uuid=str(volume.uuid), sequence=volume.last_sequence + 1,
            previous_digest=PackDigest(str(volume.last_digest)), study_instance_uid="", written_at=world.clock.now(),
            **previous,  # type: ignore[arg-type]
        )  # fmt: skip

    dump = io.BytesIO(b'{"firn_catalog":1,"schema":"another","tables":[]}\n')
    with world.library.mount_unproved(FIRST, 0) as session:
        assert isinstance(session, TapeSession)
        session.drive.rewind()
        session.drive.seek(Address(volume.end_address))
        session.drive.append(CatalogStream(dump, header))
        session.drive.flush()
    world.library.clean_up()
    report = rebuild(catalog, world.pool, {"test": library}, world.clock, [FIRST])
    assert report.rules_from is None
    assert [fault for fault in report.faults if "policies and holds are not restored" in fault]
    assert catalog.policies.current() is None
    assert {copy.barcode for copy in catalog.copies.of_study(uid)} == {FIRST}
    catalog.close()
