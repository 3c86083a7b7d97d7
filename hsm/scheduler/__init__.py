"""Who gets which drive, in which order, and when it will be done; pure."""

from hsm.scheduler.assign import assign, hindrances
from hsm.scheduler.timing import Learned, MediaTiming, Timing
from hsm.scheduler.work import (
    Assignment,
    BusyDrive,
    Candidate,
    Eta,
    IdleDrive,
    Purpose,
    QueuedWork,
    Schedule,
    Settings,
    Stuck,
    VolumeFacts,
)

__all__ = [
    "Assignment",
    "BusyDrive",
    "Candidate",
    "Eta",
    "IdleDrive",
    "Learned",
    "MediaTiming",
    "Purpose",
    "QueuedWork",
    "Schedule",
    "Settings",
    "Stuck",
    "Timing",
    "VolumeFacts",
    "assign",
    "hindrances",
]
