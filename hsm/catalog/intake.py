"""What arrives: an instance is either catalogued once, known already, or refused."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, get_args

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from hsm.catalog import superseding
from hsm.catalog.database import Database, RunAgain
from hsm.catalog.errors import CatalogUnavailable
from hsm.catalog.events import add
from hsm.catalog.hierarchy import Place, count_in, place_of
from hsm.catalog.prepared import Prepared
from hsm.catalog.records import Outcome, OutcomeKind, QuarantinedFile
from hsm.catalog.rows import (
    INSTANCE_COLUMNS,
    in_chunks,
    insert_new,
    insert_row,
    insert_unless_there,
    select_instances,
    stored_instance,
    table_of,
)
from hsm.catalog.text import clean, clean_json, clean_number
from hsm.catalog.together import Together
from hsm.facts import Arrival, PoolFile, StoredInstance
from hsm.models import Instance, Quarantined
from hsm.states import OnlineState

OnConflict = Literal["refuse", "replace"]
MOST_TOGETHER = 64  # arrivals in one transaction


def instance_values(arrival: Arrival, place: Place) -> dict[str, Any]:
    """The row of an instance whose file is in the online pool."""
    header = arrival.header
    return {
        "series_fk": place.series_id,
        "study_fk": place.study_id,
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": clean(header.sop_class_uid),
        "transfer_syntax_uid": clean(header.transfer_syntax_uid),
        "instance_number": clean_number(header.instance_number),
        "attributes": clean_json(header.instance_attributes),
        "size_bytes": arrival.size_bytes,
        "sha256": arrival.sha256,
        "dataset_sha256": arrival.dataset_sha256,
        "dataset_offset": arrival.dataset_offset,
        "source_aet": clean(arrival.source_aet),
        "received_at": arrival.received_at,
        "online_state": OnlineState.ONLINE.value,
        "pool_directory": str(arrival.file.directory),
        "pool_path": arrival.file.path,
    }


_FIND = Prepared(select_instances().where(Instance.sop_instance_uid == bindparam("sop")), INSTANCE_COLUMNS)
_ADD = Prepared(
    lambda dialect: insert_unless_there(table_of(Instance), dialect),
    (Instance.id,),
    (
        "series_fk",
        "study_fk",
        "sop_instance_uid",
        "sop_class_uid",
        "transfer_syntax_uid",
        "instance_number",
        "attributes",
        "size_bytes",
        "sha256",
        "dataset_sha256",
        "dataset_offset",
        "source_aet",
        "received_at",
        "online_state",
        "pool_directory",
        "pool_path",
    ),
)


def find_instance(connection: Connection, sop_instance_uid: str) -> StoredInstance | None:
    """The instance of that UID."""
    row = _FIND.first(connection, {"sop": sop_instance_uid})
    return None if row is None else stored_instance(row)


def record_in(
    connection: Connection,
    arrival: Arrival,
    on_conflict: OnConflict,
    places: dict[str, Place],
    known: StoredInstance | None,
) -> Outcome:
    """Catalogue one arrival in the caller's transaction.

    `known` is what `find_instance` says of its UID; `places` remembers series between the arrivals of a batch.
    """
    header = arrival.header
    if known is None:
        place = places.get(header.series_instance_uid)
        if place is None or place.study_uid != header.study_instance_uid:
            place = places[header.series_instance_uid] = place_of(connection, arrival)
        if _ADD.first(connection, instance_values(arrival, place)) is not None:
            place.add(arrival)
            return Outcome(OutcomeKind.ACCEPTED)
        raise RunAgain(f"instance {header.sop_instance_uid} arrived twice at the same moment")
    return _again(connection, arrival, known, on_conflict, places)


def _again(
    connection: Connection,
    arrival: Arrival,
    existing: StoredInstance,
    on_conflict: OnConflict,
    places: dict[str, Place],
) -> Outcome:
    header = arrival.header
    there = (existing.study_instance_uid, existing.series_instance_uid)
    if there != (header.study_instance_uid, header.series_instance_uid):
        why = f"it is catalogued in series {there[1]} of study {there[0]}"
    elif (existing.dataset_sha256, existing.transfer_syntax_uid) == (
        arrival.dataset_sha256,
        clean(header.transfer_syntax_uid),
    ):
        return Outcome(OutcomeKind.ALREADY_STORED, existing)
    else:
        why = "another content is catalogued under the same SOP Instance UID"
        if on_conflict == "replace":
            obstacle = superseding.remove(connection, existing, arrival.received_at)
            if obstacle is None:
                place = places.get(header.series_instance_uid) or place_of(connection, arrival)
                places[header.series_instance_uid] = place
                insert_row(connection, Instance, instance_values(arrival, place))
                place.replace(existing, arrival)
                fields = {"size_bytes": arrival.size_bytes, "old_sha256": existing.sha256, "new_sha256": arrival.sha256}
                add(connection, "warning", "instance_replaced", header.sop_instance_uid, fields, arrival.received_at)
                return Outcome(OutcomeKind.REPLACED, existing)
            why = f"{why}, and it cannot be replaced now: {obstacle}"
    fields = {"study": header.study_instance_uid, "source_aet": arrival.source_aet, "why": why}
    add(connection, "warning", "instance_refused", header.sop_instance_uid, fields, arrival.received_at)
    return Outcome(OutcomeKind.CONFLICT, existing, why)


def _known(connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, StoredInstance]:
    """Which of these UIDs are catalogued already, and as what."""
    if len(arrivals) == 1:
        sop = arrivals[0].header.sop_instance_uid
        found = find_instance(connection, sop)
        return {} if found is None else {sop: found}
    rows = in_chunks(
        connection,
        select_instances(),
        Instance.sop_instance_uid,
        [arrival.header.sop_instance_uid for arrival in arrivals],
    )
    return {row[1]: stored_instance(row) for row in rows}


class Intake:
    """The way in."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = {
            choice: Together(partial(self._record, on_conflict=choice), MOST_TOGETHER, CatalogUnavailable)
            for choice in get_args(OnConflict)
        }

    def record(self, arrival: Arrival, on_conflict: OnConflict = "refuse") -> Outcome:
        """Catalogue one object whose file is durable.

        Same UID and same content (data set digest and transfer syntax): ALREADY_STORED, also when the bytes are only on
        volumes now. Same UID and other content, study or series: CONFLICT, unless `on_conflict` is "replace" and only
        the content differs: then REPLACED. In every case but ACCEPTED one file is left over for the caller to discard
        (ALREADY_STORED: the new), or to quarantine (CONFLICT: the new; REPLACED: the old, if it has one).

        Arrivals of several threads share one commit, and none is answered before it.
        """
        return self._together[on_conflict].ask(arrival)

    def record_many(self, arrivals: Sequence[Arrival], on_conflict: OnConflict = "refuse") -> list[Outcome]:
        """Catalogue several objects with one commit; outcomes in the order of the arrivals."""
        return self._record(arrivals, on_conflict)

    def _record(self, arrivals: Sequence[Arrival], on_conflict: OnConflict) -> list[Outcome]:
        # All processes lock studies in one order, whatever order the objects came in.
        order = sorted(range(len(arrivals)), key=lambda n: (arrivals[n].header.study_instance_uid, n))

        def work(connection: Connection) -> list[Outcome]:
            known = _known(connection, arrivals)
            places: dict[str, Place] = {}
            outcomes: dict[int, Outcome] = {}
            seen: set[str] = set()
            study = None
            for n in order:
                header = arrivals[n].header
                if study != header.study_instance_uid:
                    count_in(connection, places)
                    study = header.study_instance_uid
                sop = header.sop_instance_uid
                existing = find_instance(connection, sop) if sop in seen else known.get(sop)
                seen.add(sop)
                outcomes[n] = record_in(connection, arrivals[n], on_conflict, places, existing)
            count_in(connection, places)
            return [outcomes[n] for n in range(len(arrivals))]

        return self._database.write(work)

    def find(self, sop_instance_uid: str) -> StoredInstance | None:
        """The instance of that UID."""
        return self._database.read(lambda connection: find_instance(connection, sop_instance_uid))

    def find_many(self, sop_instance_uids: Collection[str]) -> dict[str, StoredInstance]:
        """The instances of those UIDs that are catalogued, by UID."""

        def work(connection: Connection) -> dict[str, StoredInstance]:
            rows = in_chunks(connection, select_instances(), Instance.sop_instance_uid, sop_instance_uids)
            return {row[1]: stored_instance(row) for row in rows}

        return self._database.read(work)

    def known(self, file: PoolFile) -> bool:
        """Whether an instance is said to lie in this file."""
        sop = file.path.rsplit("/", 1)[-1].rsplit(".", 2)[0]  # <sop instance uid>.<random>.dcm
        at = tuple_(Instance.pool_directory, Instance.pool_path) == (str(file.directory), file.path)
        statement = select(Instance.id).where(Instance.sop_instance_uid == sop, at)
        return self._database.read(lambda connection: connection.execute(statement).first() is not None)

    def quarantined(
        self,
        path: str,
        reason: str,
        now: datetime,
        sop_instance_uid: str = "",
        source_aet: str = "",
        size_bytes: int = 0,
    ) -> int:
        """Note a file that was put into quarantine; its number. Noting the same path again changes nothing."""
        values = {
            "at": now,
            "path": path,
            "reason": clean(reason),
            "sop_instance_uid": clean(sop_instance_uid),
            "source_aet": clean(source_aet),
            "size_bytes": size_bytes,
        }

        def work(connection: Connection) -> int:
            made = insert_new(connection, Quarantined, values)
            if made is None:
                return int(connection.execute(select(Quarantined.id).where(Quarantined.path == path)).scalar_one())
            fields = {"path": path, "reason": reason, "source_aet": source_aet, "size_bytes": size_bytes}
            add(connection, "warning", "file_quarantined", sop_instance_uid, fields, now)
            return made

        return self._database.write(work)

    def quarantine(self, limit: int = 100) -> list[QuarantinedFile]:
        """What is in quarantine, newest first."""
        statement = (
            select(
                Quarantined.id,
                Quarantined.at,
                Quarantined.path,
                Quarantined.reason,
                Quarantined.sop_instance_uid,
                Quarantined.source_aet,
                Quarantined.size_bytes,
            )
            .order_by(Quarantined.id.desc())
            .limit(limit)
        )
        return self._database.read(lambda connection: [QuarantinedFile(*row) for row in connection.execute(statement)])

    def unquarantined(self, path: str) -> bool:
        """Forget a file that a person dealt with; False when it was not noted."""
        statement = delete(Quarantined).where(Quarantined.path == path).returning(Quarantined.id)
        return self._database.write(lambda connection: connection.execute(statement).first() is not None)
