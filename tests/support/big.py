"""A catalog as a large house has it after ten years, written by bulk SQL in about a minute, the same every time.

Only the catalog: no file and no medium is behind it. Packs, copies, volumes and instances fit together as the catalog's
own methods would have left them (tests/support/test_big.py asks them), so that pages, searches and plans can be tried
at a size that no test could fill through the front door.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.orm import DeclarativeBase

from drivers.base import MediumKind
from hsm.catalog import Catalog
from hsm.catalog.rows import chunks, table_of
from hsm.catalog.search import describe_all
from hsm.facts import VolumePool
from hsm.models import Drive, Event, Hold, Job, LibraryElement, Patient, Policy, Quarantined, Study, Volume
from hsm.query.folding import fold_name
from hsm.states import JobState
from tests.support import big_people
from tests.support import big_words as words

SEED = 20260305
YEARS = 10
MB = 1_000_000
TAPE_BYTES, DISC_BYTES = 12_000_000 * MB, 100_000 * MB
POOLS = {
    "tape_a": VolumePool("tape_a", MediumKind.TAPE, "tape", ("A*",)),
    "tape_b": VolumePool("tape_b", MediumKind.TAPE, "tape", ("B*",)),
    "disc": VolumePool("disc", MediumKind.DISC, "jukebox", ("D*",)),
}
RULES = """rule "two tapes for everything":
    copy to tape_a, tape_b

rule "settle":
    when received more than 90 days ago and not accessed for 90 days
    release after 2 verified copies

rule "read again":
    verify every 2 years
"""
UNPACKED_SHARE, UNVERIFIED_SHARE, ONLINE_SHARE, DISC_SHARE, RECALLED_SHARE = 0.001, 0.004, 0.12, 0.15, 0.02
_FIRST_SHELF_PCT, _VAULT_PCT = 8, 60  # of tape_a and tape_b, the oldest


@dataclass(frozen=True)
class BigHouse:
    """How much there is of everything."""

    studies: int = 200_000
    volumes: int = 2_000
    jobs: int = 60_000
    events: int = 200_000
    instances: int | None = None  # of each study; None: as many as its kind has, four on average

    @property
    def tapes(self) -> int:
        """Tapes of each of the two pools."""
        return max(2, self.volumes * 35 // 100)

    @property
    def discs(self) -> int:
        """Discs."""
        return max(2, self.volumes * 22 // 100)

    @property
    def blanks(self) -> int:
        """What was never labelled."""
        return self.volumes - 2 * self.tapes - self.discs


def fill(catalog: Catalog, house: BigHouse, now: datetime) -> None:
    """Fill an empty catalog, in one transaction; the last study came a minute before `now`."""

    def work(connection: Connection) -> None:
        if catalog.database.is_sqlite:
            connection.exec_driver_sql("PRAGMA cache_size = -400000")
        draw = random.Random(SEED)
        _put(connection, Patient, _patients(house, draw))
        _put(connection, Volume, _volumes(house, now))
        _studies(connection, house, draw, now)
        _put(connection, LibraryElement, _elements(house, now))
        _put(connection, Drive, _drives(now))
        _put(
            connection,
            Policy,
            ({"text": RULES, "author": "archivist", "created_at": now - timedelta(days=d)} for d in range(300, 0, -10)),
        )
        _put(connection, Job, _jobs(house, draw, now))
        _put(connection, Event, _events(house, draw, now))
        _put(connection, Hold, _holds(house, draw, now))
        _put(connection, Quarantined, _quarantine(now))
        for model, rows in big_people.tables(house.studies, house.events, house.jobs, draw, now):
            _put(connection, model, rows)
        describe_all(connection)
        if not catalog.database.is_sqlite:
            _renumber(connection)

    catalog.database.write(work)
    catalog.database.write(_analyze)
    catalog.database.take_stock()


def _put(connection: Connection, model: type[DeclarativeBase], rows: Iterable[dict[str, Any]]) -> None:
    for part in chunks(rows, 5000):
        connection.execute(table_of(model).insert(), part)


def _analyze(connection: Connection) -> None:
    """What autovacuum does by itself in a running server."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE")


