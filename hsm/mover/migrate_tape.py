"""Packs onto a tape: many in one mount, true only after a flush.

Source: docs/FORMAT.md section 4.1 (order of writes); the invariant "copied = flushed".
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from tempfile import TemporaryFile

import structlog

from drivers.base import MediumKind
from drivers.errors import DriverError, EndOfMedium
from hsm.catalog.errors import CatalogError, CopyRefused
from hsm.catalog.records import VolumeEnd, WrittenCopy
from hsm.facts import JobRecord, PackDigest, VolumePool, VolumeRecord
from hsm.format.catalog_file import CatalogStream
from hsm.format.errors import FormatError
from hsm.format.header import KIND_CATALOG, KIND_PACK, PackHeader
from hsm.format.pack import PackStream
from hsm.library import TapeSession
from hsm.mover.context import MoverContext, PackInconsistent, PackTooLarge, SourceNotOnline
from hsm.mover.labelling import label_tape
from hsm.mover.pressing import seal_anew
from hsm.mover.report import Report
from hsm.mover.source import pack_source
from hsm.pool import PoolError

CLOSE_BELOW_PCT = 1.0  # a tape with less room than this is closed rather than filled to the last block

log = structlog.get_logger()


@dataclass
class _Batch:
    """What lies on the tape behind the last flush: worth nothing yet."""

    end: VolumeEnd  # as it will be once flushed
    begun: list[int] = field(default_factory=list)  # copies in state WRITING
    copies: list[WrittenCopy] = field(default_factory=list)
    jobs: list[JobRecord] = field(default_factory=list)
    size_bytes: int = 0


class TapeWriter:
    """Writes a run of packs to one mounted tape."""

    def __init__(self, session: TapeSession, pool: VolumePool, context: MoverContext, report: Report) -> None:
        self._session = session
        self._pool = pool
        self._context = context
        self._report = report

    def write(self, jobs: list[JobRecord]) -> None:
        """Write the packs of these jobs, in order, until done or the volume is full.

        A job whose source fails does not stop the others. An error of drive or volume ends the run: what was flushed
        stays, what was not is un-written, and every job is reported.

        Raises: DriverError, CatalogError after everything was reported, so that drive and volume can be judged.
        """
        catalog, barcode = self._context.catalog, self._session.barcode
        volume = catalog.volumes.get(barcode)
        if volume.uuid is None:
            volume = label_tape(self._session, volume, self._pool, self._context)
        self._session.prepare_append(volume)
        batch = _Batch(_end_of(volume))
        waiting = list(jobs)
        began_bytes = volume.used_bytes
        try:
            while waiting:
                if self._report.started(waiting[0]):
                    self._append(waiting[0], volume, batch)
                waiting.pop(0)
                if self._is_due(batch):
                    batch = self._flush(batch)
                    self._copy_catalog_now_and_then(volume, batch, began_bytes)
                    began_bytes = batch.end.used_bytes
            batch = self._flush(batch)
            self._copy_catalog_now_and_then(volume, batch, began_bytes)
            self._close_when_nearly_full(volume, batch)
        except EndOfMedium as error:
            self._unwrite(batch)
            for job in {job.id: job for job in [*batch.jobs, *waiting]}.values():
                self._report.postponed(job, f"{barcode} is full: goes to the next volume")
            catalog.volumes.close(barcode, self._context.now())
            log.info("volume_filled", volume=barcode, reason=str(error))
        except (DriverError, CatalogError) as error:
            self._unwrite(batch)
            for job in batch.jobs:
                self._report.failed(job, error)
            for job in waiting:
                if job not in batch.jobs:
                    self._report.postponed(job, str(error))
            raise

    def _is_due(self, batch: _Batch) -> bool:
        return batch.size_bytes >= self._pool.flush_every_bytes or len(batch.copies) >= self._pool.flush_every_packs

    def _append(self, job: JobRecord, volume: VolumeRecord, batch: _Batch) -> None:
        context = self._context
        try:
            source = pack_source(context, _pack_of(job))
        except (SourceNotOnline, PackInconsistent, PoolError, OSError) as error:
            self._report.failed(job, error)
            seal_anew(context, job.pack_id, error)
            return
        size_bytes, room_bytes = source.layout.size_bytes, self._room_bytes(volume, batch)
        if size_bytes > room_bytes:
            if batch.end.last_sequence == 0:
                self._report.failed(job, PackTooLarge(f"{size_bytes} bytes do not fit on an empty {volume.barcode}"))
            else:
                self._report.postponed(job, f"{size_bytes} bytes do not fit on {volume.barcode} ({room_bytes} left)")
            return
        now = context.now()
        header = _header(batch.end, volume, KIND_PACK, source.layout.digest, source.layout.size_bytes, now)
        header = replace(header, study_instance_uid=source.record.study_instance_uid)
        self._report.moved(job, 0, f"writing to {volume.barcode}")
        batch.jobs.append(job)
        try:
            copy_id = context.catalog.copies.begin(
                source.record.id, self._pool.name, MediumKind.TAPE, volume.barcode, header.sequence, now
            )
        except CopyRefused as error:
            batch.jobs.remove(job)
            self._report.failed(job, error)
            return
        batch.begun.append(copy_id)
        before = self._session.drive.tell()
        stream = PackStream(source.layout, header, source.open_member)
        try:
            address = self._session.append(stream)
        except (FormatError, PoolError, OSError) as error:
            # The source failed, not the tape: step back over the torn file and keep what came before it.
            context.stage.drop(source.record.digest)  # what of it was staged is read again
            context.pressed.drop(source.record.digest)  # and what was compressed is compressed again
            batch.jobs.remove(job)
            batch.begun.remove(copy_id)
            context.catalog.copies.unwrite([copy_id])
            self._report.failed(job, error)
            self._session.step_back(before)
            return
        batch.copies.append(WrittenCopy(copy_id, address, stream.stream_sha256))
        batch.size_bytes += source.layout.size_bytes
        batch.end = _after(batch.end, header, address, stream.stream_sha256)
        self._report.moved(job, source.layout.size_bytes, f"written to {volume.barcode}, waiting for the flush")

    def _flush(self, batch: _Batch) -> _Batch:
        """Make the batch true on the medium, then in the catalog. Returns: a new, empty batch."""
        if not batch.copies:
            return batch
        end = replace(batch.end, end_address=self._session.flush())
        self._context.catalog.copies.written(batch.copies, end, self._session.drive_serial, self._context.now())
        for job in batch.jobs:
            log.info("pack_written", volume=self._session.barcode, pack_id=job.pack_id, size_bytes=job.size_bytes)
            self._report.finished(job, f"written to {self._session.barcode}")
        return _Batch(end)

    def _room_bytes(self, volume: VolumeRecord, batch: _Batch) -> int:
        return volume.capacity_bytes - self._pool.reserve_bytes - batch.end.used_bytes

    def _close_when_nearly_full(self, volume: VolumeRecord, batch: _Batch) -> None:
        """Close a tape with no room left worth keeping; its last file is a copy of the catalog."""
        if self._room_bytes(volume, batch) * 100 >= volume.capacity_bytes * CLOSE_BELOW_PCT:
            return
        self._append_catalog(volume, batch)
        self._context.catalog.volumes.close(volume.barcode, self._context.now())
        log.info("volume_filled", volume=volume.barcode, used_bytes=batch.end.used_bytes)

    def _copy_catalog_now_and_then(self, volume: VolumeRecord, batch: _Batch, began_bytes: int) -> None:
        """Write a copy of the catalog each time the tape grew over a further multiple of what the pool says."""
        every_bytes = self._pool.catalog_every_bytes
        if batch.end.used_bytes // every_bytes > began_bytes // every_bytes:
            self._append_catalog(volume, batch)

    def _append_catalog(self, volume: VolumeRecord, batch: _Batch) -> None:
        """Write a copy of the catalog behind the last flushed pack; left out when it cannot be prepared."""
        now = self._context.now()
        try:
            with TemporaryFile(dir=self._context.staging) as dump:
                self._context.catalog.dump.write(dump)
                dump.seek(0)
                stream = CatalogStream(
                    dump, lambda digest, size: _header(batch.end, volume, KIND_CATALOG, digest, size, now)
                )
        except OSError as error:
            log.error("catalog_file_left_out", volume=volume.barcode, reason=str(error))
            return
        address = self._session.append(stream)
        end = _after(batch.end, stream.header, address, stream.stream_sha256)
        end = replace(end, end_address=self._session.flush())
        self._context.catalog.copies.moved_end(volume.barcode, end, self._context.now())
        fields = {"size_bytes": stream.header.pack_bytes, "pool": self._pool.name}
        self._context.catalog.events.record("info", "catalog_copied", volume.barcode, fields, now)
        batch.end = end

    def _unwrite(self, batch: _Batch) -> None:
        """Nothing since the last flush counts."""
        if batch.begun:
            self._context.catalog.copies.unwrite(batch.begun)


def _pack_of(job: JobRecord) -> int:
    if job.pack_id is None:
        raise PackInconsistent(f"migrate job {job.id} names no pack; cancel it")
    return job.pack_id


def _end_of(volume: VolumeRecord) -> VolumeEnd:
    return VolumeEnd(
        end_address=volume.end_address,
        last_sequence=volume.last_sequence,
        last_address=volume.last_address,
        last_digest=volume.last_digest,
        last_stream_sha256=volume.last_stream_sha256,
        used_bytes=volume.used_bytes,
    )


def _header(
    end: VolumeEnd, volume: VolumeRecord, kind: str, digest: PackDigest, size_bytes: int, now: datetime
) -> PackHeader:
    """The header of the next frame on the volume, chained to the one before."""
    return PackHeader(
        kind=kind,
        pack_digest=digest,
        pack_bytes=size_bytes,
        barcode=volume.barcode,
        volume_uuid=volume.uuid or "",
        sequence=end.last_sequence + 1,
        previous_address=end.last_address,
        previous_digest=PackDigest(end.last_digest) if end.last_digest else None,
        previous_stream_sha256=end.last_stream_sha256,
        study_instance_uid="",
        written_at=now,
    )


def _after(end: VolumeEnd, header: PackHeader, address: int, stream_sha256: str) -> VolumeEnd:
    return replace(
        end,
        last_sequence=header.sequence,
        last_address=address,
        last_digest=header.pack_digest,
        last_stream_sha256=stream_sha256,
        used_bytes=end.used_bytes + header.pack_bytes,
    )
