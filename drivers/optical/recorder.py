"""An optical recorder: xorriso says what disc is in and burns it, the block device is read.

Source: xorriso(1), xorrecord(1); docs/HARDWARE.md.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import RLock
from typing import Protocol

import structlog

from drivers.attached import AttachedKind, find
from drivers.base import DiscState, DiscStatus
from drivers.clock import Clock
from drivers.command import run
from drivers.errors import (
    CommandFailed,
    CommandMissing,
    CommandTimedOut,
    DeviceError,
    DeviceGone,
    DriveEmpty,
    DriveNotReady,
    EndOfData,
    EndOfMedium,
    MediumError,
    MediumNotBlank,
    MediumUnsupported,
    UnitAttention,
)
from drivers.optical import toc, verdict
from drivers.optical.toc import Condition, Toc
from drivers.optical.tray import SECTOR_BYTES, Door, KernelTray, Tray
from drivers.optical.verdict import Burn, Seen

ASK_LIMIT_S = 120.0  # xorriso waits for a drive that spins up
POLL_S = 0.5
NO_DISC_GRACE_S = 3.0  # a drive that was just fed may still say that it is empty
RELOAD_LIMIT_S = 120.0

_log = structlog.get_logger()


class Attached(Protocol):
    """What is needed of drivers/attached to know a recorder by."""

    @property
    def serial(self) -> str: ...

    @property
    def node(self) -> Path | None: ...


@dataclass(frozen=True)
class RecorderOptions:
    """What the configuration may say about a recorder."""

    speed: int | None = None  # times 1x of the medium; None: what drive and disc agree on
    simulate: bool = False  # rehearse each burn with the laser off, where drive and medium can, before it is done
    stream_recording: bool = False  # BD formatted with defect management: burn at full speed, without it
    model: str | None = None  # "DVD" or "BD"; None: asked of the drive
    use_at_most_bytes: int | None = None  # of each disc: errors come first at its rim
    rewritable: bool = False  # allow media that can be written over; no archive should
    lock_tray: bool = True  # while a disc is in use


class XorrisoRecorder:
    """A recorder behind /dev/srN. Used by one thread at a time; a second one may ask for the status meanwhile."""

    def __init__(
        self,
        name: str,
        attached: Attached,
        clock: Clock,
        options: RecorderOptions | None = None,
        tray: Tray | None = None,
    ) -> None:
        """`tray`: what stands for the block device of `attached`, for tests. Raises: ValueError without a device."""
        if tray is None and attached.node is None:
            raise ValueError(f"{name}: {attached.serial} has no block device; is the kernel module sr_mod loaded?")
        self._name = name
        self._serial = attached.serial
        self._clock = clock
        self._options = options or RecorderOptions()
        self._tray = tray or KernelTray(name, self._where)
        self._busy = RLock()
        self._model = self._options.model
        self._write_type: str | None = None  # known to work here
        self._said: Toc | None = None  # of the disc with that number
        self._number: int | None = None
        self._seen = DiscStatus(DiscState.NONE)
        self._spoilt = False
        self._released: Door | None = None  # what the door said after a disc was let go; some drives cannot tell "open"

    def _where(self) -> Path | None:
        """The device's name at this moment, best one that stays; None while it is not attached."""
        found = find(self._serial, AttachedKind.RECORDER)
        return None if found is None else found.stable or found.node

    @property
    def name(self) -> str:
        return self._name

    @property
    def serial(self) -> str:
        return self._serial

    @property
    def model(self) -> str:
        if self._model is None:
            self._model = self._asked_model()
        return self._model or "DVD"

    # -- what is in it --

    def status(self) -> DiscStatus:
        """Ask the recorder. While another thread works with it: what it said last.

        Raises: DriveNotReady while a disc is spun up or another program uses the drive, DeviceGone, DeviceError.
        """
        if not self._busy.acquire(blocking=False):
            return self._seen
        try:
            door = self._door()
            if door is Door.NOT_READY:
                raise DriveNotReady(f"{self._name} is still making out its disc; ask again in some seconds")
            self._seen = self._look() if door in (Door.DISC, Door.UNKNOWN) else DiscStatus(DiscState.NONE)
            return self._seen
        finally:
            self._busy.release()

    def wait_ready(self, limit_s: float) -> None:
        with self._busy:
            self._wait_for_disc(limit_s)
            self._tray.let_go()  # what an earlier mount left in memory must not be taken for what is on the disc
            status = self._seen = self._look()
            if status.state is DiscState.NONE:
                raise DriveEmpty(f"{self._name} is empty; put a disc in")
            said = self._said
            if said is not None and said.condition is Condition.BLANK and not self._may_burn(said):
                raise MediumUnsupported(
                    f"{self._name}: a blank {said.medium or 'disc of an unknown kind'} is not used; put in a disc that "
                    "this recorder can write once"
                )
            if self._options.lock_tray:
                self._tray.lock(True)

    def _wait_for_disc(self, limit_s: float) -> None:
        began = self._clock.now()
        pulled = False
        while (door := self._door()) not in (Door.DISC, Door.UNKNOWN):
            waited_s = (self._clock.now() - began) / timedelta(seconds=1)
            if door is Door.OPEN and not pulled and self._released is None:
                self._tray.close_door()
                pulled = True
            elif door is not Door.NOT_READY and waited_s >= min(NO_DISC_GRACE_S, limit_s):
                raise DriveEmpty(f"{self._name} is empty; put a disc in")
            if waited_s >= limit_s:
                raise DriveNotReady(f"{self._name} was not ready after {limit_s:g} s; try another disc, or wait longer")
            self._clock.sleep(min(POLL_S, max(limit_s - waited_s, 0.01)))

    def _door(self) -> Door:
        """Ask the drive, and forget what is no longer so."""
        door = self._tray.door()
        number = self._tray.change_number()
        if door in (Door.NO_DISC, Door.OPEN):
            self._forget()
            self._spoilt = False
        elif number != self._number:
            self._forget()
            self._number = number
        if door is not self._released:
            self._released = None  # a hand was there
        return door

    def _forget(self) -> None:
        self._said, self._number = None, None
        self._tray.let_go()

    def _look(self) -> DiscStatus:
        said = self._said or self._toc()
        self._said = said
        seen = Seen(
            size_bytes=self._tray.size_bytes(),
            first_readable=bool(self._sector(0)),
            descriptor=self._sector(verdict.DESCRIPTOR_BYTES),
            spoilt=self._spoilt,
        )
        status = verdict.status(
            said, seen, rewritable=self._options.rewritable, at_most_bytes=self._options.use_at_most_bytes
        )
        if said.condition is Condition.BLANK and not self._may_burn(said):
            return DiscStatus(DiscState.UNREADABLE, said.medium)
        return status

    def _sector(self, offset_bytes: int) -> bytes | None:
        try:
            return self._tray.read(offset_bytes, SECTOR_BYTES) or None
        except (MediumError, DriveEmpty):
            return None

    def _may_burn(self, said: Toc) -> bool:
        return verdict.is_writable(self.model, said, rewritable=self._options.rewritable)

    def _toc(self) -> Toc:
        return toc.parse(self._ask("-toc"))

    def _asked_model(self) -> str | None:
        try:
            return toc.drive_model(self._ask("-list_profiles", "all"))
        except (CommandFailed, DriveNotReady, DeviceError) as error:
            _log.debug("profiles_not_told", drive=self._name, reason=str(error))
            return None

    def _ask(self, *commands: str) -> str:
        """What xorriso answers about the drive. Raises: DriveNotReady, DeviceGone, DeviceError, CommandMissing."""
        self._tray.let_go()
        argv = ["xorriso", "-no_rc", "-outdev", self._tray.address, *commands]
        try:
            done = run(argv, ASK_LIMIT_S)
        except CommandFailed as error:
            raise self._fault(error, "did not answer") from error
        return done.stdout + done.stderr

    def _fault(self, error: CommandFailed, what: str) -> CommandFailed | DriveNotReady | DeviceError:
        """A failure of xorriso that says nothing about the disc."""
        if isinstance(error, CommandMissing):
            return error
        said = toc.reason(error.stderr) or str(error)
        if toc.is_busy(error.stderr):
            return DriveNotReady(f"{self._name} is used by another program ({said}); end that one, or wait for it")
        try:
            self._tray.door()
        except DeviceGone as gone:
            return gone
        return DeviceError(f"{self._name} {what}: {said}; look at the recorder")

    # -- burning --

    def burn(self, image: Path) -> None:
        with self._busy:
            size_bytes = image.stat().st_size
            said = self._blank(size_bytes)
            self._tray.let_go()
            if self._options.simulate:
                self.rehearse(image)
            self._write(image, size_bytes, said)
            self._reload(size_bytes)

    def rehearse(self, image: Path) -> None:
        """Go through a burn with the laser off. The disc stays blank.

        Only DVD-R and DVD-RW media can do this; with others nothing happens.

        Raises: as burn.
        """
        with self._busy:
            said = self._blank(image.stat().st_size)
            if not (said.medium or "").startswith("DVD-R"):
                _log.info("burn_not_rehearsed", drive=self._name, medium=said.medium)
                return
            self._run_burn(image, said, rehearse=True)

    def _blank(self, size_bytes: int) -> Toc:
        """The blank disc that is to take so many bytes. Raises: what burn raises before anything was written."""
        status = self.status()
        if status.state is DiscState.NONE:
            raise DriveEmpty(f"{self._name} is empty; put a blank disc in")
        said = self._said
        if said is None or status.state is not DiscState.BLANK:
            raise MediumNotBlank(f"{self._name}: the disc is {status.state.value}, not blank; put in a blank disc")
        if size_bytes > (status.capacity_bytes or 0):
            raise EndOfMedium(
                f"{self._name}: an image of {size_bytes} bytes does not fit on a disc that takes "
                f"{status.capacity_bytes}; nothing was written"
            )
        return said

    def _write(self, image: Path, size_bytes: int, said: Toc) -> None:
        began = self._clock.now()
        # Spoilt unless the last step is reached, whatever happens to this thread.
        self._spoilt = True
        self._run_burn(image, said, rehearse=False)
        self._spoilt, self._said = False, None
        duration_s = (self._clock.now() - began) / timedelta(seconds=1)
        _log.info("disc_burnt", drive=self._name, medium=said.medium, size_bytes=size_bytes, duration_s=duration_s)

    def _run_burn(self, image: Path, said: Toc, rehearse: bool) -> None:
        medium = said.medium or ""
        how = Burn(self._options.speed, self._options.stream_recording, rehearse)
        types = verdict.write_types(self._write_type)
        for write_type in types:
            argv = verdict.burn_argv(self._tray.address, str(image.absolute()), medium, write_type, how)
            try:
                done = run(argv, verdict.burn_limit_s(medium, image.stat().st_size))
            except CommandFailed as error:
                if write_type != types[-1] and toc.refuses_reservation(error.stderr):
                    _log.info("write_type_refused", drive=self._name, write_type=write_type)
                    continue
                raise self._burn_fault(error) from error
            if not toc.was_completed(done.stderr):
                raise DeviceError(f"{self._name}: xorriso did not say that the burn was completed; the disc is spoilt")
            self._write_type = write_type
            return

    def _burn_fault(self, error: CommandFailed) -> CommandFailed | DriveNotReady | DeviceError | MediumError:
        if isinstance(error, CommandMissing) or toc.is_busy(error.stderr):
            self._spoilt = False  # it did not begin
            return self._fault(error, "")
        if isinstance(error, CommandTimedOut):
            return DeviceError(f"{self._name}: the burn did not end and was stopped; the disc is spoilt")
        kind = verdict.burn_failure(error.stderr)
        if kind is MediumError:
            return MediumError(f"{self._name}: the disc cannot be written ({toc.reason(error.stderr)}); it is spoilt")
        return self._fault(error, "failed in the middle of a burn, and the disc is spoilt")

    def _reload(self, size_bytes: int) -> None:
        """Make drive and kernel forget what they think of the disc, and look at it as anybody else would.

        Raises: DeviceError when what is there is not what was burnt.
        """
        self._tray.eject()
        if not self._tray.close_door():
            _log.warning("disc_waits_in_open_tray", drive=self._name, what_to_do="push the tray in")
            return
        try:
            self._wait_for_disc(RELOAD_LIMIT_S)
        except DriveEmpty:
            _log.warning("disc_waits_in_open_tray", drive=self._name, what_to_do="push the tray in")
            return
        self._seen = self._look()
        if self._seen.state is not DiscState.COMPLETE or (self._seen.size_bytes or 0) < size_bytes:
            self._spoilt = True
            raise DeviceError(
                f"{self._name}: after the burn the disc is {self._seen.state.value} with {self._seen.size_bytes} "
                f"bytes instead of {size_bytes}; it is spoilt"
            )

    # -- reading --

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        with self._busy:
            self._check_readable()
            end_bytes = min(offset_bytes + size_bytes, self._seen.size_bytes or 0)
            if end_bytes <= offset_bytes:
                return b""
            return self._tray.read(offset_bytes, end_bytes - offset_bytes)

    def _check_readable(self) -> None:
        """Raises: EndOfData, MediumError, DriveEmpty, UnitAttention."""
        if self._said is None:
            self._seen = self.status()
        elif self._tray.change_number() != self._number:
            self._forget()
            raise UnitAttention(f"the disc in {self._name} was changed; mount it again and look who it is")
        if self._seen.state is DiscState.NONE:
            raise DriveEmpty(f"{self._name} is empty; put a disc in")
        if self._seen.state is DiscState.BLANK:
            raise EndOfData(f"{self._name}: the disc is blank")
        if self._seen.state is DiscState.UNREADABLE or self._spoilt:
            raise MediumError(f"{self._name}: the disc was not recorded to its end; use another copy")

    # -- letting go --

    def unload(self) -> None:
        with self._busy:
            door = self._door()
            if door is Door.OPEN or door is self._released:
                return
            if door is Door.NO_DISC:
                raise DriveEmpty(f"{self._name} is empty; there is nothing to unload")
            self._tray.eject()
            self._forget()
            self._spoilt = False
            self._seen = DiscStatus(DiscState.NONE)
            self._released = self._tray.door()
            if self._released is Door.DISC:
                self._released = None
                raise DeviceError(f"{self._name} keeps its disc; press its button, or look at the recorder")
