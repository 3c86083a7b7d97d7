"""File system steps that survive a crash: each returns only when what it did is on the medium."""

import errno
import os
import shutil
import stat
from pathlib import Path

FOLDER_MODE = 0o750
_GONE_OR_USED = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY})


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises: OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_nearest(folder: Path) -> None:
    """Make the names durable in a folder that somebody else may remove at any moment, or else in what held it.

    Raises: OSError.
    """
    while True:
        try:
            sync_folder(folder)
            return
        except FileNotFoundError:
            folder = folder.parent


def make_folder(folder: Path) -> None:
    """Make one folder, or accept that it is there, and make its name durable. Raises: OSError."""
    while True:
        try:
            folder.mkdir(FOLDER_MODE)
            break
        except FileExistsError:
            try:
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise
                break
            except FileNotFoundError:
                continue  # it was there, and somebody removed it before we could look
    sync_folder(folder.parent)


def move(source: Path, target: Path) -> None:
    """Move a file to a free name in an existing folder, across file systems if need be.

    At any moment the content has a name. Raises: OSError; the source is then still there.
    """
    try:
        source.rename(target)
    except OSError as wrong:
        if wrong.errno != errno.EXDEV:
            raise
        copy = target.with_name(f".{target.name}.part")
        with source.open("rb") as reader, copy.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            os.fsync(writer.fileno())
        copy.rename(target)
        sync_folder(target.parent)
        source.unlink()
    else:
        sync_folder(target.parent)
    sync_folder(source.parent)


def remove_if_empty(folder: Path) -> bool:
    """Remove a folder unless somebody put something into it meanwhile. Says whether it is gone by this call."""
    try:
        folder.rmdir()
    except OSError as wrong:
        if wrong.errno not in _GONE_OR_USED:
            raise
        return False
    return True
