"""One logical unit: what a SCSI command comes to, whatever carried it here.

Source: SAM-5 (statuses, nexuses, task management), SPC-4 (sense data).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Status(IntEnum):
    """How a command ended. Source: SAM-5 table 49."""

    GOOD = 0x00
    CHECK_CONDITION = 0x02  # sense data say more
    BUSY = 0x08
    RESERVATION_CONFLICT = 0x18
    TASK_SET_FULL = 0x28
    TASK_ABORTED = 0x40


@dataclass(frozen=True)
class Outcome:
    """The end of one command."""

    status: Status = Status.GOOD
    data: bytes = b""  # to the initiator, cut to the allocation length of the command; also beside CHECK CONDITION
    sense: bytes = b""  # fixed format (70h, or 71h for a deferred error) with CHECK CONDITION
    wanted_bytes: int | None = None  # how many bytes from the initiator the CDB asks for; None: as many as came


class LogicalUnit(Protocol):
    """A device that executes commands one at a time; its caller keeps the queue and serialises."""

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        """Carry out one command of one initiator (nexus: initiator name, its ISID and the target's portal group).

        Takes the device time of the command. `aborted` becomes true when the initiator gave the command up; a unit that
        waits looks at it and ends early, and nobody will look at the outcome. Never raises for what an initiator sent.
        """
        ...

    def reset(self) -> None:
        """A logical unit reset, which every nexus is told of once (29h/00h). May come from another thread."""
        ...

    def forget(self, nexus: str) -> None:
        """A nexus is gone: what was kept for it (pending unit attentions, prevented removal) goes with it."""
        ...

    def close(self) -> None:
        """Let go of files; the state of the device survives."""
        ...
