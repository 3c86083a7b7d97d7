"""The whole catalog out of one database and into another."""

import hashlib
import io
import json
from pathlib import Path

import pytest

from drivers.base import Barcode, MediumKind
from hsm.access.roles import Right, Role
from hsm.catalog import Catalog, CatalogForeign, CatalogTooNew, DumpDamaged
from hsm.catalog.dump import TABLES
from hsm.catalog.figures import Flow, Usage
from hsm.commitment.levels import Level, Reference
from hsm.notices.model import Calendar, Rule, Target, TargetKind
from hsm.peers.model import PeerRecord
from tests.hsm.catalog.world import LATER, START, TAPES, World, arrival, study_uid


def full(world: World) -> bytes:
    """A dump of a catalog in which every table has rows."""
    world.released(1)
    world.safe(2)
    world.catalog.intake.record(arrival(2, content="new"), on_conflict="replace")
    world.catalog.holds.place(study_uid(2), "trial", "judge", START)
    world.catalog.policies.publish("rule ü", "me", START)
    world.catalog.drafts.begin("me", "rule ü, or not", 1, START)
    world.catalog.intake.quarantined("/q/1", "why", START)
    world.catalog.recalls.request(study_uid(1), requested_by="WS", now=LATER)
    world.catalog.drives.seen("lib", 0, "S0", MediumKind.TAPE, START)
    world.library(Barcode("CLN001L8"), name="other")
    world.catalog.deliveries.ask(study_uid(1), "WS", requested_by="me", now=LATER, deadline=LATER)
    one = [Reference("1.2.840.10008.5.1.4.1.1.2", "1.2.3")]
    world.catalog.commitments.ask("CT1", "1.9", one, Level.DISK, START)
    world.catalog.notices.add_target(Target("ops", TargetKind.MAIL, "ops@example.org"), "me", START)
    rule = Rule(0, "ops", "error", "*", "*", Calendar.ALWAYS)
    world.catalog.notices.add_rule(rule, "me", START)
    world.catalog.peers.add(PeerRecord("WS1", "h", 104, 2.5), (), "me", START)
    world.catalog.figures.sample({"online": Usage(5, 10)}, START)
    world.catalog.figures.flowed("intake", [Flow(START.date(), 2, 20)])
    stream = io.BytesIO()
    rows = world.catalog.dump.write(stream)
    assert rows == stream.getvalue().count(b"\n") - 2
    return stream.getvalue()


def copied(dump: bytes, url: str) -> bytes:
    """The dump of a catalog that read a dump."""
    with Catalog.open(url) as other:
        other.dump.load(io.BytesIO(dump))
        again = io.BytesIO()
        other.dump.write(again)
        other.intake.record(arrival(7))  # new rows get new ids
        assert other.studies.get(study_uid(7)) is not None
    return again.getvalue()


def test_a_dump_is_the_same_after_a_way_through_either_database(
    world: World, tmp_path: Path, postgres_url: str
) -> None:
    dump = full(world)
    tables = {json.loads(line).get("t") for line in dump.splitlines()} - {None}
    assert tables == {table.name for table in TABLES}
    assert copied(dump, f"sqlite:///{tmp_path / 'other.db'}") == dump
    assert copied(dump, postgres_url) == dump


def test_a_dump_of_the_first_schema_is_read_for_ever(tmp_path: Path) -> None:
    dump = Path(__file__).with_name("dump_of_schema_0001.jsonl").read_bytes()
    with Catalog.from_dump(f"sqlite:///{tmp_path / 'old.db'}", io.BytesIO(dump)) as catalog:
        assert catalog.studies.get(study_uid(1)) is not None
        assert [version.text for version in catalog.policies.history()] == ["rule ü"]
        assert [(hold.reason, hold.placed_at) for hold in catalog.holds.list()] == [("trial", START)]
        catalog.accounts.list()  # what came later is there, too
        catalog.intake.record(arrival(7))
        assert catalog.studies.get(study_uid(7)) is not None


