"""Studies: what there is, how soon it can be had, and who used it last."""

from collections.abc import Collection
from datetime import date, datetime
from operator import eq, ge, le
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, exists, func, select, update

from drivers.base import Barcode, MediumKind
from hsm.catalog.availability import availability_of, best_volumes, instance_rank, series_rank, study_rank
from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.records import CatalogCounts, StudyCopy, StudyRecord, StudySummary, StudyVolume
from hsm.catalog.rows import chunks, in_chunks, narrowed, one, select_instances, stored_instance
from hsm.facts import StoredInstance
from hsm.models import Copy, Instance, Pack, Patient, Series, Study, Volume
from hsm.query.folding import fold_name
from hsm.states import Availability, CopyState, OnlineState

# From worst to best; what was superseded or reclaimed is not listed.
_WORST_FIRST = (
    CopyState.LOST,
    CopyState.SUSPECT,
    CopyState.PLANNED,
    CopyState.WRITING,
    CopyState.WRITTEN,
    CopyState.VERIFIED,
)


def _select_studies() -> AnySelect:
    return (
        select(
            Study.id,
            Study.study_instance_uid,
            Patient.patient_id,
            Patient.issuer,
            Study.patient_name,
            Study.study_date,
            Study.study_time,
            Study.accession_number,
            Study.description,
            Study.institution,
            Study.modalities,
            Study.source_aet,
            Study.received_at,
            Study.changed_at,
            Study.accessed_at,
            Study.pinned_until,
            Study.series_count,
            Study.instance_count,
            Study.size_bytes,
        )
        .select_from(Study)
        .join(Patient, Patient.id == Study.patient_fk)
    )


def _study(row: AnyRow) -> StudyRecord:
    values = list(row[:19])
    values[10] = tuple(values[10])  # modalities
    return StudyRecord(*values)


def _later(until: datetime) -> ColumnElement[datetime | None]:
    return case((func.coalesce(Study.pinned_until, until) > until, Study.pinned_until), else_=until)


def later_pin(connection: Connection, study: int, until: datetime) -> None:
    """As Studies.pin, for a study by its id, in the caller's transaction."""
    connection.execute(update(Study).where(Study.id == study).values(pinned_until=_later(until)))


