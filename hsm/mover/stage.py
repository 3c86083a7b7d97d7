"""Packs on their way from one volume to another: their instances wait in a folder, apart from the online pool.

What waits here is worth nothing but time. Each file is compared with its digest before it gets its name, and once more
while it is written to the next volume.
"""

import shutil
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from hsm.facts import Member, PackDigest


class Stage:
    """A folder with one folder for each pack. One engine owns it; its threads may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def present(self, digest: PackDigest) -> frozenset[int]:
        """Which members of a pack wait here, by their offset in the pack."""
        try:
            return frozenset(int(path.name) for path in self._of(digest).iterdir() if path.name.isdigit())
        except FileNotFoundError:
            return frozenset()

    def add(self, digest: PackDigest, member: Member, pieces: Iterable[bytes]) -> None:
        """Keep one member; `pieces` must raise when they are not what they should be: nothing is kept then.

        Raises: OSError, and what the pieces raise.
        """
        folder = self._of(digest)
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, prefix="half.", delete=False) as file:
            half = Path(file.name)
            try:
                for piece in pieces:
                    file.write(piece)
            except BaseException:
                half.unlink()
                raise
        half.rename(folder / str(member.offset_bytes))

    def take(self, digest: PackDigest, member: Member, file: Path) -> None:
        """Keep one member that lies whole in a file of the same file system; the file is gone then. Raises: OSError."""
        folder = self._of(digest)
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / str(member.offset_bytes))

    def digests(self) -> frozenset[PackDigest]:
        """The packs of which anything waits here."""
        try:
            return frozenset(PackDigest(folder.name) for folder in self._root.iterdir())
        except FileNotFoundError:
            return frozenset()

    def open(self, digest: PackDigest, member: Member) -> BinaryIO:
        """One member from its beginning. Raises: OSError."""
        return (self._of(digest) / str(member.offset_bytes)).open("rb")

    def drop(self, digest: PackDigest) -> None:
        """Keep nothing of a pack."""
        shutil.rmtree(self._of(digest), ignore_errors=True)

    def keep(self, digests: Collection[PackDigest]) -> int:
        """Keep nothing of any other pack; how many bytes are left."""
        size_bytes = 0
        with suppress(FileNotFoundError):
            for folder in self._root.iterdir():
                if folder.name in digests:
                    size_bytes += sum(path.stat().st_size for path in folder.iterdir())
                else:
                    shutil.rmtree(folder, ignore_errors=True)
        return size_bytes

    def free_bytes(self) -> int:
        """What its file system has room for. Raises: OSError."""
        self._root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self._root).free

    def _of(self, digest: PackDigest) -> Path:
        return self._root / digest