def test_a_dump_of_a_later_schema_or_of_none_is_refused(tmp_path: Path) -> None:
    later = b'{"firn_catalog":1,"schema":"9999","tables":[]}\n'
    with pytest.raises(CatalogTooNew, match="9999"):
        Catalog.from_dump(f"sqlite:///{tmp_path / 'a.db'}", io.BytesIO(later))
    for line in (b"", b"rubbish\n", b"[]\n", b'{"firn_catalog":2,"schema":"0001"}\n'):
        with pytest.raises(DumpDamaged):
            Catalog.from_dump(f"sqlite:///{tmp_path / 'b.db'}", io.BytesIO(line))


def test_a_dump_holds_nothing_that_proves_a_password_or_a_token(world: World) -> None:
    world.catalog.accounts.add("anna", "Anna", Role.STAFF, "$argon2$hash-of-anna", False, "me", START)
    world.catalog.accounts.sign_in("anna", "token", "127.0.0.1", START)
    world.catalog.tokens.add("anna", "x", [Right.LOOK], "firn_secret", None, "anna", START)
    dump = full(world)
    assert b"hash-of-anna" not in dump
    assert hashlib.sha256(b"firn_secret").hexdigest().encode() not in dump


def test_a_dump_is_only_loaded_into_an_empty_catalog(world: World) -> None:
    dump = full(world)
    with pytest.raises(CatalogForeign, match="not empty"):
        world.catalog.dump.load(io.BytesIO(dump))


def resealed(lines: list[bytes]) -> bytes:
    """A dump with a right last line."""
    body = b"\n".join(lines[:-1]) + b"\n"
    end = json.dumps(
        {"rows": len(lines) - 2, "sha256": hashlib.sha256(body).hexdigest()}, separators=(",", ":"), sort_keys=True
    )
    return body + end.encode() + b"\n"


def changed(line: bytes, **values: object) -> bytes:
    """A line with other values in its row."""
    value = json.loads(line)
    value["r"].update(values)
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def test_a_damaged_dump_is_refused_and_changes_nothing(world: World, tmp_path: Path) -> None:
    lines = full(world).splitlines()
    study = next(n for n, line in enumerate(lines) if json.loads(line).get("t") == "studies")
    head = json.loads(lines[0])
    damaged = {
        "cut": b"\n".join(lines[:-1]) + b"\n",
        "cut in a line": b"\n".join(lines)[:-30],
        "empty": b"",
        "altered": b"\n".join([*lines[:study], changed(lines[study], description="x"), *lines[study + 1 :]]),
        "a line less": b"\n".join([*lines[:study], *lines[study + 1 :]]),
        "no JSON": b"\n".join([*lines[:3], b"\xff{", *lines[3:]]),
        "not a row": b"\n".join([*lines[:3], b'{"x":1}', *lines[3:]]),
        "a list": b"\n".join([*lines[:3], b"[1]", *lines[3:]]),
        "other schema": b"\n".join([json.dumps({**head, "schema": "0000"}).encode(), *lines[1:]]),
        "no dump": b'{"hello":"world"}\n',
        "strange table": resealed([*lines[:3], b'{"r":{},"t":"leases"}', *lines[3:]]),
        "bad time": resealed([*lines[:study], changed(lines[study], changed_at="noon"), *lines[study + 1 :]]),
        "strange column": resealed([*lines[:study], changed(lines[study], color=1), *lines[study + 1 :]]),
    }
    with Catalog.open(f"sqlite:///{tmp_path / 'other.db'}") as other:
        for name, dump in damaged.items():
            with pytest.raises(DumpDamaged):
                other.dump.load(io.BytesIO(dump))
                pytest.fail(f"accepted: {name}")
            assert other.studies.counts().studies == 0
        assert other.dump.load(io.BytesIO(resealed(lines))) == len(lines) - 2
        assert [volume.barcode for volume in other.volumes.list()] == list(TAPES[:2])
