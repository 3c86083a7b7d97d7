"""Volume by volume, then the online pool: what is found becomes catalog rows; better knowledge is not overwritten."""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import structlog

from drivers.base import Barcode, MediumKind
from drivers.clock import Clock
from drivers.errors import DriverError
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogTooNew, DumpDamaged, VolumeRefused
from hsm.facts import Arrival, PoolFile
from hsm.format.errors import FormatError
from hsm.header import HeaderInvalid, read_header
from hsm.library import DiscSession, Library, TapeSession
from hsm.pool import OnlinePool
from hsm.rebuild.disc import read_disc
from hsm.rebuild.tape import VolumeContent, read_tape

READ_BYTES = 1024 * 1024

log = structlog.get_logger()


@dataclass
class RebuildReport:
    """What was found."""

    volumes: list[Barcode] = field(default_factory=list)
    blank: list[Barcode] = field(default_factory=list)
    packs: int = 0
    files: int = 0
    faults: list[str] = field(default_factory=list)
    rules_from: Barcode | None = None  # the volume whose catalog file gave policies and holds


def rebuild(
    catalog: Catalog,
    pool: OnlinePool,
    libraries: Mapping[str, Library],
    clock: Clock,
    barcodes: Collection[Barcode] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> RebuildReport:
    """Read all volumes in the libraries (or those named) and the online pool into the catalog.

    Faults are collected, not raised: one bad volume does not keep the others from being found. Copies found count as
    written; the next ticks have them verified.
    """
    report = RebuildReport()
    newest: tuple[datetime, Barcode, bytes] | None = None
    seen: set[Barcode] = set()
    for library in libraries.values():
        library.keep_unknown()
        library.clean_up()
        for barcode in _here(library, barcodes):
            seen.add(barcode)
            content = _read(library, barcode, report, progress)
            if content is None:
                continue
            if not _record(catalog, library, content, report, clock):
                continue
            if content.catalog_lines is not None:
                written_at = max((pack.written_at for pack in content.packs), default=datetime.min.replace(tzinfo=UTC))
                if newest is None or written_at > newest[0]:
                    newest = (written_at, barcode, content.catalog_lines)
        library.clean_up()
    for absent in sorted(set(barcodes or ()) - seen):
        report.faults.append(f"{absent}: is in none of the libraries: look for it, or for a slip in its name")
    if newest is not None:
        try:
            _restore_rules(catalog, newest[2], clock.now())
            report.rules_from = newest[1]
        except (DumpDamaged, CatalogTooNew) as error:
            report.faults.append(f"{newest[1]}: policies and holds are not restored: {error}")
    _read_pool(catalog, pool, report, clock, progress)
    log.info("catalog_rebuilt", volumes=len(report.volumes), packs=report.packs, files=report.files)
    return report


def _here(library: Library, barcodes: Collection[Barcode] | None) -> list[Barcode]:
    held = {e.barcode for e in library.take_inventory().elements if e.full and e.barcode is not None}
    volumes = sorted(b for b in held if library.kind_of(b) is not None)
    return volumes if barcodes is None else [b for b in volumes if b in barcodes]


def _read(
    library: Library, barcode: Barcode, report: RebuildReport, progress: Callable[[str], None]
) -> VolumeContent | None:
    kind = library.kind_of(barcode)
    drives = [index for index in library.drive_indices() if library.drive_kind(index) is kind]
    problem = f"{barcode}: no {'tape drive' if kind is MediumKind.TAPE else 'recorder'} in library {library.name}"
    for drive in drives:
        try:
            with library.mount_unproved(barcode, drive) as session:
                content = _content(session, progress)
        except (DriverError, FormatError) as error:
            problem = f"{barcode}: {error}"
            continue
        if content is None:
            report.blank.append(barcode)
        return content
    report.faults.append(problem)
    return None


def _content(session: TapeSession | DiscSession, progress: Callable[[str], None]) -> VolumeContent | None:
    return read_tape(session, progress) if isinstance(session, TapeSession) else read_disc(session, progress)


def _record(catalog: Catalog, library: Library, content: VolumeContent, report: RebuildReport, clock: Clock) -> bool:
    """Enter what was found; whether the volume itself was taken over. What the catalog refuses becomes a fault."""
    now, barcode = clock.now(), content.volume.barcode
    report.faults += content.faults
    try:
        catalog.rebuild.volume(content.volume, now)
    except VolumeRefused as error:
        report.faults.append(f"{barcode}: {error}")
        return False
    report.volumes.append(barcode)
    for pack in content.packs:
        try:
            catalog.rebuild.pack(pack, now)
        except (VolumeRefused, FormatError) as error:
            report.faults.append(f"{barcode}: pack {pack.sequence}: {error}")
            continue
        report.packs += 1
    log.info("volume_read", library=library.name, volume=barcode, packs=len(content.packs))
    return True


def _read_pool(
    catalog: Catalog, pool: OnlinePool, report: RebuildReport, clock: Clock, progress: Callable[[str], None]
) -> None:
    for file in pool.files():
        try:
            arrival = _arrival(pool, file)
        except (HeaderInvalid, OSError) as error:
            report.faults.append(f"{file.path}: {error}")
            continue
        catalog.rebuild.file(arrival, clock.now())
        report.files += 1
        progress(f"online pool: {report.files} files")


def _arrival(pool: OnlinePool, file: PoolFile) -> Arrival:
    path = pool.locate(file)
    whole, dataset = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as stream:
        parsed = read_header(stream)
        dataset_offset = parsed.dataset_offset
        stream.seek(0)
        whole.update(stream.read(dataset_offset))
        while chunk := stream.read(READ_BYTES):
            whole.update(chunk)
            dataset.update(chunk)
    status = path.stat()
    return Arrival(
        header=parsed.header,
        file=file,
        size_bytes=status.st_size,
        sha256=whole.hexdigest(),
        dataset_sha256=dataset.hexdigest(),
        dataset_offset=dataset_offset,
        received_at=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def _restore_rules(catalog: Catalog, lines: bytes, now: datetime) -> None:
    """Policies and holds are nowhere but in copies of the catalog: take them from the newest."""
    with (
        tempfile.TemporaryDirectory(prefix="firn-rebuild.") as folder,
        Catalog.from_dump(f"sqlite:///{Path(folder) / 'old.db'}", BytesIO(lines)) as old,
    ):
        version = old.policies.current()
        if version is not None and catalog.policies.current() is None:
            catalog.policies.publish(version.text, version.author, now, reason=version.reason)
        standing = {(h.study_instance_uid, h.reason) for h in catalog.holds.list(in_force_at=now)}
        for hold in old.holds.list(in_force_at=now):
            known = catalog.studies.get(hold.study_instance_uid) is not None
            if known and (hold.study_instance_uid, hold.reason) not in standing:
                catalog.holds.place(hold.study_instance_uid, hold.reason, hold.placed_by, now, hold.until)
