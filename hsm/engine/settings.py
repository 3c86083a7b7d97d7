"""What an engine is told once."""

from dataclasses import dataclass, field
from pathlib import Path

from hsm.catalog.intake import OnConflict
from hsm.mover.outcome import RetrySettings
from hsm.ticking import TickSettings


@dataclass(frozen=True)
class EngineSettings:
    """Times in seconds."""

    staging: Path  # disc images are prepared here
    tick: TickSettings = field(default_factory=TickSettings)
    retry: RetrySettings = field(default_factory=RetrySettings)
    tick_every_s: float = 60.0
    inventory_every_s: float = 300.0
    hands_every_s: float = 10.0  # how soon a tape is noticed that a person put into a drive without a robot
    lease_ttl_s: float = 60.0
    keep_online_s: float = 7 * 86400.0
    prefetch_ahead_s: float = 86400.0  # how far ahead wanted priors come along with a cartridge that is mounted
    reserve_recall_drives: int = 0
    stop_after_error_pct: float = 50.0
    stop_after_items: int = 100
    drive_fails_after: int = 3  # errors in a row
    repack_window_bytes: int = 64 * 1024**3  # what waits between two volumes while one is emptied
    par2_redundancy_pct: int = 0
    compression_workers: int = 0  # processes for codecs; 0: in the threads that ask
    on_conflict: OnConflict = "refuse"  # of discs that are taken in; see hsm/archive
    keep_jobs_s: float = 90 * 86400.0  # ended jobs are forgotten after
    keep_job_lines_s: float = 14 * 86400.0  # their logs go sooner
    keep_events_s: float | None = None  # None: for ever
    keep_audit_s: float | None = None  # None: for ever
