"""Takes studies off the disk when the plan says so: each against a fresh proof, and not before its card is kept."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from hsm.cards import CardMaker
from hsm.catalog.errors import ReleaseRefused
from hsm.engine.reporting import JobReport
from hsm.facts import JobRecord
from hsm.mover.context import MoverContext
from hsm.mover.release import release
from hsm.policy import Plan
from hsm.pool import PoolError
from hsm.states import JobKind

CARD_PATIENCE = timedelta(minutes=10)  # a release waits so long at most for the preview of its study


class Releaser:
    """Carries out jobs of the kind RELEASE, at once."""

    def __init__(self, context: MoverContext, cards: CardMaker | None, report: Callable[[], JobReport]) -> None:
        self.cards = cards
        self._context = context
        self._report = report

    def close(self) -> None:
        """End the making of cards."""
        if self.cards is not None:
            self.cards.close()

    def prepare(self, plan: Plan) -> None:
        """Have cards made of what is copied now, so that its release need not wait for them."""
        if self.cards is None:
            return
        for action in plan.copies:
            if not self.cards.has(action.study_instance_uid):
                self.cards.want(action.study_instance_uid)

    def run(self, queue: Sequence[JobRecord], now: datetime) -> bool:
        """Release what may leave the disk now; whether there was any. Raises: CatalogError."""
        jobs = [job for job in queue if job.kind is JobKind.RELEASE and self._has_card(job, now)]
        for job in jobs:
            self._release(job)
        return bool(jobs)

    def _has_card(self, job: JobRecord, now: datetime) -> bool:
        """Whether a study may leave the disk as far as its card goes: it is kept, cannot be had, or takes too long."""
        cards, study = self.cards, job.study_instance_uid
        if cards is None or study is None or now - job.created_at > CARD_PATIENCE or cards.complete(study):
            return True
        return not cards.want(study)

    def _release(self, job: JobRecord) -> None:
        report = self._report()
        if not report.started(job):
            return
        try:
            freed_bytes = release(self._context, job)
        except ReleaseRefused as refused:
            # Not an error: the world changed since the plan. The next tick plans it again if it is still wanted.
            report.finished(job, f"not released: {refused.reason}")
        except (PoolError, OSError) as error:
            report.failed(job, error)
        else:
            report.finished(job, f"{freed_bytes} bytes left the disk")
