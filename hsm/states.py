"""Every state a thing can be in, and every way from one to another, on one screen.

Nobody sets a state: the catalog asks `step(table, state, event)` and stores the answer. What is not in a table cannot
happen.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar


class IllegalTransition(Exception):
    """Something was asked to change in a way its present state does not allow."""


class Availability(StrEnum):
    """How soon a study can be had: derived from where its instances lie, never stored (PS3.3 C.4.23.1.1)."""

    ONLINE = "ONLINE"  # on disk
    NEARLINE = "NEARLINE"  # on a volume that a library can reach by itself
    OFFLINE = "OFFLINE"  # only on volumes a person must bring
    UNAVAILABLE = "UNAVAILABLE"  # every copy is suspect or lost


class OnlineState(StrEnum):
    """Whether the bytes of one instance are in the online pool."""

    ONLINE = "online"
    RELEASING = "releasing"  # the proof is committed, the file is about to go: no longer to be read from
    RELEASED = "released"  # only on volumes


class CopyState(StrEnum):
    """One pack on one volume."""

    PLANNED = "planned"  # wanted, or un-written after an error
    WRITING = "writing"  # bytes may be on the way; worth nothing
    WRITTEN = "written"  # flushed
    VERIFIED = "verified"  # read back whole, digest equal
    SUSPECT = "suspect"  # could not be read back once
    LOST = "lost"  # could not be read back by another drive either, or its volume is gone
    SUPERSEDED = "superseded"  # a newer copy replaced it
    RECLAIMED = "reclaimed"  # its volume was emptied or destroyed


class VolumeState(StrEnum):
    """One cartridge or disc."""

    BLANK = "blank"  # never labelled
    LABELLED = "labelled"  # ours, holds nothing yet
    FILLING = "filling"
    FULL = "full"
    REPACKING = "repacking"
    DRAINED = "drained"
    SCRATCH = "scratch"
    RETIRED = "retired"
    SUSPECT = "suspect"  # set aside: readable at best, never written
    WRITE_PROTECTED = "write_protected"
    LOST = "lost"


class Place(StrEnum):
    """Where a volume is. A place, not a state: a volume comes back from the shelf in the state it left in."""

    LIBRARY = "library"  # in a slot or drive that a robot reaches
    SHELF = "shelf"  # exported on purpose: a person must bring it
    VAULT = "vault"  # exported on purpose to another site: brought only when there is no nearer copy
    MISSING = "missing"  # neither in the library nor known to be on a shelf


class DriveState(StrEnum):
    """One tape drive or recorder."""

    EMPTY = "empty"
    LOADING = "loading"
    MOUNTED = "mounted"
    READING = "reading"
    WRITING = "writing"
    UNLOADING = "unloading"
    CLEANING = "cleaning"
    FAILED = "failed"  # set aside after repeated errors
    DOWN = "down"  # not to be used, with a reason


class JobState(StrEnum):
    """One piece of work."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING_OPERATOR = "waiting_operator"  # a volume is on a shelf
    WAITING_RETRY = "waiting_retry"  # failed; not before a time
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobKind(StrEnum):
    """What a piece of work does. The order is the order of urgency."""

    RECALL = "recall"
    RELEASE = "release"
    READ_FOREIGN = "read_foreign"  # take in the DICOM files of a disc that is not ours
    INVENTORY = "inventory"  # ask a robot what is where
    MOVE = "move"  # to another slot
    EXPORT = "export"  # to a mail slot, for a shelf or vault
    IMPORT = "import"  # from the mail slots into slots
    CLEAN = "clean"  # a drive, with a cleaning cartridge
    SCAN = "scan"  # look at a medium and say what it is; nothing is written
    LABEL = "label"  # write our label on a blank volume
    COMPRESS = "compress"  # a study without loss, before it is copied
    MIGRATE = "migrate"
    VERIFY = "verify"
    REPACK = "repack"


class RequestState(StrEnum):
    """One wish to have something back on disk."""

    WAITING = "waiting"  # jobs work on it
    READY = "ready"  # all of it was on disk, at a time that is noted
    FAILED = "failed"  # its jobs ended without bringing it back
    CANCELLED = "cancelled"  # taken back by who had it


class DeliveryState(StrEnum):
    """Something that is to be sent to a DICOM node."""

    WAITING = "waiting"  # for its recall
    QUEUED = "queued"  # to be sent, now or after a pause
    SENDING = "sending"
    DONE = "done"
    FAILED = "failed"  # refused for good, or not done by its deadline
    CANCELLED = "cancelled"


