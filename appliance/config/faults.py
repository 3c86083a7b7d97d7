"""What can be wrong with a configuration, said so that the person who wrote it can put it right."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether Firn may start."""

    FAULT = "fault"  # it does not
    NOTE = "note"  # it does; the setting may not mean what its author thinks


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one setting."""

    where: str  # file (with line where known) or environment variable
    key: str  # dotted path, list items counted from 1 as in "peer[1].port"; empty for the file as a whole
    wrong: str
    remedy: str
    severity: Severity = Severity.FAULT

    def __str__(self) -> str:
        place = f"{self.where}: {self.key}" if self.key else self.where
        mark = "note: " if self.severity is Severity.NOTE else ""
        return f"{place}: {mark}{self.wrong}; {self.remedy}"


class ConfigInvalid(Exception):
    """The configuration cannot be used; all its faults are in `faults`."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"The configuration has {count}:\n" + "\n".join(f"  {fault}" for fault in self.faults))
