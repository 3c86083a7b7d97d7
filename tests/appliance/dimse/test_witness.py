"""What is received, sent and asked over DICOM is in the audit trail, where that is wanted."""

import base64
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from appliance.dimse.identifiers import decode_identifier
from appliance.dimse.witness import Witness
from hsm.catalog.audit import AuditFilter, AuditRecord
from hsm.catalog.errors import CatalogUnavailable
from tests.appliance.dimse.conftest import Node, Receiver, peers, small_study
from tests.hsm.objects import CT, dataset

FIND, MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"


def use(node: Node) -> list[AuditRecord]:
    """Store two objects, ask for them by name, have them sent to DEST; what the trail says, oldest first."""
    ae = AE("CT1")
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    for uid in (FIND, MOVE):
        ae.add_requested_context(uid, ImplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", node.server.port)
    for number in (1, 2):
        one = dataset(SOPInstanceUID=f"1.2.3.{number}", StudyInstanceUID="1.2.3")
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        assert association.send_c_store(one).Status == 0
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.PatientName, asked.StudyInstanceUID = "STUDY", "Doe^J*", "1.2.3"
    assert [status.Status for status, _ in association.send_c_find(asked, FIND)] == [0xFF00, 0]
    del asked.PatientName
    assert [status.Status for status, _ in association.send_c_move(asked, "DEST", MOVE)][-1] == 0
    association.release()
    node.server.stop()  # the association has ended on our side, too
    return list(node.archive.catalog.audit.stream(AuditFilter()))[::-1]


def test_the_trail_says_what_came_what_was_asked_and_what_went(
    start: Callable[..., Node], receiver: Callable[..., Receiver]
) -> None:
    entries = use(start(audit_use=True, peers=peers(receiver())))
    assert [entry.action for entry in entries] == ["queried", "sending_began", "instances_sent", "instances_received"]
    assert {(entry.actor, entry.via, entry.address) for entry in entries} == {("CT1", "dicom", "127.0.0.1")}
    queried, began, sent, received = entries
    query = decode_identifier(base64.b64decode(queried.fields["query"]), ImplicitVRLittleEndian)
    assert query.StudyInstanceUID == "1.2.3" and "PatientName" not in query
    assert (began.object, began.fields) == ("1.2.3", {"destination": "DEST"})
    assert sent.fields == {"destination": "DEST", "sop_classes": {CT: 2}, "failed": 0}
    assert (received.object, received.fields) == ("1.2.3", {"sop_classes": {CT: 2}})


def test_nothing_is_written_where_nobody_wants_it(
    start: Callable[..., Node], receiver: Callable[..., Receiver]
) -> None:
    assert use(start(peers=peers(receiver()))) == []


def test_what_did_not_arrive_is_said_and_a_catalog_that_is_away_stops_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.receive(*small_study(2))
    instances = node.archive.catalog.studies.instances("1.2.3", (), ())
    witness = Witness(node.archive, True)
    witness.sent(instances, [instances[0].sop_instance_uid], "DEST")
    (entry,) = node.archive.catalog.audit.list(AuditFilter())
    assert (entry.outcome, entry.fields["failed"], entry.fields["sop_classes"]) == ("refused", 1, {CT: 1})

    def away(*_: object) -> None:
        raise CatalogUnavailable("away")

    monkeypatch.setattr(node.archive.catalog.audit, "record", away)
    witness.sending(["1.2.3"], "DEST")  # only in the log
