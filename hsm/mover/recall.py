"""Instances come back from a volume to the online pool.

Source: docs/FORMAT.md section 4.2 (order of reads).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import structlog

from drivers.errors import Blame, DriverError, MediumError
from hsm.facts import CopyRecord, JobRecord, Member, PackRecord, PoolFile
from hsm.format.errors import FormatError
from hsm.format.reading import extract
from hsm.library import DiscSession, TapeSession
from hsm.library.tape import record_at
from hsm.lossless.press import NotRestored
from hsm.mover.context import MoverContext
from hsm.mover.repair import restore
from hsm.mover.report import Report
from hsm.mover.returning import Returning
from hsm.pool import PoolError
from hsm.states import IllegalTransition

GAP_BYTES = 64 * 1024 * 1024  # reading over a gap of this size is faster than a locate
COMMIT_EVERY = 200  # instances: so that a long recall is useful before it ends

log = structlog.get_logger()


class NoCopyHere(Exception):
    """The mounted volume no longer holds a readable copy of the pack."""


def runs(members: Sequence[Member], gap_bytes: int = GAP_BYTES) -> list[list[Member]]:
    """Members in pack order, cut where a locate is cheaper than reading on."""
    result: list[list[Member]] = []
    end = 0
    for member in sorted(members, key=lambda m: m.offset_bytes):
        if not result or member.offset_bytes - end > gap_bytes:
            result.append([])
        result[-1].append(member)
        end = member.offset_bytes + member.size_bytes
    return result


class Recaller:
    """Reads instances back from one mounted volume."""

    def __init__(self, session: TapeSession | DiscSession, context: MoverContext, report: Report) -> None:
        self._session = session
        self._context = context
        self._report = report
        self._cancelled: set[int] = set()

    def recall(self, job: JobRecord) -> None:
        """Bring the wanted instances of one pack online; each is compared with its digest before it counts.

        What was read before a failure stays online. A damaged disc is repaired by its own recovery data, if it has
        any: the instances come back all the same, and the copy is suspect.

        Raises: DriverError of kinds that speak against the drive, after the job was reported.
        """
        if not self._report.started(job):
            return
        try:
            if self._recall(job):
                self._report.finished(job, f"back from {self._session.barcode}")
        except FormatError as error:
            self._doubt(job, error)
            if not self._repaired(job, error):
                self._report.failed(job, error)
            return
        except (PoolError, OSError, NoCopyHere, NotRestored) as error:
            self._report.failed(job, error)
            return
        except DriverError as error:
            if error.blame is Blame.VOLUME:
                self._doubt(job, error)
            if isinstance(error, MediumError) and self._repaired(job, error):
                return
            self._report.failed(job, error)
            raise

    def _repaired(self, job: JobRecord, damage: Exception) -> bool:
        """Whether the recovery data of a damaged disc brought the rest of the instances back."""
        if not isinstance(self._session, DiscSession):
            return False
        barcode, pack = self._session.barcode, self._context.catalog.packs.get(job.pack_id or 0)
        self._report.moved(job, 0, f"repairing what was read from {barcode}")
        members = list(self._wanted(job, pack.id))
        sequence = self._copy(pack.id).sequence or 0
        with Returning(self._context, pack) as returning:
            try:
                for member, chunks in restore(self._session, self._context.staging, sequence, pack.members, members):
                    returning.put(member, chunks)
                returning.finish()
            except (DriverError, FormatError, PoolError, OSError, NotRestored) as error:
                log.warning("disc_not_repaired", volume=barcode, reason=str(error), damage=str(damage))
                return False
            finally:
                self._commit(returning.take())
        self._report.finished(job, f"back from {barcode}, which is damaged, by its recovery data")
        return True

    def _wanted(self, job: JobRecord, pack_id: int) -> Sequence[Member]:
        wanted = job.payload.get("sops", "all")
        return self._context.catalog.packs.members_wanted(pack_id, None if wanted == "all" else wanted)

    def _copy(self, pack_id: int) -> CopyRecord:
        for copy in self._context.catalog.copies.of_pack(pack_id):
            if copy.barcode == self._session.barcode and copy.address is not None:
                return copy
        raise NoCopyHere(f"{self._session.barcode} holds no copy of pack {pack_id} any more")

    def _recall(self, job: JobRecord) -> bool:
        """Whether it came to its end; False when it was cancelled."""
        catalog = self._context.catalog
        if job.pack_id is None:
            raise NoCopyHere(f"recall job {job.id} names no pack")
        pack = catalog.packs.get(job.pack_id)
        copy = self._copy(pack.id)
        with Returning(self._context, pack) as returning:
            try:
                self._bring(job, pack, copy, returning)
            except (FormatError, DriverError):
                # What is whole is not read again because something behind it is damaged. But the damage is the news: it
                # is what the copy or the drive is judged by.
                try:
                    returning.finish()
                except (NotRestored, PoolError, OSError) as error:
                    log.warning("recall_not_finished", volume=self._session.barcode, reason=str(error))
                raise
            else:
                returning.finish()
            finally:
                self._commit(returning.take())
        return job.id not in self._cancelled

    def _bring(self, job: JobRecord, pack: PackRecord, copy: CopyRecord, returning: Returning) -> None:
        done_bytes = 0
        for run in runs(self._wanted(job, pack.id)):
            for member, chunks in self._read(copy, run):
                returning.put(member, chunks)
                done_bytes += member.size_bytes
                self._report.moved(job, done_bytes, f"reading from {self._session.barcode}")
                if returning.ready >= COMMIT_EVERY:
                    self._commit(returning.take())
                if self._report.cancelled(job):
                    self._cancelled.add(job.id)
                    return

    def _read(self, copy: CopyRecord, run: list[Member]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        number, offset = record_at(run[0].offset_bytes)
        if isinstance(self._session, TapeSession):
            records = self._session.records(copy.address or 0, number)
        else:
            records = self._session.reader().stream(copy.sequence or 0, offset)
        return extract(records, offset, run)

    def _commit(self, back: dict[int, PoolFile]) -> None:
        if not back:
            return
        now = self._context.now()
        keep_until = now + timedelta(seconds=self._context.keep_online_s)
        for file in self._context.catalog.recalls.recalled(back, keep_until, now):
            self._context.pool.discard(file)

    def _doubt(self, job: JobRecord, error: Exception) -> None:
        copy = self._copy(job.pack_id or 0)
        try:
            self._context.catalog.copies.doubt(copy.id, self._session.drive_serial, str(error), self._context.now())
        except IllegalTransition as beyond:  # given up meanwhile
            log.info("copy_not_doubted", volume=self._session.barcode, pack=copy.pack_digest, reason=str(beyond))
            return
        log.warning("copy_doubted", volume=self._session.barcode, pack=copy.pack_digest, reason=str(error))
