"""What it would mean to carry a volume out of its library."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, select
from sqlalchemy.orm import aliased

from drivers.base import Barcode
from hsm.catalog.database import Database
from hsm.facts import StudyUid
from hsm.models import Copy, Instance, Pack, Study, Volume
from hsm.states import READABLE_COPIES, TRUSTED_VOLUMES, CopyState, OnlineState, Place

_TRUSTED = sorted(TRUSTED_VOLUMES)


@dataclass(frozen=True)
class Loss:
    """The studies that a volume holds and that are not wholly on disk."""

    only_here: tuple[StudyUid, ...]  # no other volume holds a verified copy of some of it
    offline: tuple[StudyUid, ...]  # no other volume in a library holds a copy of some of it


class TakingAway:
    """Asks before a volume leaves."""

    _database: Database

    def loss(self, barcode: Barcode) -> Loss:
        """What would be missed while a volume is away, and what would be lost if it never came back."""

        def work(connection: Connection) -> Loss:
            known = Volume.place != Place.MISSING
            return Loss(
                _studies(connection, barcode, [CopyState.VERIFIED], known),
                _studies(connection, barcode, sorted(READABLE_COPIES), Volume.place == Place.LIBRARY),
            )

        return self._database.read(work)


def _studies(
    connection: Connection, barcode: Barcode, states: Collection[CopyState], where: ColumnElement[bool]
) -> tuple[StudyUid, ...]:
    """Studies with a pack on the volume that is not wholly online and has no copy of those states on another volume."""
    here = aliased(Copy)
    home: Any = aliased(Volume)
    elsewhere = exists().where(
        Copy.pack_fk == Pack.id,
        Copy.state.in_([state.value for state in states]),
        Copy.volume_fk == Volume.id,
        Volume.barcode != barcode,
        Volume.state.in_(_TRUSTED),
        where,
    )
    away = exists().where(Instance.pack_fk == Pack.id, Instance.online_state != OnlineState.ONLINE)
    statement = (
        select(Study.study_instance_uid)
        .distinct()
        .select_from(here)
        .join(home, home.id == here.volume_fk)
        .join(Pack, Pack.id == here.pack_fk)
        .join(Study, Study.id == Pack.study_fk)
        .where(home.barcode == barcode, here.state.in_(sorted(READABLE_COPIES)), ~elsewhere, away)
        .order_by(Study.study_instance_uid)
    )
    return tuple(StudyUid(uid) for uid in connection.execute(statement).scalars())