def _renumber(connection: Connection) -> None:
    for table in ("patients", "studies", "volumes", "packs", "users", "recall_requests", "deliveries"):
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        connection.exec_driver_sql(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))")


# -- people and studies ------------------------------------------------------------------------------------------------


def _patients(house: BigHouse, draw: random.Random) -> Iterable[dict[str, Any]]:
    for number in range(1, house.studies * 3 // 10 + 1):
        name = words.name(draw)
        yield {
            "id": number,
            "patient_id": f"{number * 7919 % 9_000_000 + 1_000_000}",
            "issuer": "",
            "name": name,
            "name_folded": fold_name(name),
            "birth_date": date(1925, 1, 1) + timedelta(days=draw.randrange(36_000)),
            "sex": draw.choice("FM"),
        }


def _studies(connection: Connection, house: BigHouse, draw: random.Random, now: datetime) -> None:
    """Studies from Python, what is below and beside them by INSERT ... SELECT over a plan of each study."""
    rows = connection.execute(text("SELECT id, name FROM patients"))
    names: dict[int, str] = {row.id: row.name for row in rows}
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE plan (study INTEGER PRIMARY KEY, modality TEXT, number_of_series INTEGER,"
        " per_series INTEGER, object_bytes BIGINT, online INTEGER, packed INTEGER, verified INTEGER,"
        " volume_a INTEGER, volume_b INTEGER, volume_d INTEGER)"
    )
    connection.exec_driver_sql("CREATE TEMPORARY TABLE numbers (n INTEGER PRIMARY KEY)")
    connection.execute(text("INSERT INTO numbers (n) VALUES (:n)"), [{"n": n} for n in range(1, 101)])
    put_plan = text(
        "INSERT INTO plan VALUES (:study, :modality, :number_of_series, :per_series, :object_bytes, :online, :packed,"
        " :verified, :volume_a, :volume_b, :volume_d)"
    )
    for part in chunks(range(1, house.studies + 1), 5000):
        pairs = [_study(number, house, draw, now, names) for number in part]
        connection.execute(table_of(Study).insert(), [study for study, _ in pairs])
        connection.execute(put_plan, [plan for _, plan in pairs])
    padded = "lpad(to_hex({}), 64, '0')" if connection.dialect.name == "postgresql" else "printf('%064x', {})"

    def hexadecimal(found: re.Match[str]) -> str:
        return padded.format(found[1])

    for statement in _BELOW:
        connection.exec_driver_sql(re.sub(r"\$HEX\[(.*?)\]", hexadecimal, statement))
    connection.exec_driver_sql("DROP TABLE plan")
    connection.exec_driver_sql("DROP TABLE numbers")


def _study(
    number: int, house: BigHouse, draw: random.Random, now: datetime, names: dict[int, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    kind = words.kind(draw)
    age = timedelta(days=YEARS * 365.25) * (1 - number / house.studies) ** 1.3
    received = now - age - timedelta(minutes=1)
    patient = draw.randint(1, len(names))
    taken = received - timedelta(days=draw.randrange(4000) if draw.random() < 0.02 else 0, minutes=draw.randrange(90))
    objects = kind.objects if house.instances is None else max(1, house.instances // kind.series)
    count = kind.series * objects
    share = number / house.studies  # 1 is the newest
    recalled = draw.random() < RECALLED_SHARE
    packed = share <= 1 - UNPACKED_SHARE
    discs_from = house.tapes * 2
    study = {
        "id": number,
        "patient_fk": patient,
        "study_instance_uid": f"1.2.826.0.1.3680043.10.1474.{received:%Y%m%d}.{number}",
        "patient_name": names[patient],
        "patient_name_folded": fold_name(names[patient]),
        "study_date": None if draw.random() < 0.001 else taken.date(),
        "study_time": f"{taken:%H%M%S}.000000",
        "accession_number": f"A{received:%y}{number:07d}",
        "study_id": str(number),
        "description": draw.choice(kind.descriptions),
        "referring_physician": "",
        "institution": draw.choice(words.INSTITUTIONS),
        "source_aet": draw.choice(kind.senders),
        "received_at": received,
        "changed_at": received,
        "accessed_at": now - age * draw.random() if draw.random() < 0.5 else None,
        "pinned_until": now + timedelta(days=5) if recalled and draw.random() < 0.02 else None,
        "series_count": kind.series,
        "instance_count": count,
        "size_bytes": count * kind.object_bytes,
        "modalities": [kind.modality],
    }
    plan = {
        "study": number,
        "modality": kind.modality,
        "number_of_series": kind.series,
        "per_series": objects,
        "object_bytes": kind.object_bytes,
        "online": int(share > 1 - ONLINE_SHARE or recalled),
        "packed": int(packed),
        "verified": int(share <= 1 - UNVERIFIED_SHARE),
        "volume_a": 1 + int((share - 1e-9) * house.tapes),
        "volume_b": 1 + house.tapes + int((share - 1e-9) * house.tapes),
        "volume_d": 1 + discs_from + int((share - 1e-9) * house.discs) if draw.random() < DISC_SHARE else None,
    }
    return study, plan


_BELOW = (
    """INSERT INTO packs (id, digest, study_fk, size_bytes, instance_count, study_json, created_at)
    SELECT s.id, $HEX[s.id], s.id, s.size_bytes + 20480, s.instance_count, '{"studies": 1}', s.received_at
    FROM plan p JOIN studies s ON s.id = p.study WHERE p.packed = 1""",
    """INSERT INTO series (study_fk, series_instance_uid, modality, series_number, description, body_part, series_time,
    attributes, instance_count)
    SELECT s.id, s.study_instance_uid || '.' || n.n, p.modality, n.n, 'Series ' || n.n, '', s.study_time, '{}',
    p.per_series
    FROM plan p JOIN studies s ON s.id = p.study JOIN numbers n ON n.n <= p.number_of_series ORDER BY s.id, n.n""",
    """INSERT INTO instances (series_fk, study_fk, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
    instance_number, attributes, size_bytes, sha256, dataset_sha256, dataset_offset, source_aet, received_at,
    online_state, pool_directory, pool_path, pack_fk, pack_offset_bytes)
    SELECT e.id, e.study_fk, e.series_instance_uid || '.' || n.n, '1.2.840.10008.5.1.4.1.1.7', '1.2.840.10008.1.2.1',
    n.n, '{}', p.object_bytes, $HEX[e.id * 1000 + n.n],
    $HEX[e.id * 1000 + n.n], 400, s.source_aet, s.received_at,
    CASE WHEN p.online = 1 THEN 'online' ELSE 'released' END,
    CASE WHEN p.online = 1 THEN '/srv/firn/online' END,
    CASE WHEN p.online = 1 THEN e.series_instance_uid || '/' || n.n || '.dcm' END,
    CASE WHEN p.packed = 1 THEN s.id END,
    CASE WHEN p.packed = 1 THEN 20480 + ((e.series_number - 1) * p.per_series + n.n - 1) * p.object_bytes END
    FROM plan p JOIN studies s ON s.id = p.study JOIN series e ON e.study_fk = s.id
    JOIN numbers n ON n.n <= p.per_series ORDER BY e.id, n.n""",
    *(
        f"""INSERT INTO copies (pack_fk, pool, kind, state, volume_fk, sequence, address, stream_sha256, written_at,
        written_by, verified_at, verified_by, doubts)
        SELECT p.study, '{pool}', '{kind}',
        CASE WHEN v.state = 'lost' THEN 'lost' WHEN v.state = 'suspect' THEN 'suspect'
        WHEN p.verified = 1 THEN 'verified' ELSE 'written' END,
        v.id, row_number() OVER (PARTITION BY v.id ORDER BY p.study),
        100 * row_number() OVER (PARTITION BY v.id ORDER BY p.study), $HEX[s.id], s.received_at, 'TD0001',
        CASE WHEN p.verified = 1 THEN s.received_at END, CASE WHEN p.verified = 1 THEN 'TD0002' END, 0
        FROM plan p JOIN studies s ON s.id = p.study JOIN volumes v ON v.id = p.{column}
        WHERE p.packed = 1"""
        for pool, kind, column in (
            ("tape_a", "tape", "volume_a"),
            ("tape_b", "tape", "volume_b"),
            ("disc", "disc", "volume_d"),
        )
    ),
    """UPDATE volumes SET last_sequence = (SELECT count(*) FROM copies c WHERE c.volume_fk = volumes.id)""",
)

# -- media -------------------------------------------------------------------------------------------------------------


def _volumes(house: BigHouse, now: datetime) -> Iterable[dict[str, Any]]:
    number = 0
    for pool, prefix, many, size_bytes in (
        ("tape_a", "A", house.tapes, TAPE_BYTES),
        ("tape_b", "B", house.tapes, TAPE_BYTES),
        ("disc", "D", house.discs, DISC_BYTES),
        (None, "N", house.blanks, 0),
    ):
        for place in range(1, many + 1):
            number += 1
            yield _volume(number, pool, prefix, place, many, size_bytes, now)


def _volume(
    number: int, pool: str | None, prefix: str, place: int, many: int, size_bytes: int, now: datetime
) -> dict[str, Any]:
    tape = prefix != "D"
    written_at = now - timedelta(days=YEARS * 365.25) * (1 - place / many)
    state = "blank" if pool is None else "filling" if place == many else "full"
    where, location = "library", ""
    if pool == "tape_b" and place <= many * _VAULT_PCT // 100:
        where, location = "vault", "Vault 2, box " + str(place // 20)
    elif pool is not None and place <= many * _FIRST_SHELF_PCT // 100:
        where, location = "shelf", "Shelf " + str(place // 20)
    if pool == "tape_a" and place % 97 == 5:
        state = "suspect"
    if pool in ("tape_a", "tape_b") and place % 211 == 100:
        state, where = "lost", "missing"
    return {
        "id": number,
        "barcode": f"{prefix}{place:05d}" + ("L8" if tape else ""),
        "uuid": None if pool is None else f"00000000-0000-4000-8000-{number:012d}",
        "kind": "tape" if tape else "disc",
        "generation": "LTO-8" if tape else "BD-R XL",
        "pool": pool,
        "library": "tape" if tape else "jukebox",
        "place": where,
        "location": location,
        "state": state,
        "capacity_bytes": size_bytes,
        "used_bytes": 0 if pool is None else size_bytes * (30 if state == "filling" else 96) // 100,
        "labelled_at": None if pool is None else written_at,
        "verified_at": None if pool is None else min(now, written_at + timedelta(days=300)),
        "mounts": place % 300,
        "errors": int(state == "suspect"),
        "reason": {"suspect": "three reads failed in a row", "lost": "not found"}.get(state, ""),
        "end_address": 100 if pool is None or tape else None,
    }


def _elements(house: BigHouse, now: datetime) -> Iterable[dict[str, Any]]:
    """A large tape library that holds 560 tapes, and a jukebox of 300 discs."""
    for library, prefix, slots, suffix in (("tape", "A", 560, "L8"), ("jukebox", "D", 300, "")):
        many = house.tapes if prefix == "A" else house.discs
        for slot in range(1, slots + 1):
            place = many - slot + 1
            held = f"{prefix}{place:05d}{suffix}" if place > many * _FIRST_SHELF_PCT // 100 else None
            yield {
                "library": library,
                "kind": "slot",
                "index": slot,
                "full": held is not None,
                "barcode": held,
                "drive_serial": None,
                "seen_at": now,
            }
        for mail in range(10):
            yield {
                "library": library,
                "kind": "mail_slot",
                "index": 1000 + mail,
                "full": False,
                "barcode": None,
                "drive_serial": None,
                "seen_at": now,
            }


def _drives(now: datetime) -> Iterable[dict[str, Any]]:
    for library, kind, many in (("tape", "tape", 8), ("jukebox", "disc", 4)):
        for index in range(many):
            yield {
                "library": library,
                "index": index,
                "serial": f"{kind[0].upper()}D{index:04d}",
                "kind": kind,
                "state": "empty",
                "changed_at": now,
                "mounts": 1000 * index,
            }


# -- work and history --------------------------------------------------------------------------------------------------

_STATES = (JobState.QUEUED, JobState.WAITING_OPERATOR, JobState.WAITING_RETRY, JobState.FAILED, JobState.CANCELLED)
_KINDS = ("migrate", "migrate", "migrate", "verify", "release", "recall")


def _jobs(house: BigHouse, draw: random.Random, now: datetime) -> Iterable[dict[str, Any]]:
    """Two months of work; the last of it is not done yet."""
    for number in range(1, house.jobs + 1):
        study = draw.randint(1, house.studies)
        kind = draw.choice(_KINDS)
        left = house.jobs - number
        state = _STATES[left % 3] if left < house.jobs // 100 else JobState.DONE
        if draw.random() < 0.01 and state is JobState.DONE:
            state = draw.choice(_STATES[3:])
        active = left < house.jobs // 100
        created = now - timedelta(days=60) * (left / house.jobs)
        yield {
            "kind": kind,
            "key": f"{kind}:{study}:{number}",
            "active_key": f"{kind}:{study}:{number}" if active else None,
            "state": state.value,
            "study_fk": study,
            "pool": "tape_a" if kind == "migrate" else None,
            "reason": "asked for by a person" if kind == "recall" else 'rule "two tapes for everything"',
            "size_bytes": 150 * MB,
            "done_bytes": 0 if active else 150 * MB,
            "message": "the drive could not read block 81234" if state is JobState.FAILED else "",
            "barcode": f"A{draw.randint(1, house.tapes):05d}L8",
            "attempts": 1,
            "requested_by": "staff" if kind == "recall" else "policy",
            "created_at": created,
            "not_before": now + timedelta(hours=1) if state is JobState.WAITING_RETRY else None,
            "started_at": None if active else created + timedelta(minutes=2),
            "ended_at": None if active else created + timedelta(minutes=9),
        }


def _events(house: BigHouse, draw: random.Random, now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(1, house.events + 1):
        level, name = draw.choices(words.EVENTS, words.EVENT_WEIGHTS)[0]
        yield {
            "at": now - timedelta(days=365) * (1 - number / house.events),
            "level": level,
            "name": name,
            "subject": f"A{draw.randint(1, house.tapes):05d}L8",
            "fields": {"job": draw.randint(1, house.jobs), "duration_s": round(draw.uniform(1, 90), 1)},
        }


def _holds(house: BigHouse, draw: random.Random, now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(house.studies // 200):
        yield {
            "study_fk": draw.randint(1, house.studies),
            "reason": f"court case {number}/2025",
            "placed_by": "archivist",
            "placed_at": now - timedelta(days=draw.randint(1, 900)),
            "until": None,
            "lifted_at": now - timedelta(days=1) if number % 3 == 0 else None,
        }


def _quarantine(now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(500):
        yield {
            "at": now - timedelta(hours=number),
            "path": f"/srv/firn/quarantine/{number}.dcm",
            "reason": "no SOP Instance UID",
            "source_aet": "MODALITY7",
            "size_bytes": 500_000,
        }
