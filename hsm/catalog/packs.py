"""Packs: immutable sets of instances of one study, sealed once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, or_, select, update

from hsm.catalog.database import Database
from hsm.catalog.errors import NotCatalogued, PackNotDissolvable, StudyChanged
from hsm.catalog.job_rows import ACTIVE
from hsm.catalog.packing import dissolve_in, members_not_online, pack_obstacle, packs_in
from hsm.catalog.records import Compression, Layout, UnpackedInstance, UnpackedStudy
from hsm.catalog.rows import chunks, in_chunks, insert_row, one, pool_file, study_id, table_of
from hsm.facts import Header, Member, PackDigest, PackRecord, PoolFile, SeriesUid, SopInstanceUid, StudyUid
from hsm.format.study_json import PackedInstance, pack_order, parse
from hsm.models import Copy, Instance, Job, Pack, Patient, Series, Study
from hsm.states import READABLE_COPIES, JobKind, OnlineState


class Packs:
    """Packs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unpacked(self, study_uid: str) -> UnpackedStudy:
        """The instances of a study that no pack holds, in pack order, with all that a pack must say about them.

        Raises: NotCatalogued.
        """
        return self._database.read(lambda connection: _unpacked(connection, study_uid))

    def seal(self, study_uid: str, layouts: Sequence[Layout], changed_at: datetime, now: datetime) -> list[PackRecord]:
        """Freeze packs of instances that no pack holds; `changed_at` is what `unpacked` said.

        Raises: StudyChanged when the study was changed since, or an instance is packed, gone or another by now.
        """
        return self._database.write(lambda connection: _seal(connection, study_uid, layouts, changed_at, now))

    def get(self, pack_id: int) -> PackRecord:
        """One pack. Raises: NotCatalogued."""

        def work(connection: Connection) -> PackRecord:
            found = packs_in(connection, Pack.id == pack_id)
            if not found:
                raise NotCatalogued(f"the catalog knows no pack {pack_id}")
            return found[0]

        return self._database.read(work)

    def by_digest(self, digest: str) -> PackRecord | None:
        """The pack of that name."""
        return self._database.read(lambda connection: next(iter(packs_in(connection, Pack.digest == digest)), None))

    def of_study(self, study_uid: str) -> list[PackRecord]:
        """The packs of a study in the order they were sealed; empty for an unknown study."""
        return self._database.read(lambda connection: packs_in(connection, Study.study_instance_uid == study_uid))

    def files(self, pack_id: int) -> dict[int, PoolFile]:
        """By instance id: where those members lie that are in the online pool and may be read from it."""
        statement = select(Instance.id, Instance.pool_directory, Instance.pool_path).where(
            Instance.pack_fk == pack_id, Instance.online_state == OnlineState.ONLINE
        )

        def work(connection: Connection) -> dict[int, PoolFile]:
            files = {row[0]: pool_file(row[1], row[2]) for row in connection.execute(statement)}
            return {instance_id: file for instance_id, file in files.items() if file is not None}

        return self._database.read(work)

    def members_wanted(self, pack_id: int, sops: Collection[str] | None = None) -> tuple[Member, ...]:
        """Of these members (None: of all) those whose bytes are not online now, in pack order."""
        wanted = None if sops is None else frozenset(sops)

        def work(connection: Connection) -> tuple[Member, ...]:
            gone = members_not_online(connection, pack_id)
            return tuple(member for member in gone if wanted is None or member.sop_instance_uid in wanted)

        return self._database.read(work)

    def compression(self, study_uid: str | None = None) -> Compression:
        """What compression on the way down has saved, of one study or altogether."""
        statement = select(
            func.count(Pack.id),
            func.coalesce(func.sum(Pack.pressed_instances), 0),
            func.coalesce(func.sum(Pack.pressed_from_bytes), 0),
            func.coalesce(func.sum(Pack.pressed_to_bytes), 0),
        ).where(Pack.pressed_instances > 0)
        if study_uid is not None:
            statement = statement.join(Study, Study.id == Pack.study_fk).where(Study.study_instance_uid == study_uid)

        def work(connection: Connection) -> Compression:
            packs, instances, from_bytes, to_bytes = connection.execute(statement).one()
            return Compression(int(packs), int(instances), int(from_bytes), int(to_bytes))

        return self._database.read(work)

    def to_be_written(self, digests: Collection[PackDigest]) -> set[PackDigest]:
        """Which of these packs lie on no volume yet, or are about to be copied to a further one."""
        written = exists().where(Copy.pack_fk == Pack.id, Copy.state.in_([state.value for state in READABLE_COPIES]))
        wanted = exists().where(Job.pack_fk == Pack.id, Job.kind == JobKind.MIGRATE, Job.state.in_(ACTIVE))
        statement = select(Pack.digest).where(or_(~written, wanted))
        return self._database.read(
            lambda connection: {PackDigest(row[0]) for row in in_chunks(connection, statement, Pack.digest, digests)}
        )

    def dissolve(self, pack_id: int, now: datetime) -> None:
        """Take a pack apart that lies on no volume; its members are unpacked again.

        Raises: NotCatalogued, PackNotDissolvable.
        """

        def work(connection: Connection) -> None:
            digest, uid = one(
                connection,
                select(Pack.digest, Study.study_instance_uid)
                .join(Study, Study.id == Pack.study_fk)
                .where(Pack.id == pack_id),
                f"pack {pack_id}",
            )
            study_id(connection, uid, lock=True)
            connection.execute(select(Pack.id).where(Pack.id == pack_id).with_for_update())
            obstacle = pack_obstacle(connection, pack_id)
            if obstacle is not None:
                raise PackNotDissolvable(f"pack {digest[:12]} stays as it is: {obstacle}")
            dissolve_in(connection, pack_id, now)

        self._database.write(work)


