"""A mounted volume is the catalogued one, or nothing is done with it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.base import Address, Barcode, MediumKind
from drivers.errors import ChangerError, DeviceError
from hsm.facts import VolumeRecord
from hsm.format.label import VolumeLabel
from hsm.format.label import encode as encode_label
from hsm.library import (
    DiscSession,
    EndOfDataMoved,
    ForeignVolume,
    SessionClosed,
    TapeSession,
    UnknownContent,
    VolumeNotInLibrary,
    WrongVolume,
)
from hsm.states import DriveState
from tests.support.studies import small_ct
from tests.support.world import START, World

TAPE, BLANK, DISC, BLANK_DISC = Barcode("A00001L8"), Barcode("A00002L8"), Barcode("D00001"), Barcode("D00002")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A study on a tape of each pool and on a disc. Tests put their own data on tapes of their own only."""
    tapes = (TAPE, BLANK, "B00001L8", *(f"C0000{n}L8" for n in range(1, 9)))
    world = World(tmp_path_factory.mktemp("identify"), tapes=tapes)
    world.receive(small_ct(slices=2))
    world.settle(4)
    assert world.catalog.volumes.get(DISC).last_sequence == 1
    return world


@contextmanager
def tape(world: World, barcode: str, drive: int = 0) -> Iterator[TapeSession]:
    with world.library.mount_unproved(Barcode(barcode), drive) as session:
        assert isinstance(session, TapeSession)
        yield session


@contextmanager
def disc(world: World, barcode: str) -> Iterator[DiscSession]:
    with world.library.mount_unproved(Barcode(barcode), 2) as session:
        assert isinstance(session, DiscSession)
        yield session


def label_of(barcode: str) -> VolumeLabel:
    return VolumeLabel(Barcode(barcode), str(uuid4()), MediumKind.TAPE, "LTO-8", "tape_a", START)


def write(session: TapeSession, *files: bytes) -> None:
    session.drive.rewind()
    for content in files:
        session.drive.append(io.BytesIO(content))
    session.drive.flush()


def known(world: World, barcode: str) -> VolumeRecord:
    return world.catalog.volumes.get(Barcode(barcode))


# -- labels of tapes ---------------------------------------------------------------------------------------------


def test_a_blank_tape_that_should_be_blank_is_accepted_and_has_no_label(world: World) -> None:
    with tape(world, BLANK) as session:
        assert session.identify(known(world, BLANK)) is None


def test_the_catalogued_tape_is_accepted_with_its_label(world: World) -> None:
    with tape(world, TAPE) as session:
        label = session.identify(known(world, TAPE))
    assert label is not None
    assert label.uuid == known(world, TAPE).uuid


def test_data_of_somebody_else_are_foreign(world: World) -> None:
    with tape(world, "C00001L8") as session:
        write(session, b"tar of another house" * 100)
        with pytest.raises(ForeignVolume, match="not ours"):
            session.identify(known(world, "C00001L8"))


def test_a_damaged_label_is_told_from_a_foreign_one(world: World) -> None:
    content = bytearray(encode_label(label_of("C00002L8")))
    content[content.index(b"tape_a")] ^= 1
    with tape(world, "C00002L8") as session:
        write(session, bytes(content))
        with pytest.raises(WrongVolume, match="the label is damaged") as caught:
            session.identify(known(world, "C00002L8"))
    assert not isinstance(caught.value, ForeignVolume)


def test_a_label_of_another_barcode_means_swapped_stickers(world: World) -> None:
    with tape(world, "C00003L8") as session:
        write(session, encode_label(label_of("C99999L8")))
        with pytest.raises(WrongVolume, match="barcodes were swapped"):
            session.identify(known(world, "C00003L8"))


def test_packs_the_catalog_does_not_know_are_not_written_over(world: World) -> None:
    stranger = replace(known(world, TAPE), uuid=None, last_sequence=0, end_address=None)
    with tape(world, TAPE) as session, pytest.raises(UnknownContent, match="rebuild-catalog --volume A00001L8"):
        session.identify(stranger)


def test_a_label_with_nothing_behind_it_is_what_an_interrupted_labelling_left(world: World) -> None:
    label = label_of("C00004L8")
    with tape(world, "C00004L8") as session:
        write(session, encode_label(label))
        assert session.identify(known(world, "C00004L8")) == label
        end = session.write_label(label)
        assert session.identify(known(world, "C00004L8")) == label
        with pytest.raises(WrongVolume, match="already has the label"):
            session.write_label(replace(label, uuid=str(uuid4())))
        assert session.write_label(label) == end


def test_a_blank_tape_the_catalog_takes_for_a_filled_one_is_wrong(world: World) -> None:
    with tape(world, BLANK) as session, pytest.raises(WrongVolume, match="is blank, but the catalog knows it"):
        session.identify(replace(known(world, BLANK), uuid=str(uuid4())))


