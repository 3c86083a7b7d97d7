"""The online pool: the files of all instances that are on disk.

A file is written into `<directory>/.incoming`, made durable, and then gets its name
`<study uid>/<series uid>/<sop instance uid>.<8 hex digits>.dcm` by one rename. The random part makes every arrival its
own file, so that deleting a loser can never delete a winner. Every directory carries the file `.firn-pool`, made once,
by `create`: where it is missing a disk is not mounted, and nothing is written or believed to be deleted there.
"""

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from hsm import durable
from hsm.facts import PoolFile
from hsm.format.text import is_uid
from hsm.incoming import FULL, Incoming, PoolError, PoolFileMissing, PoolFull, PoolMissing, PoolPathInvalid
from hsm.proof import ReleaseProof

__all__ = [
    "Incoming",
    "OnlinePool",
    "PoolError",
    "PoolFileMissing",
    "PoolFull",
    "PoolMissing",
    "PoolPathInvalid",
    "PoolUsage",
    "Swept",
]

SENTINEL: Final = ".firn-pool"
INCOMING: Final = ".incoming"
_SENTINEL_TEXT: Final = "This directory belongs to the online pool of a Firn archive. Do not remove this file.\n"
_PATH: Final = re.compile(r"([0-9.]+)/([0-9.]+)/([0-9.]+)\.[0-9a-f]{8}\.dcm", re.ASCII)
_KNOWN_FOLDERS: Final = 10_000  # how many folders are remembered as durable


@dataclass(frozen=True)
class PoolUsage:
    """How full the file systems of the pool are, each counted once."""

    capacity_bytes: int
    used_bytes: int
    free_bytes: int  # for us, reserve included


@dataclass(frozen=True)
class Swept:
    """What a sweep found."""

    leftovers: int  # unfinished arrivals that were removed
    leftover_bytes: int
    orphans: tuple[PoolFile, ...]  # complete files the catalog does not know; left where they are