def _unpacked(connection: Connection, study_uid: str) -> UnpackedStudy:
    study = one(
        connection,
        select(
            Study.id,
            Study.patient_name,
            Study.study_date,
            Study.study_time,
            Study.accession_number,
            Study.study_id,
            Study.description,
            Study.referring_physician,
            Study.institution,
            Study.character_set,
            Study.attributes,
            Study.source_aet,
            Study.received_at,
            Study.changed_at,
            Patient.patient_id,
            Patient.issuer,
            Patient.birth_date,
            Patient.sex,
            Patient.attributes.label("patient_attributes"),
        )
        .join(Patient, Patient.id == Study.patient_fk)
        .where(Study.study_instance_uid == study_uid),
        f"study {study_uid}",
    )
    series = {
        row.id: row
        for row in connection.execute(
            select(
                Series.id,
                Series.series_instance_uid,
                Series.modality,
                Series.series_number,
                Series.description,
                Series.body_part,
                Series.series_date,
                Series.series_time,
                Series.attributes,
            ).where(Series.study_fk == study.id)
        )
    }
    instances = []
    for row in connection.execute(
        select(
            Instance.id,
            Instance.series_fk,
            Instance.sop_instance_uid,
            Instance.sop_class_uid,
            Instance.transfer_syntax_uid,
            Instance.instance_number,
            Instance.attributes,
            Instance.size_bytes,
            Instance.sha256,
            Instance.dataset_sha256,
            Instance.dataset_offset,
            Instance.received_at,
            Instance.source_aet,
            Instance.pool_directory,
            Instance.pool_path,
        ).where(Instance.study_fk == study.id, Instance.pack_fk.is_(None))
    ):
        of = series[row.series_fk]
        header = Header(
            sop_instance_uid=SopInstanceUid(row.sop_instance_uid),
            sop_class_uid=row.sop_class_uid,
            transfer_syntax_uid=row.transfer_syntax_uid,
            study_instance_uid=StudyUid(study_uid),
            series_instance_uid=SeriesUid(of.series_instance_uid),
            patient_id=study.patient_id,
            issuer=study.issuer,
            patient_name=study.patient_name,
            birth_date=study.birth_date,
            sex=study.sex,
            study_date=study.study_date,
            study_time=study.study_time,
            accession_number=study.accession_number,
            study_id=study.study_id,
            study_description=study.description,
            referring_physician=study.referring_physician,
            institution=study.institution,
            character_set=study.character_set,
            modality=of.modality,
            series_number=of.series_number,
            series_description=of.description,
            body_part=of.body_part,
            series_date=of.series_date,
            series_time=of.series_time,
            instance_number=row.instance_number,
            patient_attributes=study.patient_attributes,
            study_attributes=study.attributes,
            series_attributes=of.attributes,
            instance_attributes=row.attributes,
        )
        packed = PackedInstance(
            header,
            row.size_bytes,
            row.sha256,
            row.dataset_sha256,
            row.dataset_offset,
            row.received_at,
            row.source_aet,
        )
        instances.append(UnpackedInstance(row.id, pool_file(row.pool_directory, row.pool_path), packed))
    instances.sort(key=lambda instance: pack_order(instance.packed))
    return UnpackedStudy(StudyUid(study_uid), study.received_at, study.changed_at, study.source_aet, tuple(instances))


