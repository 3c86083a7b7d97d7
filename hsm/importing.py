"""Takes in files that lie somewhere: single ones, folders, DICOM media, ZIP archives. Their bytes are kept exactly.

The sources stay as they are, so what is refused is reported and not copied to quarantine.
"""

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue

from hsm.archive import Archive
from hsm.header import HeaderInvalid
from hsm.receive import Receipt

DICOMDIR = "DICOMDIR"
_ZIP_START = b"PK\x03\x04"


@dataclass(frozen=True)
class Imported:
    """A file whose object is in the archive now, or was before."""

    path: str  # a member of a ZIP archive as "archive.zip:member"
    receipt: Receipt


@dataclass(frozen=True)
class Rejected:
    """A file that was not taken in, and why."""

    path: str
    reason: str


def import_paths(archive: Archive, paths: Iterable[Path], source_aet: str = "IMPORT") -> Iterator[Imported | Rejected]:
    """Take in everything under the paths, one result a file, in order of names.

    Folders are walked whole, links to folders are not followed. A DICOMDIR is not an object: what it names is taken in,
    and what it names in vain is reported. ZIP archives are read member by member, without unpacking them anywhere.

    Raises: PoolFull, PoolMissing, CatalogUnavailable; what was reported before is safe, and repeating is harmless.
    """
    for path in paths:
        if path.is_dir():
            yield from _folder(archive, path, source_aet)
        elif path.name.upper() == DICOMDIR:
            yield from _medium(archive, path, source_aet)
        else:
            yield from _file(archive, path, source_aet)


def _folder(archive: Archive, folder: Path, source_aet: str) -> Iterator[Imported | Rejected]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(root, name)
            if name.upper() == DICOMDIR:
                yield from (
                    Rejected(str(path), f"DICOMDIR names {missing}: there is no such file") for missing in _lost(path)
                )
            else:
                yield from _file(archive, path, source_aet)


def _medium(archive: Archive, dicomdir: Path, source_aet: str) -> Iterator[Imported | Rejected]:
    try:
        named = list(file_ids(dicomdir))
    except (OSError, InvalidDicomError, ValueError) as error:
        yield Rejected(str(dicomdir), f"the DICOMDIR cannot be read: {error}")
        return
    for parts in named:
        path = _resolve(dicomdir.parent, parts)
        if path is None:
            yield Rejected(str(dicomdir), f"DICOMDIR names {'/'.join(parts)}: there is no such file")
        else:
            yield from _file(archive, path, source_aet)


def _lost(dicomdir: Path) -> Iterator[str]:
    """What a DICOMDIR names and is not there; nothing for one that cannot be read, as its folder is walked anyway."""
    try:
        named = list(file_ids(dicomdir))
    except (OSError, InvalidDicomError, ValueError):
        return
    yield from ("/".join(parts) for parts in named if _resolve(dicomdir.parent, parts) is None)


def file_ids(dicomdir: Path | BinaryIO) -> Iterator[tuple[str, ...]]:
    """The file IDs of a DICOMDIR, each in its parts.

    Raises: OSError, InvalidDicomError, ValueError when it cannot be read. Source: PS3.3 F.3.2.2 (Referenced File ID).
    """
    try:
        records = dcmread(dicomdir).get("DirectoryRecordSequence") or ()
        for record in records:
            file_id = record.get("ReferencedFileID") if isinstance(record, Dataset) else None
            if file_id:
                yield tuple(str(part) for part in file_id) if isinstance(file_id, MultiValue) else (str(file_id),)
    except (AttributeError, KeyError, TypeError, NotImplementedError) as error:  # what pydicom makes of broken ones
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _resolve(root: Path, parts: tuple[str, ...]) -> Path | None:
    """The file of that ID below root, whatever case its medium was mounted with; never one outside."""
    here = root
    for part in parts:
        if part in {"", ".", ".."} or "/" in part:
            return None
        exact = here / part
        if exact.exists():
            here = exact
            continue
        try:
            found = [entry for entry in here.iterdir() if entry.name.upper().split(";")[0].rstrip(".") == part.upper()]
        except OSError:
            return None
        if not found:
            return None
        here = found[0]
    return here if here.is_file() else None


def _file(archive: Archive, path: Path, source_aet: str) -> Iterator[Imported | Rejected]:
    try:
        with path.open("rb") as stream:
            if not path.is_file():
                yield Rejected(str(path), "not a regular file")
                return
            start = stream.read(132)
            stream.seek(0)
            if start[:4] != _ZIP_START or start[128:] == b"DICM":
                yield _result(str(path), archive.receive_file(stream, source_aet))
                return
            yield from _zip(archive, path, source_aet)
    except HeaderInvalid as error:
        yield Rejected(str(path), str(error))
    except OSError as error:
        yield Rejected(str(path), f"cannot be read: {error.strerror or error}")


def _zip(archive: Archive, path: Path, source_aet: str) -> Iterator[Imported | Rejected]:
    try:
        with zipfile.ZipFile(path) as zipped:
            for member in zipped.infolist():
                if not member.is_dir() and PurePosixPath(member.filename).name.upper() != DICOMDIR:
                    yield _member(archive, zipped, member, f"{path}:{member.filename}", source_aet)
    except zipfile.BadZipFile as error:
        yield Rejected(str(path), f"a broken ZIP archive: {error}")


def _member(
    archive: Archive, zipped: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, source_aet: str
) -> Imported | Rejected:
    try:
        with zipped.open(member) as stream:
            return _result(name, archive.receive_file(stream, source_aet))  # type: ignore[arg-type]
    except HeaderInvalid as error:
        return Rejected(name, str(error))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return Rejected(name, f"a broken member of a ZIP archive: {error}")
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown method
        return Rejected(name, f"this member of a ZIP archive cannot be read: {error}")


def _result(name: str, receipt: Receipt) -> Imported | Rejected:
    return Imported(name, receipt) if receipt.kept else Rejected(name, receipt.why)
