"""A simulated library: one owner, restarts, hands, media that do not fit, cleaning, discs that are spoilt."""

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drivers.base import Barcode, DiscState, ElementKind, MediumKind
from drivers.clock import VirtualClock
from drivers.errors import (
    DeviceError,
    DriveEmpty,
    EndOfData,
    LibraryBusy,
    MediumError,
    MediumUnsupported,
    NoSuchElement,
    SourceEmpty,
    TargetFull,
    UnitAttention,
    WriteProtected,
)
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec, demo_specs
from drivers.simulator.state import PlacesFile
from tests.drivers.contract.tape_contract import content, read_all, write
from tests.support.library import make_library, virtual_clock


@pytest.fixture
def clock() -> VirtualClock:
    return virtual_clock()


@pytest.fixture
def mixed(tmp_path: Path, clock: VirtualClock) -> Iterator[SimulatedLibrary]:
    with make_library(
        tmp_path, clock, tapes=("A00001L8", "CLN001L8"), discs=("D00001",), drives=1, shelf=("B00001L8", "D00009")
    ) as library:
        yield library


def test_the_demo_libraries_can_be_built(tmp_path: Path, clock: VirtualClock) -> None:
    for spec in demo_specs():
        SimulatedLibrary.create(tmp_path / spec.name, spec)
        with SimulatedLibrary(tmp_path / spec.name, clock) as library:
            inventory = library.changer.inventory()
            assert inventory.library == library.changer.name == spec.name
            assert len(inventory.drives()) == 2
            assert len(inventory.storage()) == spec.slots + spec.mail_slots
            assert {e.barcode for e in inventory.storage() if e.full} == {v.barcode for v in spec.volumes}
            assert len(library.tape_drives) == (2 if spec.name == "tape" else 0)
            assert len(library.recorders) == (2 if spec.name == "disc" else 0)


def test_making_a_library_again_changes_nothing(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        before = library.changer.inventory()
    with make_library(tmp_path, clock, tapes=("A00001L8", "A00002L8"), drives=1) as library:
        assert library.changer.inventory() == before


def test_a_library_that_was_half_made_is_made_again(tmp_path: Path, clock: VirtualClock) -> None:
    make_library(tmp_path, clock, tapes=("A00001L8",)).close()
    (tmp_path / "test" / "library.json").unlink()
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        assert library.changer.inventory().find(Barcode("A00001L8")) is not None


def test_a_library_has_one_owner(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)), pytest.raises(LibraryBusy):
        make_library(tmp_path, clock, tapes=("A00001L8",))
    make_library(tmp_path, clock, tapes=("A00001L8",)).close()


def test_position_and_place_survive_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 1)
        drive = library.tape_drives[1]
        drive.wait_ready(300)
        drive.rewind()
        write(drive, content(2))
        drive.flush()
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        drive = library.tape_drives[1]
        assert drive.tell() == 3
        assert write(drive, b"more") == 3
        drive.rewind()
        assert read_all(drive) == content(2)


