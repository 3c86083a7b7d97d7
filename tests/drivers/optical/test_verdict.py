"""What a disc is good for, decided from what the drive says and what reading showed."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import DiscState
from drivers.errors import DeviceError, MediumError
from drivers.optical import verdict
from drivers.optical.toc import Condition, Toc
from drivers.optical.verdict import Burn, IsoVolume, Seen, burn_argv, iso_volume, status

BLANK = Toc(Condition.BLANK, "DVD+R", free_bytes=4_700_372_992)
NOTHING = Seen(0, first_readable=False, descriptor=None)
CLOSED = Toc(Condition.CLOSED, "DVD-ROM", recorded_bytes=999 * 2048)


def descriptor(blocks: int, name: str = "D00001") -> bytes:
    head = bytearray(2048)
    head[:7] = b"\x01CD001\x01"
    head[40:72] = name.encode().ljust(32)
    struct.pack_into("<I", head, 80, blocks)
    return bytes(head)


def state(said: Toc, seen: Seen, rewritable: bool = False) -> DiscState:
    return status(said, seen, rewritable=rewritable, at_most_bytes=None).state


def test_a_blank_disc_is_blank_when_nothing_can_be_read_from_it() -> None:
    found = status(BLANK, NOTHING, rewritable=False, at_most_bytes=None)
    assert (found.state, found.medium, found.capacity_bytes) == (DiscState.BLANK, "DVD+R", 4_700_372_992)
    assert status(BLANK, NOTHING, rewritable=False, at_most_bytes=1_000).capacity_bytes == 1_000


def test_a_disc_called_blank_from_which_something_can_be_read_is_not_used() -> None:
    # A killed burn left 12 MB on it, and the drive still says that it is blank.
    assert state(BLANK, Seen(12_058_624, first_readable=True, descriptor=bytes(2048))) is DiscState.UNREADABLE


def test_a_rewritable_disc_is_blank_only_where_it_is_allowed() -> None:
    rewritable = replace(BLANK, medium="BD-RE", rewritable=True)
    assert state(rewritable, NOTHING) is DiscState.UNREADABLE
    assert state(rewritable, Seen(0, True, bytes(2048)), rewritable=True) is DiscState.BLANK


@pytest.mark.parametrize("said", [BLANK, CLOSED, Toc(Condition.APPENDABLE)])
def test_a_disc_on_which_a_burn_failed_is_not_used(said: Toc) -> None:
    assert state(said, Seen(2048 * 999, False, descriptor(1), spoilt=True)) is DiscState.UNREADABLE


def test_no_disc_is_none_whatever_was_before() -> None:
    assert state(Toc(Condition.ABSENT), replace(NOTHING, spoilt=True)) is DiscState.NONE


def test_a_recorded_disc_is_complete_with_its_name_and_size() -> None:
    found = status(CLOSED, Seen(2688 * 2048, True, descriptor(2530)), rewritable=False, at_most_bytes=None)
    assert found.state is DiscState.COMPLETE
    assert (found.size_bytes, found.volume_id) == (2688 * 2048, "D00001")


def test_the_disc_says_its_size_when_the_kernel_does_not() -> None:
    assert status(CLOSED, Seen(0, True, descriptor(5)), rewritable=False, at_most_bytes=None).size_bytes == 999 * 2048


def test_a_disc_without_a_file_system_is_complete_and_somebody_elses() -> None:
    found = status(CLOSED, Seen(2048, True, bytes(2048)), rewritable=False, at_most_bytes=None)
    assert (found.state, found.volume_id) == (DiscState.COMPLETE, None)


@pytest.mark.parametrize("condition", [Condition.CLOSED, Condition.APPENDABLE])
@given(recorded=st.integers(17, 10**6), claimed=st.integers(17, 10**6))
def test_a_disc_that_ends_before_its_file_system_does_is_not_complete(
    condition: Condition, recorded: int, claimed: int
) -> None:
    seen = Seen(recorded * 2048, True, descriptor(claimed))
    wanted = DiscState.COMPLETE if recorded >= claimed else DiscState.UNREADABLE
    assert state(Toc(condition, "DVD+R"), seen) is wanted


def test_a_disc_whose_descriptor_cannot_be_read_is_unreadable() -> None:
    assert state(CLOSED, Seen(2048 * 999, True, None)) is DiscState.UNREADABLE
    assert state(Toc(Condition.UNKNOWN), Seen(2048 * 999, True, descriptor(1))) is DiscState.UNREADABLE


@given(st.binary(max_size=200))
def test_any_bytes_are_a_descriptor_or_none(data: bytes) -> None:
    found = iso_volume(data)
    assert (found is not None) == (len(data) >= 84 and data[:6] == b"\x01CD001")


def test_a_descriptor_is_read() -> None:
    assert iso_volume(descriptor(7, "ABC")) == IsoVolume("ABC", 7 * 2048)
    assert iso_volume(None) is None


# -- burning ----------------------------------------------------------------------------------------------------------


def test_a_burn_closes_the_disc_and_adds_nothing_to_the_image() -> None:
    argv = burn_argv("/dev/sr0", "/x.iso", "DVD+R", "auto", Burn())
    assert argv == ["xorriso", "-no_rc", "-as", "cdrecord", "-v", "dev=/dev/sr0", "-nopad", "-data", "/x.iso"]
    assert "-multi" not in argv


def test_the_options_of_a_burn() -> None:
    argv = burn_argv("/dev/sr0", "/x.iso", "BD-R", "tao", Burn(4, stream_recording=True, rehearse=True))
    assert argv[7:] == ["-data", "-tao", "speed=4b", "stream_recording=on", "-dummy", "/x.iso"]
    argv = burn_argv("/dev/sr0", "/x.iso", "DVD-R", "auto", Burn(8, stream_recording=True))
    assert argv[7:] == ["-data", "speed=8d", "/x.iso"]


def test_a_refused_write_type_is_not_tried_again() -> None:
    assert verdict.write_types(None) == ("auto", "tao")
    assert verdict.write_types("tao") == ("tao",)


def test_a_burn_may_take_as_long_as_the_slowest_disc() -> None:
    assert verdict.burn_limit_s("DVD+R", 1_385_000_000) == 1900.0
    assert verdict.burn_limit_s("BD-R", 4_500_000_000) == 1900.0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("libburn : FAILURE : SCSI error on write(0,16): [3 0C 00] Medium error.\n", MediumError),
        ("libburn : FAILURE : SCSI error on write(0,16): [4 09 00] Hardware error.\n", DeviceError),
        ("xorriso : FAILURE : libburn indicates failure with writing.\n", DeviceError),
    ],
)
def test_a_failed_burn_speaks_against_the_disc_when_the_drive_says_so(text: str, kind: type[Exception]) -> None:
    assert verdict.burn_failure(text) is kind


@pytest.mark.parametrize(
    ("said", "model", "writable"),
    [
        (BLANK, "DVD", True),
        (replace(BLANK, medium="BD-R"), "DVD", False),
        (replace(BLANK, medium="BD-R"), "BD", True),
        (replace(BLANK, medium="CD-R"), "BD", False),
        (replace(BLANK, medium=None), "BD", False),
        (replace(BLANK, medium="DVD+RW", rewritable=True), "DVD", False),
    ],
)
def test_which_discs_a_recorder_burns(said: Toc, model: str, writable: bool) -> None:
    assert verdict.is_writable(model, said, rewritable=False) is writable
    assert verdict.is_writable(model, replace(said, rewritable=True), rewritable=True)