def test_another_tape_with_the_same_barcode_is_wrong(world: World) -> None:
    with tape(world, TAPE) as session, pytest.raises(WrongVolume, match="carries label"):
        session.identify(replace(known(world, TAPE), uuid=str(uuid4())))


# -- the right to append -----------------------------------------------------------------------------------------


def test_a_tape_is_not_written_before_its_end_was_proved(world: World) -> None:
    with tape(world, TAPE) as session, pytest.raises(SessionClosed):
        session.append(io.BytesIO(b"x"))


def test_reading_gives_the_right_to_append_back(world: World) -> None:
    volume = known(world, TAPE)
    with tape(world, TAPE) as session:
        session.prepare_append(volume)
        next(session.records(volume.last_address or 0))
        with pytest.raises(SessionClosed):
            session.append(io.BytesIO(b"x"))


def test_an_end_the_catalog_does_not_know_is_not_guessed(world: World) -> None:
    with tape(world, TAPE) as session, pytest.raises(EndOfDataMoved, match="knows no end of data"):
        session.prepare_append(replace(known(world, TAPE), end_address=None))


def test_a_tape_that_ends_too_early_misses_packs(world: World) -> None:
    volume = known(world, TAPE)
    with tape(world, TAPE) as session, pytest.raises(EndOfDataMoved, match="packs are missing"):
        session.prepare_append(replace(volume, end_address=(volume.end_address or 0) + 7))


@pytest.mark.parametrize("change", [{"last_digest": "0" * 64}, {"last_sequence": 9}])
def test_another_last_pack_than_the_catalogued_one_stops_everything(world: World, change: dict[str, object]) -> None:
    wrong = replace(known(world, TAPE), **change)  # type: ignore[arg-type]
    with tape(world, TAPE) as session, pytest.raises(EndOfDataMoved, match=r"the catalog\s+expects"):
        session.prepare_append(wrong)


@pytest.mark.parametrize("address", [0, 10_000])
def test_a_last_pack_that_cannot_be_read_where_it_should_be_stops_everything(world: World, address: int) -> None:
    with tape(world, TAPE) as session, pytest.raises(EndOfDataMoved, match="cannot be read"):
        session.prepare_append(replace(known(world, TAPE), last_address=address))


def labelled(session: TapeSession, world: World, barcode: str) -> VolumeRecord:
    label = label_of(barcode)
    end = session.write_label(label)
    return replace(known(world, barcode), uuid=label.uuid, end_address=end)


def test_a_failed_write_ends_the_right_to_append(world: World) -> None:
    with tape(world, "C00005L8") as session:
        session.prepare_append(labelled(session, world, "C00005L8"))
        session.append(io.BytesIO(b"first"))
        world.simulated.faults.add("fail write on volume C00005L8")
        with pytest.raises(DeviceError):
            session.append(io.BytesIO(b"second"))
        with pytest.raises(SessionClosed):
            session.append(io.BytesIO(b"third"))


def test_a_failed_flush_ends_the_right_to_append(world: World) -> None:
    with tape(world, "C00006L8") as session:
        session.prepare_append(labelled(session, world, "C00006L8"))
        session.append(io.BytesIO(b"first"))
        world.simulated.faults.add("fail flush on volume C00006L8")
        with pytest.raises(DeviceError):
            session.flush()
        with pytest.raises(SessionClosed):
            session.append(io.BytesIO(b"second"))


def test_after_a_flush_and_after_a_step_back_appending_goes_on(world: World) -> None:
    with tape(world, "C00007L8") as session:
        session.prepare_append(labelled(session, world, "C00007L8"))
        first = session.append(io.BytesIO(b"first"))
        end = session.flush()
        torn = session.append(io.BytesIO(b"to be given up"))
        assert torn == end
        session.step_back(torn)
        assert session.append(io.BytesIO(b"second")) == end
        session.flush()
        assert b"".join(session.records(first)) == b"first"
        assert b"".join(session.records(end)) == b"second"


# -- discs -------------------------------------------------------------------------------------------------------


def test_a_blank_disc_and_the_catalogued_disc_are_accepted(world: World) -> None:
    with disc(world, BLANK_DISC) as session:
        assert session.is_blank()
        session.identify(known(world, BLANK_DISC))
    with disc(world, DISC) as session:
        assert not session.is_blank()
        session.identify(known(world, DISC))


def test_a_disc_of_ours_the_catalog_takes_for_blank_holds_unknown_packs(world: World) -> None:
    with disc(world, DISC) as session, pytest.raises(UnknownContent, match="rebuild-catalog"):
        session.identify(replace(known(world, DISC), last_sequence=0))


def test_a_blank_disc_in_place_of_a_burnt_one_is_wrong(world: World) -> None:
    with disc(world, BLANK_DISC) as session, pytest.raises(WrongVolume, match="should hold an image"):
        session.identify(replace(known(world, BLANK_DISC), last_sequence=1, uuid="x"))


