"""What is known of a volume that is being emptied: frozen values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drivers.base import Barcode
from hsm.facts import CopyRecord, PackDigest, StudyUid
from hsm.states import RepackState, VolumeState


class Phase(StrEnum):
    """What a running repack does."""

    COPYING = "copying"  # what was copied is not read back yet, so that few mounts are needed
    VERIFYING = "verifying"  # all that can be copied is; it is read back
    BLOCKED = "blocked"  # what is left cannot be read anywhere: a person must look


@dataclass(frozen=True)
class Trouble:
    """One pack that keeps a volume from being drained."""

    pack_digest: PackDigest
    study_instance_uid: StudyUid
    reason: str


@dataclass(frozen=True)
class RepackRecord:
    """One repack as the catalog knows it."""

    id: int
    barcode: Barcode
    state: RepackState
    phase: Phase
    reason: str
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    came_from: VolumeState
    copies: int
    size_bytes: int
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True)
class RepackItem:
    """One copy that has to be made again elsewhere before its volume is drained."""

    copy: CopyRecord
    online: bool  # every member of its pack is in the online pool
    others: tuple[CopyRecord, ...]  # the other copies of its pack, in whatever state and pool


@dataclass(frozen=True)
class Progress:
    """How far a repack is, in copies of the volume."""

    left: int  # not superseded yet
    left_bytes: int
    written: int  # of those: made again elsewhere, not read back yet
    unreadable: int  # of those: cannot be read anywhere
