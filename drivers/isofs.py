"""ISO 9660 images, made and checked with xorriso.

Level 3 (files of any size), Rock Ridge and Joliet, MD5 checksums per file and per session, one closed session.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from drivers.command import Completed, run
from drivers.errors import CommandFailed, ImageDamaged

BLOCK_BYTES = 2048
_VOLUME_ID = re.compile(r"[A-Z0-9_]{1,16}")  # 16: what Joliet keeps of it
_SIZE = re.compile(r"^Image size\s*:\s*(\d+)s", re.MULTILINE)
_TAG = re.compile(r"^MD5 tag range:.*,\s*\S\s+(\S+)\s*$", re.MULTILINE)
_MISMATCH = re.compile(r"^MD5 MISMATCH: (.+)$", re.MULTILINE)
_SLOWEST_BYTES_S = 2_000_000
_ALL_MATCH = "File contents and their MD5 checksums match."
_DAMAGED = 32  # what -return_with makes of a mismatch; it is 0 without


def make_image(tree: Path, volume_id: str, image: Path, moment: datetime | None = None) -> int:
    """Write everything below a folder into a new image.

    With a moment, every date in the image is that one, and the same tree gives the same bytes whoever makes them when.
    The image appears under its name only when it is complete and on the disk; an older one is replaced.

    Returns: its size in bytes. Raises: ValueError (volume id), CommandFailed.
    """
    if not _VOLUME_ID.fullmatch(volume_id):
        raise ValueError(f"volume id {volume_id!r} is not allowed; use 1 to 16 of A-Z, 0-9 and _")
    partial = image.with_name(image.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        run([*_recipe(tree, f"stdio:{partial.absolute()}", volume_id, moment), "-commit"], _limit_s(_tree_bytes(tree)))
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        size_bytes = partial.stat().st_size
        partial.replace(image)
    finally:
        partial.unlink(missing_ok=True)
    return size_bytes


def image_bytes(tree: Path) -> int:
    """How large an image of a folder will be, without making it. Raises: CommandFailed."""
    done = run(
        [*_recipe(tree, "stdio:/dev/null", "SIZE", None), "-print_size", "-rollback_end"],
        _limit_s(0),
    )
    match = _SIZE.search(done.stdout)
    if match is None:
        raise CommandFailed(
            f"xorriso did not say how large an image of {tree} is", done.argv, done.status, done.stdout, done.stderr
        )
    return int(match[1]) * BLOCK_BYTES


def check_image(image: Path) -> None:
    """Read an image whole and compare every file, and the session, with the checksums recorded in it.

    Raises: ImageDamaged naming the files that differ, also when there is nothing to compare with; CommandFailed.
    """
    argv = [
        *("xorriso", "-no_rc", "-md5", "on", "-abort_on", "FATAL", "-indev", f"stdio:{image.absolute()}"),
        *("-return_with", "SORRY", str(_DAMAGED), "-check_md5_r", "SORRY", "/", "--", "-check_media", "--"),
    ]
    fault = _verdict(run(argv, _limit_s(2 * image.stat().st_size), good=(0, _DAMAGED)))
    if fault:
        raise ImageDamaged(f"{image}: {fault}; use another copy")


def _verdict(done: Completed) -> str:
    """What is wrong according to a check, "" when nothing is. The exit status alone is not to be believed."""
    if names := _MISMATCH.findall(done.stdout):
        return "contents differ from their checksums: " + ", ".join(names)
    if _ALL_MATCH not in done.stdout:
        return "it holds no checksums, or nothing readable at all"
    sessions = _TAG.findall(done.stdout)
    if not sessions or any(result != "md5_match" for result in sessions):
        return "the checksum of the session does not match: " + (", ".join(sessions) or "none was found")
    return "" if done.status == 0 else f"the check ended with status {done.status}"


def _recipe(tree: Path, target: str, volume_id: str, moment: datetime | None) -> list[str]:
    dates: tuple[str, ...] = ()
    if moment is not None:
        stamp = moment.astimezone(UTC).strftime("%Y%m%d%H%M%S00")
        dates = ("-volume_date", "uuid", stamp, "-volume_date", "all_file_dates", stamp)
    return [
        *("xorriso", "-no_rc", "-outdev", target, "-volid", volume_id),
        *("-compliance", "iso_9660_level=3:joliet_long_names:no_emul_toc", "-rockridge", "on", "-joliet", "on"),
        *("-md5", "on", "-padding", "0", "-uid", "0", "-gid", "0", *dates),
        *("-map", str(tree.absolute()), "/"),
    ]


def _tree_bytes(tree: Path) -> int:
    return sum(path.lstat().st_size for path in tree.rglob("*"))


def _limit_s(size_bytes: int) -> float:
    return 300 + size_bytes / _SLOWEST_BYTES_S
