"""A copy is read back whole, from the medium, and compared with what was received.

Source: the invariant "verified = read back"; docs/FORMAT.md section 2.6.
"""

from collections.abc import Iterable, Iterator

import structlog

from drivers.base import RECORD_BYTES
from drivers.errors import Blame, DriverError
from hsm.facts import CopyRecord, JobRecord
from hsm.format.errors import FormatError
from hsm.format.reading import verify_stream
from hsm.library import DiscSession, TapeSession
from hsm.mover.context import MoverContext
from hsm.mover.report import Report

PROGRESS_BYTES = 256 * RECORD_BYTES
LOSE_AFTER_DOUBTS = 2  # by two drives; by one drive alone it takes one more
LOSE_AFTER_DOUBTS_ONE_DRIVE = 3

log = structlog.get_logger()


def is_lost(doubts: int, drive_serial: str, doubted_by: str | None) -> bool:
    """Whether a copy that could not be read again is given up: two drives failed on it, or one drive three times."""
    if doubted_by is not None and doubted_by != drive_serial:
        return doubts >= LOSE_AFTER_DOUBTS
    return doubts >= LOSE_AFTER_DOUBTS_ONE_DRIVE


class Verifier:
    """Reads copies back from one mounted volume."""

    def __init__(self, session: TapeSession | DiscSession, context: MoverContext, report: Report) -> None:
        self._session = session
        self._context = context
        self._report = report

    def verify(self, job: JobRecord) -> None:
        """Read one copy and say in the catalog what it is worth.

        Raises: DriverError of kinds that speak against the drive rather than the copy; the copy's state is unchanged.
        """
        if not self._report.started(job):
            return
        catalog, now = self._context.catalog, self._context.now
        copy = catalog.copies.get(job.copy_id or 0)
        self._report.moved(job, 0, f"reading back from {self._session.barcode}")
        try:
            self._read(job, copy)
        except (FormatError, DriverError) as error:
            if isinstance(error, DriverError) and error.blame is not Blame.VOLUME:
                self._report.failed(job, error)
                raise
            self._doubt(copy, error)
            self._report.finished(job, f"could not be read back: {error}")
            return
        catalog.copies.verified(copy.id, self._session.drive_serial, now())
        log.info("copy_verified", volume=self._session.barcode, pack=copy.pack_digest, drive=self._session.drive_serial)
        self._report.finished(job, f"read back from {self._session.barcode}")

    def _read(self, job: JobRecord, copy: CopyRecord) -> None:
        if isinstance(self._session, TapeSession):
            records = self._session.records(copy.address or 0)
            verify_stream(
                self._counted(job, records), expected_digest=copy.pack_digest, expected_stream_sha256=copy.stream_sha256
            )
            return
        self._read_disc(job, self._session, copy)

    def _read_disc(self, job: JobRecord, session: DiscSession, copy: CopyRecord) -> None:
        """Every file of the pack against its digest, through the drive.

        Raises: FormatError, DriverError.
        """
        records = session.reader().stream(copy.sequence or 0)
        verify_stream(
            self._counted(job, records), expected_digest=copy.pack_digest, expected_stream_sha256=copy.stream_sha256
        )

    def _counted(self, job: JobRecord, records: Iterable[bytes]) -> Iterator[bytes]:
        done, told = 0, 0
        for record in records:
            yield record
            done += len(record)
            if done - told >= PROGRESS_BYTES:
                told = done
                self._report.moved(job, done, f"reading back from {self._session.barcode}")

    def _doubt(self, copy: CopyRecord, error: Exception) -> None:
        catalog, now = self._context.catalog, self._context.now()
        serial = self._session.drive_serial
        doubts = catalog.copies.doubt(copy.id, serial, str(error), now)
        log.warning(
            "copy_doubted", volume=self._session.barcode, pack=copy.pack_digest, drive=serial, reason=str(error)
        )
        if is_lost(doubts, serial, copy.doubted_by):
            catalog.copies.lose(copy.id, str(error), now)
            # What two drives cannot read says something about the whole volume: nothing more is entrusted to it.
            catalog.volumes.doubt(self._session.barcode, f"a copy on it was lost: {error}", now)
            log.error("copy_lost", volume=self._session.barcode, pack=copy.pack_digest)
