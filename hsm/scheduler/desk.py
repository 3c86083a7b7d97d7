"""What is free while assignments are being made: drives, volumes and works, and what is asked of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drivers.base import Barcode, MediumKind
from drivers.generations import MEDIA, Use, use
from hsm.facts import VolumePool
from hsm.scheduler.timing import Timing
from hsm.scheduler.work import (
    Assignment,
    BusyDrive,
    Candidate,
    IdleDrive,
    Purpose,
    QueuedWork,
    Settings,
    VolumeFacts,
)
from hsm.states import LABEL_VOLUMES, READABLE_VOLUMES, JobKind, Place, VolumeState

Group = tuple[str, MediumKind]  # drives of one library and kind stand in for each other
Drive = IdleDrive | BusyDrive

BLANK_VOLUMES = LABEL_VOLUMES
RIGHT_STATES = {JobKind.LABEL: BLANK_VOLUMES, JobKind.SCAN: frozenset(VolumeState)}  # others need a readable one


def group_of(drive: Drive) -> Group:
    """The drives a drive can stand in for."""
    return drive.library, drive.kind


def can_use(drive: Drive, volume: VolumeFacts, purpose: Purpose) -> bool:
    """Whether a drive can read or write a volume. What nobody knows is tried."""
    if drive.library != volume.library or drive.kind is not volume.kind:
        return False
    if not drive.generation or drive.generation == volume.generation or volume.generation not in MEDIA:
        return True
    ability = use(drive.generation, volume.generation)
    return ability is Use.WRITE or (ability is Use.READ and purpose is Purpose.READ)


def may_serve(drive: Drive, kind: JobKind) -> bool:
    """Whether a person lets a drive do a kind of work."""
    return kind is JobKind.RECALL or not drive.recalls_only


def _held_by(drive: Drive) -> Barcode | None:
    return drive.barcode if isinstance(drive, BusyDrive) else drive.loaded


def purpose_of(work: QueuedWork) -> Purpose:
    """What its volume is mounted for."""
    return Purpose.WRITE if work.kind in (JobKind.MIGRATE, JobKind.LABEL) else Purpose.READ


def right_states(work: QueuedWork) -> frozenset[VolumeState]:
    """The states in which a volume can serve a work."""
    return RIGHT_STATES.get(work.kind, READABLE_VOLUMES)


@dataclass
class Desk:
    """The state of one round of assigning."""

    volumes: Mapping[Barcode, VolumeFacts]
    pools: Mapping[str, VolumePool]
    drives: Sequence[Drive]
    timing: Timing
    now: datetime
    settings: Settings
    idle: list[IdleDrive] = field(default_factory=list)
    newest_recall: datetime | None = None  # of those somebody waits for
    open: dict[int, QueuedWork] = field(default_factory=dict)  # neither assigned nor stuck, most urgent first
    on_volume: dict[Barcode, list[tuple[QueuedWork, Candidate]]] = field(default_factory=lambda: defaultdict(list))
    assignments: list[Assignment] = field(default_factory=list)

    def rank(self, work: QueuedWork) -> tuple[datetime, int]:
        """The order of urgency: the time it was asked for, less urgent kinds as if they had been asked for later.

        A recall that is due at some time counts as asked for a while before that, and never goes before one that
        somebody waits for.
        """
        at = work.created_at + self.settings.head_start[work.kind]
        if work.due_at is not None:
            at = max(at, work.due_at - self.settings.hurry)
            if self.newest_recall is not None and at <= self.newest_recall:
                at = self.newest_recall + timedelta(microseconds=1)
        return at, work.job_id

    def admit(self, works: Iterable[QueuedWork]) -> None:
        """Put works on the desk, with the volumes that could serve them."""
        works = list(works)
        waited_for = [work.created_at for work in works if work.is_waited_for]
        self.newest_recall = max(waited_for, default=None)
        for work in sorted(works, key=self.rank):
            self.open[work.job_id] = work
            for candidate in work.candidates:
                if self.serves(work, candidate):
                    self.on_volume[candidate.barcode].append((work, candidate))

    def serves(self, work: QueuedWork, candidate: Candidate) -> bool:
        """Whether a volume could serve a work if its drive were free: in reach, in order, and some drive takes it."""
        volume = self.volumes.get(candidate.barcode)
        if volume is None or volume.place is not Place.LIBRARY or not self.within_reach(volume):
            return False
        return volume.state in right_states(work) and bool(self.able(volume, purpose_of(work), work.kind))

    def able(self, volume: VolumeFacts, purpose: Purpose, kind: JobKind) -> list[Drive]:
        """The drives in service that can use a volume for a kind of work."""
        return [d for d in self.drives if may_serve(d, kind) and self.can_have(d, volume, purpose)]

    def can_have(self, drive: Drive, volume: VolumeFacts, purpose: Purpose) -> bool:
        """Whether a drive can use a volume, and could be given it without a person."""
        if drive.library in self.settings.by_hand and _held_by(drive) != volume.barcode:
            return False
        return can_use(drive, volume, purpose)

    def within_reach(self, volume: VolumeFacts) -> bool:
        """Whether a volume is in a slot or in a drive that is in service."""
        return volume.mounted_in is None or any(drive.serial == volume.mounted_in for drive in self.drives)

    def holder(self, barcode: Barcode) -> IdleDrive | None:
        """The idle drive that holds a volume."""
        return next((d for d in self.drives if isinstance(d, IdleDrive) and d.loaded == barcode), None)

    def is_free(self, volume: VolumeFacts) -> bool:
        """Whether a volume could be brought to a drive now."""
        if volume.busy or any(a.barcode == volume.barcode for a in self.assignments):
            return False
        if any(isinstance(d, BusyDrive) and d.barcode == volume.barcode for d in self.drives):
            return False
        holder = self.holder(volume.barcode)
        return holder is None or holder in self.idle

    def is_wanted(self, barcode: Barcode | None) -> bool:
        """Whether an open work could use a volume."""
        return barcode is not None and any(work.job_id in self.open for work, _ in self.on_volume.get(barcode, ()))

    def waiting_recalls(self, group: Group, besides: Barcode | None = None) -> bool:
        """Whether recalls wait for a drive of a group, those on one volume left out."""
        for barcode, pairs in self.on_volume.items():
            volume = self.volumes[barcode]
            if barcode == besides or (volume.library, volume.kind) != group or not self.is_free(volume):
                continue
            if any(work.is_waited_for and work.job_id in self.open for work, _ in pairs):
                return True
        return False

    def other_work_is_allowed(self, group: Group) -> bool:
        """Whether one more drive of a group may do what is no recall. One always may, else nothing left the disk."""
        members = [drive for drive in self.drives if group_of(drive) == group]
        limit = max(len(members) - self.settings.reserve_recall_drives, 1)
        busy = sum(isinstance(d, BusyDrive) and not (d.serving is JobKind.RECALL and d.waited_for) for d in members)
        assigned = sum(
            group_of(a.drive) == group and not any(work.is_waited_for for work in a.works) for a in self.assignments
        )
        return busy + assigned < limit

    def approach_s(self, drive: IdleDrive, volume: VolumeFacts) -> float:
        """From now until a volume is ready in a drive."""
        if drive.loaded == volume.barcode:
            return 0.0
        seconds = self.timing.mount_s(volume)
        leaving = self.volumes.get(drive.loaded) if drive.loaded is not None else None
        if leaving is not None:
            seconds += self.timing.unmount_s(leaving, None)
        if self.holder(volume.barcode) is not None:
            seconds += self.timing.unmount_s(volume, None)
        return seconds

    def take(self, assignment: Assignment) -> None:
        """Note an assignment: its drive and volume are no longer free, its works no longer open."""
        self.assignments.append(assignment)
        self.idle.remove(assignment.drive)
        for work in assignment.works:
            del self.open[work.job_id]
