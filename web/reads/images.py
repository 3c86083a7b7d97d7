"""The images of one series, in the order in which people look at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from hsm.catalog import Catalog
from hsm.models import Instance, Series, Study
from hsm.states import OnlineState

MOST_FRAMES = 100_000  # of one object: what says more is not believed
_FRAMES, _ROWS = "00280008", "00280010"


@dataclass(frozen=True)
class Slice:
    """One object that has an image."""

    sop_instance_uid: str
    frames: int
    online: bool


def slices(catalog: Catalog, study_uid: str, series_uid: str) -> tuple[Slice, ...]:
    """The objects of a series that have an image, by instance number."""
    statement = (
        select(Instance.sop_instance_uid, Instance.instance_number, Instance.attributes, Instance.online_state)
        .join(Series, Series.id == Instance.series_fk)
        .join(Study, Study.id == Instance.study_fk)
        .where(Study.study_instance_uid == study_uid, Series.series_instance_uid == series_uid)
    )
    rows = catalog.database.read(lambda connection: connection.execute(statement).all())
    shown = [row for row in rows if _number(row[2], _ROWS)]
    shown.sort(key=lambda row: (row[1] is None, row[1] or 0, row[0]))
    return tuple(
        Slice(row[0], min(MOST_FRAMES, max(1, _number(row[2], _FRAMES))), row[3] == OnlineState.ONLINE) for row in shown
    )


def _number(attributes: Mapping[str, Any], tag: str) -> int:
    """The value of one attribute, 0 without one."""
    try:
        return int((attributes.get(tag) or {}).get("Value", [0])[0])
    except (ValueError, TypeError, IndexError):
        return 0
