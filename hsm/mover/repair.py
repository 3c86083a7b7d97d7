"""A damaged disc gives back what its own recovery data can restore.

Everything readable is copied to the staging area, what is not becomes zeros, and par2 restores the files from that.

Source: docs/FORMAT.md section 5 (/ARCHIVE/PAR2).
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

import structlog

from drivers import par2
from drivers.errors import MediumError, RecoveryImpossible
from hsm.facts import Member
from hsm.format.disc import PAR2_INDEX, DiscReader
from hsm.format.errors import FormatError, PackDamaged
from hsm.format.places import image_places
from hsm.library import DiscSession

CHUNK_BYTES = 1024 * 1024
SECTOR_BYTES = 2048
PIECE_BYTES = 1024 * 1024
MOST_UNREADABLE_PCT = 50  # no recovery data of ours bring more than that back, and each bad sector takes seconds

log = structlog.get_logger()

Read = Callable[[int, int], bytes]


def spans(read: Read, start: int, end: int) -> Iterator[tuple[int, bytes | None, int]]:
    """Everything between two offsets in order: (offset, bytes or None where it cannot be read, how many).

    A span that cannot be read is halved until what is lost is a sector.

    Raises: DriverError, except MediumError.
    """
    waiting = [(offset, min(CHUNK_BYTES, end - offset)) for offset in range(start, end, CHUNK_BYTES)][::-1]
    while waiting:
        offset, size = waiting.pop()
        try:
            data = read(offset, size)
        except MediumError:
            if size <= SECTOR_BYTES:
                yield offset, None, size
                continue
            half = max(SECTOR_BYTES, size // 2 - size // 2 % SECTOR_BYTES)
            waiting += [(offset + half, size - half), (offset, half)]
            continue
        yield offset, data, size


def salvage(read: Read, size_bytes: int, image: Path) -> int:
    """Copy a disc into a file of the same size, zeros in the place of what cannot be read.

    Returns: how many bytes those are. Raises: RecoveryImpossible when they are too many; DriverError, OSError.
    """
    lost_bytes = 0
    with image.open("wb") as file:
        file.truncate(size_bytes)
        for offset, data, size in spans(read, 0, size_bytes):
            if data is None:
                lost_bytes += size
                if lost_bytes * 100 > size_bytes * MOST_UNREADABLE_PCT:
                    raise RecoveryImpossible(f"more than {MOST_UNREADABLE_PCT} % of the disc cannot be read")
                continue
            file.seek(offset)
            file.write(data)
    return lost_bytes


@dataclass(frozen=True)
class RepairedDisc:
    """The files of a disc, as its recovery data say they were."""

    root: Path

    def open_member(self, sequence: int, members: tuple[Member, ...], member: Member) -> Iterator[bytes]:
        """The bytes of one instance of a pack, in pieces; `members` are all of that pack, in order.

        Raises: OSError.
        """
        place = dict(zip(members, image_places(sequence, members), strict=True))[member]
        with (self.root / place).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece


@contextmanager
def repaired(session: DiscSession, staging: Path) -> Iterator[RepairedDisc]:
    """The whole disc, read and repaired, in the staging area as long as the block lasts.

    Raises: RecoveryImpossible when it has no recovery data, or more is damaged than they can bring back, or it cannot
    be told what lies where; DriverError of kinds that do not speak against the disc; OSError.
    """
    staging.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f"{session.barcode}.repair.", dir=staging))
    try:
        root, image = folder / "tree", folder / "disc.iso"
        size_bytes = session.recorder.status().size_bytes or 0
        lost_bytes = salvage(session.recorder.read, size_bytes, image)
        _extract(image, root)
        image.unlink()
        if not (root / PAR2_INDEX).parent.is_dir():
            raise RecoveryImpossible(f"{session.barcode} has no recovery data")
        par2.repair(root / PAR2_INDEX, root)
        log.info("disc_repaired", volume=session.barcode, size_bytes=size_bytes, unreadable_bytes=lost_bytes)
        yield RepairedDisc(root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(image: Path, root: Path) -> None:
    """All files of an image, whatever is in them. Raises: RecoveryImpossible, OSError."""
    try:
        with image.open("rb") as file:
            reader = DiscReader(file)
            for path in reader.paths():
                if ".." in PurePosixPath(path).parts:
                    raise RecoveryImpossible(f"the disc names a file {path}: its directory is damaged")
                target = root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as copy:
                    for piece in reader.read_file(path):
                        copy.write(piece)
    except FormatError as error:
        raise RecoveryImpossible(f"what lies where on the disc cannot be told: {error}") from error


def restore(
    session: DiscSession, staging: Path, sequence: int, members: tuple[Member, ...], wanted: list[Member]
) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Some instances of a pack from a damaged disc, each with its bytes in pieces, compared with their digest.

    Raises: as `repaired`; PackDamaged from the pieces.
    """
    with repaired(session, staging) as disc:
        for member in wanted:
            yield member, _compared(member, disc.open_member(sequence, members, member))


def _compared(member: Member, pieces: Iterator[bytes]) -> Iterator[bytes]:
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != member.sha256:
        path = f"{member.series_instance_uid}/{member.sop_instance_uid}.dcm"
        raise PackDamaged(f"{path} is still damaged after the repair of its disc", (path,))
