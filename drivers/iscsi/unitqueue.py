"""The commands that wait for one logical unit, and the thread in which it works.

Everything a unit does happens in its own thread, one after the other: commands, resets, forgetting a nexus. So a slow
unit holds up nobody else, and a unit needs no locks.

Commands of one nexus are carried out in the order in which they came, whatever their task attribute: on a tape the
order is the data. A write whose data are not here yet holds back what its own nexus sent later, and nobody else.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from drivers.iscsi.nounit import REPORT_LUNS
from drivers.scsi.unit import LogicalUnit

_log = structlog.get_logger()


class Work(Protocol):
    """Something for a unit to do."""

    nexus: str
    ready: bool  # may be set from False to True by UnitQueue.wake
    aborted: bool

    def run(self, unit: LogicalUnit) -> None:
        """Do it, and tell whoever waits for it."""
        ...


class Errand:
    """Work that is no command: a reset, forgetting a nexus."""

    def __init__(self, nexus: str, action: Callable[[LogicalUnit], None]) -> None:
        self.nexus = nexus
        self.ready = True
        self.aborted = False
        self._action = action

    def run(self, unit: LogicalUnit) -> None:
        """Do it."""
        self._action(unit)


class UnitQueue:
    """One unit, its queue, its thread."""

    def __init__(self, lun: int | None, unit: LogicalUnit) -> None:
        """`lun` is None for the unit that stands for all that are not there."""
        self.lun = lun
        self._unit = unit
        self._changed = threading.Condition()
        self._waiting: list[Work] = []
        self._running: Work | None = None
        self._afterwards: list[Callable[[], None]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"iscsi-lun-{lun}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def add(self, work: Work, first: bool = False) -> None:
        """Put work at the end of the queue, or before all that waits."""
        with self._changed:
            self._waiting.insert(0 if first else len(self._waiting), work)
            self._changed.notify()

    def wake(self, work: Work) -> None:
        """Work has become ready."""
        with self._changed:
            work.ready = True
            self._changed.notify()

    def cancel(self, doomed: Callable[[Work], bool]) -> tuple[Work, ...]:
        """Drop what waits and tell what runs to end early; errands stay.

        Returns: what was dropped or told.
        """
        with self._changed:
            dropped = [work for work in self._waiting if not isinstance(work, Errand) and doomed(work)]
            self._waiting = [work for work in self._waiting if work not in dropped]
            running = self._running
            if running is not None and not isinstance(running, Errand) and doomed(running):
                dropped.append(running)
            for work in dropped:
                work.aborted = True
        return tuple(dropped)

    def after(self, cancelled: tuple[Work, ...], then: Callable[[], None]) -> None:
        """Call `then` when nothing of what was cancelled runs any more: at once, or in the thread of the unit."""
        with self._changed:
            waits = self._running is not None and self._running in cancelled
            if waits:
                self._afterwards.append(then)
        if not waits:
            then()

    def close(self) -> None:
        """Give up what waits, end what runs early, and return when the unit is at rest."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            if self._running is not None:
                self._running.aborted = True
            self._changed.notify()
        self._thread.join()

    def _next(self) -> Work | None:
        held_back = set()
        for index, work in enumerate(self._waiting):
            if work.ready and work.nexus not in held_back:
                return self._waiting.pop(index)
            held_back.add(work.nexus)
        return None

    def _work(self) -> None:
        while True:
            with self._changed:
                while (work := self._next()) is None:
                    if self._closed:
                        return
                    self._changed.wait()
                self._running = work
            try:
                work.run(self._unit)
            except Exception:  # noqa: BLE001 - a failed errand must not end the unit; the initiator runs out of time
                _log.exception("unit_work_failed", lun=self.lun)
            with self._changed:
                self._running = None
                afterwards, self._afterwards = self._afterwards, []
            for action in afterwards:
                action()


@dataclass(frozen=True)
class Units:
    """Where commands go."""

    queues: Mapping[int, UnitQueue]
    nowhere: UnitQueue  # for units that are not there, and for what a target answers itself

    def all(self) -> tuple[UnitQueue, ...]:
        """Every queue."""
        return (*self.queues.values(), self.nowhere)

    def queue(self, lun: int | None, operation: int) -> UnitQueue:
        """Who carries a command out."""
        if lun is None or operation == REPORT_LUNS:
            return self.nowhere
        return self.queues.get(lun, self.nowhere)
