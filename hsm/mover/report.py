"""How those who carry work out tell what became of it."""

from typing import Protocol

from hsm.facts import JobRecord


class Report(Protocol):
    """The engine's ear. Each job that was handed over ends in exactly one of finished, failed and postponed."""

    def started(self, job: JobRecord) -> bool:
        """Claim a job; False when somebody cancelled it meanwhile: leave it alone then."""
        ...

    def cancelled(self, job: JobRecord) -> bool:
        """Whether somebody wished a running job away; if so it counts as ended when this returns."""
        ...

    def moved(self, job: JobRecord, done_bytes: int, phase: str) -> None:
        """Progress in bytes and in words."""
        ...

    def finished(self, job: JobRecord, message: str = "") -> None:
        """Done, and durable."""
        ...

    def failed(self, job: JobRecord, error: Exception) -> None:
        """Not done; the error says whether another try is worth it."""
        ...

    def postponed(self, job: JobRecord, message: str) -> None:
        """Not done through no fault of its own: back into the queue."""
        ...
