"""What can be wrong with a policy, said so that an archivist can repair it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Fault:
    """One thing that keeps a text from being a policy. Lines and columns count from 1."""

    line: int
    column: int
    message: str
    nearest: str | None = None  # the known word that looks most like what was written
    advice: str = ""

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}. {self.advice}".rstrip()


class PolicyInvalid(Exception):
    """A text is not a policy; every fault that was found is named."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        self.name = name
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.column)))
        super().__init__("\n".join(f"{name}, {fault}" for fault in self.faults))


@dataclass(frozen=True)
class Finding:
    """What a check of a well-formed policy has to say. A fault must be repaired before the policy is used."""

    line: int
    column: int
    is_fault: bool
    message: str
    advice: str = ""

    def __str__(self) -> str:
        kind = "fault" if self.is_fault else "warning"
        return f"line {self.line}: {kind}: {self.message}. {self.advice}".rstrip()


def nearest_word(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, or None when none looks like it at all."""
    lowered = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(word.lower(), sorted(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None
