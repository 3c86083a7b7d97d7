"""How soon something can be had, as SQL: the least available of the instances decides (PS3.4 C.4.1.1.3.2).

A rank is 0 for ONLINE to 3 for UNAVAILABLE. Only instances that are not online are looked at, pack by pack (they have
an index of their own), so that asking about a study that is online costs next to nothing.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from drivers.base import Barcode, MediumKind
from hsm.catalog.database import AnySelect
from hsm.catalog.records import StudyVolume
from hsm.models import Copy, Instance, Pack, Series, Study, Volume
from hsm.states import READABLE_COPIES, READABLE_VOLUMES, Availability, Place

RANKS = (Availability.ONLINE, Availability.NEARLINE, Availability.OFFLINE, Availability.UNAVAILABLE)
_NEARLINE, _OFFLINE, _UNAVAILABLE = 1, 2, 3

IdColumn = InstrumentedAttribute[int] | ColumnElement[int]

# Written out, not bound: the planner must see that the partial index covers it.
NOT_ONLINE: ColumnElement[bool] = Instance.online_state != literal_column("'online'")
READABLE: ColumnElement[bool] = Copy.state.in_(sorted(READABLE_COPIES)) & Volume.state.in_(sorted(READABLE_VOLUMES))
# The same, said so that no planner without statistics begins with all readable copies there are.
_READABLE_OF_PACK: ColumnElement[bool] = func.coalesce(Copy.state, "").in_(sorted(READABLE_COPIES)) & Volume.state.in_(
    sorted(READABLE_VOLUMES)
)
_PLACE_RANK = case((Volume.place == Place.LIBRARY, _NEARLINE), else_=_OFFLINE)


def availability_of(rank: int) -> Availability:
    """What a rank means."""
    return RANKS[rank]


def pack_rank(pack_id: IdColumn | InstrumentedAttribute[int | None]) -> ColumnElement[int]:
    """How soon an instance of a pack can be had that is not online."""
    best = (
        select(func.min(_PLACE_RANK))
        .select_from(Copy)
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(Copy.pack_fk == pack_id, READABLE)
        .correlate_except(Copy, Volume)
        .scalar_subquery()
    )
    return func.coalesce(best, _UNAVAILABLE)


def study_rank(study_id: IdColumn = Study.id) -> ColumnElement[int]:
    """The rank of a study; to be used where `study_id` is a column of the enclosing statement."""
    gone = select(literal_column("1")).where(Instance.pack_fk == Pack.id, NOT_ONLINE).correlate(Pack).exists()
    worst = (
        select(func.max(pack_rank(Pack.id)))
        .select_from(Pack)
        .where(Pack.study_fk == study_id, gone)
        .correlate_except(Pack)
        .scalar_subquery()
    )
    return func.coalesce(worst, 0)


def series_rank(series_id: IdColumn = Series.id, study_id: IdColumn = Series.study_fk) -> ColumnElement[int]:
    """The rank of a series; both columns of the enclosing statement."""
    gone = (
        select(literal_column("1"))
        .where(Instance.pack_fk == Pack.id, Instance.series_fk == series_id, NOT_ONLINE)
        .correlate_except(Instance)
        .exists()
    )
    worst = (
        select(func.max(pack_rank(Pack.id)))
        .select_from(Pack)
        .where(Pack.study_fk == study_id, gone)
        .correlate_except(Pack)
        .scalar_subquery()
    )
    return func.coalesce(worst, 0)


def instance_rank() -> ColumnElement[int]:
    """The rank of an instance, in a statement over Instance."""
    return case((Instance.online_state == literal_column("'online'"), 0), else_=pack_rank(Instance.pack_fk))


def volumes_to_read(study_ids: AnySelect | Collection[int]) -> AnySelect:
    """Readable copies of packs that are not wholly online: study id, pack id, barcode, uuid, kind, place, location."""
    gone = select(literal_column("1")).where(Instance.pack_fk == Pack.id, NOT_ONLINE).correlate(Pack).exists()
    return (
        select(Pack.study_fk, Pack.id, Volume.barcode, Volume.uuid, Volume.kind, Volume.place, Volume.location)
        .select_from(Pack)
        .join(Copy, Copy.pack_fk == Pack.id)
        .join(Volume, Volume.id == Copy.volume_fk)
        .where(Pack.study_fk.in_(study_ids), gone, _READABLE_OF_PACK)
        .order_by(Pack.study_fk, Pack.id, _PLACE_RANK, Volume.id)
    )


def best_volumes(connection: Connection, study_ids: Collection[int]) -> dict[int, tuple[StudyVolume, ...]]:
    """By study id, for studies that are not wholly online: one volume for each pack, in the best place there is."""
    chosen: dict[int, dict[str, StudyVolume]] = {}
    seen: set[int] = set()
    for study, pack, barcode, uuid, kind, place, location in connection.execute(volumes_to_read(study_ids)):
        if pack not in seen:
            seen.add(pack)
            volume = StudyVolume(Barcode(barcode), uuid, MediumKind(kind), Place(place), location)
            chosen.setdefault(study, {}).setdefault(barcode, volume)
    return {study: tuple(volumes.values()) for study, volumes in chosen.items()}
