"""What lies on a volume, in pages: a tape may hold a hundred thousand packs."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hsm.catalog import Catalog
from hsm.facts import VolumeRecord
from hsm.models import Copy, Pack, Study, Volume
from hsm.repack.facts import Phase, RepackRecord
from hsm.repack.plan import progress
from hsm.states import ACTIVE_REPACKS, CopyState, RepackState


@dataclass(frozen=True)
class PackOnVolume:
    """One pack as a volume holds it."""

    sequence: int | None
    study_instance_uid: str
    pack_digest: str
    state: CopyState
    verified_at: datetime | None
    verified_by: str | None
    size_bytes: int


@dataclass(frozen=True)
class VolumePage:
    """Some packs of a volume, and how many there are in all."""

    packs: tuple[PackOnVolume, ...]
    total: int


def packs_on(catalog: Catalog, barcode: str, limit: int, offset: int) -> VolumePage:
    """The packs of one volume in the order in which they lie there."""
    on_it = select(Volume.id).where(Volume.barcode == barcode).scalar_subquery()
    counted = select(func.count()).select_from(Copy).where(Copy.volume_fk == on_it)
    listed = (
        select(
            Copy.sequence,
            Study.study_instance_uid,
            Pack.digest,
            Copy.state,
            Copy.verified_at,
            Copy.verified_by,
            Pack.size_bytes,
        )
        .join(Pack, Pack.id == Copy.pack_fk)
        .join(Study, Study.id == Pack.study_fk)
        .where(Copy.volume_fk == on_it)
        .order_by(Copy.sequence, Copy.id)
        .limit(limit)
        .offset(offset)
    )

    def look(connection: Connection) -> VolumePage:
        rows = connection.execute(listed).all()
        packs = tuple(
            PackOnVolume(no, uid, digest, CopyState(state), verified_at, verified_by, size_bytes)
            for no, uid, digest, state, verified_at, verified_by, size_bytes in rows
        )
        return VolumePage(packs, connection.scalar(counted) or 0)

    return catalog.database.read(look)


PHASES = {
    Phase.COPYING: "is being copied to other volumes",
    Phase.VERIFYING: "is copied; the new copies are being read back",
    Phase.BLOCKED: "cannot go on without a person",
}


@dataclass(frozen=True)
class RepackOnPage:
    """The last repack of a volume, and how far it is."""

    record: RepackRecord
    active: bool
    paused: bool
    words: str  # what happens to what is on the volume
    superseded: int  # copies that were given up because a verified one stands in for them
    left_bytes: int


def repack_of(catalog: Catalog, volume: VolumeRecord) -> RepackOnPage | None:
    """The last repack of a volume; None when there never was one."""
    found = catalog.repacks.last(volume.barcode)
    if found is None:
        return None
    active, paused = found.state in ACTIVE_REPACKS, found.state is RepackState.PAUSED
    if not active:
        return RepackOnPage(found, False, False, "", 0, 0)
    now = progress(catalog.repacks.items(volume.barcode))
    words = "waits: the repack is paused" if paused else PHASES[found.phase]
    return RepackOnPage(found, True, paused, words, found.copies - now.left, now.left_bytes)
