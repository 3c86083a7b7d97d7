"""What every kind of work needs in hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.facts import Member, PackRecord, VolumePool
from hsm.format.pack import PackInput, PackLayout, layout
from hsm.mover.outcome import RetrySettings
from hsm.mover.stage import Stage
from hsm.pool import OnlinePool


class PackInconsistent(Exception):
    """The catalog's record of a pack does not give the pack's own digest: the catalog was damaged."""


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

    @property
    def stage(self) -> Stage:
        """Where packs wait between two volumes."""
        return Stage(self.staging / "packs")

    def now(self) -> datetime:
        """The time by the clock that was passed in."""
        return self.clock.now()


@dataclass(frozen=True)
class PackSource:
    """One pack, ready to be written again and again with the same bytes."""

    record: PackRecord
    layout: PackLayout
    open_member: Callable[[Member], BinaryIO]


def pack_source(context: MoverContext, pack_id: int) -> PackSource:
    """Lay a sealed pack out from the online pool, and from the staging area where it was read from another volume.

    Raises: SourceNotOnline; FormatError when the catalog's record does not give the pack's own digest.
    """
    record = context.catalog.packs.get(pack_id)
    files = context.catalog.packs.files(pack_id)
    stage = context.stage
    staged = stage.present(record.digest)
    absent = [m.sop_instance_uid for m in record.members if m.instance_id not in files and m.offset_bytes not in staged]
    if absent:
        raise SourceNotOnline(
            f"pack {record.digest[:12]}: {len(absent)} of {len(record.members)} instances are not on disk (first "
            f"{absent[0]}); they have to be read from another volume first"
        )
    plan = layout(
        record.study_json.encode(),
        [
            PackInput(m.sop_instance_uid, m.series_instance_uid, m.size_bytes, m.sha256, m.instance_id)
            for m in record.members
        ],
    )
    if plan.digest != record.digest:
        raise PackInconsistent(
            f"pack {record.digest[:12]}: the catalog's members give {plan.digest[:12]}; nothing is written"
        )

    def open_member(member: Member) -> BinaryIO:
        file = files.get(member.instance_id)
        return stage.open(record.digest, member) if file is None else context.pool.open(file)

    return PackSource(record, plan, open_member)
