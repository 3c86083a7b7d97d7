"""Answers to a question, one at a time, as objects of the DICOM JSON model.

Source: PS3.4 C.4.1.1.3.2 (what every answer carries), PS3.18 annex F.2 (the JSON model).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from hsm.catalog.availability import availability_of, best_volumes
from hsm.catalog.database import Database
from hsm.format.directory import file_set_uid
from hsm.models import Instance
from hsm.query import keys
from hsm.query.model import UNIQUE_KEYS, Level, Query, Wanted
from hsm.query.sql import statement
from hsm.states import Availability
from hsm.values import time_of

PAGE_ROWS = 200
Values = dict[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One match."""

    attributes: Mapping[str, Any]  # DICOM JSON: what was wanted, and what every answer carries
    availability: Availability
    character_set: tuple[str, ...]  # of the study's own objects


def answers(database: Database, query: Query, retrieve_aet: str, limit: int | None = None) -> Iterator[Answer]:
    """The matches, those that came last first, read in pages so that nothing is locked while a peer takes its time.

    What arrives meanwhile may be missing from later pages; nothing is said twice.

    Raises: CatalogUnavailable.
    """
    after: int | None = None
    said = 0
    while True:
        page = database.read(lambda connection, after=after: _page(connection, query, after, retrieve_aet))  # type: ignore[misc]
        for _, answer in page:
            if answer is None:
                continue
            if limit is not None and said >= limit:
                return
            said += 1
            yield answer
        if len(page) < PAGE_ROWS:
            return
        after = page[-1][0]


def _page(
    connection: Connection, query: Query, after: int | None, retrieve_aet: str
) -> list[tuple[int, Answer | None]]:
    rows = [
        {str(name): value for name, value in row.items()}
        for row in connection.execute(statement(query, after, PAGE_ROWS)).mappings()
    ]
    answers = [(row, _values(row, query.level)) for row in rows]
    wanted_tags = {item.tag for item in query.wanted}
    matched = [(row, values) for row, values in answers if _accepts(query, values)]
    if keys.SOP_CLASSES in wanted_tags and query.level.depth >= Level.STUDY.depth:
        _add_sop_classes(connection, matched)
    away = {
        row["study_id"]
        for row, _ in matched
        if query.level is not Level.PATIENT and availability_of(row["rank"]) is Availability.OFFLINE
    }
    volumes = best_volumes(connection, away) if away else {}
    kept = {
        row["id"]: _answer(row, values, query, retrieve_aet, volumes.get(row.get("study_id", 0), ()))
        for row, values in matched
    }
    return [(row["id"], kept.get(row["id"])) for row in rows]


def _accepts(query: Query, values: Values) -> bool:
    def said(tag: int) -> Sequence[Any]:
        found: Sequence[Any] = values.get(f"{tag:08X}", {}).get("Value", ())
        return found

    if query.study_moments is not None:
        day, time = said(0x00080020), said(0x00080030)
        if not day or not query.study_moments.accepts([f"{day[0]}{time_of(time[0]) if time else ''}"]):
            return False
    return all(condition.match.accepts(said(condition.tag)) for condition in query.conditions)


def _answer(row: Row, values: Values, query: Query, retrieve_aet: str, volumes: Sequence[Any]) -> Answer:
    availability = availability_of(row["rank"])
    said: Values = {}
    for item in query.wanted:
        key = f"{item.tag:08X}"
        said[key] = only_wanted(values[key], item) if key in values else {"vr": item.vr}
    unique = f"{UNIQUE_KEYS[query.level]:08X}"
    said[unique] = values.get(unique, {"vr": keys.vr_of_tag(UNIQUE_KEYS[query.level])})
    said[f"{keys.AVAILABILITY:08X}"] = {"vr": "CS", "Value": [availability.value]}
    said[f"{keys.RETRIEVE_AE:08X}"] = {"vr": "AE", "Value": [retrieve_aet]}
    if availability is Availability.OFFLINE and volumes:
        first = next((volume for volume in volumes if volume.place != "library"), volumes[0])
        said[f"{keys.FILE_SET_ID:08X}"] = {"vr": "SH", "Value": [str(first.barcode)[:16]]}
        if first.uuid:
            said[f"{keys.FILE_SET_UID:08X}"] = {"vr": "UI", "Value": [file_set_uid(first.uuid)]}
    character_set = tuple(str(row.get("study_character_set") or "").split("\\"))
    return Answer(said, availability, character_set)


def only_wanted(value: Mapping[str, Any], wanted: Wanted) -> Mapping[str, Any]:
    """Of a sequence only the attributes that were asked for."""
    if not wanted.inside or value.get("vr") != "SQ":
        return value
    items = [
        {
            f"{inner.tag:08X}": only_wanted(item[f"{inner.tag:08X}"], inner)
            if f"{inner.tag:08X}" in item
            else {"vr": inner.vr}
            for inner in wanted.inside
        }
        for item in value.get("Value", ())
    ]
    return {"vr": "SQ", "Value": items}


