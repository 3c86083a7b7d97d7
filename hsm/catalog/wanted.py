"""What of a recall request is not on disk, inside a caller's transaction."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hsm.catalog.availability import NOT_ONLINE
from hsm.catalog.database import AnyRow
from hsm.models import Instance, Series


@dataclass(frozen=True)
class Wanted:
    """Members of one pack that have to come back."""

    pack_id: int
    sops: tuple[str, ...]  # sorted
    size_bytes: int
    whole: bool  # nothing of the pack that is not online is left out


def wanted_of(
    connection: Connection, study: int, series_uids: Collection[str], sop_uids: Collection[str]
) -> list[Wanted]:
    """What of a study (by id), of some of its series or instances is not on disk, by pack."""
    rows = connection.execute(
        select(Instance.pack_fk, Instance.sop_instance_uid, Series.series_instance_uid, Instance.size_bytes)
        .join(Series, Series.id == Instance.series_fk)
        .where(Instance.study_fk == study, NOT_ONLINE)
    ).all()
    series, sops = frozenset(series_uids), frozenset(sop_uids)
    packs: dict[int, list[AnyRow]] = {}
    for row in rows:
        if row[0] is not None:  # what is not online is packed
            packs.setdefault(row[0], []).append(row)
    wanted = []
    for pack_id, members in sorted(packs.items()):
        chosen = [row for row in members if (not series or row[2] in series) and (not sops or row[1] in sops)]
        if chosen:
            size_bytes = sum(row[3] for row in chosen)
            wanted.append(
                Wanted(pack_id, tuple(sorted(row[1] for row in chosen)), size_bytes, len(chosen) == len(members))
            )
    return wanted
