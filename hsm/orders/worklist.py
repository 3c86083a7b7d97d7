"""The modality worklist: questions of modalities, and orders as answers to them. Pure.

Source: PS3.4 annex K, table K.6-1.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from pydicom.dataset import Dataset

from hsm.catalog.orders import Orders
from hsm.orders.model import OrderRecord
from hsm.query import keys
from hsm.query.answers import only_wanted
from hsm.query.matching import DateRange, ItemMatch, Match, MomentRange, TimeRange
from hsm.query.model import Condition, Wanted
from hsm.query.parse import all_texts, elements_of, match_of, moments_of, wanted_of
from hsm.states import OPEN_ORDERS, OrderState

STEPS, BEGINS_ON, BEGINS_AT, STATUS = "00400100", "00400002", "00400003", "00400020"
PAGE = 500
_STATUS = {
    OrderState.SCHEDULED: "SCHEDULED",
    OrderState.IN_PROGRESS: "STARTED",
    OrderState.COMPLETED: "COMPLETED",
    OrderState.DISCONTINUED: "DISCONTINUED",
    OrderState.CANCELLED: "CANCELLED",
}
Values = Mapping[str, Any]


@dataclass(frozen=True)
class WorklistQuery:
    """What a modality asks."""

    conditions: tuple[Condition, ...]
    wanted: tuple[Wanted, ...]
    character_set: tuple[str, ...]
    moments: MomentRange | None  # date and time as one range
    days: DateRange | None
    ended_too: bool  # it asks for a status by itself


def parse(identifier: Dataset) -> WorklistQuery:
    """The question of an identifier. Raises: QueryInvalid."""
    conditions: list[Condition] = []
    wanted: list[Wanted] = []
    moments: MomentRange | None = None
    days: DateRange | None = None
    ended_too = False
    for element in elements_of(identifier):
        tag = int(element.tag)
        if tag == keys.CHARACTER_SET or element.tag.element == 0:
            continue
        wanted.append(wanted_of(element))
        match = match_of(element)
        if isinstance(match, ItemMatch) and f"{tag:08X}" == STEPS:
            inner = dict(match.conditions)
            ended_too = STATUS in inner
            on, times = inner.get(BEGINS_ON), inner.get(BEGINS_AT)
            days = on if isinstance(on, DateRange) else None
            if days is not None and isinstance(times, TimeRange):
                moments = moments_of(days, times)  # from a moment to a moment, not some hours of each day
                inner = {key: value for key, value in inner.items() if key != BEGINS_AT}
            match = ItemMatch(tuple(inner.items())) if inner else None
        if match is not None:
            conditions.append(Condition(tag, match))
    character_set = tuple(all_texts(identifier.get(keys.CHARACTER_SET)))
    return WorklistQuery(tuple(conditions), tuple(wanted), character_set, moments, days, ended_too)


def answers(orders: Orders, query: WorklistQuery, zone: tzinfo) -> Iterator[Values]:
    """The matching entries by the time of their appointment, as DICOM JSON. Raises: CatalogUnavailable.

    Who asks for no status is told of what is scheduled or in progress.
    """
    begin, end = _span(query.days, zone)
    states: Collection[OrderState] = () if query.ended_too else OPEN_ORDERS
    after: tuple[datetime, int] | None = None
    while page := orders.list(begin, end, states, after=after, limit=PAGE):
        for order in page:
            values = entry(order, zone)
            if _accepts(query, values):
                yield _wanted(values, query.wanted)
        if len(page) < PAGE:
            return
        after = page[-1].fields.scheduled_at, page[-1].id


def _span(days: DateRange | None, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    if days is None:
        return None, None
    begin = datetime.combine(days.first, time(), tzinfo=zone) if days.first else None
    end = datetime.combine(days.last, time(), tzinfo=zone) + timedelta(days=1) if days.last else None
    return begin, end


def _accepts(query: WorklistQuery, values: Values) -> bool:
    def said(tag: int) -> Sequence[Any]:
        found: Sequence[Any] = values.get(f"{tag:08X}", {}).get("Value", ())
        return found

    if query.moments is not None:
        item = values[STEPS]["Value"][0]
        if not query.moments.accepts([f"{item[BEGINS_ON]['Value'][0]}{item[BEGINS_AT]['Value'][0]}"]):
            return False
    return all(_matches(condition.match, said(condition.tag)) for condition in query.conditions)


def _matches(match: Match, values: Sequence[Any]) -> bool:
    return match.accepts(values)


def _wanted(values: Values, wanted: Sequence[Wanted]) -> Values:
    said: dict[str, Any] = {}
    for item in wanted:
        key = f"{item.tag:08X}"
        said[key] = only_wanted(values[key], item) if key in values else {"vr": item.vr}
    return said


def entry(order: OrderRecord, zone: tzinfo) -> Values:
    """All that a worklist entry says, as DICOM JSON. Source: PS3.4 table K.6-1."""
    fields = order.fields
    at = fields.scheduled_at.astimezone(zone)
    code = [
        {
            **_one("00080100", "SH", fields.procedure_code),
            **_one("00080102", "SH", fields.procedure_scheme or "99FIRN"),
            **_one("00080104", "LO", fields.procedure or fields.procedure_code),
        }
    ]
    code = code if fields.procedure_code else []
    step = {
        **_one("00080060", "CS", fields.modality),
        **_one("00400001", "AE", fields.station_aet),
        **_one(BEGINS_ON, "DA", f"{at:%Y%m%d}"),
        **_one(BEGINS_AT, "TM", f"{at:%H%M%S}"),
        **_name("00400006", fields.performing_physician),
        **_one("00400007", "LO", fields.procedure),
        "00400008": {"vr": "SQ", "Value": code},
        **_one("00400009", "SH", fields.step_id),
        **_one("00400010", "SH", fields.station_name),
        **_one("00400011", "SH", fields.location),
        **_one(STATUS, "CS", _STATUS[order.state]),
        **_one("00180015", "CS", fields.body_part),
    }
    born = fields.birth_date
    return {
        **_one("00080050", "SH", fields.accession_number),
        **_name("00080090", fields.referring_physician),
        **_name("00100010", fields.patient_name),
        **_one("00100020", "LO", fields.patient_id),
        **_one("00100021", "LO", fields.issuer),
        **_one("00100030", "DA", f"{born.year:04}{born.month:02}{born.day:02}" if born else ""),
        **_one("00100040", "CS", fields.sex),
        **_one("0020000D", "UI", fields.study_instance_uid),
        **_one("00321060", "LO", fields.procedure),
        "00321064": {"vr": "SQ", "Value": code},
        STEPS: {"vr": "SQ", "Value": [step]},
        **_one("00401001", "SH", fields.procedure_id),
        **_one("00402016", "LO", fields.placer_number),
        **_one("00402017", "LO", fields.filler_number),
    }


def _one(key: str, vr: str, value: str) -> dict[str, Any]:
    return {key: {"vr": vr, "Value": [value]} if value else {"vr": vr}}


def _name(key: str, name: str) -> dict[str, Any]:
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False))
    said = {group: text for group, text in groups.items() if text}
    return {key: {"vr": "PN", "Value": [said]} if said else {"vr": "PN"}}
