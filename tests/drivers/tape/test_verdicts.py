"""What an error of st comes to: each case as the recorded drives behaved."""

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import DriveStatus, VolumeStatistics
from drivers.errors import (
    DeviceError,
    DeviceGone,
    DriveEmpty,
    DriverError,
    EncryptionKeyMissing,
    EndOfData,
    EndOfMedium,
    MediumError,
    UnitAttention,
    WriteProtected,
)
from drivers.generations import Use
from drivers.sg import Sense
from drivers.sg_logs import CapacityFacts, ErrorCounts, VolumeFacts
from drivers.tape import composing, verdicts
from drivers.tape.mtio import Flag, MtStatus
from drivers.tape.verdicts import Evidence

SEEN = Evidence(errno.EIO, expected=5, position=5, volume="A", volume_now="A")
MEDIUM, BLANK, HARDWARE = Sense("medium error"), Sense("blank check"), Sense("hardware error")


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (replace(SEEN, sense=MEDIUM), MediumError),
        (replace(SEEN, sense=MEDIUM, position=6), MediumError),  # the head passed the bad block
        (replace(SEEN, sense=BLANK), EndOfData),
        (replace(SEEN, sense=HARDWARE), DeviceError),
        (replace(SEEN, sense=Sense("data protect")), EncryptionKeyMissing),
        (replace(SEEN, sense=Sense("unit attention")), UnitAttention),
        (replace(SEEN, sense=Sense()), UnitAttention),  # it reads now: then it may be another cartridge
        (SEEN, UnitAttention),
        (replace(SEEN, sense=MEDIUM, position=0), UnitAttention),
        (replace(SEEN, sense=MEDIUM, position=None), UnitAttention),
        (replace(SEEN, sense=BLANK, volume_now="B"), UnitAttention),
        (replace(SEEN, sense=BLANK, volume=None, volume_now=None), EndOfData),  # a cartridge without a serial number
        (replace(SEEN, sense=MEDIUM, state=None), DeviceGone),
        (replace(SEEN, sense=MEDIUM, state="transport-offline"), DeviceGone),
        (replace(SEEN, number=errno.ENOMEDIUM), DriveEmpty),
        (replace(SEEN, number=errno.ENOMEM), MediumError),
        (replace(SEEN, number=errno.ENXIO), DeviceGone),
    ],
)
def test_reading(evidence: Evidence, kind: type[DriverError]) -> None:
    assert verdicts.reading(evidence) is kind


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (replace(SEEN, end_of_data=5), EndOfData),
        (replace(SEEN, end_of_data=5, volume=None, volume_now=None), EndOfData),
        (replace(SEEN, end_of_data=5, volume_now="B"), UnitAttention),
        (replace(SEEN, end_of_data=9), DeviceError),
        (replace(SEEN, end_of_data=99, position=99), DeviceError),
        (replace(SEEN, end_of_data=40, position=0), UnitAttention),
        (replace(SEEN, position=None), DeviceError),
        (replace(SEEN, state="offline"), DeviceGone),
    ],
)
def test_seeking(evidence: Evidence, kind: type[DriverError]) -> None:
    assert verdicts.seeking(replace(evidence, expected=50)) is kind


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (SEEN, DeviceError),
        (replace(SEEN, alerts=frozenset({6})), MediumError),
        (replace(SEEN, alerts=frozenset({30})), DeviceError),
        (replace(SEEN, position=0), UnitAttention),
        (replace(SEEN, volume_now="B", alerts=frozenset({6})), UnitAttention),
        (replace(SEEN, volume_now=None), UnitAttention),
        (replace(SEEN, number=errno.EACCES), WriteProtected),
        (replace(SEEN, number=errno.ENOSPC), EndOfMedium),
        (replace(SEEN, state=None), DeviceGone),
    ],
)
def test_writing(evidence: Evidence, kind: type[DriverError]) -> None:
    assert verdicts.writing(evidence) is kind


