"""The package of the viewer: which one, and from the archive that npm fetches to a folder that can be served.

Nothing of it is run here. What is fetched counts only when its digest is the one written down below, and what is in it
is unpacked name by name.
"""

import base64
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from drivers.command import run
from drivers.errors import CommandFailed, CommandMissing, CommandTimedOut

NAME, VERSION = "@ohif/app", "3.13.2"
# of the archive as it was published, as package managers write it (Subresource Integrity)
INTEGRITY = "sha512-WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
LICENCE = "MIT"
FETCH_LIMIT_S = 900.0
MOST_FILES, MOST_BYTES = 2000, 1 << 30
_TOP = PurePosixPath("package/dist")
INDEX = "index.html"


class ViewerNotInstalled(Exception):
    """The viewer is not where it should be, or could not be put there; the message says why and what to do."""


def install(folder: Path, archive: Path | None = None, integrity: str = INTEGRITY) -> Path:
    """Put the viewer into a folder of its version below `folder`, in place of one that was there; that folder.

    `archive`: the published archive when somebody brought it; else npm fetches it from wherever it is set up to.
    Raises: ViewerNotInstalled, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as scratch:
        found = archive or _fetched(Path(scratch))
        check(found, integrity)
        made = Path(scratch) / "dist"
        unpack(found, made)
        target = folder / VERSION
        shutil.rmtree(target, ignore_errors=True)
        made.rename(target)
    return target


def installed(folder: Path) -> Path | None:
    """The folder of the viewer, None when it is not there."""
    found = folder / VERSION
    return found if (found / INDEX).is_file() else None


def _fetched(folder: Path) -> Path:
    argv = ["npm", "pack", f"{NAME}@{VERSION}", "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    try:
        run(argv, FETCH_LIMIT_S)
    except CommandMissing:
        raise ViewerNotInstalled("npm is not installed: install it (apt install npm), or bring the archive") from None
    except (CommandFailed, CommandTimedOut) as error:
        raise ViewerNotInstalled(f"npm could not fetch {NAME}@{VERSION}: {error}; or bring the archive") from error
    found = sorted(folder.glob("*.tgz"))
    if len(found) != 1:
        raise ViewerNotInstalled(f"npm left {len(found)} archives where one was expected")
    return found[0]


def check(archive: Path, integrity: str) -> None:
    """Look whether an archive is the one that was published. Raises: ViewerNotInstalled."""
    try:
        with archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha512").digest()
    except OSError as error:
        raise ViewerNotInstalled(f"{archive} cannot be read: {error.strerror}") from error
    if f"sha512-{base64.b64encode(digest).decode()}" != integrity:
        raise ViewerNotInstalled(f"{archive.name} is not {NAME} {VERSION} as it was published: nothing was unpacked")


def unpack(archive: Path, target: Path) -> None:
    """Write the files of an archive that belong to the viewer below `target`, which is made.

    Raises: ViewerNotInstalled, when anything in it is no plain file in its place, or there is too much.
    """
    target.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            left_bytes = 0
            for files, (member, name) in enumerate(_members(tar), 1):
                left_bytes += member.size
                if files > MOST_FILES or left_bytes > MOST_BYTES:
                    raise ViewerNotInstalled(f"{archive.name} holds more than a viewer does")
                stream = tar.extractfile(member)
                assert stream is not None  # it is a plain file
                path = target.joinpath(*name.parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with stream, path.open("xb") as out:
                    shutil.copyfileobj(stream, out)
    except (tarfile.TarError, EOFError, FileExistsError) as error:
        raise ViewerNotInstalled(f"{archive.name} cannot be unpacked: {error}") from error
    if not (target / INDEX).is_file():
        raise ViewerNotInstalled(f"{archive.name} holds no {INDEX}")


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    """The plain files below package/dist, with their names there."""
    for member in tar:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
            raise ViewerNotInstalled(f"the archive holds {member.name!r}, which is no plain file in its place")
        if member.isfile() and _TOP in name.parents:
            yield member, name.relative_to(_TOP)
