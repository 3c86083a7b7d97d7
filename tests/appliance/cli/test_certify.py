"""`firn drives certify`: a blank cartridge is tried, and none that holds anything is lost by mistake."""

import io

import pytest

from appliance.cli.failures import ExitStatus
from drivers.base import Address
from drivers.clock import ScaledClock
from drivers.simulator import SimulatedLibrary
from tests.appliance.cli.conftest import House

TRY = ("drives", "certify", "SIM1", "--library", "tape", "--megabytes", "3")
STEPS = ["status", "rewind", "filemarks", "speed of writing", "end of data", "speed of reading", "position"]
STEPS += ["append in the middle", "flush", "statistics", "alerts"]


def slots(house: House) -> dict[int, str]:
    with SimulatedLibrary(house.library, ScaledClock(1e6)) as library:
        return {e.index: str(e.barcode) for e in library.changer.inventory().storage() if e.full}


def write(house: House, content: bytes) -> None:
    """Something on the cartridge in slot 1, by hand."""
    with SimulatedLibrary(house.library, ScaledClock(1e6)) as library:
        drive = library.tape_drives[0]
        library.changer.load(1, 0)
        drive.wait_ready(300)
        drive.rewind()
        assert drive.append(io.BytesIO(content)) == Address(0)
        drive.flush()
        drive.unload()
        library.changer.unload(0, 1)


def test_a_blank_cartridge_is_fetched_tried_and_put_back(house: House) -> None:
    before = slots(house)
    said = house.ok(*TRY, "--barcode", "A00001L8")
    assert said.count("good") == len(STEPS) and "BAD" not in said
    assert "did everything as it should" in said and "MB/s" in said
    assert slots(house) == before


def test_the_report_holds_what_is_worth_sending_in(house: House) -> None:
    report = house.json(*TRY, "--barcode", "A00001L8")
    assert report["good"] is True
    assert [step["name"] for step in report["steps"]] == STEPS
    assert set(report["steps"][0]) == {"name", "good", "detail", "duration_s"}
    assert report["drive"]["serial"] == "SIM1" and report["drive"]["model"] == "LTO-8"
    assert report["volume"]["barcode"] == "A00001L8" and report["volume"]["statistics"]["mounts"] == 1
    assert report["machine"]["kernel"] and report["write_bytes_s"] > 0 and report["read_bytes_s"] > 0


def test_a_bad_drive_ends_with_a_status_of_its_own(house: House) -> None:
    (house.library / "faults.txt").write_text("fail flush on drive SIM1\n")
    result = house.run(*TRY, "--barcode", "A00001L8")
    assert result.exit_code == ExitStatus.FAILED
    assert "BAD" in result.stdout and "did NOT do everything" in result.stdout


def test_data_are_not_written_over_without_being_named_twice(house: House) -> None:
    write(house, b"somebody's data")
    asked = (*TRY, "--barcode", "A00001L8")
    assert "holds data that are not Firn's" in house.fails(ExitStatus.REFUSED, *asked)
    assert "cartridge is A00001L8" in house.fails(ExitStatus.REFUSED, *asked, "--overwrite", "A00002L8")

    other = house.run(*asked, "--overwrite", "A00001L8", input="A00002L8\n")
    assert other.exit_code == ExitStatus.REFUSED and "nothing was written" in other.stderr
    with SimulatedLibrary(house.library, ScaledClock(1e6)) as library:
        library.changer.load(1, 0)
        library.tape_drives[0].wait_ready(300)
        library.tape_drives[0].rewind()
        assert list(library.tape_drives[0].read()) == [b"somebody's data"]
        library.tape_drives[0].unload()
        library.changer.unload(0, 1)

    said = house.run(*asked, "--overwrite", "A00001L8", input="A00001L8\n")
    assert said.exit_code == 0, said.output


def test_what_the_catalog_counts_on_is_never_written_over(house: House) -> None:
    house.take_in()
    house.ok("tick", "--wait")
    loaded = next(e for e in house.json("library", "show")["elements"] if e["kind"] == "drive" and e["full"])
    certify = ("drives", "certify", loaded["drive_serial"], "--library", "tape", "--overwrite", loaded["volume"])
    assert f"counts on {loaded['volume']}" in house.fails(ExitStatus.REFUSED, *certify)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("drives", "certify", "SIM9", "--library", "tape"), ExitStatus.NOT_FOUND, "SIM1, SIM2"),
        (("drives", "certify", "SIM1", "--library", "disc"), ExitStatus.NOT_FOUND, "Configured: tape"),
        ((*TRY, "--barcode", "Z00009L8"), ExitStatus.NOT_FOUND, "slot of library tape"),
        (("drives", "certify", "SIM1", "--barcode", "A00001L8"), ExitStatus.REFUSED, "needs --library"),
        (("drives", "certify", "no such serial"), ExitStatus.NOT_FOUND, "Attached:"),
        (TRY, ExitStatus.FAILED, "is empty"),
    ],
)
def test_what_is_not_there_is_named(house: House, arguments: tuple[str, ...], status: int, words: str) -> None:
    assert words in house.fails(status, *arguments)


def test_a_drive_that_holds_another_cartridge_is_left_alone(house: House) -> None:
    with SimulatedLibrary(house.library, ScaledClock(1e6)) as library:
        library.changer.load(1, 0)
    assert "holds A00001L8" in house.fails(ExitStatus.REFUSED, *TRY, "--barcode", "A00002L8")
    assert house.json(*TRY)["volume"]["barcode"] == "A00001L8"
