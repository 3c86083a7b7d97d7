"""Stops a run that mostly fails, before it wears out drives and volumes.

Source: the invariant "a failing thing is set aside"; elsewhere a run made ten million errors beside 48 successes.
"""

from dataclasses import dataclass, field

from hsm.states import JobKind


@dataclass
class Breaker:
    """Counts results per kind of work within one run.

    A kind is stopped once at least `after_items` results came in and more than `error_pct` of them were errors. It
    stays stopped until reset().
    """

    error_pct: float = 50.0
    after_items: int = 100
    _results: dict[JobKind, tuple[int, int]] = field(default_factory=dict)
    _stopped: set[JobKind] = field(default_factory=set)

    def record(self, kind: JobKind, succeeded: bool) -> bool:
        """Count one result. Returns: whether this very result stopped the kind."""
        items, errors = self._results.get(kind, (0, 0))
        items, errors = items + 1, errors + (0 if succeeded else 1)
        self._results[kind] = (items, errors)
        if kind in self._stopped or items < self.after_items or errors * 100 <= items * self.error_pct:
            return False
        self._stopped.add(kind)
        return True

    def stopped(self, kind: JobKind) -> bool:
        """Whether no further work of this kind may start."""
        return kind in self._stopped

    def counts(self, kind: JobKind) -> tuple[int, int]:
        """Results and errors of this run."""
        return self._results.get(kind, (0, 0))

    def reset(self) -> None:
        """Begin a new run."""
        self._results.clear()
        self._stopped.clear()
