"""A disc that is not ours is taken in, and what became of each of its files is told."""

import io
from dataclasses import dataclass, field

import structlog

from drivers.base import Recorder
from drivers.errors import DriverError
from hsm.archive import Archive
from hsm.facts import JobRecord
from hsm.foreign import import_disc
from hsm.format.errors import FormatError
from hsm.format.foreign_disc import SECTOR_BYTES, ForeignDisc
from hsm.importing import Rejected
from hsm.library.disc import RecordedBytes
from hsm.library.looking import SeenKind, look_at_disc
from hsm.mover.context import MoverContext
from hsm.mover.report import Report
from hsm.pool import PoolError
from hsm.receive import ReceiptKind

EVENT = "foreign_disc_read"
TOLD = 1000  # files that were not accepted, in one event

log = structlog.get_logger()


class NotForeign(Exception):
    """The disc to be taken in is blank, cannot be read, or is one of ours."""


@dataclass
class _Count:
    accepted: int = 0
    already_stored: int = 0
    rejected: list[dict[str, str]] = field(default_factory=list)

    def words(self) -> str:
        """What a person is told."""
        parts = [f"{self.accepted} taken in"]
        parts += [f"{self.already_stored} were here already"] if self.already_stored else []
        parts += [f"{len(self.rejected)} not accepted"] if self.rejected else []
        return ", ".join(parts)


def read_foreign(recorder: Recorder, job: JobRecord, archive: Archive, context: MoverContext, report: Report) -> None:
    """Take in the disc in a recorder. What went in before a failure stays.

    Raises: DriverError of kinds that speak against the recorder, after the job was reported.
    """
    if not report.started(job):
        return
    count = _Count()
    try:
        name = _check(recorder)
        source = str(job.payload.get("source") or f"disc {name}".strip())
        size_bytes = recorder.status().size_bytes or 0
        disc = ForeignDisc(io.BufferedReader(RecordedBytes(recorder, size_bytes), SECTOR_BYTES))
        report.moved(job, 0, f"reading {source}")

        def progress(done_bytes: int, all_bytes: int) -> None:
            report.moved(job, done_bytes, f"reading {source}, {100 * done_bytes // max(all_bytes, 1)} %")

        for result in import_disc(archive, disc, recorder.read, source, progress):
            if isinstance(result, Rejected):
                count.rejected.append({"path": result.path, "reason": result.reason})
            elif result.receipt.kind is ReceiptKind.DUPLICATE:
                count.already_stored += 1
            else:
                count.accepted += 1
    except FormatError as error:  # trying again would not help
        report.failed(job, NotForeign(f"{error}; {count.words()} before that"))
        return
    except (PoolError, OSError, NotForeign) as error:
        report.failed(job, error)
        return
    except DriverError as error:
        report.failed(job, error)
        raise
    fields = {
        "job": job.id,
        "library": job.payload.get("library"),
        "drive": recorder.serial,
        "source": source,
        "accepted": count.accepted,
        "already_stored": count.already_stored,
        "not_accepted": len(count.rejected),
        "rejected": count.rejected[:TOLD],
    }
    context.catalog.events.record("warning" if count.rejected else "info", EVENT, source, fields, context.now())
    log.info(EVENT, drive=recorder.serial, accepted=count.accepted, rejected=len(count.rejected))
    report.finished(job, f"{source}: {count.words()}")


def _check(recorder: Recorder) -> str:
    """Whether there is somebody else's disc; its name, "" when it has none. Raises: NotForeign, DriverError."""
    seen = look_at_disc(recorder)
    if seen is None or seen.kind is SeenKind.NOT_READY:
        recorder.wait_ready(0)  # says itself what is wrong
        raise NotForeign("there is no disc in the recorder: put one in and try again")
    if seen.kind is SeenKind.LABELLED:
        raise NotForeign(f"this is {seen.barcode}, a disc of ours: recall from it, or run `firn rebuild-catalog`")
    if seen.kind is not SeenKind.FOREIGN:
        raise NotForeign(f"this is {seen.what}: there is nothing to take in")
    return seen.name
