"""Drives and recorders without a robot: a person feeds them.

There are no slots. What is in a drive is known from the drive alone, and who it is only from the medium.
"""

from collections.abc import Iterator, Mapping
from threading import RLock
from typing import Any, Generic, TypeVar, cast

import structlog

from drivers.base import DiscState, Element, ElementKind, Inventory, Recorder, TapeDrive
from drivers.errors import DeviceGone, DriveNotReady, NeedsOperator, NoSuchElement

Drive = TypeVar("Drive")

_log = structlog.get_logger()


class ManualChanger:
    """A person in the place of a robot: sees which drives are full, and moves nothing.

    Hand out `tape_drives` and `recorders`, not the drives that were passed in: the inventory asks the drives
    themselves, and these take care that it never does so in the middle of somebody's work.
    """

    def __init__(
        self,
        name: str,
        tape_drives: Mapping[int, TapeDrive] | None = None,
        recorders: Mapping[int, Recorder] | None = None,
    ) -> None:
        """Drives by number, from 0; a number belongs to a tape drive or to a recorder. More may join either mapping.

        Raises: ValueError.
        """
        if double := set(tape_drives or {}) & set(recorders or {}):
            raise ValueError(f"{name}: a tape drive and a recorder have the same number {min(double)}")
        self._name = name
        self._tape_drives = _InTurn[TapeDrive]({} if tape_drives is None else tape_drives)
        self._recorders = _InTurn[Recorder]({} if recorders is None else recorders)

    def _turns(self) -> "dict[int, _Turn]":
        return {**self._tape_drives.turns(), **self._recorders.turns()}

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_hand(self) -> bool:
        return True

    @property
    def tape_drives(self) -> Mapping[int, TapeDrive]:
        """The tape drives, to be used from any thread; one call at a time."""
        return self._tape_drives

    @property
    def recorders(self) -> Mapping[int, Recorder]:
        """The recorders, to be used from any thread; one call at a time."""
        return self._recorders

    def inventory(self) -> Inventory:
        """Which drives hold something. A medium that its drive has let go of counts as out: a person takes it.

        A drive at work holds something. One that is gone holds nothing anybody could use.
        """
        elements = (
            Element(ElementKind.DRIVE, index, full=self._full(index, turn), drive_serial=turn.drive.serial)
            for index, turn in sorted(self._turns().items())
        )
        return Inventory(self._name, tuple(elements))

    def load(self, slot: int, drive: int) -> None:
        """Raises: NeedsOperator always, NoSuchElement."""
        self._check(drive)
        raise NeedsOperator(f"{self._name} has no robot: put the volume into drive {drive} by hand")

    def unload(self, drive: int, slot: int) -> None:
        """Return when the medium is out, or was let go of by the drive so that a person can take it.

        Raises: NeedsOperator (the drive holds on to it: tell the drive to unload first), NoSuchElement.
        """
        if self._full(drive, self._check(drive)):
            raise NeedsOperator(
                f"drive {drive} of {self._name} holds on to its volume; have the drive unload it, then take it out"
            )

    def transfer(self, source: int, target: int) -> None:
        """Raises: NeedsOperator always."""
        raise NeedsOperator(f"{self._name} has no robot and no slots: move the volume by hand")

    def _check(self, drive: int) -> "_Turn":
        turns = self._turns()
        if drive not in turns:
            known = ", ".join(str(index) for index in sorted(turns))
            raise NoSuchElement(f"{self._name} has no drive {drive}; it has {known or 'none at the moment'}")
        return turns[drive]

    def _full(self, index: int, turn: "_Turn") -> bool:
        if not turn.lock.acquire(blocking=False):
            return True  # somebody works with what is in it
        try:
            return _holds_medium(turn.drive)
        except DriveNotReady:
            return True  # it is still making out what it was fed
        except DeviceGone as error:
            _log.warning("drive_not_seen", library=self._name, drive=index, reason=str(error))
            return False
        finally:
            turn.lock.release()


def _holds_medium(drive: Any) -> bool:
    status = drive.status()
    if hasattr(status, "loaded"):
        return bool(status.loaded)
    return bool(status.state is not DiscState.NONE)


class _Turn:
    """A drive whose calls wait for each other. A read is one call for each record."""

    def __init__(self, drive: TapeDrive | Recorder) -> None:
        self.drive = drive
        self.lock = RLock()

    def __getattr__(self, name: str) -> Any:
        # Anything a drive can be asked for; a property is a call, too.
        with self.lock:
            found = getattr(self.drive, name)
        if not callable(found):
            return found

        def in_turn(*arguments: Any, **named: Any) -> Any:
            with self.lock:
                answer = found(*arguments, **named)
            return self._records(answer) if isinstance(answer, Iterator) else answer

        return in_turn

    def _records(self, records: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            with self.lock:
                try:
                    record = next(records)
                except StopIteration:
                    return
            yield record


class _InTurn(Mapping[int, Drive], Generic[Drive]):
    """Drives whose calls wait for each other, those that come later included."""

    def __init__(self, drives: Mapping[int, Drive]) -> None:
        self._drives = drives
        self._made: dict[int, _Turn] = {}
        self._lock = RLock()

    def turns(self) -> dict[int, _Turn]:
        """All of them as what they are."""
        with self._lock:
            for index, drive in self._drives.items():
                if index not in self._made:
                    self._made[index] = _Turn(cast(Any, drive))
            return dict(self._made)

    def __getitem__(self, index: int) -> Drive:
        return cast(Drive, self.turns()[index])

    def __iter__(self) -> Iterator[int]:
        return iter(self.turns())

    def __len__(self) -> int:
        return len(self.turns())