class RepackState(StrEnum):
    """How far the emptying of one volume is."""

    RUNNING = "running"
    PAUSED = "paused"  # a person stopped it for a while: nothing further is begun
    DONE = "done"  # the volume is drained
    CANCELLED = "cancelled"  # the volume is what it was before, or is gone


class OrderState(StrEnum):
    """One scheduled procedure step: an appointment of a patient at a modality."""

    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"  # a modality said that it began
    COMPLETED = "completed"
    DISCONTINUED = "discontinued"  # begun, and given up
    CANCELLED = "cancelled"  # taken back before it began


class PerformedState(StrEnum):
    """One performed procedure step as a modality reports it (PS3.3 C.4.14, PS3.4 F.7)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


C, V, D, J, R, P = CopyState, VolumeState, DriveState, JobState, RequestState, DeliveryState

ONLINE_TABLE: Mapping[tuple[OnlineState, str], OnlineState] = {
    (OnlineState.ONLINE, "prove"): OnlineState.RELEASING,
    (OnlineState.RELEASING, "delete"): OnlineState.RELEASED,
    (OnlineState.RELEASED, "recall"): OnlineState.ONLINE,
}

COPY_TABLE: Mapping[tuple[CopyState, str], CopyState] = {
    (C.PLANNED, "begin"): C.WRITING,
    (C.WRITING, "flush"): C.WRITTEN,
    (C.WRITING, "unwrite"): C.PLANNED,
    (C.WRITTEN, "verify"): C.VERIFIED,
    (C.WRITTEN, "doubt"): C.SUSPECT,
    (C.VERIFIED, "verify"): C.VERIFIED,
    (C.VERIFIED, "doubt"): C.SUSPECT,
    (C.SUSPECT, "verify"): C.VERIFIED,
    (C.SUSPECT, "doubt"): C.SUSPECT,
    (C.SUSPECT, "lose"): C.LOST,
    (C.WRITTEN, "supersede"): C.SUPERSEDED,
    (C.VERIFIED, "supersede"): C.SUPERSEDED,
    (C.SUSPECT, "supersede"): C.SUPERSEDED,
    (C.SUPERSEDED, "reclaim"): C.RECLAIMED,
    (C.LOST, "reclaim"): C.RECLAIMED,
}

VOLUME_TABLE: Mapping[tuple[VolumeState, str], VolumeState] = {
    (V.BLANK, "label"): V.LABELLED,
    (V.SCRATCH, "label"): V.LABELLED,
    (V.LABELLED, "fill"): V.FILLING,
    (V.FILLING, "fill"): V.FILLING,
    (V.LABELLED, "close"): V.FULL,
    (V.FILLING, "close"): V.FULL,
    (V.FULL, "repack"): V.REPACKING,
    (V.FILLING, "repack"): V.REPACKING,
    (V.SUSPECT, "repack"): V.REPACKING,
    (V.WRITE_PROTECTED, "repack"): V.REPACKING,
    (V.REPACKING, "drain"): V.DRAINED,
    # a repack that a person gave up: the volume is again what the catalog noted that it was
    (V.REPACKING, "back_to_filling"): V.FILLING,
    (V.REPACKING, "back_to_full"): V.FULL,
    (V.REPACKING, "back_to_suspect"): V.SUSPECT,
    (V.REPACKING, "back_to_write_protected"): V.WRITE_PROTECTED,
    (V.DRAINED, "erase"): V.SCRATCH,
    (V.DRAINED, "retire"): V.RETIRED,
    (V.BLANK, "retire"): V.RETIRED,
    (V.LABELLED, "retire"): V.RETIRED,
    (V.SCRATCH, "retire"): V.RETIRED,
    (V.SUSPECT, "retire"): V.RETIRED,  # the catalog refuses while a copy on it is wanted
    (V.BLANK, "doubt"): V.SUSPECT,
    (V.LABELLED, "doubt"): V.SUSPECT,
    (V.FILLING, "doubt"): V.SUSPECT,
    (V.FULL, "doubt"): V.SUSPECT,
    (V.WRITE_PROTECTED, "doubt"): V.SUSPECT,
    (V.REPACKING, "doubt"): V.REPACKING,  # it is being emptied already; it never goes back to what it was
    (V.SUSPECT, "doubt"): V.SUSPECT,
    (V.SUSPECT, "clear"): V.FULL,  # readable again; never written again
    (V.SUSPECT, "lose"): V.LOST,
    (V.REPACKING, "lose"): V.LOST,
    (V.BLANK, "protect"): V.WRITE_PROTECTED,
    (V.LABELLED, "protect"): V.WRITE_PROTECTED,
    (V.FILLING, "protect"): V.WRITE_PROTECTED,
    (V.WRITE_PROTECTED, "unprotect"): V.FILLING,
    (V.WRITE_PROTECTED, "unprotect_blank"): V.BLANK,
}

DRIVE_TABLE: Mapping[tuple[DriveState, str], DriveState] = {
    (D.EMPTY, "load"): D.LOADING,
    (D.LOADING, "load"): D.LOADING,  # tried again
    (D.EMPTY, "ready"): D.MOUNTED,  # found loaded
    (D.LOADING, "ready"): D.MOUNTED,
    (D.MOUNTED, "ready"): D.MOUNTED,  # asked for again
    (D.READING, "ready"): D.MOUNTED,  # a session that could not tell its end
    (D.WRITING, "ready"): D.MOUNTED,
    (D.MOUNTED, "read"): D.READING,
    (D.MOUNTED, "write"): D.WRITING,
    (D.READING, "stop"): D.MOUNTED,
    (D.WRITING, "stop"): D.MOUNTED,
    (D.EMPTY, "unload"): D.UNLOADING,  # found loaded
    (D.UNLOADING, "unload"): D.UNLOADING,  # tried again
    (D.UNLOADING, "ready"): D.MOUNTED,  # no robot came for it; it was taken in again
    (D.MOUNTED, "unload"): D.UNLOADING,
    (D.READING, "unload"): D.UNLOADING,
    (D.WRITING, "unload"): D.UNLOADING,
    (D.LOADING, "unload"): D.UNLOADING,
    (D.EMPTY, "clean"): D.CLEANING,
    (D.CLEANING, "unload"): D.UNLOADING,
    (D.FAILED, "clean"): D.FAILED,  # perhaps that is all it needs; a person says whether it is up again
    # the robot says so, whatever was thought before: a move that failed may have been done all the same
    **{(state, "emptied"): D.EMPTY for state in D if state not in (D.FAILED, D.DOWN)},
    # a drive that is set aside is emptied, too, but stays set aside
    (D.FAILED, "unload"): D.FAILED,
    (D.FAILED, "emptied"): D.FAILED,
    # a person may set a drive aside while it works: the session ends in peace, no other begins
    **{(D.DOWN, event): D.DOWN for event in ("load", "ready", "read", "write", "stop", "unload", "emptied", "clean")},
    **{(state, "fail"): D.FAILED for state in D if state is not D.DOWN},
    **{(state, "down"): D.DOWN for state in D},
    (D.DOWN, "up"): D.EMPTY,
    (D.FAILED, "up"): D.EMPTY,
}

JOB_TABLE: Mapping[tuple[JobState, str], JobState] = {
    (J.QUEUED, "start"): J.RUNNING,
    (J.QUEUED, "cancel"): J.CANCELLED,
    (J.QUEUED, "want_operator"): J.WAITING_OPERATOR,
    (J.RUNNING, "finish"): J.DONE,
    (J.RUNNING, "fail"): J.FAILED,
    (J.RUNNING, "retry"): J.WAITING_RETRY,
    (J.RUNNING, "want_operator"): J.WAITING_OPERATOR,
    (J.RUNNING, "requeue"): J.QUEUED,  # interrupted through no fault of its own
    (J.RUNNING, "cancel"): J.CANCELLED,
    (J.WAITING_RETRY, "requeue"): J.QUEUED,
    (J.WAITING_RETRY, "cancel"): J.CANCELLED,
    (J.WAITING_OPERATOR, "requeue"): J.QUEUED,
    (J.WAITING_OPERATOR, "want_operator"): J.WAITING_OPERATOR,  # asked anew: another volume would do, or it was moved
    (J.WAITING_OPERATOR, "cancel"): J.CANCELLED,
    (J.FAILED, "requeue"): J.QUEUED,  # a person asked for another try
}

REQUEST_TABLE: Mapping[tuple[RequestState, str], RequestState] = {
    (R.WAITING, "ready"): R.READY,
    (R.WAITING, "fail"): R.FAILED,
    (R.WAITING, "cancel"): R.CANCELLED,
    (R.FAILED, "again"): R.WAITING,  # a person asked for another try of a job
}

DELIVERY_TABLE: Mapping[tuple[DeliveryState, str], DeliveryState] = {
    (P.WAITING, "ready"): P.QUEUED,
    (P.QUEUED, "send"): P.SENDING,
    (P.SENDING, "send"): P.SENDING,  # its sender fell silent
    (P.SENDING, "await_recall"): P.WAITING,  # part of it left the disk
    (P.SENDING, "retry"): P.QUEUED,
    (P.SENDING, "done"): P.DONE,
    **{(state, "fail"): P.FAILED for state in (P.WAITING, P.QUEUED, P.SENDING)},
    **{(state, "cancel"): P.CANCELLED for state in (P.WAITING, P.QUEUED, P.SENDING)},
    (P.FAILED, "await_recall"): P.WAITING,  # a person asked for another try of the recall
    (P.FAILED, "again"): P.QUEUED,
}

REPACK_TABLE: Mapping[tuple[RepackState, str], RepackState] = {
    (RepackState.RUNNING, "pause"): RepackState.PAUSED,
    (RepackState.PAUSED, "resume"): RepackState.RUNNING,
    (RepackState.RUNNING, "finish"): RepackState.DONE,
    (RepackState.RUNNING, "cancel"): RepackState.CANCELLED,
    (RepackState.PAUSED, "cancel"): RepackState.CANCELLED,
}

ORDER_TABLE: Mapping[tuple[OrderState, str], OrderState] = {
    (OrderState.SCHEDULED, "change"): OrderState.SCHEDULED,
    (OrderState.IN_PROGRESS, "change"): OrderState.IN_PROGRESS,
    (OrderState.SCHEDULED, "start"): OrderState.IN_PROGRESS,
    (OrderState.IN_PROGRESS, "start"): OrderState.IN_PROGRESS,  # a further performed step of the same appointment
    (OrderState.DISCONTINUED, "start"): OrderState.IN_PROGRESS,  # tried again
    (OrderState.SCHEDULED, "complete"): OrderState.COMPLETED,
    (OrderState.IN_PROGRESS, "complete"): OrderState.COMPLETED,
    (OrderState.IN_PROGRESS, "discontinue"): OrderState.DISCONTINUED,
    (OrderState.SCHEDULED, "discontinue"): OrderState.CANCELLED,
    (OrderState.SCHEDULED, "cancel"): OrderState.CANCELLED,
    (OrderState.IN_PROGRESS, "cancel"): OrderState.DISCONTINUED,
    (OrderState.CANCELLED, "cancel"): OrderState.CANCELLED,  # said twice
    (OrderState.DISCONTINUED, "cancel"): OrderState.DISCONTINUED,
}

# What is completed or discontinued is never changed again: PS3.4 F.7.2.2.2.
PERFORMED_TABLE: Mapping[tuple[PerformedState, str], PerformedState] = {
    (PerformedState.IN_PROGRESS, "IN PROGRESS"): PerformedState.IN_PROGRESS,
    (PerformedState.IN_PROGRESS, "COMPLETED"): PerformedState.COMPLETED,
    (PerformedState.IN_PROGRESS, "DISCONTINUED"): PerformedState.DISCONTINUED,
}

ACTIVE_JOBS = frozenset({J.QUEUED, J.RUNNING, J.WAITING_OPERATOR, J.WAITING_RETRY})
ACTIVE_DELIVERIES = frozenset({P.WAITING, P.QUEUED, P.SENDING})
READABLE_COPIES = frozenset({C.WRITTEN, C.VERIFIED})
WANTED_COPIES = frozenset({C.PLANNED, C.WRITING, C.WRITTEN, C.VERIFIED, C.SUSPECT})  # no further copy is planned beside
WRITABLE_VOLUMES = frozenset({V.LABELLED, V.FILLING})
LABEL_VOLUMES = frozenset({V.BLANK, V.SCRATCH})
OUTSIDE_PLACES = frozenset({Place.SHELF, Place.VAULT})  # known, but only a person can bring it
ROBOT_JOBS = frozenset({JobKind.INVENTORY, JobKind.MOVE, JobKind.EXPORT, JobKind.IMPORT, JobKind.CLEAN})  # no session
READABLE_VOLUMES = frozenset({V.FILLING, V.FULL, V.SUSPECT, V.REPACKING, V.WRITE_PROTECTED})
# One that is suspect may still be readable, and one that is emptied may have been suspect: no proof leans on "may".
TRUSTED_VOLUMES = READABLE_VOLUMES - {V.SUSPECT, V.REPACKING}
OPEN_ORDERS = frozenset({OrderState.SCHEDULED, OrderState.IN_PROGRESS})
ACTIVE_REPACKS = frozenset({RepackState.RUNNING, RepackState.PAUSED})


S = TypeVar("S", bound=StrEnum)


def step(table: Mapping[tuple[S, str], S], state: S, event: str) -> S:
    """The state that follows.

    Raises: IllegalTransition, naming the state and the event.
    """
    try:
        return table[(state, event)]
    except KeyError:
        raise IllegalTransition(f"{type(state).__name__} {state.value!r} does not allow {event!r}") from None
