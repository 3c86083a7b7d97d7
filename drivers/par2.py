"""Recovery data for files, made and used with par2."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from drivers.command import run
from drivers.errors import CommandFailed, RecoveryImpossible

_SLOWEST_BYTES_S = 500_000
_MOST_FILES = 32_768  # the format's limit
_TARGET = re.compile(r'^Target: "(.+)" - ', re.MULTILINE)
_INTACT, _REPAIRABLE, _LOST = 0, 1, 2  # exit codes of a verification


class Verdict(StrEnum):
    """What a verification found."""

    INTACT = "intact"
    REPAIRABLE = "repairable"
    LOST = "lost"  # more is damaged than the recovery data can bring back


def create(files: Sequence[Path], redundancy_pct: int, index: Path, base: Path) -> tuple[Path, ...]:
    """Write recovery data for files that lie below `base`; their names are kept relative to it.

    Returns: `index` (a name ending in .par2) and the volume beside it that holds the recovery blocks.
    Raises: ValueError (files outside base, too many or none, percentage, index taken), FileNotFoundError,
    CommandFailed.
    """
    if not 1 <= redundancy_pct <= 100:
        raise ValueError(f"{redundancy_pct} % of recovery data cannot be made; ask for 1 to 100")
    if not 0 < len(files) <= _MOST_FILES:
        raise ValueError(f"recovery data can be made for 1 to {_MOST_FILES} files, not for {len(files)}")
    if index.suffix != ".par2":
        raise ValueError(f"{index.name} must end in .par2")
    if _written(index):
        raise ValueError(f"{index} is there already; remove it or choose another name")
    base = base.resolve()
    names = [str(base / file.resolve().relative_to(base)) for file in files]
    argv = ["par2", "create", "-q", "-q", f"-r{redundancy_pct}", "-n1", "-B", str(base), "--", str(index.absolute())]
    try:
        run([*argv, *names], _limit_s(files))
    except CommandFailed:
        for path in _written(index):
            path.unlink()
        raise
    return tuple(_written(index))


def verify(index: Path, base: Path) -> Verdict:
    """Compare the files below `base` with what their recovery data say. Changes nothing. Raises: CommandFailed."""
    done = run(
        ["par2", "verify", "-q", "-q", "-B", str(base.resolve()), "--", str(index.absolute())],
        _limit_s([path for path in base.rglob("*") if path.is_file()]),
        good=(_INTACT, _REPAIRABLE, _LOST),
    )
    return {_INTACT: Verdict.INTACT, _REPAIRABLE: Verdict.REPAIRABLE, _LOST: Verdict.LOST}[done.status]


def repair(index: Path, base: Path) -> None:
    """Bring damaged and missing files below `base` back. Nothing to do when they are intact.

    par2 cannot bring back a missing file named like a damaged one and a number ("a.txt.1" beside "a.txt").

    Raises: RecoveryImpossible (the files are as they were), CommandFailed.
    """
    before = set(base.rglob("*"))
    done = run(
        ["par2", "repair", "-q", "-B", str(base.resolve()), "--", str(index.absolute())],
        _limit_s([path for path in before if path.is_file()]),
        good=(_INTACT, _LOST),
    )
    if done.status == _LOST:
        raise RecoveryImpossible(f"{index}: more is damaged than the recovery data can bring back; use another copy")
    protected = {base / name for name in _TARGET.findall(done.stdout)}
    for path in set(base.rglob("*")) - before - protected:
        if path.suffix[1:].isdigit() and path.with_suffix("") in protected:
            path.unlink()  # the damaged file, which par2 keeps under a number


def _written(index: Path) -> list[Path]:
    stem = index.name.removesuffix(".par2")
    return sorted(
        path
        for path in index.parent.glob("*.par2")
        if path.name == index.name or re.fullmatch(re.escape(stem) + r"\.vol\d+\+\d+\.par2", path.name)
    )


def _limit_s(files: Sequence[Path]) -> float:
    return 300 + sum(path.stat().st_size for path in files) / _SLOWEST_BYTES_S
