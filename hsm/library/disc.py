"""One disc in one recorder, proved to be the right one.

Source: docs/FORMAT.md section 3.
"""

import io
from pathlib import Path

from drivers.base import Barcode, DiscState, Recorder
from drivers.errors import DriverError, MediumError
from hsm.facts import VolumeRecord
from hsm.format.disc import DiscReader
from hsm.format.errors import FormatError
from hsm.library.errors import ForeignVolume, SwappedVolume, UnknownContent, UnreadableVolume, WrongVolume

READ_BYTES = 1024 * 1024
SECTOR_BYTES = 2048


class RecordedBytes(io.RawIOBase):
    """The recorded image as a seekable file, so that any ISO 9660 reader can be used on it."""

    def __init__(self, recorder: Recorder, size_bytes: int) -> None:
        self._recorder = recorder
        self._size = size_bytes
        self._at = 0
        self.error: DriverError | None = None  # readers of file formats may swallow it

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        try:
            data = self._up_to_damage(wanted)
        except DriverError as error:
            self.error = error
            raise
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _up_to_damage(self, wanted: int) -> bytes:
        """As much as can be read from here on: who reads ahead must not lose what lies before a bad place.

        Raises: MediumError when not even a sector can be read.
        """
        this_sector = SECTOR_BYTES - self._at % SECTOR_BYTES
        while True:
            try:
                return self._recorder.read(self._at, wanted)
            except MediumError:
                if wanted <= this_sector:
                    raise
                wanted = max(this_sector, wanted // 2)


class DiscSession:
    """A disc in a recorder."""

    def __init__(self, recorder: Recorder, barcode: Barcode) -> None:
        self.recorder = recorder
        self.barcode = barcode

    @property
    def drive_serial(self) -> str:
        """Serial number of the recorder, as copies record it."""
        return self.recorder.serial

    def is_blank(self) -> bool:
        """Whether the disc can be burnt."""
        return self.recorder.status().state is DiscState.BLANK

    def identify(self, volume: VolumeRecord) -> None:
        """Prove that this is the catalogued disc, or blank where a blank one is expected.

        Raises: WrongVolume and its kinds.
        """
        state = self.recorder.status().state
        if volume.last_sequence == 0:
            if state is DiscState.BLANK:
                return
            if state is DiscState.COMPLETE:
                label = self.reader().label()
                if label.barcode == self.barcode:
                    raise UnknownContent(
                        f"{self.barcode} holds packs the catalog does not know; run `firn rebuild-catalog --volume "
                        f"{self.barcode}`"
                    )
            raise ForeignVolume(f"{self.barcode} is not blank ({state.value}); it is not used")
        if state is DiscState.UNREADABLE:
            raise UnreadableVolume(
                f"the recorder cannot read {self.barcode} to its end; try another recorder, or clean the disc"
            )
        if state is not DiscState.COMPLETE:
            raise WrongVolume(f"{self.barcode} should hold an image, but the recorder says {state.value}")
        label = self.reader().label()
        if label.barcode != self.barcode or label.uuid != volume.uuid:
            swapped = label.barcode != self.barcode
            raise (SwappedVolume if swapped else WrongVolume)(
                f"the disc in place of {self.barcode} ({volume.uuid}) says it is {label.barcode} ({label.uuid})"
            )

    def stream(self) -> io.BufferedReader:
        """The recorded image as a seekable stream."""
        return io.BufferedReader(RecordedBytes(self.recorder, self.recorder.status().size_bytes or 0), READ_BYTES)

    def reader(self) -> DiscReader:
        """The File-set on the disc.

        Raises: ForeignVolume when it is not one of ours.
        """
        try:
            return DiscReader(self.stream())
        except FormatError as error:
            raise ForeignVolume(f"{self.barcode} holds no disc of ours: {error}") from error

    def burn(self, image: Path) -> None:
        """Write the image and close the disc."""
        self.recorder.burn(image)
