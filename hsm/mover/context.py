"""What every kind of work needs in hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.facts import VolumePool
from hsm.lossless.presses import Presses
from hsm.mover.outcome import RetrySettings
from hsm.mover.stage import Stage
from hsm.pool import OnlinePool


class PackInconsistent(Exception):
    """The catalog's record of a pack does not give the pack's own digest: the catalog was damaged."""


class PressedDiffers(PackInconsistent):
    """What lies compressed in a sealed pack cannot be made again as it was: the codec gives other bytes today."""


class PackTooLarge(Exception):
    """A pack fits on no volume of its pool, not even on an empty one: lower pack.max_bytes, or use larger volumes."""


class SourceNotOnline(Exception):
    """A pack cannot be written because some of its instances are neither on disk nor staged: they are read first."""


@dataclass(frozen=True)
class MoverContext:
    """The places and rules a piece of work uses."""

    catalog: Catalog
    pool: OnlinePool
    volume_pools: Mapping[str, VolumePool]
    staging: Path  # disc images are prepared here; on a file system with room for two discs
    clock: Clock
    retry: RetrySettings = field(default_factory=RetrySettings)
    keep_online_s: float = 7 * 86400.0
    stable_after_s: float = 300.0
    par2_redundancy_pct: int = 0
    presses: Presses = field(default_factory=Presses)  # closed by who made them

    @property
    def stage(self) -> Stage:
        """Where packs wait between two volumes."""
        return Stage(self.staging / "packs")

    @property
    def pressed(self) -> Stage:
        """Where compressed instances wait until their packs are written."""
        return Stage(self.staging / "pressed")

    def now(self) -> datetime:
        """The time by the clock that was passed in."""
        return self.clock.now()
