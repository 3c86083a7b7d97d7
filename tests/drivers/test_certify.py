"""Certifying a drive: what a good one shows, and that a bad one is found out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.certify import Certification, Pattern, Report, Step, holds_data
from drivers.simulator import SimulatedLibrary
from tests.support.library import make_library, virtual_clock

MEGABYTE = 1_000_000


@pytest.fixture
def library(tmp_path: Path) -> Iterator[SimulatedLibrary]:
    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8",), tape_bytes=40 * MEGABYTE) as made:
        made.changer.load(1, 0)
        made.tape_drives[0].wait_ready(300)
        made.tape_drives[0].rewind()
        yield made


def certified(library: SimulatedLibrary, size_bytes: int = 10 * MEGABYTE) -> tuple[Report, list[Step]]:
    told: list[Step] = []
    return Certification(library.tape_drives[0], library.clock, size_bytes, told.append).run(), told


def bad(report: Report) -> list[str]:
    return [step.name for step in report.steps if not step.good]


def test_a_good_drive_passes_every_step(library: SimulatedLibrary) -> None:
    report, told = certified(library)
    assert report.good, [step for step in report.steps if not step.good]
    assert told == report.steps and len(told) == 11
    assert report.write_bytes_s and report.read_bytes_s
    assert report.status is not None and report.status.generation == "LTO-8"
    assert report.statistics is not None and report.statistics.mounts == 1
    assert (report.serial, report.model) == (library.tape_drives[0].serial, "LTO-8")


def test_a_blank_cartridge_is_told_from_one_with_data(library: SimulatedLibrary) -> None:
    drive = library.tape_drives[0]
    assert holds_data(drive) is None
    drive.append(Pattern(10, 0))  # type: ignore[arg-type]
    assert holds_data(drive) == Pattern(10, 0).read()
    drive.rewind()
    drive.append(Pattern(0, 0))  # type: ignore[arg-type]
    assert holds_data(drive) == b""  # a filemark is data, too


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("rot byte 5000 of volume A00001L8", {"position"}),
        ("rot byte 2000000 of volume A00001L8", {"speed of reading"}),
        ("fail flush on drive 0", {"filemarks"}),
        ("fail write on drive 0 after 9 records", {"speed of writing"}),
        ("unreadable blocks 3-3 on volume A00001L8 in drive 0", {"position"}),
        ("fail seek on drive 0 2 times", {"end of data"}),
    ],
)
def test_a_bad_drive_is_found_out_and_the_other_steps_are_tried(
    library: SimulatedLibrary, fault: str, found: set[str]
) -> None:
    library.faults.add(fault)
    report, told = certified(library)
    assert not report.good
    assert found <= set(bad(report))
    assert {step.name for step in told} >= {"statistics", "alerts"}


def test_a_protected_cartridge_fails_at_the_first_step(library: SimulatedLibrary) -> None:
    library.hands.protect(next(element.barcode for element in library.changer.inventory().drives() if element.barcode))
    report, _ = certified(library)
    assert report.steps[0].name == "status" and "write-protected" in report.steps[0].detail
    assert "there is no long file" in next(s.detail for s in report.steps if s.name == "speed of reading")


def test_a_drive_that_does_not_recover_says_so(library: SimulatedLibrary) -> None:
    library.faults.add("fail rewind on drive 0 always")
    report, _ = certified(library)
    assert "recovery" in bad(report)


def test_patterns_are_the_same_each_time_and_unlike_each_other() -> None:
    def whole(seed: int) -> bytes:
        stream = Pattern(700_000, seed)
        return b"".join(iter(stream.read, b""))

    assert whole(1) == whole(1) and len(whole(1)) == 700_000
    assert whole(1) != whole(2)
