"""What --json prints is what docs/COMMANDS.md promises."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from appliance.build import open_archive, open_catalog, open_pool
from appliance.cli.failures import ExitStatus
from appliance.config import load
from hsm.orders.hl7_answer import take
from tests.appliance.cli.conftest import RULES, House
from tests.support.studies import encode, same_uid_other_content, small_ct

DOCS = Path(__file__).parents[3] / "docs" / "COMMANDS.md"


def promised() -> dict[str, Any]:
    """The first JSON block below each heading: command -> document."""
    found = {}
    for section in re.split(r"^### ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        block = re.search(r"^```json\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        if block:
            found[section.split("`")[1]] = json.loads(block[1])
    return found


def differences(expected: Any, given: Any, where: str = "") -> Iterator[str]:
    """Where keys are missing, are not promised, or hold something of another kind. null fits everything."""
    if isinstance(expected, dict) and expected and isinstance(given, dict):
        for key in sorted(expected.keys() | given.keys()):
            if key not in given:
                yield f"{where}.{key} is missing"
            elif key not in expected:
                yield f"{where}.{key} is not documented"
            else:
                yield from differences(expected[key], given[key], f"{where}.{key}")
    elif isinstance(expected, list) and expected and isinstance(given, list):
        for number, entry in enumerate(given):
            yield from differences(expected[0], entry, f"{where}[{number}]")
    elif given is not None and expected is not None and kind(expected) != kind(given):
        yield f"{where} is {kind(given)}, documented as {kind(expected)}"


def kind(value: Any) -> str:
    """What JSON calls it."""
    return "number" if type(value) in (int, float) else type(value).__name__


def test_differences_are_noticed() -> None:
    assert list(differences({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"c": 1}]})) == [
        ".a[1].b is missing",
        ".a[1].c is not documented",
    ]
    assert list(differences({"a": 1}, {"a": "x"})) == [".a is str, documented as number"]
    assert list(differences({"a": 1, "b": None}, {"a": None, "b": "x"})) == []


@pytest.fixture
def full(house: House) -> tuple[House, str]:
    """An archive in which everything that can be listed is there: the UID of its study."""
    uid = house.take_in(small_ct("shapes"))
    house.ok("tick", "--wait")
    house.ok("hold", "place", uid, "--reason", "teaching")
    house.ok("users", "add", "anna", "--role", "staff")
    house.ok("tokens", "add", "anna", "report", "--scope", "look")
    house.ok("peers", "add", "WS1", "127.0.0.1", "104")
    house.ok("notify", "target", "desk", "mail", "desk@example.org")
    house.ok("notify", "rule", "desk")
    house.ok("send", uid, "--to", "WS1")
    house.run("recall", uid)
    house.ok("library", "buy", "A00009L8", "--library", "tape", "--bytes", "20000000")
    house.ok("volumes", "add", "A00008L8", "--pool", "tape_a", "--location", "drawer 2")
    house.fails(ExitStatus.TIMED_OUT, "volumes", "label", "A00008L8", "--wait")
    rejected = house.root / "inbox" / "no.dcm"
    rejected.write_bytes(b"no DICOM")
    house.take_in(small_ct("not yet down"))
    patient = small_ct("shapes").instances[0].PatientID
    house.ok("orders", "add", patient, "ct", (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"))
    quarantine_one(house)
    return house, uid


def quarantine_one(house: House) -> None:
    """Send something that cannot be accepted."""
    config = load(house.config, {})
    catalog = open_catalog(config, create=False)
    archive = open_archive(config, catalog, open_pool(config))
    changed = same_uid_other_content(small_ct("not yet down").instances[0])
    assert not archive.receive_file(BytesIO(encode(changed)), "CT1", keep_refused=True).kept
    take(b"MSH|^~\\&|RIS", "192.0.2.7", catalog, UTC, datetime.now(UTC))
    catalog.close()


def test_every_json_document_has_the_documented_shape(full: tuple[House, str]) -> None:
    house, uid = full
    volume = house.study(uid)["copies"][0]["volume"]
    rules = house.root / "again.policy"
    rules.write_text(RULES)
    priors = house.root / "priors.policy"
    priors.write_text('rule "priors":\n    prefetch the last 2 priors 1 day before the appointment\n')
    house.ok("policy", "plan")  # as text, with something to do
    certified = ("--library", "tape", "--barcode", "B00002L8", "--megabytes", "3")
    house.ok("library", "inventory")  # and the drives are empty
    calls: dict[str, tuple[str, ...]] = {
        "firn drives certify SERIAL": ("drives", "certify", "SIM1", *certified),
        "firn status": ("status",),
        "firn studies [UID...]": ("studies",),
        "firn explain STUDY": ("explain", uid),
        "firn jobs": ("jobs", "--all"),
        "firn events": ("events",),
        "firn audit": ("audit",),
        "firn quarantine": ("quarantine",),
        "firn policy plan [FILE]": ("policy", "plan", str(rules)),
        "firn tick": ("tick",),
        "firn policy check FILE": ("policy", "check", str(rules)),
        "firn policy history": ("policy", "history"),
        "firn hold list [STUDY]": ("hold", "list"),
        "firn volumes list": ("volumes", "list"),
        "firn volumes show BARCODE": ("volumes", "show", volume),
        "firn volumes wanted": ("volumes", "wanted"),
        "firn volumes label [BARCODE...]": ("volumes", "label", "--all-blank"),
        "firn volumes labels [BARCODE...]": ("volumes", "labels", "A00001L8", "-o", str(house.root / "labels.pdf")),
        "firn volumes scan BARCODE...": ("volumes", "scan", "A00003L8", "--wait"),
        "firn volumes import [BARCODE...]": ("volumes", "import", "--wait"),
        "firn volumes export BARCODE...": ("volumes", "export", "B00003L8", "--location", "shelf"),
        "firn drives list": ("drives", "list"),
        "firn drives show DRIVE": ("drives", "show", "tape/0"),
        "firn library show [NAME]": ("library", "show"),
        "firn library shelf": ("library", "shelf"),
        "firn config check": ("config", "check"),
        "firn pool show": ("pool", "show"),
        "firn users list": ("users", "list"),
        "firn tokens list": ("tokens", "list"),
        "firn peers list": ("peers", "list"),
        "firn notify list": ("notify", "list"),
        "firn requests list": ("requests", "list", "--all"),
        "firn orders list": ("orders", "list", "--days", "3"),
        "firn orders prefetch": ("orders", "prefetch", "--rules", str(priors)),
        "firn orders quarantine list": ("orders", "quarantine", "list"),
        "firn deliveries list": ("deliveries", "list"),
        "firn volumes repack BARCODE": ("volumes", "repack", volume, "--reason", "worn"),
        "firn rebuild-catalog": ("rebuild-catalog", "--volume", volume),
    }
    shapes = promised()
    assert sorted(shapes.keys() - calls.keys()) == ["firn import PATH..."]
    wrong, empty = [], []
    for command, arguments in calls.items():
        given = house.json(*arguments)
        wrong += [f"{command}: {difference}" for difference in differences(shapes[command], given)]
        lists = [value for value in given.values() if isinstance(value, list)]
        if lists and not any(lists):
            empty.append(command)
    assert wrong == []
    assert empty == ["firn policy check FILE", "firn config check"]  # everything else had a row to be looked at
    rules.write_text("rule nonsense")
    for command in empty:
        if command == "firn config check":
            house.config.write_text(house.config.read_text() + "\n[nonsense]\n")
        refused = json.loads(house.run(*calls[command], "--json").stdout)
        assert list(differences(shapes[command], refused)) == []
        assert any(value for value in refused.values() if isinstance(value, list))


def test_an_import_tells_what_it_took_and_what_not(full: tuple[House, str]) -> None:
    house, _ = full
    shapes = promised()
    imported = json.loads(house.run("import", str(house.root / "inbox"), "--json").stdout)
    assert list(differences(shapes["firn import PATH..."], imported)) == []
    assert imported["rejected"]


def test_a_row_of_studies_has_exactly_the_promised_keys(full: tuple[House, str]) -> None:
    house, uid = full
    document = house.json("studies", uid)
    assert list(document) == ["studies"]
    (row,) = document["studies"]
    assert list(row) == [
        "study_instance_uid",
        "patient_id",
        "modalities",
        "instances",
        "size_bytes",
        "availability",
        "copies",
    ]
    assert {key for copy in row["copies"] for key in copy} == {"kind", "volume", "state", "verified_at"}
    assert all(copy["verified_at"].endswith("+00:00") for copy in row["copies"])
