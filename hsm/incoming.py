"""One object on its way into the online pool, and what can go wrong with the pool."""

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import structlog

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = structlog.get_logger()


class PoolError(Exception):
    """The online pool cannot do what was asked."""


class PoolMissing(PoolError):
    """A directory of the pool lacks its sentinel file: a disk is not mounted, or this is not a pool."""


class PoolFull(PoolError):
    """No directory has room above its reserve."""


class PoolPathInvalid(PoolError):
    """A UID or path must not name anything in the pool."""


class PoolFileMissing(PoolError):
    """The pool is there but the file is not."""


class Incoming:
    """A file on its way into the pool. Leaving the `with` block removes it unless it was adopted or quarantined."""

    def __init__(self, directory: Path, path: Path) -> None:
        self.directory = directory
        self.path = path
        self.file: BinaryIO = open(path, "xb", buffering=1 << 18, opener=_private)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()
        except OSError as wrong:
            # What was buffered cannot be written any more; the file goes anyway. Adoption has flushed before.
            _log.warning("incoming_discarded", path=str(self.path), error=str(wrong))
        self.path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL:
            raise PoolFull(f"{self.directory} has no room left for an arriving object; it was refused") from error

    def finish(self) -> None:
        """Make the content durable and close the file. Raises: OSError."""
        if not self.file.closed:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)
