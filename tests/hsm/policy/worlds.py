"""Small worlds for policy tests: studies, copies and pools in one line each."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from drivers.base import Barcode, MediumKind
from hsm.facts import CopyRecord, DiskFacts, PackDigest, PackFacts, StudyFacts, StudyUid, VolumePool
from hsm.states import Availability, CopyState, Place, VolumeState

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)  # a Monday
MB = 10**6
GB = 10**9

POOLS = {
    "tape_a": VolumePool("tape_a", MediumKind.TAPE, "tape", ("A*",)),
    "tape_b": VolumePool("tape_b", MediumKind.TAPE, "tape", ("B*",)),
    "disc": VolumePool("disc", MediumKind.DISC, "disc", ("D*",)),
}
KIND_OF = {name: pool.kind for name, pool in POOLS.items()} | {"tape_c": MediumKind.TAPE}
HALF_FULL = DiskFacts(1000 * GB, 500 * GB, 85.0, 70.0)


def ago(**span: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(**span)


def copy(pool: str = "tape_a", state: CopyState = CopyState.VERIFIED, **changes: Any) -> CopyRecord:
    """One copy, by default verified on a good volume in the library."""
    barcode = Barcode({"tape_a": "A00001L8", "tape_b": "B00001L8", "disc": "D00001"}.get(pool, "C00001L8"))
    on_volume = state not in (CopyState.PLANNED,)
    made = CopyRecord(
        id={"tape_a": 1, "tape_b": 2, "disc": 3}.get(pool, 4),
        pack_id=1,
        pack_digest=PackDigest("d" * 64),
        study_instance_uid=StudyUid("1.2.3"),
        size_bytes=12 * MB,
        pool=pool,
        kind=KIND_OF[pool],
        state=state,
        barcode=barcode if on_volume else None,
        sequence=1 if on_volume else None,
        address=2 if on_volume else None,
        stream_sha256="e" * 64 if on_volume else None,
        written_by="DRIVE0" if on_volume else None,
        verified_at=ago(days=10) if state is CopyState.VERIFIED else None,
        verified_by="DRIVE1" if state is CopyState.VERIFIED else None,
        doubts=1 if state is CopyState.SUSPECT else 0,
        doubted_by="DRIVE1" if state is CopyState.SUSPECT else None,
        volume_place=Place.LIBRARY if on_volume else None,
        volume_state=VolumeState.FILLING if on_volume else None,
    )
    return replace(made, **changes)


def pack(*copies: CopyRecord, **changes: Any) -> PackFacts:
    """One pack with its copies, on disk."""
    return replace(PackFacts(1, PackDigest("d" * 64), 12 * MB, True, copies), **changes)


def study(*packs: PackFacts, **changes: Any) -> StudyFacts:
    """A CT study received an hour ago, whole on disk; without packs nothing of it is packed."""
    made = StudyFacts(
        study_instance_uid=StudyUid("1.2.3"),
        patient_id="P1",
        patient_birth_date=date(1980, 5, 17),
        modalities=("CT",),
        study_date=date(2026, 3, 2),
        description="Knee routine",
        institution="St. Elsewhere",
        body_parts=("KNEE",),
        source_aet="CT_01",
        instance_count=34,
        size_bytes=12_100_000,
        online_bytes=12_100_000,
        online_instances=34,
        unpacked_instances=0 if packs else 34,
        received_at=ago(hours=1),
        changed_at=ago(minutes=59),
        accessed_at=None,
        pinned_until=None,
        holds=(),
        availability=Availability.ONLINE,
        packs=packs,
        active_jobs=frozenset(),
    )
    return replace(made, **changes)


moments = st.integers(-6 * 365 * 86400, 365 * 86400).map(lambda seconds: NOW + timedelta(seconds=seconds))
