"""Patients, studies and series come into being with their first instance and count what they hold."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, case, select, update

from hsm.catalog.database import RunAgain
from hsm.catalog.events import add
from hsm.catalog.prepared import Prepared
from hsm.catalog.rows import insert_new, table_of
from hsm.catalog.search import describe
from hsm.catalog.text import clean, clean_json, clean_number
from hsm.facts import Arrival, Header, StoredInstance
from hsm.models import Patient, Series, Study
from hsm.query.folding import fold_name


@dataclass
class Place:
    """Where the instances of one series go, and what was added there in this transaction."""

    study_uid: str
    study_id: int
    series_id: int
    instances: int = 0
    size_bytes: int = 0
    new_series: int = 0
    earliest: datetime | None = None
    changed_at: datetime | None = None
    modalities: list[str] | None = field(default=None)  # of the study, when this series brought a new one
    describe: bool = False  # the study is new, or says more of itself than before

    def add(self, arrival: Arrival) -> None:
        """Count one new instance."""
        self.instances += 1
        self.size_bytes += arrival.size_bytes
        self._changed(arrival.received_at)

    def replace(self, old: StoredInstance, arrival: Arrival) -> None:
        """Count an instance that took another's place."""
        self.size_bytes += arrival.size_bytes - old.size_bytes
        self._changed(arrival.received_at)

    def _changed(self, at: datetime) -> None:
        self.earliest = at if self.earliest is None else min(self.earliest, at)
        self.changed_at = at if self.changed_at is None else max(self.changed_at, at)


class _StudyRow(NamedTuple):
    """What of a study is looked at for every arrival."""

    id: int
    patient_fk: int
    study_instance_uid: str
    modalities: list[str]
    study_date: date | None
    study_time: str
    accession_number: str
    study_id: str
    description: str
    institution: str
    instance_count: int
    patient_name_folded: str
    patient_id: str
    issuer: str
    latest_name: str


_STUDY_COLUMNS = (
    Study.id,
    Study.patient_fk,
    Study.study_instance_uid,
    Study.modalities,
    Study.study_date,
    Study.study_time,
    Study.accession_number,
    Study.study_id,
    Study.description,
    Study.institution,
    Study.instance_count,
    Study.patient_name_folded,
    Patient.patient_id,
    Patient.issuer,
    Patient.name,
)


# The study is locked until the transaction ends: its counts and its packs have one writer at a time.
_FIND_STUDY = Prepared(
    select(*_STUDY_COLUMNS)
    .join(Patient, Patient.id == Study.patient_fk)
    .where(Study.study_instance_uid == bindparam("uid", type_=Study.study_instance_uid.type))
    .with_for_update(of=Study, key_share=True),
    _STUDY_COLUMNS,
)
_FIND_SERIES = Prepared(
    select(Series.id).where(Series.study_fk == bindparam("study"), Series.series_instance_uid == bindparam("uid")),
    (Series.id,),
)
_COUNT_SERIES = Prepared(
    update(table_of(Series))
    .where(Series.id == bindparam("series"))
    .values(instance_count=Series.instance_count + bindparam("more_instances"))
)
_COUNT_STUDY = Prepared(
    update(table_of(Study))
    .where(Study.id == bindparam("study"))
    .values(
        instance_count=Study.instance_count + bindparam("more_instances"),
        series_count=Study.series_count + bindparam("more_series"),
        size_bytes=Study.size_bytes + bindparam("more_bytes"),
        received_at=case((Study.received_at > bindparam("earliest"), bindparam("earliest")), else_=Study.received_at),
        changed_at=case((Study.changed_at < bindparam("latest"), bindparam("latest")), else_=Study.changed_at),
    )
)


def _find_study(connection: Connection, study_uid: str) -> _StudyRow | None:
    found = _FIND_STUDY.first(connection, {"uid": study_uid})
    return None if found is None else _StudyRow(*found)


def place_of(connection: Connection, arrival: Arrival) -> Place:
    """The series of an arrival, made with its study and patient where they are missing. Locks the study."""
    header = arrival.header
    study = _find_study(connection, header.study_instance_uid)
    is_new_study = study is None
    if study is None:
        patient = _patient(connection, header)
        insert_new(connection, Study, study_values(arrival, patient))
        study = _find_study(connection, header.study_instance_uid)
        if study is None:
            raise RunAgain(f"study {header.study_instance_uid} was made and taken back by another process")
    series, is_new = _series(connection, arrival, study.id)
    filled = _fill(connection, header, study)
    _compare(connection, arrival, study, is_new)
    place = Place(header.study_instance_uid, study.id, series, new_series=int(is_new), describe=is_new_study or filled)
    modality = clean(header.modality)
    if is_new and modality and modality not in study.modalities:
        place.modalities = sorted({*study.modalities, modality})
    return place


