"""Waiting until a tape drive can use what was put into it; a cleaning cartridge does its work here."""

from datetime import timedelta
from typing import NoReturn

import structlog

from drivers import sg, sg_logs
from drivers.errors import DriveEmpty, DriveNotReady, MediumError, MediumUnsupported
from drivers.generations import Use
from drivers.tape import composing
from drivers.tape.density import generation
from drivers.tape.hold import HeldDrive
from drivers.tape.mtio import MtStatus, Op
from drivers.tape_alerts import CLEANING_FAILED, CLEANING_WANTED

_log = structlog.get_logger()


class ReadyDrive(HeldDrive):
    """A drive that can be waited for."""

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
                        self._refused()
                    helped = self._load()
                    continue
                if not seen.empty:
                    self._look_closer()
                if waited_s >= limit_s:
                    raise DriveNotReady(
                        f"{self._name} was not ready after {limit_s:g} s; try another drive, or wait longer"
                    )
                self._clock.sleep(min(self._options.poll_s, limit_s - waited_s))

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
        self._used_up()
        raise MediumUnsupported(f"{self._name} was cleaned; a cleaning cartridge is good for nothing else, take it out")

    def _refused(self) -> NoReturn:
        """Nothing is loaded, although the drive was told to load: is anything there at all?"""
        if not sg_logs.medium_present(self._page(sg_logs.DEVICE_STATUS) or ""):
            raise DriveEmpty(f"{self._name} is empty; load a volume first")
        self._used_up()
        raise MediumUnsupported(
            f"{self._name} does not load its cartridge: it has cleaned the drive, or is none for it; take it out"
        )

    def _used_up(self) -> None:
        """Hear what the drive says after a cleaning."""
        self._released = True
        self._alerts -= CLEANING_WANTED
        self._alerts |= sg_logs.alerts(self._page(sg_logs.ALERTS) or "")
        if self._alerts & CLEANING_FAILED:
            self._alerts -= CLEANING_FAILED
            raise MediumError(f"{self._name}: the cleaning cartridge is used up; put in a new one")
