"""Small libraries for scheduler tests: drives, volumes and works in one line each."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from drivers.base import Barcode, MediumKind
from hsm.facts import VolumePool
from hsm.scheduler import (
    BusyDrive,
    Candidate,
    IdleDrive,
    MediaTiming,
    QueuedWork,
    Schedule,
    Settings,
    VolumeFacts,
    assign,
)
from hsm.states import JobKind, Place, VolumeState

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
MB = 10**6
GB = 10**9
TB = 10**12

POOLS = {
    "tape_a": VolumePool("tape_a", MediumKind.TAPE, "tape", ("A*",), auto_label=True),
    "tape_b": VolumePool("tape_b", MediumKind.TAPE, "tape", ("B*",)),
    "disc": VolumePool("disc", MediumKind.DISC, "disc", ("D*",), auto_label=True, burn_after_s=3600.0),
}


def ago(**span: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(**span)


def drive(index: int = 0, loaded: str | None = None, **changes: Any) -> IdleDrive:
    """An idle LTO-8 drive of library "tape"."""
    held = Barcode(loaded) if loaded else None
    return replace(IdleDrive("tape", index, f"S{index}", MediumKind.TAPE, "LTO-8", held), **changes)


def recorder(index: int = 0, loaded: str | None = None, **changes: Any) -> IdleDrive:
    """An idle Blu-ray recorder of library "disc"."""
    held = Barcode(loaded) if loaded else None
    return replace(IdleDrive("disc", index, f"R{index}", MediumKind.DISC, "BD", held), **changes)


def at_work(
    index: int, barcode: str, serving: JobKind = JobKind.RECALL, seconds: float = 60.0, **changes: Any
) -> BusyDrive:
    """A drive of library "tape" that will be free in some seconds."""
    free_at = NOW + timedelta(seconds=seconds)
    made = BusyDrive("tape", index, f"S{index}", MediumKind.TAPE, "LTO-8", Barcode(barcode), serving, free_at)
    return replace(made, **changes)


def tape(barcode: str = "A00001L8", state: VolumeState = VolumeState.FILLING, **changes: Any) -> VolumeFacts:
    """An LTO-8 cartridge in the library, half full, of the pool its first letter names."""
    pool = {"A": "tape_a", "B": "tape_b"}.get(barcode[0])
    made = VolumeFacts(
        barcode=Barcode(barcode),
        kind=MediumKind.TAPE,
        generation="LTO-8",
        library="tape",
        pool=pool,
        state=state,
        place=Place.LIBRARY,
        location="",
        capacity_bytes=12 * TB,
        free_bytes=6 * TB,
        end_address=24_000_000,
        mounted_in=None,
        busy=False,
    )
    return replace(made, **changes)


def disc(barcode: str = "D00001", state: VolumeState = VolumeState.BLANK, **changes: Any) -> VolumeFacts:
    """A BD-R in the jukebox, by default blank."""
    made = VolumeFacts(
        barcode=Barcode(barcode),
        kind=MediumKind.DISC,
        generation="BD-R",
        library="disc",
        pool="disc",
        state=state,
        place=Place.LIBRARY,
        location="",
        capacity_bytes=25_025_314_816,
        free_bytes=25_025_314_816,
        end_address=None,
        mounted_in=None,
        busy=False,
    )
    return replace(made, **changes)


def recall(job_id: int, *places: tuple[str, int], **changes: Any) -> QueuedWork:
    """A recall of 1 GB that can be read at these (barcode, address) places, asked for a minute ago."""
    return reading(JobKind.RECALL, job_id, *places, **changes)


def verify(job_id: int, *places: tuple[str, int], **changes: Any) -> QueuedWork:
    """A verification of 1 GB, asked for a minute ago."""
    return reading(JobKind.VERIFY, job_id, *places, **changes)


def reading(kind: JobKind, job_id: int, *places: tuple[str, int], **changes: Any) -> QueuedWork:
    """A work that reads 1 GB."""
    candidates = tuple(Candidate(Barcode(barcode), address) for barcode, address in places)
    return replace(QueuedWork(job_id, kind, ago(minutes=1), GB, candidates), **changes)


def migrate(job_id: int, pool: str = "tape_a", size_bytes: int = GB, **changes: Any) -> QueuedWork:
    """A migration of 1 GB, asked for a minute ago."""
    return replace(QueuedWork(job_id, JobKind.MIGRATE, ago(minutes=1), size_bytes, pool=pool), **changes)


def schedule(
    works: Iterable[QueuedWork],
    drives: Sequence[IdleDrive],
    volumes: Iterable[VolumeFacts],
    busy: Sequence[BusyDrive] = (),
    **settings: Any,
) -> Schedule:
    """One round at NOW with the published timing."""
    return assign(works, drives, volumes, POOLS, MediaTiming(), NOW, busy=busy, settings=Settings(**settings))
