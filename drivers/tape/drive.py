"""A tape drive behind Linux st. The ioctls and what is expected of them: docs/HARDWARE.md, "Tape drives"."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import BinaryIO, NoReturn, TypeVar

import structlog

from drivers import sg, sg_logs
from drivers.attached import AttachedDevice, AttachedKind, find, state
from drivers.base import RECORD_BYTES, Address, DriveStatus, VolumeStatistics
from drivers.clock import Clock
from drivers.errors import (
    CommandFailed,
    DeviceError,
    DeviceGone,
    DriveEmpty,
    DriveNotReady,
    DriverError,
    EndOfData,
    EndOfMedium,
    MediumError,
    MediumUnsupported,
    UnitAttention,
    WriteProtected,
)
from drivers.generations import Use
from drivers.records import read_record
from drivers.tape import composing, setting, verdicts
from drivers.tape.density import generation, model
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import MtStatus, Op
from drivers.tape.options import TapeOptions
from drivers.tape.stenc import Stenc
from drivers.tape.verdicts import ADVICE, Evidence
from drivers.tape_alerts import CLEANING_FAILED, CLEANING_WANTED

_log = structlog.get_logger()
_T = TypeVar("_T")


class StTapeDrive:
    """One LTO drive, known by its serial number. The device is open from the first rewind of a mount to its end.

    Nothing else may use st or sg of this drive at the same time: a unit attention is told only once.
    """

    def __init__(self, name: str, attached: AttachedDevice, clock: Clock, options: TapeOptions | None = None) -> None:
        """Raises: MediumUnsupported when nobody says of which generation the drive is."""
        self._name, self._device, self._clock = name, attached, clock
        self._options = options or TapeOptions()
        told = self._options.model or model(attached.product)
        if told is None:
            raise MediumUnsupported(
                f"{name}: the product name {attached.product!r} does not say which generation the drive is; "
                "say it as an option"
            )
        self._model = told
        self._turn_lock = threading.RLock()  # one command at a time
        self._turn = 0  # number of the operation, so that an abandoned read cannot speak for a later one
        self._tape: TapeDevice | None = None
        self._doubt = "the position is not known after a load"  # empty: identity and position are known
        self._volume: str | None = None  # serial number of the mounted cartridge
        self._warned_at: int | None = None  # the first block that was refused: behind it lies the reserve
        self._end: int | None = None  # of data, where this mount has proved it: WORM is appended to, nothing else
        self._released = False
        self._alerts: set[int] = set()  # a flag is told once, and kept here
        self._key_name: str | None = None
        self._last = DriveStatus(False, False)

    @property
    def name(self) -> str:
        return self._name

    @property
    def serial(self) -> str:
        return self._device.serial

    @property
    def model(self) -> str:
        return self._model

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
                if volume.capacity_bytes is None:
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

    def wait_ready(self, limit_s: float) -> None:
        with self._turn_lock:
            if self._answers():
                return
            started = self._clock.now()
            helped = False
            while True:
                seen = self._glance()
                waited_s = (self._clock.now() - started) / timedelta(seconds=1)
                if seen.online:
                    self._check(seen)
                    self._released = False
                    return
                if seen.empty and waited_s >= min(limit_s, self._options.settle_s):
                    if helped:
                        raise DriveEmpty(f"{self._name} is empty; load a volume first")
                    helped = self._load()
                    continue
                if not seen.empty:
                    self._look_closer()
                if waited_s >= limit_s:
                    raise DriveNotReady(
                        f"{self._name} was not ready after {limit_s:g} s; try another drive, or wait longer"
                    )
                self._clock.sleep(min(self._options.poll_s, limit_s - waited_s))

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
                at = tape.position()
            except OSError as error:
                self._fail(error, -1, lambda evidence: verdicts.seeking(address, evidence))
            if at != address:
                raise self._in_doubt(f"the drive stands at block {at} after a seek to {address}")

    def append(self, stream: BinaryIO) -> Address:
        with self._turn_lock:
            tape = self._ready()
            first = at = self._position(tape)
            self._check_writable(tape, first)
            if self._warned_at is not None and first < self._warned_at:
                self._warned_at = None
            whole = False
            try:
                while record := read_record(stream, RECORD_BYTES):
                    self._write(tape, record, at)
                    at += 1
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
                self._fail(error, -1, verdicts.writing)

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
                self._fail(error, -1, verdicts.writing)
            self._forget(released=True)
            self._shut(tape)

    def close(self) -> None:
        """Let go of the device; the cartridge stays in the drive."""
        with self._turn_lock:
            self._turn += 1
            if (tape := self._tape) is not None:
                self._forget(released=False)
                self._shut(tape)

    # Opening, looking, closing

    def _found(self) -> AttachedDevice:
        found = find(self.serial, AttachedKind.TAPE)
        if found is None or found.node is None:
            raise DeviceGone(
                f"{self._name}: no tape drive with serial number {self.serial} is attached; look at its cable"
            )
        self._device = found
        return found

    def _device_open(self) -> TapeDevice:
        node = self._found().node
        assert node is not None
        try:
            return setting.opened(node)
        except OSError as error:
            raise verdicts.opening(error.errno or 0, node) from error

    def _glance(self) -> MtStatus:
        """Open, look, close: what a drive says whose volume is not in use."""
        tape = self._device_open()
        try:
            return tape.status()
        except OSError as error:
            raise verdicts.opening(error.errno or 0, self._device.node) from error
        finally:
            self._shut(tape)

    def _open(self) -> TapeDevice:
        tape = self._device_open()
        seen = tape.status()
        if not seen.online:
            self._shut(tape)
            self._loaded(seen)
        self._tape = tape
        return tape

    def _loaded(self, seen: MtStatus) -> None:
        if seen.empty:
            raise DriveEmpty(f"{self._name} is empty; load a volume first")
        if not seen.online:
            raise DriveNotReady(f"{self._name} is not ready; wait until it is")

    def _answers(self) -> bool:
        """Whether the volume in use is still there and known."""
        if self._tape is None:
            return False
        try:
            self._tape.position()
        except OSError:
            self._abandon()
            return False
        return not self._doubt

    def _shut(self, tape: TapeDevice) -> None:
        try:
            tape.close()
        except OSError as error:
            raise DeviceError(
                f"{self._name}: an earlier write had failed, as it turned out at the close; trust nothing since "
                "the last flush"
            ) from error

    def _abandon(self) -> None:
        """Close after a failure. Whatever the kernel has to say about it was said already."""
        if (tape := self._tape) is None:
            return
        self._disarm(tape)
        self._forget(released=False)
        try:
            tape.close()
        except OSError as error:
            _log.warning("tape_close_failed", drive=self._name, reason=str(error))

    def _disarm(self, tape: TapeDevice) -> None:
        # After a write st puts a filemark of its own on the tape before it closes, rewinds or seeks: wherever the head
        # is, also at the beginning of another cartridge. Any operation that is no write calls that off.
        try:
            tape.do(Op.UNLOCK)
        except OSError as error:
            _log.info("tape_unlock_refused", drive=self._name, reason=str(error))

    def _forget(self, released: bool) -> None:
        self._tape, self._volume, self._warned_at, self._end = None, None, None, None
        self._doubt = "the position is not known after a load"
        self._released = released
        if released:
            self._alerts &= CLEANING_WANTED
            self._key_name = None

    # Readiness

    def _check(self, seen: MtStatus) -> None:
        medium = generation(seen.density)
        if composing.can(self._model, medium) is Use.NONE:
            raise MediumUnsupported(f"{self._name}: an {self._model} drive cannot use an {medium} tape; unload it")

    def _load(self) -> bool:
        """Have the drive take in what may lie in its mouth; a drive with nothing there says no, or nothing."""
        tape = self._device_open()
        try:
            tape.do(Op.LOAD)
        except OSError as error:
            _log.info("tape_load_refused", drive=self._name, reason=str(error))
        finally:
            self._shut(tape)
        return True

    def _look_closer(self) -> None:
        """A drive that is neither ready nor empty: is it loading, cleaning, or is the medium none for it?"""
        sense = sg.ready(self._found().sg)
        if composing.is_unusable(sense):
            raise MediumUnsupported(f"{self._name}: an {self._model} drive cannot use this medium; unload it")
        if not composing.is_cleaning(sense):
            return
        started = self._clock.now()
        while composing.is_cleaning(sense):
            if self._clock.now() - started > timedelta(seconds=self._options.cleaning_limit_s):
                raise DriveNotReady(f"{self._name} is still cleaning; look at the drive")
            self._clock.sleep(self._options.poll_s)
            sense = sg.ready(self._found().sg)
        self._released = True
        self._alerts -= CLEANING_WANTED
        self._alerts |= sg_logs.alerts(self._page(sg_logs.ALERTS) or "")
        if self._alerts & CLEANING_FAILED:
            self._alerts -= CLEANING_FAILED
            raise MediumError(f"{self._name}: the cleaning cartridge is used up; put in a new one")
        raise MediumUnsupported(f"{self._name} was cleaned; a cleaning cartridge is good for nothing else, take it out")

    def _rewound(self, tape: TapeDevice) -> None:
        setting.settle(tape, self._found(), self._options, self._name)
        tape.do(Op.REWIND)
        if self._options.key_dir is not None:
            self._key_name = self._stenc().settle(self._options.key_name)
            tape.do(Op.REWIND)
        if (at := tape.position()) != 0:
            raise DeviceError(f"{self._name} stands at block {at} after a rewind; look at the drive")
        self._volume = composing.volume_facts(self._page(sg_logs.VOLUME)).serial
        self._doubt, self._warned_at, self._end, self._released = "", None, None, False

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

    # Records

    def _position(self, tape: TapeDevice) -> int:
        try:
            return tape.position()
        except OSError as error:
            self._fail(error, -1, verdicts.writing)

    def _check_writable(self, tape: TapeDevice, first: int) -> None:
        seen = tape.status()
        medium = generation(seen.density)
        if seen.write_protected or composing.can(self._model, medium) is not Use.WRITE:
            raise WriteProtected(f"{self._name}: the volume is write-protected; use another")
        if first == self._end or not composing.volume_facts(self._page(sg_logs.VOLUME)).worm:
            return
        try:
            tape.do(Op.EOM)
            end = tape.position()
            tape.do(Op.SEEK, first)
        except OSError as error:
            self._fail(error, -1, verdicts.writing)
        if end != first:
            raise WriteProtected(
                f"{self._name}: the volume is WORM and ends at block {end}; block {first} stays as it is"
            )
        self._end = end

    def _write(self, tape: TapeDevice, record: bytes, at: int) -> None:
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

    # Failures

    def _page(self, page: int) -> str | None:
        """A log page. Raises: UnitAttention; then nothing is known any more."""
        try:
            return sg.log_page(self._found().sg, page)
        except UnitAttention as error:
            if self._tape is None:  # nobody relied on anything
                return sg.log_page(self._device.sg, page)
            raise self._in_doubt("it was reset or its medium was changed") from error

    def _in_doubt(self, what: str) -> UnitAttention:
        self._abandon()
        self._doubt = what
        return UnitAttention(f"{self._name}: {what}; rewind and read the label again")

    def _fail(self, error: OSError, at: int, verdict: Callable[[Evidence], type[DriverError]]) -> NoReturn:
        """Find out what an error was and raise it. Unless it is proved harmless, the mount is over.

        `at` is the block where the operation was, -1 when it may be anywhere.
        """
        evidence = self._evidence(error, at, verdict)
        kind = verdict(evidence)
        _log.warning(
            "tape_call_failed",
            drive=self._name,
            errno=error.errno,
            verdict=kind.__name__,
            block=at,
            at=evidence.position,
        )
        harmless = kind in (EndOfData, WriteProtected) or (kind is MediumError and verdict is verdicts.reading)
        if not harmless:
            self._abandon()
            self._doubt = f"{ADVICE[kind]}"
        raise kind(f"{self._name}: {ADVICE[kind]} (block {at if at >= 0 else 'unknown'}, {error.strerror})") from error

    def _evidence(self, error: OSError, at: int, verdict: Callable[[Evidence], type[DriverError]]) -> Evidence:
        number, tape, expected = error.errno or 0, self._tape, at
        known = state(self._device)
        if tape is None or known not in verdicts.RUNNING:
            return Evidence(number, expected, known, volume=self._volume)
        position = self._asked(tape.position)
        if at < 0 and position is not None:
            expected = position
        volume = end = sense = None
        alerts: frozenset[int] = frozenset()
        try:
            volume = composing.volume_facts(sg.log_page(self._device.sg, sg_logs.VOLUME)).serial
            alerts = sg_logs.alerts(sg.log_page(self._device.sg, sg_logs.ALERTS) or "")
            self._alerts |= alerts
            if verdict is verdicts.reading and position in (at, at + 1):
                if position != at:
                    self._asked(lambda: tape.do(Op.SEEK, at))
                sense = sg.read_again(self._device.sg)
                self._asked(lambda: tape.do(Op.SEEK, at))
            elif verdict is not verdicts.writing:
                self._asked(lambda: tape.do(Op.EOM))
                end = self._asked(tape.position)
        except (UnitAttention, CommandFailed) as told:
            _log.info("tape_evidence_missing", drive=self._name, reason=str(told))
        return Evidence(number, expected, known, position, self._volume, volume, sense, end, alerts)

    def _asked(self, question: Callable[[], _T]) -> _T | None:
        try:
            return question()
        except OSError:
            return None
