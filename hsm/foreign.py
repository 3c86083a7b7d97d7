"""Takes in the DICOM files of a disc that is not ours, by the rules of hsm/importing, straight from its recorder."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, cast

from pydicom.errors import InvalidDicomError

from drivers.errors import MediumError
from hsm.archive import Archive
from hsm.format.errors import DiscDamaged
from hsm.format.foreign_disc import FileBytes, ForeignDisc, ForeignFile, ReadAt, plain_name
from hsm.header import HeaderInvalid
from hsm.importing import DICOMDIR, Imported, Rejected, file_ids

_DICOMDIR_LIMIT_BYTES = 1 << 30  # beyond this it is damage


def import_disc(
    archive: Archive,
    disc: ForeignDisc,
    read_at: ReadAt,
    source_aet: str,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Iterator[Imported | Rejected]:
    """Take in what the DICOMDIR names, or every file where there is none that can be read; one result a file.

    What cannot be read is named and the rest goes in. `progress` is told bytes done and bytes in all, before each file.

    Raises: PoolFull, PoolMissing, CatalogUnavailable; DriverError of kinds that speak against the recorder; DiscDamaged
    when a folder cannot be read. What was reported before is safe, and repeating is harmless.
    """
    files = list(disc.files())
    directory = next((file for file in files if plain_name(file.path) == DICOMDIR), None)
    chosen: Sequence[ForeignFile] = [file for file in files if file is not directory]
    if directory is not None:
        try:
            named = _named(directory, read_at)
        except (MediumError, InvalidDicomError, ValueError, DiscDamaged) as error:
            yield Rejected(directory.path, f"the DICOMDIR cannot be read: {error}; every file is tried")
        else:
            by_name = {plain_name(file.path): file for file in chosen}
            missing = [name for name in named if plain_name(name) not in by_name]
            yield from (Rejected(directory.path, f"DICOMDIR names {name}: there is no such file") for name in missing)
            chosen = [by_name[plain_name(name)] for name in named if plain_name(name) in by_name]
    all_bytes, done_bytes = sum(file.size_bytes for file in chosen), 0
    for file in chosen:
        progress(done_bytes, all_bytes)
        yield _take_in(archive, file, read_at, source_aet)
        done_bytes += file.size_bytes


def _named(directory: ForeignFile, read_at: ReadAt) -> list[str]:
    if directory.size_bytes > _DICOMDIR_LIMIT_BYTES:
        raise ValueError(f"it claims to have {directory.size_bytes} bytes")
    content = FileBytes(directory, read_at).read()
    named = list(dict.fromkeys("/".join(parts) for parts in file_ids(io.BytesIO(content))))
    if not named:
        raise ValueError("it names no file")
    return named


def _take_in(archive: Archive, file: ForeignFile, read_at: ReadAt, source_aet: str) -> Imported | Rejected:
    try:
        receipt = archive.receive_file(cast(BinaryIO, FileBytes(file, read_at)), source_aet)
    except HeaderInvalid as error:
        return Rejected(file.path, str(error))
    except (MediumError, DiscDamaged) as error:
        return Rejected(file.path, f"cannot be read from the disc: {error}")
    return Imported(file.path, receipt) if receipt.kept else Rejected(file.path, receipt.why)