def study_values(arrival: Arrival, patient_id: int) -> dict[str, Any]:
    """The row of a study that holds nothing yet."""
    header = arrival.header
    return {
        "patient_fk": patient_id,
        "study_instance_uid": header.study_instance_uid,
        "patient_name": clean(header.patient_name),
        "patient_name_folded": clean(fold_name(clean(header.patient_name))),
        "study_date": header.study_date,
        "study_time": clean(header.study_time),
        "accession_number": clean(header.accession_number),
        "study_id": clean(header.study_id),
        "description": clean(header.study_description),
        "referring_physician": clean(header.referring_physician),
        "referring_physician_folded": clean(fold_name(clean(header.referring_physician))),
        "institution": clean(header.institution),
        "character_set": clean(header.character_set),
        "attributes": clean_json(header.study_attributes),
        "source_aet": clean(arrival.source_aet),
        "received_at": arrival.received_at,
        "changed_at": arrival.received_at,
    }


def _patient(connection: Connection, header: Header) -> int:
    patient_id, issuer = clean(header.patient_id), clean(header.issuer)
    find = select(Patient.id).where(Patient.patient_id == patient_id, Patient.issuer == issuer)
    found = connection.execute(find).scalar()
    if found is not None:
        return int(found)
    made = insert_new(
        connection,
        Patient,
        {
            "patient_id": patient_id,
            "issuer": issuer,
            "name": clean(header.patient_name),
            "name_folded": clean(fold_name(clean(header.patient_name))),
            "birth_date": header.birth_date,
            "sex": clean(header.sex),
            "attributes": clean_json(header.patient_attributes),
        },
    )
    return made if made is not None else int(connection.execute(find).scalar_one())


def _series(connection: Connection, arrival: Arrival, study_id: int) -> tuple[int, bool]:
    header = arrival.header
    key = {"study": study_id, "uid": header.series_instance_uid}
    found = _FIND_SERIES.first(connection, key)
    if found is not None:
        return int(found[0]), False
    made = insert_new(
        connection,
        Series,
        {
            "study_fk": study_id,
            "series_instance_uid": header.series_instance_uid,
            "modality": clean(header.modality),
            "series_number": clean_number(header.series_number),
            "description": clean(header.series_description),
            "body_part": clean(header.body_part),
            "series_date": header.series_date,
            "series_time": clean(header.series_time),
            "attributes": clean_json(header.series_attributes),
        },
    )
    if made is None:
        raise RunAgain(f"series {header.series_instance_uid} was made by another process")
    return made, True


def _fill(connection: Connection, header: Header, study: _StudyRow) -> bool:
    """What the study lacks and this object has; whether there was something."""
    values = {
        "study_date": header.study_date,
        "study_time": clean(header.study_time),
        "accession_number": clean(header.accession_number),
        "study_id": clean(header.study_id),
        "description": clean(header.study_description),
        "institution": clean(header.institution),
    }
    missing = {name: value for name, value in values.items() if value and not getattr(study, name)}
    if missing:
        connection.execute(update(Study).where(Study.id == study.id).values(**missing))
    return bool(missing)


def _compare(connection: Connection, arrival: Arrival, study: _StudyRow, new_series: bool) -> None:
    """Note where an object contradicts its study or patient: once a series, or when the name really changes."""
    header = arrival.header
    fields = {"source_aet": arrival.source_aet, "instance": header.sop_instance_uid}
    if (clean(header.patient_id), clean(header.issuer)) != (study.patient_id, study.issuer):
        if new_series:
            add(connection, "warning", "patient_id_differs", header.study_instance_uid, fields, arrival.received_at)
        return
    name = clean(header.patient_name)
    folded = clean(fold_name(name))
    if not study.patient_id or not name or folded == clean(fold_name(study.latest_name)):
        return
    if study.instance_count and folded == study.patient_name_folded:
        return  # an older study goes on under the name it always had
    connection.execute(update(Patient).where(Patient.id == study.patient_fk).values(name=name, name_folded=folded))
    add(connection, "warning", "patient_name_differs", header.study_instance_uid, fields, arrival.received_at)


def count_in(connection: Connection, places: dict[str, Place]) -> None:
    """Write down what was added to the series in hand, and forget them."""
    studies: dict[int, list[Place]] = {}
    for place in places.values():
        if place.changed_at is not None:
            studies.setdefault(place.study_id, []).append(place)
            if place.instances:
                counted = {"series": place.series_id, "more_instances": place.instances}
                _COUNT_SERIES.run(connection, counted)
    for study_id, parts in studies.items():
        _COUNT_STUDY.run(
            connection,
            {
                "study": study_id,
                "more_instances": sum(part.instances for part in parts),
                "more_series": sum(part.new_series for part in parts),
                "more_bytes": sum(part.size_bytes for part in parts),
                "earliest": min(part.earliest for part in parts if part.earliest is not None),
                "latest": max(part.changed_at for part in parts if part.changed_at is not None),
            },
        )
        brought = {name for part in parts for name in part.modalities or ()}
        if brought:
            connection.execute(update(Study).where(Study.id == study_id).values(modalities=sorted(brought)))
    for study_id in {place.study_id for place in places.values() if place.describe or place.modalities}:
        describe(connection, study_id)
    places.clear()
