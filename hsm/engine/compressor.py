"""Compresses studies before they are copied: one at a time, in a thread of its own, while drives and robots go on."""

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from hsm.catalog.errors import CatalogError, NotCatalogued, StudyChanged
from hsm.engine.reporting import JobReport
from hsm.facts import JobRecord
from hsm.mover.context import MoverContext
from hsm.mover.pressing import PressingCancelled, forget_written, seal_pressed

PHASE = "compressing"

log = structlog.get_logger()


class Compressor:
    """Carries out jobs of the kind COMPRESS."""

    def __init__(
        self,
        context: MoverContext,
        pack_max_bytes: int,
        report: Callable[[], JobReport],
        interrupted: Callable[[int], None],
    ) -> None:
        """`interrupted` is told of jobs whose end could not be told to the catalog."""
        self._interrupted = interrupted
        self._context = context
        self._pack_max_bytes = pack_max_bytes
        self._report = report
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compress")
        self.futures: dict[Future[None], int] = {}  # the job of each

    def start(self, jobs: Collection[JobRecord]) -> bool:
        """Begin with the first of these if nothing is being compressed; whether it began."""
        if self.futures or not jobs:
            return False
        job = min(jobs, key=lambda each: each.id)
        self.futures[self._thread.submit(self._run, job)] = job.id
        return True

    def reap(self) -> None:
        """Forget what ended."""
        for future in [future for future in self.futures if future.done()]:
            job = self.futures.pop(future)
            error = future.exception()
            if error is not None:  # the catalog was away: the job is taken up again when it is back
                self._interrupted(job)
                log.error("compression_broken", job=job, reason=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Wait for what runs, and end the workers."""
        self._thread.shutdown(wait=True)
        self.reap()
        self._context.presses.close()

    def _run(self, job: JobRecord) -> None:
        report = self._report()
        if not report.started(job):
            return
        try:
            made = seal_pressed(
                self._context,
                str(job.study_instance_uid),
                self._pack_max_bytes,
                lambda done_bytes: report.moved(job, done_bytes, PHASE),
                lambda: report.cancelled(job),
            )
            forget_written(self._context)
        except PressingCancelled:
            return
        except (StudyChanged, NotCatalogued) as error:
            report.finished(job, f"not compressed now: {error}")
        except CatalogError:
            raise
        except Exception as error:  # whatever a codec did: a job that never ends would keep the study from being copied
            log.exception("compression_failed", job=job.id, error=type(error).__name__)
            report.failed(job, error)
        else:
            report.finished(job, made.message())
