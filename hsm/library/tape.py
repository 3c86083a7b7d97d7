"""One tape in one drive, proved to be the right one, and the rules for reading and appending.

Source: docs/FORMAT.md section 2; the invariant "right volume or nothing".
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

from drivers.base import RECORD_BYTES, Address, Barcode, TapeDrive
from drivers.errors import EndOfData
from hsm.facts import VolumeRecord
from hsm.format.errors import FormatError, NotALabel
from hsm.format.label import VolumeLabel
from hsm.format.label import decode as decode_label
from hsm.format.label import encode as encode_label
from hsm.format.reading import read_header
from hsm.format.tape import intro_tar
from hsm.library.errors import (
    EndOfDataMoved,
    ForeignVolume,
    SessionClosed,
    SwappedVolume,
    UnknownContent,
    UnreadableVolume,
    WrongVolume,
)

INTRO_ADDRESS = Address(2)  # the label is one record and its filemark


class TapeSession:
    """A mounted tape. Reads at any time; writes only after prepare_append() and until the first error."""

    def __init__(self, drive: TapeDrive, barcode: Barcode) -> None:
        self.drive = drive
        self.barcode = barcode
        self._may_append = False

    @property
    def drive_serial(self) -> str:
        """Serial number of the drive, as copies record it."""
        return self.drive.serial

    def read_label(self) -> VolumeLabel | None:
        """The label on the tape, or None on a blank one.

        Raises: ForeignVolume when there is something else at the beginning, WrongVolume when it names another barcode.
        """
        self._may_append = False
        self.drive.rewind()
        try:
            first = next(self.drive.read(), b"")
        except EndOfData:
            return None
        try:
            label = decode_label(first)
        except NotALabel as error:
            raise ForeignVolume(
                f"{self.barcode}: the tape holds data that are not ours ({error}); take it out or erase it by hand"
            ) from error
        except FormatError as error:
            raise UnreadableVolume(
                f"{self.barcode}: the label is damaged ({error}); the volume is set aside"
            ) from error
        if label.barcode != self.barcode:
            raise SwappedVolume(
                f"the tape with barcode {self.barcode} carries the label of {label.barcode}: barcodes were swapped; "
                "put the right barcode on it"
            )
        return label

    def identify(self, volume: VolumeRecord) -> VolumeLabel | None:
        """Prove that this is the catalogued volume.

        Returns: its label; None when it is blank and the catalog expects a blank one. One that a person emptied shows
        its former label.
        Raises: WrongVolume and its kinds.
        """
        label = self.read_label()
        if volume.uuid is None:
            emptied = label is not None and label.uuid == volume.former_uuid
            if label is not None and not emptied and not self._is_empty():
                raise UnknownContent(
                    f"{self.barcode} holds packs the catalog does not know; run `firn rebuild-catalog --volume "
                    f"{self.barcode}`"
                )
            return label
        if label is None:
            raise WrongVolume(f"{self.barcode} is blank, but the catalog knows it as {volume.uuid}; it is set aside")
        if label.uuid != volume.uuid:
            raise WrongVolume(
                f"{self.barcode} carries label {label.uuid}, but the catalog knows it as {volume.uuid}; it is set aside"
            )
        return label

    def write_label(self, label: VolumeLabel) -> Address:
        """Make a blank tape ours: label, restore instructions, synchronous flush.

        May be repeated after an interruption: a label that is already there is left as it is.

        Returns: the address where the first pack goes.
        """
        present = self.read_label()
        if present is None:
            self.drive.rewind()
            self.drive.append(io.BytesIO(encode_label(label)))
        elif present != label:
            raise WrongVolume(f"{self.barcode} already has the label {present.uuid}; it is not written over")
        return self._write_intro(label)

    def replace_label(self, label: VolumeLabel, former_uuid: str) -> Address:
        """Write a new label over that of a tape which a person emptied; what lay behind the old one is gone by that.

        Returns: the address where the first pack goes.
        Raises: WrongVolume when the tape does not carry just that former label.
        """
        present = self.read_label()
        if present is None or present.uuid != former_uuid:
            found = "no label" if present is None else f"label {present.uuid}"
            raise WrongVolume(f"{self.barcode} carries {found}, not {former_uuid}: it is not written over")
        self.drive.rewind()
        self.drive.append(io.BytesIO(encode_label(label)))
        return self._write_intro(label)

    def _write_intro(self, label: VolumeLabel) -> Address:
        self.drive.seek(INTRO_ADDRESS)
        self.drive.append(io.BytesIO(intro_tar(label)))
        self.drive.flush()
        return self.drive.tell()

    def holds_packs(self) -> bool:
        """Whether something lies behind the label and the restore instructions."""
        return not self._is_empty()

    def _is_empty(self) -> bool:
        """Whether nothing lies behind the label and the restore instructions."""
        try:
            self.drive.seek(INTRO_ADDRESS)
            for _ in self.drive.read():
                pass
            next(self.drive.read(), None)
        except EndOfData:
            return True
        return False

    def records(self, address: int, first_record: int = 0) -> Iterator[bytes]:
        """The records of the tape file that begins at `address`, from its record number `first_record` on."""
        self._may_append = False
        self.drive.seek(Address(address + first_record))
        return self.drive.read()

    def prepare_append(self, volume: VolumeRecord) -> None:
        """Prove the append position: the last pack is the catalogued one, and the end of data is where it should be.

        Raises: EndOfDataMoved, WrongVolume.
        """
        self.prove_end(volume)
        self._may_append = True

    def prove_end(self, volume: VolumeRecord) -> None:
        """Prove that the tape ends as the catalog says, without the right to append that prepare_append() gives.

        Raises: EndOfDataMoved, WrongVolume.
        """
        self.identify(volume)
        if volume.end_address is None:
            raise EndOfDataMoved(f"the catalog knows no end of data for {self.barcode}; it is not written")
        if volume.last_address is not None:
            self._prove_last_pack(volume, volume.last_address)
        end = Address(volume.end_address)
        try:
            self.drive.seek(end)
        except EndOfData as error:
            raise EndOfDataMoved(
                f"{self.barcode} ends before block {end}, where the catalog says its data end: packs are missing"
            ) from error
        at = self.drive.tell()
        if at != end:
            raise EndOfDataMoved(f"{self.barcode}: the drive stands at block {at} instead of {end}; nothing is written")

    def _prove_last_pack(self, volume: VolumeRecord, last_address: int) -> None:
        try:
            header = read_header(self.records(last_address))
        except (FormatError, EndOfData) as error:
            raise EndOfDataMoved(
                f"{self.barcode}: the last pack at block {last_address} cannot be read: {error}"
            ) from error
        if header.pack_digest != volume.last_digest or header.sequence != volume.last_sequence:
            raise EndOfDataMoved(
                f"{self.barcode}: block {last_address} holds pack {header.sequence} {header.pack_digest[:12]}, the "
                f"catalog expects {volume.last_sequence} {str(volume.last_digest)[:12]}"
            )

    def append(self, stream: BinaryIO) -> Address:
        """Write one tape file behind the last. Any error ends this session's right to write."""
        if not self._may_append:
            raise SessionClosed(f"{self.barcode}: the append position is not proved; mount the volume again")
        self._may_append = False
        address = self.drive.append(stream)
        self._may_append = True
        return address

    def flush(self) -> Address:
        """Make everything appended true and say where the next pack goes. Any error ends the right to write."""
        may_append, self._may_append = self._may_append, False
        self.drive.flush()
        end = self.drive.tell()
        self._may_append = may_append
        return end

    def step_back(self, address: int) -> None:
        """Give up an unfinished tape file whose source failed: what is appended next, or nothing, takes its place.

        Raises: EndOfDataMoved when the drive does not stand where it was told to go; DriverError.
        """
        self._may_append = False
        self.drive.seek(Address(address))
        at = self.drive.tell()
        if at != address:
            raise EndOfDataMoved(
                f"{self.barcode}: the drive stands at block {at} instead of {address}; nothing is written"
            )
        self._may_append = True


def record_at(offset_bytes: int) -> tuple[int, int]:
    """The record of a tape file that holds a stream offset, and the offset of that record's first byte."""
    number = offset_bytes // RECORD_BYTES
    return number, number * RECORD_BYTES