class Studies:
    """Studies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, study_uid: str) -> StudyRecord | None:
        """The study of that UID."""
        statement = _select_studies().where(Study.study_instance_uid == study_uid)

        def work(connection: Connection) -> StudyRecord | None:
            row = connection.execute(statement).first()
            return None if row is None else _study(row)

        return self._database.read(work)

    def summary(
        self,
        uids: Collection[str] | None = None,
        *,
        patient_id: str = "",
        patient_name: str = "",
        accession_number: str = "",
        modality: str = "",
        date_from: date | None = None,
        date_to: date | None = None,
        limit: int = 100,
        after: int = 0,
    ) -> list[StudySummary]:
        """Studies with availability and copies, the newest received first.

        With `uids`: exactly these, as far as they are catalogued. Else those that fit: patient ID, accession number and
        modality exactly, patient name from its beginning without case and accents (`*` and `?` are wild cards), study
        date within both bounds; `limit` at most, after skipping `after`.
        """

        def work(connection: Connection) -> list[StudySummary]:
            statement = _select_studies().add_columns(study_rank(Study.id)).order_by(Study.id.desc())
            if uids is not None:
                rows = list(in_chunks(connection, statement, Study.study_instance_uid, list(uids)))
            else:
                if modality:
                    statement = statement.where(
                        exists().where(Series.study_fk == Study.id, Series.modality == modality)
                    )
                if patient_name:
                    statement = statement.where(Study.patient_name_folded.like(_pattern(patient_name), escape="\\"))
                statement = narrowed(
                    statement,
                    (eq, Patient.patient_id, patient_id),
                    (eq, Study.accession_number, accession_number),
                    (ge, Study.study_date, date_from),
                    (le, Study.study_date, date_to),
                )
                rows = list(connection.execute(statement.limit(limit).offset(after)))
            copies = _copies(connection, [row[0] for row in rows])
            return [StudySummary(_study(row), availability_of(row[-1]), tuple(copies.get(row[0], ()))) for row in rows]

        return self._database.read(work)

    def instances(
        self, study_uid: str, series_uids: Collection[str] = (), sop_uids: Collection[str] = ()
    ) -> list[StoredInstance]:
        """The instances of a study, or those of some series, or those of some UIDs, in pack order."""
        statement = select_instances().add_columns(Instance.instance_number)
        statement = statement.where(Study.study_instance_uid == study_uid)
        if series_uids:
            statement = statement.where(Series.series_instance_uid.in_(list(series_uids)))

        def work(connection: Connection) -> list[StoredInstance]:
            if sop_uids:
                rows = list(in_chunks(connection, statement, Instance.sop_instance_uid, list(sop_uids)))
            else:
                rows = list(connection.execute(statement))
            rows.sort(key=lambda row: (row[5], row[14] is not None, row[14] or 0, row[1]))
            return [stored_instance(row) for row in rows]

        return self._database.read(work)

    def touch(self, study_uid: str, now: datetime) -> None:
        """Somebody retrieved something of it. An unknown study is left unknown."""
        later = Study.accessed_at.is_(None) | (Study.accessed_at < now)
        statement = update(Study).where(Study.study_instance_uid == study_uid, later).values(accessed_at=now)
        self._database.write(lambda connection: connection.execute(statement))

    def pin(self, study_uid: str, until: datetime) -> None:
        """It is not released before `until`; an earlier pin that lasts longer stays. Raises: NotCatalogued."""
        self._set_pin(study_uid, _later(until))

    def unpin(self, study_uid: str) -> None:
        """Forget the pin. Raises: NotCatalogued."""
        self._set_pin(study_uid, None)

    def _set_pin(self, study_uid: str, value: Any) -> None:
        statement = update(Study).where(Study.study_instance_uid == study_uid).values(pinned_until=value)

        def work(connection: Connection) -> None:
            if connection.execute(statement.returning(Study.id)).first() is None:
                one(connection, select(Study.id).where(Study.study_instance_uid == study_uid), f"study {study_uid}")

        self._database.write(work)

    def availability(self, study_uid: str) -> Availability:
        """How soon the least available instance can be had. Raises: NotCatalogued."""
        statement = select(study_rank(Study.id)).select_from(Study).where(Study.study_instance_uid == study_uid)
        return self._database.read(
            lambda connection: availability_of(one(connection, statement, f"study {study_uid}")[0])
        )

    def availabilities(self, study_uids: Collection[str]) -> dict[str, Availability]:
        """The same for many studies; unknown ones are left out."""
        statement = select(Study.study_instance_uid, study_rank(Study.id)).select_from(Study)

        def work(connection: Connection) -> dict[str, Availability]:
            rows = in_chunks(connection, statement, Study.study_instance_uid, list(study_uids))
            return {row[0]: availability_of(row[1]) for row in rows}

        return self._database.read(work)

    def series_availabilities(self, study_uid: str) -> dict[str, Availability]:
        """By series UID."""
        statement = (
            select(Series.series_instance_uid, series_rank(Series.id, Series.study_fk))
            .select_from(Series)
            .join(Study, Study.id == Series.study_fk)
            .where(Study.study_instance_uid == study_uid)
        )
        return self._ranks(statement)

    def instance_availabilities(self, study_uid: str) -> dict[str, Availability]:
        """By SOP Instance UID."""
        statement = (
            select(Instance.sop_instance_uid, instance_rank())
            .select_from(Instance)
            .join(Study, Study.id == Instance.study_fk)
            .where(Study.study_instance_uid == study_uid)
        )
        return self._ranks(statement)

    def _ranks(self, statement: AnySelect) -> dict[str, Availability]:
        return self._database.read(
            lambda connection: {row[0]: availability_of(row[1]) for row in connection.execute(statement)}
        )

    def volumes_of(self, study_uids: Collection[str]) -> dict[str, tuple[StudyVolume, ...]]:
        """By study UID, for studies that are not wholly online: the volumes they are best read from."""

        def work(connection: Connection) -> dict[str, tuple[StudyVolume, ...]]:
            names = {
                row[1]: row[0]
                for row in in_chunks(
                    connection,
                    select(Study.study_instance_uid, Study.id),
                    Study.study_instance_uid,
                    list(study_uids),
                )
            }
            found: dict[str, tuple[StudyVolume, ...]] = {}
            for part in chunks(names):
                found |= {names[study]: volumes for study, volumes in best_volumes(connection, part).items()}
            return found

        return self._database.read(work)

    def counts(self) -> CatalogCounts:
        """How much there is. Counts rows: for a page or a sample, not for every request."""

        def work(connection: Connection) -> CatalogCounts:
            studies, series, instances, size_bytes = connection.execute(
                select(
                    func.count(),
                    func.coalesce(func.sum(Study.series_count), 0),
                    func.coalesce(func.sum(Study.instance_count), 0),
                    func.coalesce(func.sum(Study.size_bytes), 0),
                ).select_from(Study)
            ).one()
            online, online_bytes = connection.execute(
                select(func.count(), func.coalesce(func.sum(Instance.size_bytes), 0)).where(
                    Instance.online_state == OnlineState.ONLINE
                )
            ).one()
            copies = connection.execute(select(Copy.state, func.count()).group_by(Copy.state)).all()
            return CatalogCounts(
                patients=connection.execute(select(func.count()).select_from(Patient)).scalar_one(),
                studies=studies,
                series=int(series),
                instances=int(instances),
                size_bytes=int(size_bytes),
                online_instances=online,
                online_bytes=int(online_bytes),
                packs=connection.execute(select(func.count()).select_from(Pack)).scalar_one(),
                copies={CopyState(state): number for state, number in copies},
            )

        return self._database.read(work)


def _pattern(name: str) -> str:
    """A folded name with wild cards as a LIKE pattern."""
    escaped = fold_name(name).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_") + "%"


def _copies(connection: Connection, study_ids: Collection[int]) -> dict[int, list[StudyCopy]]:
    """By study: what each volume holds of it, all packs there taken together."""
    worst = case({state.value: place for place, state in enumerate(_WORST_FIRST)}, value=Copy.state)
    statement = (
        select(
            Pack.study_fk,
            Copy.kind,
            Copy.pool,
            Volume.barcode,
            func.min(worst),
            func.count(),
            func.count(Copy.verified_at),
            func.min(Copy.verified_at),
        )
        .select_from(Copy)
        .join(Pack, Pack.id == Copy.pack_fk)
        .outerjoin(Volume, Volume.id == Copy.volume_fk)
        .where(worst.is_not(None))  # said so that no planner begins with all copies of a state instead of the packs
        .group_by(Pack.study_fk, Copy.kind, Copy.pool, Volume.barcode)
    )
    found: dict[int, list[StudyCopy]] = {}
    for study, kind, pool, barcode, state, packs, verified, verified_at in in_chunks(
        connection, statement, Pack.study_fk, study_ids
    ):
        volume = None if barcode is None else Barcode(barcode)
        copy = StudyCopy(
            MediumKind(kind), pool, volume, _WORST_FIRST[state], packs, verified_at if verified == packs else None
        )
        found.setdefault(study, []).append(copy)
    for copies in found.values():
        copies.sort(key=lambda copy: (copy.kind, copy.pool, copy.volume or ""))
    return found
