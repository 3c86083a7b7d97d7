"""A pack is read from a volume so that it can be written to another one: whole, or what of it is not at hand yet.

Source: docs/FORMAT.md sections 4.2 (order of reads) and 7 (damage).
"""

from collections.abc import Iterator, Sequence

import structlog

from drivers.errors import Blame, DriverError, EndOfData
from hsm.facts import CopyRecord, JobRecord, Member, PackRecord
from hsm.format.errors import FormatError
from hsm.format.reading import extract
from hsm.library import DiscSession, TapeSession
from hsm.library.tape import record_at
from hsm.mover.context import MoverContext
from hsm.mover.judging import doubt
from hsm.mover.recall import NoCopyHere, runs
from hsm.mover.repair import restore
from hsm.mover.report import Report
from hsm.pool import PoolError

MOST_BAD_PLACES = 3  # of one pack: each takes a drive minutes, and another copy may be whole

log = structlog.get_logger()


class PackIncomplete(FormatError):
    """A copy gave only some of the instances of its pack; another copy may give the others."""


class _Cancelled(Exception):
    """Somebody wished the job away, and it was told so."""


class Stager:
    """Reads packs off one mounted volume into the staging area."""

    def __init__(self, session: TapeSession | DiscSession, context: MoverContext, report: Report) -> None:
        self._session = session
        self._context = context
        self._report = report

    def stage(self, job: JobRecord) -> None:
        """Read what of one pack is neither online nor staged; each instance is compared with its digest.

        A damaged copy gives what it can, is doubted for the rest, and does not end the session: what lies behind it
        may be whole.

        Raises: DriverError of kinds that speak against the drive, after the job was reported.
        """
        if not self._report.started(job):
            return
        try:
            pack = self._context.catalog.packs.get(job.pack_id or 0)
            copy = self._copy(pack.id)
            damage = self._read(job, pack, copy)
        except _Cancelled:
            return
        except (OSError, PoolError, NoCopyHere) as error:
            self._report.failed(job, error)
            return
        except DriverError as error:
            self._report.failed(job, error)
            raise
        if damage is None:
            self._report.finished(job, f"read from {self._session.barcode}")
        else:
            self._judge(job, pack, copy, damage)

    def _judge(self, job: JobRecord, pack: PackRecord, copy: CopyRecord, damage: Exception) -> None:
        doubt(self._context, copy, self._session.barcode, self._session.drive_serial, damage)
        left = self._missing(pack)
        if left:
            what = f"{len(left)} of {len(pack.members)} instances of pack {pack.digest[:12]} could not be read from"
            self._report.failed(job, PackIncomplete(f"{what} {self._session.barcode}: {damage}"))
        else:
            self._report.finished(job, f"read from {self._session.barcode}, which is damaged")

    def _copy(self, pack_id: int) -> CopyRecord:
        for copy in self._context.catalog.copies.of_pack(pack_id):
            if copy.barcode == self._session.barcode and copy.address is not None:
                return copy
        raise NoCopyHere(f"{self._session.barcode} holds no copy of pack {pack_id} any more")

    def _missing(self, pack: PackRecord) -> list[Member]:
        at_hand = self._context.stage.present(pack.digest)
        online = self._context.catalog.packs.files(pack.id)
        return [m for m in pack.members if m.instance_id not in online and m.offset_bytes not in at_hand]

    def _read(self, job: JobRecord, pack: PackRecord, copy: CopyRecord) -> Exception | None:
        """Stage what can be read. Returns: the first damage that was met, None when there was none.

        Raises: _Cancelled; DriverError that does not speak against the volume; OSError.
        """
        damages: list[Exception] = []
        tried: set[int] = set()
        for _ in range(MOST_BAD_PLACES):
            wanted = [member for member in self._missing(pack) if member.offset_bytes not in tried]
            try:
                for run in runs(wanted):
                    self._read_run(job, pack, copy, run, tried, damages)
            except FormatError as error:  # where things lie cannot be told
                damages.append(error)
            except DriverError as error:
                if error.blame is not Blame.VOLUME and not isinstance(error, EndOfData):
                    raise
                damages.append(error)
                continue
            break
        if damages:
            self._repair(job, pack, copy)
        return damages[0] if damages else None

    def _read_run(
        self,
        job: JobRecord,
        pack: PackRecord,
        copy: CopyRecord,
        run: list[Member],
        tried: set[int],
        damages: list[Exception],
    ) -> None:
        done_bytes = 0
        for member, pieces in self._members(copy, run):
            tried.add(member.offset_bytes)
            try:
                self._context.stage.add(pack.digest, member, pieces)
            except FormatError as error:  # of this one; the next may be right
                damages.append(error)
            done_bytes += member.size_bytes
            self._report.moved(job, done_bytes, f"reading from {self._session.barcode}")
            if self._report.cancelled(job):
                raise _Cancelled

    def _members(self, copy: CopyRecord, run: Sequence[Member]) -> Iterator[tuple[Member, Iterator[bytes]]]:
        number, offset = record_at(run[0].offset_bytes)
        if isinstance(self._session, TapeSession):
            records = self._session.records(copy.address or 0, number)
        else:
            records = self._session.reader().stream(copy.sequence or 0, offset)
        return extract(records, offset, run)

    def _repair(self, job: JobRecord, pack: PackRecord, copy: CopyRecord) -> None:
        """Have the recovery data of a damaged disc bring the rest back, where it has any."""
        if not isinstance(self._session, DiscSession):
            return
        self._report.moved(job, 0, f"repairing what was read from {self._session.barcode}")
        context, wanted = self._context, self._missing(pack)
        try:
            for member, pieces in restore(self._session, context.staging, copy.sequence or 0, pack.members, wanted):
                context.stage.add(pack.digest, member, pieces)
        except (DriverError, FormatError) as error:
            log.warning("disc_not_repaired", volume=self._session.barcode, reason=str(error))
