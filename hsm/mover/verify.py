"""A copy is read back whole, from the medium, and compared with what was received.

Source: the invariant "verified = read back"; docs/FORMAT.md section 2.6.
"""

from collections.abc import Iterable, Iterator

import structlog

from drivers.base import RECORD_BYTES
from drivers.errors import Blame, DriverError, EndOfData
from hsm.facts import CopyRecord, JobRecord
from hsm.format.errors import FormatError
from hsm.format.reading import verify_stream
from hsm.library import DiscSession, TapeSession
from hsm.mover.context import MoverContext
from hsm.mover.judging import doubt
from hsm.mover.report import Report
from hsm.states import READABLE_COPIES, CopyState, IllegalTransition

PROGRESS_BYTES = 256 * RECORD_BYTES
VERIFIABLE = READABLE_COPIES | {CopyState.SUSPECT}

log = structlog.get_logger()


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
        if copy.state not in VERIFIABLE:  # given up since this was asked for
            self._report.finished(job, f"not read back: the copy is {copy.state.value}")
            return
        self._report.moved(job, 0, f"reading back from {self._session.barcode}")
        try:
            self._read(job, copy)
        except (FormatError, DriverError) as error:
            # That nothing lies where the copy should be speaks against the copy, too.
            if isinstance(error, DriverError) and error.blame is not Blame.VOLUME and not isinstance(error, EndOfData):
                self._report.failed(job, error)
                raise
            doubt(self._context, copy, self._session.barcode, self._session.drive_serial, error)
            self._report.finished(job, f"could not be read back: {error}")
            return
        try:
            catalog.copies.verified(copy.id, self._session.drive_serial, now())
        except IllegalTransition as error:  # given up while it was read
            self._report.finished(job, f"read back, and no longer wanted: {error}")
            return
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