def test_another_disc_with_the_same_barcode_is_wrong(world: World) -> None:
    with disc(world, DISC) as session, pytest.raises(WrongVolume, match="says it is"):
        session.identify(replace(known(world, DISC), uuid=str(uuid4())))


def test_a_burnt_disc_with_another_sticker_is_foreign_where_a_blank_one_is_expected(world: World) -> None:
    with disc(world, DISC) as session:
        misnamed = DiscSession(session.recorder, Barcode("D99999"))
        with pytest.raises(ForeignVolume, match="is not blank"):
            misnamed.identify(replace(known(world, DISC), last_sequence=0))


def test_a_disc_of_somebody_else_is_foreign(world: World, tmp_path: Path) -> None:
    image = tmp_path / "holiday.iso"
    image.write_bytes(b"holiday pictures" * 10_000)
    third = Barcode("D00003")
    with disc(world, third) as session:
        session.burn(image)
        with pytest.raises(ForeignVolume, match="no disc of ours"):
            session.identify(known(world, third))


def test_a_recorded_disc_is_a_seekable_stream_and_keeps_the_drives_error(world: World) -> None:
    with disc(world, DISC) as session:
        stream = session.stream()
        assert stream.seek(-2048, io.SEEK_END) == (known(world, DISC).image_bytes or 0) - 2048
        assert len(stream.read()) == 2048
        assert stream.read() == b""
        assert (stream.raw.readable(), stream.raw.seekable()) == (True, True)
        world.simulated.faults.add("fail read on drive 2 once")
        stream.seek(0)
        with pytest.raises(DeviceError):
            stream.read(5_000_000)
        assert isinstance(stream.raw.error, DeviceError)  # type: ignore[attr-defined]


# -- robot and drives --------------------------------------------------------------------------------------------


def test_a_volume_that_is_nowhere_is_asked_for(world: World) -> None:
    with pytest.raises(VolumeNotInLibrary, match="mail slot"), tape(world, "Z00001L8"):
        pass


def test_a_volume_in_another_drive_is_taken_from_there(world: World) -> None:
    world.library.clean_up()
    with tape(world, TAPE, 0):
        pass
    with tape(world, TAPE, 1) as session:
        assert session.identify(known(world, TAPE)) is not None
    states = {d.index: (d.state, d.barcode) for d in world.catalog.drives.list()}
    assert states[0] == (DriveState.EMPTY, None)
    assert states[1] == (DriveState.MOUNTED, TAPE)


def test_a_wrong_volume_does_not_stay_in_the_drive(world: World) -> None:
    with tape(world, "C00001L8") as session:
        write(session, b"tar of another house" * 100)
    with pytest.raises(ForeignVolume), world.library.mount(Barcode("C00001L8"), 0, "read"):
        pass
    assert world.catalog.drives.get("test", 0).barcode is None


def test_a_drive_that_cannot_be_emptied_after_a_failure_is_down(tmp_path: Path) -> None:
    world = World(tmp_path, discs=())
    world.simulated.faults.add("fail unload on drive 0 always")
    with pytest.raises(DeviceError), world.library.mount(BLANK, 0, "read"):
        raise DeviceError("broken")
    drive = world.catalog.drives.get("test", 0)
    assert drive.state is DriveState.DOWN
    assert "could not be emptied" in drive.reason


def test_a_volume_whose_slot_was_taken_meanwhile_is_put_into_another(tmp_path: Path) -> None:
    world = World(tmp_path, discs=())
    with world.library.mount(BLANK, 0, "read"):
        pass
    storage = world.simulated.changer.inventory().storage()
    assert len([e for e in storage if e.full]) == 3
    element = world.simulated.changer.inventory().drive(0)
    assert element is not None
    origin = element.origin
    other = next(e.index for e in storage if e.full)
    world.library.move(other, origin or 0)  # its own slot was taken meanwhile: another one is found
    world.library.empty_drive(0)
    place = world.simulated.changer.inventory().find(BLANK)
    assert place is not None
    assert place.index != origin
    world.library.empty_drive(0)  # nothing to do


def test_what_a_barcode_is_made_of(world: World, tmp_path: Path) -> None:
    kinds = [world.library.kind_of(Barcode(b)) for b in ("A00001L8", "A00001M8", "A00001LX", "D00001", "CLN001L8")]
    assert kinds == [MediumKind.TAPE, MediumKind.TAPE, MediumKind.TAPE, MediumKind.DISC, None]
    tapes_only = World(tmp_path, discs=())
    assert tapes_only.library.kind_of(Barcode("WITHOUT")) is MediumKind.TAPE


def test_a_robot_that_fails_leaves_the_drive_usable(tmp_path: Path) -> None:
    world = World(tmp_path, discs=())
    world.simulated.faults.add("fail robot before load")
    with pytest.raises(ChangerError), world.library.mount(BLANK, 0, "read"):
        pass
    with world.library.mount(BLANK, 0, "read") as session:
        assert session.barcode == BLANK
        assert isinstance(session, TapeSession)
        assert session.drive.tell() == Address(0)
