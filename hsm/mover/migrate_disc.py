"""Packs onto a disc: one tree, one image, one burn, true only when the disc is closed.

Source: docs/FORMAT.md section 5.3.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import structlog

from drivers import isofs, par2
from drivers.base import MediumKind
from drivers.errors import CommandFailed, DriverError
from hsm.catalog.errors import CatalogError, CopyRefused
from hsm.catalog.records import VolumeEnd, WrittenCopy
from hsm.facts import JobRecord, VolumePool, VolumeRecord
from hsm.format.disc import DiscReader, DiscTree, build_tree
from hsm.format.errors import FormatError
from hsm.format.label import VolumeLabel
from hsm.library import DiscSession
from hsm.mover.context import MoverContext, PackInconsistent, PackTooLarge, SourceNotOnline
from hsm.mover.pressing import seal_anew
from hsm.mover.report import Report
from hsm.mover.source import PackSource, pack_source
from hsm.pool import PoolError

log = structlog.get_logger()


@dataclass(frozen=True)
class _Load:
    """One job and what it brings to the disc."""

    job: JobRecord
    source: PackSource


class DiscWriter:
    """Writes a run of packs to one blank disc."""

    def __init__(self, session: DiscSession, pool: VolumePool, context: MoverContext, report: Report) -> None:
        self._session = session
        self._pool = pool
        self._context = context
        self._report = report

    def write(self, jobs: list[JobRecord]) -> None:
        """Master, check and burn one disc with the packs of these jobs, in order.

        The image is read again from disk and every file compared with its digest before the burn; the catalog learns of
        the copies only after the disc was closed. On any failure none of the copies exists.

        Raises: DriverError, CatalogError after everything was reported, so that recorder and disc can be judged.
        """
        barcode = self._session.barcode
        loads = list(self._loads(jobs))
        if not loads:
            return
        volume = self._context.catalog.volumes.get(barcode)
        try:
            with self._staging() as folder:
                self._write(volume, self._mastered(volume, loads, folder))
        except (FormatError, PoolError, OSError, PackTooLarge, CopyRefused, CommandFailed) as error:
            # The source or the staging area failed; the disc was not touched.
            for load in loads:
                self._context.stage.drop(load.source.record.digest)  # what of it was staged is read again
                self._context.pressed.drop(load.source.record.digest)  # and what was compressed is compressed again
                self._report.failed(load.job, error)
        except (DriverError, CatalogError) as error:
            for load in loads:
                self._report.failed(load.job, error)
            raise

    def _loads(self, jobs: list[JobRecord]) -> Iterator[_Load]:
        for job in jobs:
            if not self._report.started(job):
                continue
            if job.pack_id is None:
                self._report.failed(job, PackInconsistent(f"migrate job {job.id} names no pack; cancel it"))
                continue
            try:
                yield _Load(job, pack_source(self._context, job.pack_id))
            except (SourceNotOnline, PackInconsistent, PoolError, OSError) as error:
                self._report.failed(job, error)
                seal_anew(self._context, job.pack_id, error)

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        self._context.staging.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f"{self._session.barcode}.", dir=self._context.staging))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _mastered(self, volume: VolumeRecord, loads: list[_Load], folder: Path) -> "_Master":
        """A checked image of as many packs as the disc holds; the others are taken out of `loads` and postponed.

        Raises: FormatError, PoolError, OSError, CommandFailed; PackTooLarge when not even the first one fits.
        """
        status = self._session.recorder.status()
        now = self._context.now()
        label = VolumeLabel(
            barcode=volume.barcode,
            uuid=volume.uuid or str(uuid4()),
            kind=MediumKind.DISC,
            generation=status.medium or volume.generation,
            pool=self._pool.name,
            labelled_at=volume.labelled_at or now,
        )
        capacity_bytes = status.capacity_bytes or 0
        self._say(loads, "preparing the disc")
        while True:
            root = folder / "tree"
            tree = build_tree(root, [(load.source.layout, load.source.open_member) for load in loads], label, now)
            self._add_recovery_data(tree)
            if isofs.image_bytes(root) <= capacity_bytes:
                break
            shutil.rmtree(root)
            left_out = loads.pop()
            if not loads:
                loads.append(left_out)
                raise PackTooLarge(
                    f"a pack of {left_out.source.layout.size_bytes} bytes does not fit on {volume.barcode} "
                    f"({capacity_bytes} bytes): use larger discs, or lower pack.max_bytes"
                )
            self._report.postponed(left_out.job, f"does not fit on {volume.barcode} any more")
        image = folder / "disc.iso"
        size_bytes = isofs.make_image(root, volume_id(volume.barcode), image, now)
        return _Master(image, size_bytes, self._proved(image), label, capacity_bytes, tree, loads)

    def _add_recovery_data(self, tree: DiscTree) -> None:
        if self._context.par2_redundancy_pct:
            files = tree.files()
            tree.par2_index.parent.mkdir(parents=True)
            par2.create(files, self._context.par2_redundancy_pct, tree.par2_index, tree.root)

    def _write(self, volume: VolumeRecord, master: "_Master") -> None:
        catalog, now = self._context.catalog, self._context.now()
        if volume.uuid is None:
            label = master.label
            catalog.volumes.labelled(
                volume.barcode, label.uuid, self._pool.name, label.generation, master.capacity_bytes, None, now
            )
        copies: list[int] = []
        try:
            for sequence, load in enumerate(master.loads, start=1):
                pack_id = load.source.record.id
                copies.append(
                    catalog.copies.begin(pack_id, self._pool.name, MediumKind.DISC, volume.barcode, sequence, now)
                )
            self._say(master.loads, f"burning {volume.barcode}")
            self._session.burn(master.image)
            self._commit(volume, master, copies)
        except BaseException:
            catalog.copies.unwrite(copies)
            raise
        for load in master.loads:
            log.info("pack_written", volume=volume.barcode, pack=load.source.layout.digest)
            self._report.finished(load.job, f"written to {volume.barcode}")

    def _proved(self, image: Path) -> str:
        """Check every file in the image against the digests taken at reception. Returns: the image's own digest.

        Raises: FormatError.
        """
        with image.open("rb") as file:
            DiscReader(file).verify()
            file.seek(0)
            return file_digest(file, "sha256").hexdigest()

    def _commit(self, volume: VolumeRecord, master: "_Master", copies: list[int]) -> None:
        streams = master.tree.stream_sha256
        written = [
            WrittenCopy(copy_id, sequence, stream_sha256)
            for sequence, (copy_id, stream_sha256) in enumerate(zip(copies, streams, strict=True), start=1)
        ]
        end = VolumeEnd(
            last_sequence=len(copies),
            last_address=len(copies),
            last_digest=master.loads[-1].source.layout.digest,
            last_stream_sha256=streams[-1],
            used_bytes=master.size_bytes,
            image_sha256=master.digest,
            image_bytes=master.size_bytes,
            closed=True,
        )
        self._context.catalog.copies.written(written, end, self._session.drive_serial, self._context.now())

    def _say(self, loads: list[_Load], phase: str) -> None:
        for load in loads:
            self._report.moved(load.job, 0, phase)


@dataclass(frozen=True)
class _Master:
    """An image that was checked and may be burnt."""

    image: Path
    size_bytes: int
    digest: str
    label: VolumeLabel
    capacity_bytes: int
    tree: DiscTree
    loads: list[_Load]


def volume_id(barcode: str) -> str:
    """The volume identifier of a disc: its barcode, in the characters ISO 9660 allows."""
    return re.sub(r"[^A-Z0-9_]", "_", barcode.upper())[:16]