def _seal(
    connection: Connection, study_uid: str, layouts: Sequence[Layout], changed_at: datetime, now: datetime
) -> list[PackRecord]:
    study = study_id(connection, study_uid, lock=True)
    seen = connection.execute(select(Study.changed_at).where(Study.id == study)).scalar_one()
    if seen != changed_at:
        raise StudyChanged(f"study {study_uid} got new instances at {seen}, after it was looked at; look again")
    free = {
        row[0]: (row[1], row[2], row[3])
        for row in connection.execute(
            select(Instance.id, Instance.sop_instance_uid, Instance.size_bytes, Instance.sha256).where(
                Instance.study_fk == study, Instance.pack_fk.is_(None)
            )
        )
    }
    made = []
    for layout in layouts:
        described = parse(layout.study_json)
        for member, item in zip(layout.members, described, strict=True):
            there = free.pop(member.instance_id, None)
            if there != (member.sop_instance_uid, item.size_bytes, item.sha256):
                raise StudyChanged(
                    f"study {study_uid}: instance {member.sop_instance_uid} is packed already, gone, or another by now;"
                    " look again"
                )
        pack_id = insert_row(
            connection,
            Pack,
            {
                "digest": layout.digest,
                "study_fk": study,
                "size_bytes": layout.size_bytes,
                "instance_count": len(layout.members),
                "study_json": layout.study_json.decode("ascii"),
                "created_at": now,
                **pressed_values(described),
            },
        )
        place_members(connection, pack_id, layout.members)
        made.append(pack_id)
    return packs_in(connection, Pack.id.in_(made))


def place_members(connection: Connection, pack_id: int, members: Sequence[Member]) -> None:
    """Say of instances where in a pack they lie."""
    table = table_of(Instance)
    statement = (
        update(table)
        .where(table.c.id == bindparam("instance"))
        .values(
            pack_fk=pack_id,
            pack_offset_bytes=bindparam("offset"),
            pack_size_bytes=bindparam("size"),
            pack_sha256=bindparam("digest"),
        )
    )
    for part in chunks(members):
        connection.execute(statement, [_placed(member) for member in part])


def _placed(member: Member) -> dict[str, Any]:
    size, digest = (member.size_bytes, member.sha256) if member.pressed else (None, None)
    return {"instance": member.instance_id, "offset": member.offset_bytes, "size": size, "digest": digest}


def pressed_values(described: Sequence[PackedInstance]) -> dict[str, int]:
    """What the columns of a pack say of its compressed members."""
    pressed = [item for item in described if item.pressed is not None]
    return {
        "pressed_instances": len(pressed),
        "pressed_from_bytes": sum(item.size_bytes for item in pressed),
        "pressed_to_bytes": sum(item.member_bytes for item in pressed),
    }