class OnlinePool:
    """One or several directories that hold instances. Safe to use from several threads and processes at once."""

    def __init__(self, directories: Sequence[Path], reserve_bytes: int, quarantine: Path) -> None:
        """`reserve_bytes`: left free on each file system. `quarantine`: the folder for what was not accepted."""
        if not directories:
            raise ValueError("a pool needs at least one directory")
        self.directories = tuple(Path(directory) for directory in directories)
        self.reserve_bytes = reserve_bytes
        self.quarantine_folder = Path(quarantine)
        self._durable: dict[Path, int] = {}

    @classmethod
    def create(cls, directories: Sequence[Path], reserve_bytes: int, quarantine: Path) -> "OnlinePool":
        """Make directories, sentinels and quarantine where they are missing: at installation only.

        Raises: OSError.
        """
        pool = cls(directories, reserve_bytes, quarantine)
        for directory in (*pool.directories, pool.quarantine_folder):
            directory.mkdir(durable.FOLDER_MODE, parents=True, exist_ok=True)
        for directory in pool.directories:
            sentinel = directory / SENTINEL
            if not sentinel.exists():
                with sentinel.open("w") as file:
                    file.write(_SENTINEL_TEXT)
                    file.flush()
                    os.fsync(file.fileno())
            durable.make_folder(directory / INCOMING)
            durable.sync_folder(directory.parent)
        return pool

    def scratch(self) -> Path:
        """A folder for files that are gone as soon as they are closed; what an interruption leaves is swept."""
        return self.directories[0] / INCOMING

    # -- looking --

    def check(self, size_hint: int = 0) -> None:
        """Whether an object could be taken in now. Raises: PoolMissing, PoolFull."""
        for directory in self.directories:
            self._check_sentinel(directory)
        self._roomiest(size_hint)

    def _check_sentinel(self, directory: Path) -> None:
        if not (directory / SENTINEL).is_file():
            raise PoolMissing(
                f"{directory} has no file {SENTINEL}: mount its disk, or make a new pool with `firn pool init`"
            )

    def _roomiest(self, size_hint: int) -> Path:
        free, directory = max((_free_bytes(directory), directory) for directory in self.directories)
        if free - size_hint < self.reserve_bytes:
            raise PoolFull(
                f"the online pool has {free} bytes free at most, {self.reserve_bytes} of them are kept in reserve: "
                "release studies or add a directory"
            )
        return directory

    def usage(self) -> PoolUsage:
        """Ask the file systems. Raises: PoolMissing."""
        seen: dict[int, os.statvfs_result] = {}
        for directory in self.directories:
            self._check_sentinel(directory)
            seen[directory.stat().st_dev] = os.statvfs(directory)
        free = sum(fs.f_bavail * fs.f_frsize for fs in seen.values())
        used = sum((fs.f_blocks - fs.f_bfree) * fs.f_frsize for fs in seen.values())
        return PoolUsage(capacity_bytes=used + free, used_bytes=used, free_bytes=free)

    def open(self, file: PoolFile) -> BinaryIO:
        """The bytes of one instance. Raises: PoolMissing, PoolFileMissing, PoolPathInvalid."""
        path = self.locate(file)
        try:
            return path.open("rb", buffering=1 << 16)
        except FileNotFoundError:
            self._check_sentinel(file.directory)
            raise PoolFileMissing(f"{path} is not in the pool") from None

    def locate(self, file: PoolFile) -> Path:
        """Where a file is or would be. Raises: PoolPathInvalid for anything that is not a file of this pool."""
        match = _PATH.fullmatch(file.path)
        if file.directory not in self.directories or match is None or not all(map(is_uid, match.groups())):
            raise PoolPathInvalid(f"{file.directory}/{file.path} does not name an instance in this pool")
        return file.directory / file.path

    def files(self) -> Iterator[PoolFile]:
        """Every instance in the pool, in no promised order. Raises: PoolMissing."""
        for directory in self.directories:
            self._check_sentinel(directory)
            for study in _names(directory):
                for series in _names(directory / study):
                    for name in _names(directory / study / series):
                        if _PATH.fullmatch(path := f"{study}/{series}/{name}"):
                            yield PoolFile(directory, path)

    # -- taking in --

    def incoming(self, size_hint: int = 0) -> Incoming:
        """Begin to take an object in, in the directory with most free space; a context manager.

        Raises: PoolMissing, PoolFull.
        """
        directory = self._roomiest(size_hint)
        self._check_sentinel(directory)
        folder = directory / INCOMING
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            return Incoming(directory, path)
        except FileNotFoundError:
            durable.make_folder(folder)
            return Incoming(directory, path)
        except OSError as wrong:
            if wrong.errno in FULL:
                raise PoolFull(f"{directory} cannot hold one more file: {wrong.strerror}") from wrong
            raise

    def adopt(self, incoming: Incoming, study_uid: str, series_uid: str, sop_instance_uid: str) -> PoolFile:
        """Give an arrived file its name. When this returns, content and name survive a crash.

        Raises: PoolPathInvalid, PoolMissing, PoolFull; the file is then still incoming.
        """
        if not (is_uid(study_uid) and is_uid(series_uid) and is_uid(sop_instance_uid)):
            raise PoolPathInvalid(f"{study_uid!r:.80}, {series_uid!r:.80} or {sop_instance_uid!r:.80} is not a UID")
        self._check_sentinel(incoming.directory)
        folder = incoming.directory / study_uid / series_uid
        try:
            incoming.finish()
            while True:
                target = folder / f"{sop_instance_uid}.{secrets.token_hex(4)}.dcm"
                self._make_folders(folder)
                try:
                    if target.exists():
                        continue
                    incoming.path.rename(target)
                    durable.sync_folder(folder)
                    break
                except FileNotFoundError:
                    # The last file of this folder was deleted by somebody who then removed the folder: make it again.
                    self._durable.pop(folder, None)
                    if target.exists() or not incoming.path.exists():
                        raise
        except OSError as wrong:
            if wrong.errno in FULL:
                raise PoolFull(f"{incoming.directory} has no room left for {sop_instance_uid}") from wrong
            raise
        return PoolFile(incoming.directory, target.relative_to(incoming.directory).as_posix())

    def _make_folders(self, folder: Path) -> None:
        """The folders of study and series, durable.

        Known ones are not synced again: that would cost a flush of the disk per object. They are known by inode, so
        that one which was removed and made again counts as new.
        """
        try:
            if self._durable.get(folder) == folder.stat().st_ino:
                return
        except FileNotFoundError:
            self._durable.pop(folder, None)
        try:
            durable.make_folder(folder.parent)
            durable.make_folder(folder)
            inode = folder.stat().st_ino
        except FileNotFoundError:
            return  # removed again meanwhile: the rename fails and adopt comes back here
        if len(self._durable) >= _KNOWN_FOLDERS:
            self._durable.clear()
        self._durable[folder] = inode

    # -- letting go --

    def discard(self, file: PoolFile) -> None:
        """Delete an adopted file that the catalog refused. Never for one that the catalog knows: see `delete`.

        Raises: PoolPathInvalid, OSError.
        """
        path = self.locate(file)
        path.unlink(missing_ok=True)
        self._remove_empty(path.parent)

    def quarantine(self, source: "Incoming | PoolFile | Path", name: str) -> Path:
        """Move something that was not accepted to where a person can look at it; returns its durable new path.

        `name` may be any text, a UID as it was sent for example.

        Raises: OSError, PoolPathInvalid.
        """
        if isinstance(source, Incoming):
            source.finish()
            path = source.path
        else:
            path = self.locate(source) if isinstance(source, PoolFile) else source
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).strip(".")[:100] or "unnamed"
        if not self.quarantine_folder.is_dir():
            self.quarantine_folder.mkdir(durable.FOLDER_MODE, parents=True, exist_ok=True)
        target = self.quarantine_folder / f"{stem}.{secrets.token_hex(8)}"
        durable.move(path, target)
        if isinstance(source, PoolFile):
            self._remove_empty(path.parent)
        return target

    def delete(self, proof: ReleaseProof) -> int:
        """Delete the files of a proof; those already gone are fine, so it may be repeated after a crash.

        Returns: bytes freed by this call. Everything is durable when it returns.
        Raises: PoolMissing (nothing was deleted: an absent disk is no deletion), PoolPathInvalid (same), OSError.
        """
        if not isinstance(proof, ReleaseProof):
            raise TypeError("the pool deletes only against a ReleaseProof")
        paths = [self.locate(released.file) for released in proof.files]
        for directory in {released.file.directory for released in proof.files}:
            self._check_sentinel(directory)
        freed = 0
        for path in paths:
            try:
                size_bytes = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                continue
            freed += size_bytes
        for folder in sorted({path.parent for path in paths}):
            if not self._remove_empty(folder):
                durable.sync_nearest(folder)
        return freed

    def _remove_empty(self, folder: Path) -> bool:
        """Remove a series folder, and then its study's, unless something is in there.

        Says whether the series folder is gone; that is durable then.
        """
        gone = durable.remove_if_empty(folder) or not folder.exists()
        if gone:
            self._durable.pop(folder, None)
            durable.remove_if_empty(folder.parent)
            durable.sync_nearest(folder.parent)
        return gone

    def sweep(self, known: Callable[[PoolFile], bool], older_than: datetime) -> Swept:
        """Remove unfinished arrivals that nobody touched since, and name complete files that the catalog does not know.

        The latter stay: they were never acknowledged, but a catalog that was restored from an old backup needs them.

        Raises: PoolMissing.
        """
        limit_s = older_than.timestamp()
        leftovers = leftover_bytes = 0
        for directory in self.directories:
            self._check_sentinel(directory)
            for path in (directory / INCOMING).glob("*"):
                try:
                    status = path.stat(follow_symlinks=False)
                    if status.st_mtime < limit_s:
                        path.unlink()
                        leftovers += 1
                        leftover_bytes += status.st_size
                except FileNotFoundError:
                    continue  # adopted or discarded at this moment
        orphans = []
        for file in self.files():
            try:
                old = self.locate(file).stat().st_mtime < limit_s
            except FileNotFoundError:
                continue
            if old and not known(file):
                orphans.append(file)
        return Swept(leftovers, leftover_bytes, tuple(orphans))


def _names(folder: Path) -> list[str]:
    """What is in a folder; nothing if it is no folder, or was removed at this moment."""
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _free_bytes(directory: Path) -> int:
    try:
        fs = os.statvfs(directory)
    except FileNotFoundError:
        raise PoolMissing(f"{directory} is not there: mount its disk") from None
    return fs.f_bavail * fs.f_frsize
