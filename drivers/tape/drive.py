"""A tape drive behind Linux st. The ioctls and what is expected of them: docs/HARDWARE.md, "Tape drives"."""

from collections.abc import Iterator
from typing import BinaryIO

from drivers import sg, sg_logs
from drivers.base import RECORD_BYTES, Address, DriveStatus, VolumeStatistics
from drivers.errors import (
    CommandFailed,
    DeviceError,
    DriveEmpty,
    EndOfData,
    EndOfMedium,
    UnitAttention,
    WriteProtected,
)
from drivers.generations import Use
from drivers.records import read_record
from drivers.tape import composing, setting, verdicts
from drivers.tape.density import generation
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import Flag, MtStatus, Op
from drivers.tape.readiness import ReadyDrive
from drivers.tape.stenc import Stenc


class StTapeDrive(ReadyDrive):
    """One LTO drive, known by its serial number. The device is open from the first rewind of a mount to its end.

    Nothing else may use st or sg of this drive at the same time: a unit attention is told only once.
    """

    def status(self) -> DriveStatus:
        """Ask the drive. While it is busy with something long, its last answer is repeated."""
        if not self._turn_lock.acquire(timeout=self._options.turn_s):
            return self._last
        try:
            seen = self._tape.status() if self._tape is not None else self._glance()
            self._alerts |= sg_logs.alerts(self._page(sg_logs.ALERTS) or "")
            volume, room = sg_logs.VolumeFacts(), sg_logs.CapacityFacts()
            if seen.online:
                volume = composing.volume_facts(self._page(sg_logs.VOLUME))
                room = sg_logs.capacity(self._page(sg_logs.CAPACITY) or "")
            self._last = composing.drive_status(self._model, seen, volume, room, self._alerts, self._key_name)
            return self._last
        except OSError as error:
            self._fail(error, 0, verdicts.writing)
        finally:
            self._turn_lock.release()

    def statistics(self) -> VolumeStatistics:
        with self._turn_lock:
            if self._tape is None:
                self._loaded(self._glance())
            return composing.statistics(
                composing.volume_facts(self._page(sg_logs.VOLUME)),
                sg_logs.errors(self._page(sg_logs.WRITE_ERRORS) or ""),
                sg_logs.errors(self._page(sg_logs.READ_ERRORS) or ""),
            )

    def rewind(self) -> None:
        with self._turn_lock:
            self._turn += 1
            for attempt in (1, 2):  # a drive that was reset or swapped says so at the first; the second is fresh
                tape = self._tape or self._open()
                try:
                    self._rewound(tape)
                    return
                except OSError as error:
                    self._abandon()
                    if attempt == 2:
                        self._fail(error, 0, verdicts.writing)

    def tell(self) -> Address:
        with self._turn_lock:
            return Address(self._position(self._ready(moves=False)))

    def seek(self, address: Address) -> None:
        with self._turn_lock:
            tape = self._ready()
            try:
                tape.do(Op.SEEK, address)
                self._where = at = tape.position()
            except OSError as error:
                self._fail(error, address, verdicts.seeking)
            if at != address:
                raise self._in_doubt(f"the drive stands at block {at} after a seek to {address}")

    def append(self, stream: BinaryIO) -> Address:
        with self._turn_lock:
            tape = self._ready()
            first = at = self._position(tape)
            self._check_writable(tape, first)
            if self._warned_at is not None and first < self._warned_at:
                self._warned_at = None
            if self._crossed_at is not None and first < self._crossed_at:
                self._crossed_at = None
            whole = False
            try:
                while record := read_record(stream, RECORD_BYTES):
                    self._write(tape, record, at)
                    at += 1
                if at > first and Flag.EOT in self._seen(tape).flags:
                    self._crossed_at = at  # st tells it at the next record, but forgets it at the mark between them
                self._mark(tape, at)
                whole = True
            finally:
                if not whole and self._tape is not None:
                    self._disarm(tape)
            here = self._position(tape)
            if here != at + 1:
                raise self._in_doubt(f"the drive stands at block {here} after blocks {first} to {at} were written")
            self._end = here
            return Address(first)

    def flush(self) -> None:
        with self._turn_lock:
            tape = self._ready(moves=False)
            try:
                tape.do(Op.WEOF, 0)
            except OSError as error:
                self._fail(error, self._where, verdicts.writing)

    def read(self) -> Iterator[bytes]:
        with self._turn_lock:
            tape = self._ready()
            turn, at = self._turn, self._position(tape)
        while True:
            with self._turn_lock:
                if self._turn != turn or self._tape is not tape:
                    raise UnitAttention(f"{self._name}: something else was done since this read began; seek again")
                record = self._record(tape, at)
            if record is None:
                return
            at += 1
            yield record

    def unload(self) -> None:
        with self._turn_lock:
            self._turn += 1
            if self._tape is None:
                seen = self._glance()
                if seen.empty:
                    if self._released or sg_logs.medium_present(self._page(sg_logs.DEVICE_STATUS) or ""):
                        return
                    raise DriveEmpty(f"{self._name} is empty; there is nothing to unload")
                if not seen.online:
                    self._force_out()
                    return
            tape = self._tape or self._open()
            try:
                tape.do(Op.OFFLINE)
                if self._key_name is not None:
                    self._stenc().clear()
            except OSError as error:
                self._fail(error, self._where, verdicts.writing)
            self._forget(released=True)
            self._shut(tape)

    def close(self) -> None:
        """Let go of the device; the cartridge stays in the drive."""
        with self._turn_lock:
            self._turn += 1
            if (tape := self._tape) is not None:
                self._forget(released=False)
                self._shut(tape)

    def _rewound(self, tape: TapeDevice) -> None:
        setting.settle(tape, self._found(), self._options, self._name)
        tape.do(Op.REWIND)
        if self._options.key_dir is not None:
            self._key_name = self._stenc().settle(self._options.key_name)
            tape.do(Op.REWIND)
        if (at := tape.position()) != 0:
            raise DeviceError(f"{self._name} stands at block {at} after a rewind; look at the drive")
        volume = composing.volume_facts(self._page(sg_logs.VOLUME))
        self._volume, self._worm = volume.serial, bool(volume.worm)
        self._doubt, self._end, self._released = "", None, False
        self._warned_at = self._crossed_at = None

    def _stenc(self) -> Stenc:
        assert self._options.key_dir is not None
        return Stenc(self._device.sg, self._options.key_dir, self._options.key_algorithm)

    def _force_out(self) -> None:
        try:
            sg.unload(self._found().sg)
        except CommandFailed as error:
            raise DeviceError(f"{self._name} does not let go of its medium; look at the drive ({error})") from error
        self._forget(released=True)

    def _ready(self, moves: bool = True) -> TapeDevice:
        """Ready for an operation at a known place; one that moves the tape ends the reads that are going on."""
        self._turn += moves
        if self._tape is None:
            self._loaded(self._glance())
        if self._tape is None or self._doubt:
            raise UnitAttention(f"{self._name}: {self._doubt}; rewind and read the label first")
        return self._tape

    def _position(self, tape: TapeDevice) -> int:
        try:
            self._where = tape.position()
        except OSError as error:
            self._fail(error, self._where, verdicts.writing)
        return self._where

    def _seen(self, tape: TapeDevice) -> MtStatus:
        try:
            return tape.status()
        except OSError as error:  # st hands its buffer to the drive before it answers
            self._fail(error, self._where, verdicts.writing)

    def _check_writable(self, tape: TapeDevice, first: int) -> None:
        seen = self._seen(tape)
        medium = generation(seen.density)
        if seen.write_protected or composing.can(self._model, medium) is not Use.WRITE:
            raise WriteProtected(f"{self._name}: the volume is write-protected; use another")
        if first == self._end or not self._worm:
            return
        try:
            tape.do(Op.EOM)
            end = tape.position()
            tape.do(Op.SEEK, first)
        except OSError as error:
            self._fail(error, self._where, verdicts.writing)
        if end != first:
            raise WriteProtected(
                f"{self._name}: the volume is WORM and ends at block {end}; block {first} stays as it is"
            )
        self._end = end

    def _write(self, tape: TapeDevice, record: bytes, at: int) -> None:
        if self._crossed_at is not None and self._warned_at is None:
            self._warned_at = at
            raise EndOfMedium(f"{self._name}: the volume is full at block {at}; go on with another")
        for again in (False, True):
            try:
                taken = tape.write(record)
            except OSError as error:
                if verdicts.plain(error.errno or 0) is not EndOfMedium:
                    self._fail(error, at, verdicts.writing)
                # st alternates: refused, taken, refused, taken. The first refusal is told; in the reserve one more try
                # is made, and two in a row are the end, unless an earlier record was the one that was refused.
                if self._warned_at is None or again or self._position(tape) != at:
                    self._warned_at = at if self._warned_at is None else self._warned_at
                    raise EndOfMedium(f"{self._name}: the volume is full at block {at}; go on with another") from error
                continue
            if taken != len(record):
                raise self._in_doubt(f"only {taken} of {len(record)} bytes of block {at} were taken")
            return

    def _mark(self, tape: TapeDevice, at: int) -> None:
        try:
            tape.do(Op.WEOFI, 1)
        except OSError as error:
            self._fail(error, at, verdicts.writing)

    def _record(self, tape: TapeDevice, at: int) -> bytes | None:
        try:
            record = tape.read()
        except OSError as error:
            self._fail(error, at, verdicts.reading)
        if record:
            return record
        here = self._position(tape)
        if here == at + 1:
            return None
        if here == at:
            raise EndOfData(f"{self._name}: no data at block {at}")
        raise self._in_doubt(f"the drive stands at block {here} after block {at - 1} was read")