def test_a_restart_in_the_middle_of_a_read_leaves_the_position_unknown(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        drive.rewind()
        write(drive, content(3))
        drive.flush()
        drive.rewind()
        memory = json.loads((library.root / "drives" / "0.json").read_text())
        unfinished = drive.read()
        next(unfinished)
        assert json.loads((library.root / "drives" / "0.json").read_text()) == {**memory, "position": None}
        saved = (library.root / "drives" / "0.json").read_bytes()
    (tmp_path / "test" / "drives" / "0.json").write_bytes(saved)  # as a kill would have left it
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        with pytest.raises(UnitAttention):
            library.tape_drives[0].tell()
        with pytest.raises(UnitAttention):
            library.tape_drives[0].seek(0)  # type: ignore[arg-type]
        library.tape_drives[0].rewind()


def test_an_abandoned_read_does_not_speak_for_a_later_write(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        drive.rewind()
        write(drive, content(3))
        drive.rewind()
        unfinished = drive.read()
        next(unfinished)
        drive.seek(4)  # type: ignore[arg-type]

        class Closing(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                unfinished.close()  # type: ignore[attr-defined]
                return super().read(size)

        assert drive.append(Closing(content(2))) == 4
        assert drive.tell() == 7


def test_a_shorter_tape_has_nothing_left_of_the_longer_one(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        drive.rewind()
        for _ in range(5):
            write(drive, b"short")
        drive.rewind()
        write(drive, content(1))
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library, pytest.raises(EndOfData, match="end at 2"):
        library.tape_drives[0].seek(3)  # type: ignore[arg-type]


def test_a_torn_index_ends_the_tape_before_the_tear(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        drive.rewind()
        write(drive, b"whole")
        write(drive, content(2))
        drive.unload()
        folder = library.root / "volumes" / "A00001L8"
        with (folder / "data").open("r+b") as file:
            file.truncate(5 + 100)  # the second file's records are missing
        with (folder / "index").open("ab") as file:
            file.write(bytes(7))  # and an entry is torn
        library.changer.unload(0, 1)
        library.changer.load(1, 0)
        drive.wait_ready(300)
        drive.rewind()
        assert read_all(drive) == b"whole"
        with pytest.raises(EndOfData):
            read_all(drive)
        drive.seek(2)  # type: ignore[arg-type]
        assert write(drive, b"again") == 2
        drive.seek(2)  # type: ignore[arg-type]
        assert read_all(drive) == b"again"


def test_a_damaged_index_entry_is_a_medium_error(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        drive = library.tape_drives[0]
        drive.wait_ready(300)
        drive.rewind()
        write(drive, content(2))
        write(drive, b"behind")
        with (library.root / "volumes" / "A00001L8" / "index").open("r+b") as file:
            file.seek(16 + 3)
            file.write(b"\xff")
        with (library.root / "volumes" / "A00001L8" / "data").open("r+b") as file:
            file.truncate(2 * 256 * 1024)
        drive.rewind()
        with pytest.raises(MediumError, match=r"block 1 .*index entry"):
            read_all(drive)
        drive.seek(3)  # type: ignore[arg-type]
        with pytest.raises(MediumError, match="cut short"):
            read_all(drive)


def test_a_disc_in_a_tape_drive_is_refused(mixed: SimulatedLibrary) -> None:
    mixed.changer.load(3, 0)
    drive = mixed.tape_drives[0]
    with pytest.raises(MediumUnsupported):
        drive.wait_ready(300)
    assert drive.status().loaded and not drive.status().ready
    with pytest.raises(MediumUnsupported):
        drive.rewind()
    drive.unload()
    mixed.changer.unload(0, 3)


def test_a_tape_in_a_recorder_is_refused(mixed: SimulatedLibrary) -> None:
    mixed.changer.load(1, 1)
    recorder = mixed.recorders[1]
    with pytest.raises(MediumUnsupported):
        recorder.wait_ready(300)
    assert recorder.status().state is DiscState.NONE
    with pytest.raises(MediumUnsupported):
        recorder.read(0, 1)
    recorder.unload()
    mixed.changer.unload(1, 1)


def drives_of_three_generations(root: Path, clock: VirtualClock, medium: str) -> SimulatedLibrary:
    """Drives 0, 1, 2: LTO-9, LTO-8, LTO-7; a cartridge of one kind in slot 1."""
    drives = (DriveSpec("LTO-9", "S9"), DriveSpec("LTO-8", "S8"), DriveSpec("LTO-7", "S7"))
    tape = VolumeSpec(Barcode("A00001"), medium, 10_000_000)
    SimulatedLibrary.create(root / "g", LibrarySpec("g", drives, 2, 1, (tape,)))
    return SimulatedLibrary(root / "g", clock)


@pytest.mark.parametrize(("medium", "drive"), [("LTO-9", 0), ("LTO-8", 0), ("LTO-8", 1), ("LTO-7", 1), ("LTO-6", 2)])
def test_a_drive_writes_its_generation_and_one_back(
    tmp_path: Path, clock: VirtualClock, medium: str, drive: int
) -> None:
    with drives_of_three_generations(tmp_path, clock, medium) as library:
        library.changer.load(1, drive)
        library.tape_drives[drive].wait_ready(300)
        library.tape_drives[drive].rewind()
        assert write(library.tape_drives[drive], b"x") == 0
        assert library.tape_drives[drive].status().generation == medium


@pytest.mark.parametrize(("medium", "drive"), [("LTO-7", 0), ("LTO-9", 1), ("LTO-6", 1), ("LTO-8", 2)])
def test_a_drive_refuses_other_generations(tmp_path: Path, clock: VirtualClock, medium: str, drive: int) -> None:
    with drives_of_three_generations(tmp_path, clock, medium) as library:
        library.changer.load(1, drive)
        with pytest.raises(MediumUnsupported, match=medium):
            library.tape_drives[drive].wait_ready(300)


def test_a_generation_that_is_only_read_counts_as_protected(tmp_path: Path, clock: VirtualClock) -> None:
    with drives_of_three_generations(tmp_path, clock, "LTO-5") as library:
        library.changer.load(1, 2)
        drive = library.tape_drives[2]
        drive.wait_ready(300)
        drive.rewind()
        assert drive.status().write_protected
        with pytest.raises(WriteProtected):
            write(drive, b"x")


def test_drives_work_side_by_side(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8", "A00002L8", "A00003L8")) as library:
        robot, done = threading.Lock(), threading.Event()

        def work(index: int) -> None:
            drive = library.tape_drives[index]
            for n in range(5):
                drive.wait_ready(300)
                drive.rewind()
                for _ in range(n):
                    assert b"".join(drive.read()) == content(1, index)
                write(drive, content(1, index))
                drive.flush()
                drive.unload()
                with robot:
                    library.changer.unload(index, index + 1)
                    library.changer.load(index + 1, index)

        def ask() -> None:
            while not done.is_set():
                for drive in library.tape_drives.values():
                    drive.status()
                library.changer.inventory()

        library.changer.load(1, 0)
        library.changer.load(2, 1)
        with ThreadPoolExecutor(3) as threads:
            asking = threads.submit(ask)
            try:
                for working in [threads.submit(work, index) for index in range(2)]:
                    working.result(60)
            finally:
                done.set()
            asking.result(60)
        found = library.changer.inventory().drive(1)
        assert found is not None and found.barcode == "A00002L8"


def test_a_drive_that_lost_its_memory_looks_afresh(tmp_path: Path, clock: VirtualClock) -> None:
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        library.tape_drives[0].wait_ready(300)
        library.tape_drives[0].rewind()
    (tmp_path / "test" / "drives" / "0.json").write_bytes(b"")
    with make_library(tmp_path, clock, tapes=("A00001L8",)) as library:
        with pytest.raises(UnitAttention):
            library.tape_drives[0].tell()
        library.tape_drives[0].rewind()


def test_a_medium_that_was_ready_stays_ready_on_another_clock(tmp_path: Path) -> None:
    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8",)) as library:
        library.changer.load(1, 0)
        library.tape_drives[0].wait_ready(300)
    earlier = virtual_clock()
    with make_library(tmp_path, earlier, tapes=("A00001L8",)) as library:
        for _ in range(20):
            assert library.tape_drives[0].status().ready
            earlier.sleep(1)


def test_a_cleaning_cartridge_cleans_until_it_is_used_up(mixed: SimulatedLibrary, clock: VirtualClock) -> None:
    drive = mixed.tape_drives[0]
    mixed.faults.add("require cleaning on drive 0")
    status = drive.status()
    assert status.needs_cleaning and status.alerts == ("clean_now",)

    for _ in range(50):
        mixed.changer.load(2, 0)
        before = clock.now()
        with pytest.raises(MediumUnsupported):
            drive.wait_ready(300)
        assert (clock.now() - before).total_seconds() > 60
        assert not drive.status().needs_cleaning
        drive.unload()
        mixed.changer.unload(0, 2)
    mixed.changer.load(2, 0)
    with pytest.raises(MediumError, match="used up"):
        drive.wait_ready(300)


def test_a_worn_volume_raises_an_alert(mixed: SimulatedLibrary) -> None:
    path = mixed.root / "volumes" / "A00001L8" / "volume.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "counters": {"mounts": 20_000}}))
    mixed.changer.load(1, 0)
    mixed.tape_drives[0].wait_ready(300)
    assert mixed.tape_drives[0].status().alerts == ("media_life",)
    mixed.tape_drives[0].unload()
    assert json.loads(path.read_text())["counters"]["mounts"] == 20_001


def test_hands_bring_volumes_in_and_out_by_the_mail_slot(mixed: SimulatedLibrary) -> None:
    hands, changer = mixed.hands, mixed.changer
    assert hands.shelf() == ("B00001L8", "D00009")
    mail_slot = hands.insert(Barcode("B00001L8"))
    assert hands.shelf() == ("D00009",)
    found = changer.inventory().find(Barcode("B00001L8"))
    assert found is not None and (found.kind, found.index) == (ElementKind.MAIL_SLOT, mail_slot)

    with pytest.raises(TargetFull):
        hands.insert(Barcode("D00009"))
    with pytest.raises(SourceEmpty):
        hands.insert(Barcode("A00001L8"))
    with pytest.raises(SourceEmpty, match="slot 1"):
        hands.remove(Barcode("A00001L8"))
    with pytest.raises(SourceEmpty, match="shelf"):
        hands.remove(Barcode("D00009"))
    with pytest.raises(NoSuchElement):
        hands.remove(Barcode("X00001L8"))
    with pytest.raises(SourceEmpty):
        hands.swap(0, Barcode("D00009"))

    hands.remove(Barcode("B00001L8"))
    assert hands.shelf() == ("B00001L8", "D00009")


def test_hands_buy_a_blank_volume(mixed: SimulatedLibrary) -> None:
    mixed.hands.buy(VolumeSpec(Barcode("N00001L8"), "LTO-8", 10_000_000))
    assert Barcode("N00001L8") in mixed.hands.shelf()
    with pytest.raises(TargetFull):
        mixed.hands.buy(VolumeSpec(Barcode("N00001L8"), "LTO-8", 10_000_000))
    mixed.faults.add("hide barcode of volume N00001L8")
    mixed.changer.load(mixed.hands.insert(Barcode("N00001L8")), 0)
    mixed.tape_drives[0].wait_ready(300)


def test_protection_is_taken_back(mixed: SimulatedLibrary) -> None:
    mixed.hands.protect(Barcode("A00001L8"))
    mixed.hands.protect(Barcode("A00001L8"), False)
    mixed.changer.load(1, 0)
    mixed.tape_drives[0].wait_ready(300)
    mixed.tape_drives[0].rewind()
    assert write(mixed.tape_drives[0], b"x") == 0


def test_a_sticker_can_lie_about_the_volume(mixed: SimulatedLibrary) -> None:
    mixed.changer.load(1, 0)
    drive = mixed.tape_drives[0]
    drive.wait_ready(300)
    drive.rewind()
    write(drive, b"label of A00001L8")
    drive.flush()
    mixed.hands.relabel(Barcode("A00001L8"), Barcode("A00007L8"))
    inside = mixed.changer.inventory().drive(0)
    assert inside is not None and inside.barcode == "A00007L8"
    drive.rewind()
    assert read_all(drive) == b"label of A00001L8"
    mixed.hands.relabel(Barcode("A00007L8"), Barcode(""))
    inside = mixed.changer.inventory().drive(0)
    assert inside is not None and inside.full and inside.barcode is None


def test_a_volume_taken_out_of_reach_during_a_move_is_noticed(tmp_path: Path) -> None:
    class Meddling(VirtualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            library.hands.remove(Barcode("A00001L8"))

    library = make_library(tmp_path, Meddling(virtual_clock().now()), tapes=("A00001L8",))
    with library:
        mail_slot = library.changer.inventory().storage()[-1].index
        with PlacesFile(library.root).change() as places:
            places.volumes[0].kind, places.volumes[0].index = ElementKind.MAIL_SLOT, mail_slot
        with pytest.raises(Exception, match="somebody moved"):
            library.changer.load(mail_slot, 0)
        assert library.hands.shelf() == ("A00001L8",)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("fail burn on drive 1 after 2 records", DeviceError),
        ("fail burn with medium error after 1 records", MediumError),
        ("lose power on drive test-R0 after 1 records", DeviceError),
        ("unit attention on drive 1 after 1 records", UnitAttention),
    ],
)
def test_a_burn_that_fails_spoils_the_disc(
    mixed: SimulatedLibrary, tmp_path: Path, line: str, error: type[Exception]
) -> None:
    image = tmp_path / "image"
    image.write_bytes(content(16))
    mixed.changer.load(3, 1)
    recorder = mixed.recorders[1]
    recorder.wait_ready(300)
    mixed.faults.add(line)
    with pytest.raises(error):
        recorder.burn(image)
    assert recorder.status().state is DiscState.UNREADABLE
    mixed.faults.clear()
    if "power" in line:
        with pytest.raises(UnitAttention):
            recorder.read(0, 2048)
    with pytest.raises(MediumError):
        recorder.read(0, 2048)


def test_a_disc_has_places_that_cannot_be_read_or_lie(mixed: SimulatedLibrary, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(content(4))
    mixed.changer.load(3, 1)
    recorder = mixed.recorders[1]
    recorder.wait_ready(300)
    recorder.burn(image)
    mixed.faults.add("unreadable bytes 10000-12000 on volume D00001 in drive 1")
    mixed.faults.add("rot byte 500 of volume D00001")
    data = recorder.read(0, 8192)
    assert data[500] == content(4)[500] ^ 1
    assert data[501:] == content(4)[501:8192]
    with pytest.raises(MediumError, match="8192-12287"):
        recorder.read(8192, 2048)
    assert recorder.read(12288, 10) == content(4)[12288:12298]


def test_a_disc_that_is_swapped_by_hand_is_told(mixed: SimulatedLibrary) -> None:
    mixed.changer.load(3, 1)
    recorder = mixed.recorders[1]
    recorder.wait_ready(300)
    mixed.hands.swap(1, Barcode("D00009"))
    with pytest.raises(UnitAttention):
        recorder.read(0, 1)
    with pytest.raises(EndOfData):
        recorder.read(0, 1)


def test_a_drive_whose_volume_was_taken_by_hand_is_empty(mixed: SimulatedLibrary) -> None:
    mixed.changer.load(1, 0)
    drive = mixed.tape_drives[0]
    drive.wait_ready(300)
    drive.rewind()
    with PlacesFile(mixed.root).change() as places:
        places.volumes[0].kind = None
    with pytest.raises(DriveEmpty):
        drive.tell()


def test_a_library_that_contradicts_itself_is_not_built(tmp_path: Path) -> None:
    volumes = (
        VolumeSpec(Barcode("A"), "LTO-8", 10),
        VolumeSpec(Barcode("A"), "PAPER"),
        VolumeSpec(Barcode("C"), "LTO-8"),
    )
    spec = LibrarySpec("x", (DriveSpec("LTO-8", "S1"), DriveSpec("FLOPPY", "S1")), 1, 1, volumes)
    with pytest.raises(ValueError, match="cannot be built") as caught:
        SimulatedLibrary.create(tmp_path / "x", spec)
    for part in ("FLOPPY", "PAPER", "do not fit", "serial number S1", "barcode A", "A needs a capacity"):
        assert part in str(caught.value)
    assert not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match="no drive"):
        SimulatedLibrary.create(tmp_path / "x", LibrarySpec("x", (), 1))
    assert DriveSpec("BD", "S").kind is MediumKind.DISC