@given(
    st.sampled_from((errno.EIO, errno.ENOMEM, errno.EBUSY, errno.EINVAL)),
    st.none() | st.integers(0, 10),
    st.sampled_from((None, MEDIUM, BLANK, HARDWARE, Sense(), Sense("unit attention"))),
    st.none() | st.integers(0, 10),
    st.frozensets(st.integers(1, 64), max_size=3),
)
def test_another_cartridge_is_never_taken_for_the_old_one(
    number: int, position: int | None, sense: Sense | None, end: int | None, alerts: frozenset[int]
) -> None:
    evidence = Evidence(number, 5, "running", position, "A", "B", sense, end, alerts)
    assert verdicts.seeking(replace(evidence, expected=7)) is UnitAttention
    assert verdicts.writing(evidence) is UnitAttention
    if number != errno.ENOMEM:
        assert verdicts.reading(evidence) is UnitAttention


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EBUSY, DeviceError, "another program"),
        (errno.EACCES, DeviceError, "group tape"),
        (errno.ENXIO, DeviceGone, "ENXIO"),
        (errno.ENOENT, DeviceGone, "ENOENT"),
        (errno.ENOMEDIUM, DriveEmpty, "ENOMEDIUM"),
        (errno.EROFS, WriteProtected, "EROFS"),
        (errno.EIO, DeviceError, "EIO"),
        (9999, DeviceError, "9999"),
    ],
)
def test_an_open_that_fails_says_why(number: int, kind: type[DriverError], words: str) -> None:
    error = verdicts.opening(number, "/dev/nst0")
    assert type(error) is kind and words in str(error) and "/dev/nst0" in str(error)


def test_every_verdict_has_advice() -> None:
    kinds = {DeviceGone, DriveEmpty, EndOfData, EndOfMedium, MediumError, UnitAttention, WriteProtected}
    assert set(verdicts.ADVICE) == kinds | {EncryptionKeyMissing, DeviceError}


ONLINE = MtStatus(Flag.ONLINE | Flag.BOT, 0x5E, 0)


class TestStatus:
    def composed(self, seen: MtStatus, volume: VolumeFacts | None = None, **more: object) -> DriveStatus:
        capacity = more.get("capacity", CapacityFacts())
        alerts = more.get("alerts", ())
        assert isinstance(capacity, CapacityFacts) and isinstance(alerts, tuple)
        return composing.drive_status("LTO-8", seen, volume or VolumeFacts(), capacity, alerts, "key")

    def test_an_empty_drive(self) -> None:
        status = self.composed(MtStatus(Flag.DR_OPEN, 0, 0), alerts=(20,))
        assert status == DriveStatus(False, False, alerts=("clean_now",), needs_cleaning=True)

    def test_a_drive_that_is_loading(self) -> None:
        assert self.composed(MtStatus(Flag.IM_REP_EN | Flag.CLN, 0, 0)) == DriveStatus(True, False, needs_cleaning=True)

    def test_a_loaded_drive(self) -> None:
        volume = VolumeFacts(capacity_bytes=8_000_000, worm=True, write_protected=False)
        status = self.composed(ONLINE, volume, capacity=CapacityFacts(0, 8 * 2**20), alerts=(3,))
        assert status == DriveStatus(
            True, True, False, "LTO-8", 8 * 2**20, alerts=("hard_error",), worm=True, key_name="key"
        )

    def test_without_log_pages_the_generation_says_how_much_fits(self) -> None:
        assert self.composed(ONLINE).capacity_bytes == 12_000_000_000_000
        assert self.composed(MtStatus(Flag.ONLINE, 0, 0)).capacity_bytes is None

    def test_an_older_tape_is_written_and_a_still_older_one_is_of_no_use(self) -> None:
        assert not self.composed(MtStatus(Flag.ONLINE, 0x5C, 0)).write_protected
        old = self.composed(MtStatus(Flag.ONLINE, 0x58, 0))
        assert (old.generation, old.ready, old.write_protected) == ("LTO-5", False, True)

    def test_a_protected_tape(self) -> None:
        assert self.composed(MtStatus(Flag.ONLINE | Flag.WR_PROT, 0x5E, 0)).write_protected
        assert self.composed(ONLINE, VolumeFacts(write_protected=True)).write_protected

    def test_a_tape_of_unknown_density_is_tried(self) -> None:
        assert composing.can("LTO-8", None) is Use.WRITE
        assert composing.can("LTO-7", "LTO-5") is Use.READ

    def test_older_drives_know_their_generations(self) -> None:
        assert [composing.can("LTO-6", f"LTO-{n}") for n in (7, 6, 5, 4)] == [Use.NONE, Use.WRITE, Use.WRITE, Use.READ]
        assert [composing.can("LTO-5", f"LTO-{n}") for n in (6, 5, 4)] == [Use.NONE, Use.WRITE, Use.WRITE]


def test_statistics_keep_apart_what_the_cartridge_and_the_drive_tell() -> None:
    volume = composing.volume_facts(None)
    assert composing.statistics(volume, ErrorCounts(), ErrorCounts()) == VolumeStatistics()
    told = composing.statistics(VolumeFacts(mounts=3, written_bytes=5), ErrorCounts(1, 2), ErrorCounts(3, 4))
    assert told == VolumeStatistics(3, 5, None, 1, 2, 3, 4)
