"""A tape drive held by its one owner: opening, looking, letting go, and finding out what an error was.

The device is open from the first rewind of a mount to its end, so that nobody else uses the drive in between.
"""

import threading
from typing import NoReturn

import structlog

from drivers import sg
from drivers.attached import AttachedDevice, AttachedKind, find
from drivers.base import DriveStatus
from drivers.clock import Clock
from drivers.errors import (
    DeviceError,
    DeviceGone,
    DriveEmpty,
    DriveNotReady,
    EndOfData,
    EndOfMedium,
    MediumError,
    MediumUnsupported,
    UnitAttention,
    WriteProtected,
)
from drivers.tape import inquest, setting, verdicts
from drivers.tape.density import model
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import MtStatus, Op
from drivers.tape.options import TapeOptions
from drivers.tape.verdicts import ADVICE, Verdict
from drivers.tape_alerts import CLEANING_WANTED

_log = structlog.get_logger()


class HeldDrive:
    """What StTapeDrive is built on. Whoever calls has the turn."""

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
        self._worm = False  # whether it is appended to, never written over
        self._warned_at: int | None = None  # the first block that was refused: behind it lies the reserve
        self._crossed_at: int | None = None  # the block behind the one that crossed early warning
        self._end: int | None = None  # of data, where this mount has proved it: WORM is appended to, nothing else
        self._where = 0  # what the drive last said; only to tell afterwards that it moved
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
        try:
            seen = tape.status()
        except OSError as error:
            self._shut(tape)
            raise verdicts.opening(error.errno or 0, self._device.node) from error
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
        self._tape, self._volume, self._end = None, None, None
        self._warned_at = self._crossed_at = None
        self._doubt = "the position is not known after a load"
        self._released = released
        if released:
            self._alerts &= CLEANING_WANTED
            self._key_name = None

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

    def _fail(self, error: OSError, at: int, verdict: Verdict) -> NoReturn:
        """Find out what an error was and raise it. Unless it is proved harmless, the mount is over.

        `at` is the block where the operation was.
        """
        evidence = inquest.evidence(error.errno or 0, at, verdict, self._device, self._tape, self._volume)
        self._alerts |= evidence.alerts
        kind = verdict(evidence)
        _log.warning(
            "tape_call_failed",
            drive=self._name,
            errno=error.errno,
            verdict=kind.__name__,
            block=at,
            at=evidence.position,
        )
        harmless = kind in (EndOfData, EndOfMedium, WriteProtected) or (
            kind is MediumError and verdict is verdicts.reading
        )
        if not harmless:
            self._abandon()
            self._doubt = ADVICE[kind]
        raise kind(f"{self._name}: {ADVICE[kind]} (block {at}, {error.strerror})") from error