def _values(row: Row, level: Level) -> Values:
    """All that a row says, as DICOM JSON."""
    values: Values = {}
    _patient_values(row, values, row["patient_name"] if level is Level.PATIENT else row["study_patient_name"])
    if level.depth >= Level.STUDY.depth:
        _study_values(row, values)
    if level.depth >= Level.SERIES.depth:
        _series_values(row, values)
    if level is Level.IMAGE:
        _instance_values(row, values)
    return values


def _patient_values(row: Row, values: Values, name: str) -> None:
    values.update(row["patient_attributes"])
    _put_name(values, "00100010", name)
    _put(values, "00100020", "LO", row["patient_patient_id"])
    _put(values, "00100021", "LO", row["patient_issuer"])
    _put_date(values, "00100030", row["patient_birth_date"])
    _put(values, "00100040", "CS", row["patient_sex"])
    for tag in (keys.PATIENT_STUDIES, keys.PATIENT_SERIES, keys.PATIENT_INSTANCES):
        key = f"{tag:08X}"
        if f"count_{key}" in row:
            values[key] = {"vr": "IS", "Value": [int(row[f"count_{key}"])]}


def _study_values(row: Row, values: Values) -> None:
    values.update(row["study_attributes"])
    _put(values, "0020000D", "UI", row["study_study_instance_uid"])
    _put_date(values, "00080020", row["study_study_date"])
    _put(values, "00080030", "TM", _short_time(row["study_study_time"]))
    _put(values, "00080050", "SH", row["study_accession_number"])
    _put(values, "00200010", "SH", row["study_study_id"])
    _put(values, "00081030", "LO", row["study_description"])
    _put_name(values, "00080090", row["study_referring_physician"])
    if row["study_modalities"]:
        values[f"{keys.MODALITIES:08X}"] = {"vr": "CS", "Value": list(row["study_modalities"])}
    values[f"{keys.STUDY_SERIES:08X}"] = {"vr": "IS", "Value": [row["study_series_count"]]}
    values[f"{keys.STUDY_INSTANCES:08X}"] = {"vr": "IS", "Value": [row["study_instance_count"]]}


def _series_values(row: Row, values: Values) -> None:
    values.update(row["series_attributes"])
    _put(values, "0020000E", "UI", row["series_series_instance_uid"])
    _put(values, "00080060", "CS", row["series_modality"])
    _put(values, "00200011", "IS", row["series_series_number"])
    _put(values, "0008103E", "LO", row["series_description"])
    _put(values, "00180015", "CS", row["series_body_part"])
    _put_date(values, "00080021", row["series_series_date"])
    _put(values, "00080031", "TM", _short_time(row["series_series_time"]))
    values[f"{keys.SERIES_INSTANCES:08X}"] = {"vr": "IS", "Value": [row["series_instance_count"]]}


def _instance_values(row: Row, values: Values) -> None:
    values.update(row["instance_attributes"])
    _put(values, "00080018", "UI", row["instance_sop_instance_uid"])
    _put(values, "00080016", "UI", row["instance_sop_class_uid"])
    _put(values, "00083002", "UI", row["instance_transfer_syntax_uid"])
    _put(values, "00200013", "IS", row["instance_instance_number"])


def _put(values: Values, key: str, vr: str, value: Any) -> None:
    if value is not None and value != "":
        values[key] = {"vr": vr, "Value": [value]}


def _put_date(values: Values, key: str, day: date | None) -> None:
    if day is not None:
        values[key] = {"vr": "DA", "Value": [f"{day.year:04}{day.month:02}{day.day:02}"]}


def _put_name(values: Values, key: str, name: str) -> None:
    groups = dict(zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False))
    said = {group: text for group, text in groups.items() if text}
    if said:
        values[key] = {"vr": "PN", "Value": [said]}


def _short_time(padded: str) -> str:
    """A padded time without a fraction of zeros."""
    return padded.removesuffix(".000000")


def _add_sop_classes(connection: Connection, matched: Sequence[tuple[Row, Values]]) -> None:
    ids = {row["study_id"] for row, _ in matched}
    found: dict[int, list[str]] = {}
    rows = connection.execute(
        select(Instance.study_fk, Instance.sop_class_uid).where(Instance.study_fk.in_(ids)).distinct()
    )
    for study, sop_class in sorted((row[0], row[1]) for row in rows):
        found.setdefault(study, []).append(sop_class)
    for row, values in matched:
        if row["study_id"] in found:
            values[f"{keys.SOP_CLASSES:08X}"] = {"vr": "UI", "Value": found[row["study_id"]]}
