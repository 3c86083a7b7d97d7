"""Sessions that ended without being able to say so: the catalog was away, or a fault of ours ended the thread."""

from datetime import datetime

import structlog

from hsm.catalog import Catalog
from hsm.scheduler import Assignment
from hsm.states import CopyState, JobState

log = structlog.get_logger()


class Interrupted:
    """Remembers them until the catalog can be told: their unflushed copies are un-written, their jobs wait again."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._assignments: list[Assignment] = []
        self._jobs: list[int] = []

    def add(self, assignment: Assignment) -> None:
        """One more."""
        self._assignments.append(assignment)

    def add_job(self, job_id: int) -> None:
        """One that was no session: robot work."""
        self._jobs.append(job_id)

    def settle(self, now: datetime) -> None:
        """Put all right that can be. Raises: CatalogError; nothing is forgotten then."""
        while self._assignments:
            assignment = self._assignments[0]
            begun = [c.id for c in self._catalog.copies.of_volume(assignment.barcode) if c.state is CopyState.WRITING]
            if begun:
                self._catalog.copies.unwrite(begun)
            for work in assignment.works:
                self._requeue(work.job_id, now)
            self._assignments.pop(0)
        while self._jobs:
            self._requeue(self._jobs[0], now)
            self._jobs.pop(0)

    def _requeue(self, job_id: int, now: datetime) -> None:
        job = self._catalog.jobs.get(job_id)
        if job.state == JobState.RUNNING:
            self._catalog.jobs.requeue(job.id, now)
            log.info("job_requeued", job=job.id, kind=job.kind.value)
