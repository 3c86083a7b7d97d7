"""Every audited action becomes a message that the schema of the standard allows."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hsm.access.actor import Via
from hsm.atna.messages import MEANINGS, Station, message
from hsm.atna.syslog import framed
from hsm.catalog.audit import AUDITED, AuditRecord, ObjectKind

AT = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
STATION = Station("FIRN", "the house", "archive.example")
SCHEMA = Path(__file__).with_name("audit-message.rnc")
FIELDS = {"sop_class": "1.2", "transfer_syntax": "1.2.840.10008.1.2", "query": "AAAA", "sop_classes": {"1.2.3": 4},
          "destination": "WS1", "reason": "a <b> & \u202e"}  # fmt: skip


def entry(action: str, kind: str, outcome: str = "success") -> AuditRecord:
    return AuditRecord(7, AT, "CT1", Via.DICOM, "192.0.2.7", action, kind, "1.2.3.4", outcome, FIELDS)


def test_every_action_is_a_valid_message(tmp_path: Path) -> None:
    dicom = {"queried": ObjectKind.PEER, "instances_sent": ObjectKind.STUDY, "instances_received": ObjectKind.STUDY,
             "sending_began": ObjectKind.STUDY, "study_looked_at": ObjectKind.STUDY}  # fmt: skip
    actions = {**dict.fromkeys(MEANINGS, ObjectKind.AUDIT), **AUDITED, **dicom}
    for action, kind in actions.items():
        for outcome in ("success", "refused"):
            path = tmp_path / f"{action}-{outcome}.xml"
            path.write_bytes(message(entry(action, kind, outcome), STATION, "PAT\\1"))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2 * len(actions)
    done = subprocess.run(["jing", "-c", str(SCHEMA), *map(str, files)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[:2000]


@pytest.mark.parametrize(
    ("action", "kind", "event", "type_", "users"),
    [
        ("signed_in", ObjectKind.ACCOUNT, "110114", "110122", ["CT1", "FIRN"]),
        ("association_refused", ObjectKind.PEER, "110113", "110126", ["CT1", "FIRN"]),
        ("application_started", ObjectKind.PEER, "110100", "110120", ["FIRN", "CT1"]),
        ("instances_received", ObjectKind.STUDY, "110104", None, ["CT1", "FIRN"]),
        ("sending_began", ObjectKind.STUDY, "110102", None, ["FIRN", "WS1", "CT1"]),
        ("instances_sent", ObjectKind.STUDY, "110104", None, ["FIRN", "WS1", "CT1"]),
        ("queried", ObjectKind.PEER, "110112", None, ["CT1", "FIRN"]),
        ("hold_placed", ObjectKind.STUDY, "110103", None, ["CT1", "FIRN"]),
        ("export_wanted", ObjectKind.VOLUME, "110106", None, ["CT1", "FIRN", "1.2.3.4"]),
        ("read_foreign_wanted", ObjectKind.LIBRARY, "110107", None, ["CT1", "FIRN"]),
        ("study_deleted", ObjectKind.STUDY, "110105", None, ["CT1", "FIRN"]),
        ("drive_down", ObjectKind.DRIVE, "110113", "110130", ["CT1", "FIRN"]),
    ],
)
def test_actions_have_the_events_of_the_standard(
    action: str, kind: str, event: str, type_: str | None, users: list[str]
) -> None:
    root = ElementTree.fromstring(message(entry(action, kind), STATION, "P1"))
    (found,) = root.findall("EventIdentification")
    assert [one.get("csd-code") for one in found.findall("EventID")] == [event]
    assert [one.get("csd-code") for one in found.findall("EventTypeCode")] == ([type_] if type_ else [])
    assert [one.get("UserID") for one in root.findall("ActiveParticipant")] == users
    if kind == ObjectKind.STUDY:
        ids = [one.get("ParticipantObjectID") for one in root.findall("ParticipantObjectIdentification")]
        assert ids == ["1.2.3.4", "P1"]


def test_a_message_is_framed_as_syslog_wants_it() -> None:
    line = framed(b"<x/>", AT, "host with blanks\u00e4")
    head, _, content = line.partition(b"\xef\xbb\xbf")
    assert content == b"<x/>"
    assert head.startswith(b"<85>1 2026-03-01T12:00:00.123Z hostwithblanks firn ")
    assert head.endswith(b" DICOM+RFC3881 - ")
