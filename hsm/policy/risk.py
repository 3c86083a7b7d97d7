"""How much a volume is to be feared for: what is read back first, and what is emptied in time; pure.

A score from 0 to 100 with its reasons. It orders, and promises nothing: the weights say what is feared more than what.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from hsm.facts import VolumeRecord
from hsm.policy.words import count_words
from hsm.states import VolumeState

WORTH_A_REPACK = 50

_YEAR_S = 365.25 * 86400
_GB = 10**9
_MANY_MOUNTS = 5000  # a cartridge that was loaded so often is near the end of its life
_MANY_CORRECTIONS_PER_GB = 10.0


@dataclass(frozen=True)
class Risk:
    """How much a volume is to be feared for, and why."""

    score: int  # 0 to 100
    reasons: tuple[str, ...]  # phrases, the weightiest first


def risk(volume: VolumeRecord, bad_writers: Collection[str], now: datetime) -> Risk:
    """Judge a volume by age, mounts, errors, how long ago it was read, and the drives that wrote it.

    `bad_writers`: serial numbers of those of them that failed, or whose last session ended with an error.
    """
    parts = [
        *_errors(volume),
        *_corrections(volume),
        *_age(volume, now),
        *_mounts(volume),
        *_writers(bad_writers),
        *_unread(volume, now),
    ]
    parts.sort(key=lambda part: -part[0])
    score = min(100, round(sum(points for points, _ in parts)))
    return Risk(score, tuple(reason for points, reason in parts if points >= 1))


def _errors(volume: VolumeRecord) -> list[tuple[float, str]]:
    found = []
    if volume.state is VolumeState.SUSPECT:
        found.append((30.0, "it is suspect"))
    if volume.errors:
        found.append((min(30.0, 10.0 * volume.errors), f"it was to blame for {count_words(volume.errors, 'error')}"))
    if volume.uncorrected_errors:
        words = count_words(volume.uncorrected_errors, "uncorrected error")
        found.append((min(30.0, 15.0 * volume.uncorrected_errors), f"its drive told of {words}"))
    return found


def _corrections(volume: VolumeRecord) -> list[tuple[float, str]]:
    moved_gb = ((volume.written_bytes or 0) + (volume.read_bytes or 0)) / _GB
    if not volume.corrected_errors or moved_gb <= 0:
        return []
    rate = volume.corrected_errors / max(moved_gb, 1.0)
    return [(min(20.0, 20.0 * rate / _MANY_CORRECTIONS_PER_GB), f"{rate:.1f} corrected errors for each GB")]


def _age(volume: VolumeRecord, now: datetime) -> list[tuple[float, str]]:
    if volume.labelled_at is None:
        return []
    years = max(0.0, (now - volume.labelled_at).total_seconds() / _YEAR_S)
    return [(min(20.0, 2.0 * years), f"it was labelled {years:.1f} years ago")]


def _mounts(volume: VolumeRecord) -> list[tuple[float, str]]:
    return [(min(20.0, 20.0 * volume.mounts / _MANY_MOUNTS), f"it was mounted {count_words(volume.mounts, 'time')}")]


def _writers(bad_writers: Collection[str]) -> list[tuple[float, str]]:
    return [(15.0, f"drive {min(bad_writers)}, which wrote to it, makes errors")] if bad_writers else []


def _unread(volume: VolumeRecord, now: datetime) -> list[tuple[float, str]]:
    if volume.first_filled_at is None:
        return []
    since = volume.verified_at or volume.first_filled_at
    years = max(0.0, (now - since).total_seconds() / _YEAR_S)
    what = "it was last read back" if volume.verified_at else "it was never read back since it was begun"
    return [(min(10.0, 10.0 * years), f"{what} {years:.1f} years ago")]
