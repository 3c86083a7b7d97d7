"""The modality worklist and performed steps, with DCMTK's findscu and a modality made with pynetdicom."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from appliance.dimse.services import PERFORMED_STEP, WORKLIST
from hsm.orders.model import OrderFields
from hsm.states import OrderState, PerformedState
from tests.appliance.dimse.conftest import Node
from tests.appliance.dimse.test_dcmtk import to, tool

NINE = datetime(2024, 1, 2, 9, tzinfo=UTC)


def order(node: Node, **fields: Any) -> int:
    """Place an order; its number."""
    given = {"patient_id": "PAT1", "modality": "CT", "scheduled_at": NINE, "patient_name": "DOE^JANE", **fields}
    return node.archive.catalog.orders.place(OrderFields(**given), "test", NINE)


def identifier(**step: str) -> Dataset:
    asked = Dataset()
    asked.PatientName = asked.PatientID = asked.AccessionNumber = asked.StudyInstanceUID = ""
    item = Dataset()
    item.ScheduledStationAETitle = item.ScheduledProcedureStepStartDate = item.ScheduledProcedureStepStartTime = ""
    item.Modality = item.ScheduledProcedureStepID = ""
    for name, value in step.items():
        setattr(item, name, value)
    asked.ScheduledProcedureStepSequence = [item]
    return asked


def find(node: Node, asked: Dataset) -> tuple[list[Dataset], int]:
    """The entries, and the last status."""
    ae = AE("CT1")
    ae.add_requested_context(WORKLIST, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", node.server.port, ae_title="FIRN")
    assert association.is_established
    said = list(association.send_c_find(asked, WORKLIST))
    association.release()
    return [found for _, found in said if found is not None], said[-1][0].Status


@pytest.mark.peer
def test_findscu_gets_the_worklist_of_its_modality_and_day(node: Node, tmp_path: Path) -> None:
    order(node, accession_number="A1", station_aet="CT1", patient_name="山田^太郎", birth_date=date(1970, 2, 3))
    order(node, accession_number="A2", modality="MR")
    order(node, accession_number="A3", scheduled_at=NINE + timedelta(days=1))
    asked = "ScheduledProcedureStepSequence[0]"
    keys = (
        *("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", f"{asked}.Modality=CT"),
        *(f"{asked}.ScheduledProcedureStepStartDate=20240102", f"{asked}.ScheduledProcedureStepStartTime"),
    )
    out = tmp_path / "found"
    out.mkdir()
    done = tool("findscu", "-W", "-X", "-od", out, *(part for key in keys for part in ("-k", key)), *to(node))
    assert done.returncode == 0, done.stderr
    (found,) = [pydicom.dcmread(path, force=True) for path in out.iterdir()]
    assert (found.AccessionNumber, str(found.PatientName), found.PatientBirthDate) == ("A1", "山田^太郎", "19700203")
    (step,) = found.ScheduledProcedureStepSequence
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20240102", "090000")


def test_what_is_matched_and_what_is_told(node: Node) -> None:
    first = order(node, accession_number="A1", station_aet="CT1", procedure_code="C", procedure="CT of chest")
    order(node, accession_number="A2", scheduled_at=NINE + timedelta(hours=12))
    cancelled = order(node, accession_number="A3")
    node.archive.catalog.orders.cancel(cancelled, "by mistake", "test", NINE)

    def told(**step: str) -> list[str]:
        return [entry.AccessionNumber for entry in find(node, identifier(**step))[0]]

    day, hours = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
    assert told() == ["A1", "A2"]
    assert told(**{day: "20240102-20240103", hours: "1000-0800"}) == ["A2"]  # one span, not two hours of each day
    assert told(**{day: "-20240101"}) == []
    assert told(ScheduledStationAETitle="CT1") == ["A1"]
    assert told(ScheduledProcedureStepStatus="CANCELLED") == ["A3"]
    named = identifier()
    named.PatientName = "doe*"
    assert len(find(node, named)[0]) == 2
    whole = Dataset()
    whole.ScheduledProcedureStepSequence = whole.RequestedProcedureCodeSequence = []
    whole.AccessionNumber = "A1"
    (entry,), status = find(node, whole)
    assert status == 0x0000
    assert entry.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == f"SPS{first}"
    assert entry.RequestedProcedureCodeSequence[0].CodeMeaning == "CT of chest"
    assert find(node, identifier(ScheduledProcedureStepStartDate="soon"))[1] == 0xA900


class Modality:
    """Reports performed steps over one association."""

    def __init__(self, node: Node) -> None:
        ae = AE("CT1")
        ae.add_requested_context(PERFORMED_STEP, ExplicitVRLittleEndian)
        self.association = ae.associate("127.0.0.1", node.server.port, ae_title="FIRN")
        assert self.association.is_established

    def begin(self, uid: str | None, study_uid: str, accession: str = "A1", **change: Any) -> Dataset:
        """N-CREATE; the status."""
        said = Dataset()
        item = Dataset()
        item.StudyInstanceUID, item.AccessionNumber, item.ScheduledProcedureStepID = study_uid, accession, ""
        said.ScheduledStepAttributesSequence = [item]
        said.PatientID, said.PatientName, said.Modality = "PAT1", "DOE^JANE", "CT"
        said.PerformedProcedureStepID, said.PerformedStationAETitle = "P1", "CT1"
        said.PerformedProcedureStepStartDate, said.PerformedProcedureStepStartTime = "20240102", "0901"
        said.PerformedProcedureStepStatus = "IN PROGRESS"
        said.PerformedSeriesSequence = []
        return self.association.send_n_create(changed(said, change), PERFORMED_STEP, uid)[0]

    def set(self, uid: str, **change: Any) -> Dataset:
        """N-SET; the status."""
        return self.association.send_n_set(changed(Dataset(), change), PERFORMED_STEP, uid)[0]


def changed(said: Dataset, change: dict[str, Any]) -> Dataset:
    for name, value in change.items():
        if value is None:
            delattr(said, name)
        else:
            setattr(said, name, value)
    return said


def ended(**change: Any) -> dict[str, Any]:
    series = Dataset()
    series.SeriesInstanceUID, series.ProtocolName = "1.2.3.4", "CHEST"
    last = {
        "PerformedProcedureStepStatus": "COMPLETED",
        "PerformedProcedureStepEndDate": "20240102",
        "PerformedProcedureStepEndTime": "0915",
        "PerformedSeriesSequence": [series],
    }
    return last | change


def test_a_modality_begins_and_ends_what_was_ordered(node: Node) -> None:
    orders, uid, study_uid = node.archive.catalog.orders, generate_uid(), generate_uid()
    number = order(node, study_instance_uid=study_uid)
    modality = Modality(node)
    assert modality.begin(uid, study_uid).Status == 0x0000
    assert orders.get(number).state is OrderState.IN_PROGRESS
    duplicate = modality.begin(uid, study_uid)
    assert duplicate.Status == 0x0111
    assert modality.set(uid, PerformedProcedureStepDescription="Chest").Status == 0x0000
    assert modality.set(uid, **ended()).Status == 0x0000
    assert orders.get(number).state is OrderState.COMPLETED
    late = modality.set(uid, PerformedProcedureStepDescription="Head")
    assert (late.Status, late.ErrorID) == (0x0110, 0xA710)
    step = node.archive.catalog.performed.find(uid)
    assert step is not None
    assert (step.state, step.order_id) == (PerformedState.COMPLETED, number)
    assert step.attributes["00400254"]["Value"] == ["Chest"]
    assert [one.sop_instance_uid for one in node.archive.catalog.performed.of_order(number)] == [uid]
    modality.association.release()


def test_what_a_modality_may_not_say_is_refused_with_the_status_of_the_standard(node: Node) -> None:
    modality, uid, study_uid = Modality(node), generate_uid(), generate_uid()
    for status, change in (
        (0x0106, {"PerformedProcedureStepStatus": "COMPLETED"}),
        (0x0120, {"Modality": None}),
        (0x0121, {"PerformedStationAETitle": ""}),
        (0x0121, {"ScheduledStepAttributesSequence": []}),
    ):
        assert modality.begin(uid, study_uid, **change).Status == status, change
    assert modality.set(uid, **ended()).Status == 0x0112
    assert modality.begin(uid, study_uid, "").Status == 0x0000  # nobody had ordered it
    for status, change in (
        (0x0106, {"PatientID": "OTHER"}),
        (0x0106, {"PerformedProcedureStepStatus": "FINISHED"}),
        (0x0120, {"PerformedProcedureStepStatus": "DISCONTINUED"}),
        (0x0121, ended(PerformedSeriesSequence=[])),
    ):
        assert modality.set(uid, **change).Status == status, change
    discontinued = ended(PerformedProcedureStepStatus="DISCONTINUED", PatientID="PAT1")
    assert modality.set(uid, **discontinued).Status == 0x0000
    assert modality.begin(None, study_uid).Status == 0x0000
    modality.association.release()


def test_an_order_that_is_given_up_can_be_begun_again(node: Node) -> None:
    study_uid, first, second = generate_uid(), generate_uid(), generate_uid()
    number = order(node, study_instance_uid=study_uid)
    modality, orders = Modality(node), node.archive.catalog.orders
    modality.begin(first, study_uid)
    modality.begin(second, study_uid)
    modality.set(first, **ended(PerformedProcedureStepStatus="DISCONTINUED"))
    assert orders.get(number).state is OrderState.IN_PROGRESS
    modality.set(second, **ended(PerformedProcedureStepStatus="DISCONTINUED"))
    assert orders.get(number).state is OrderState.DISCONTINUED
    modality.begin(generate_uid(), study_uid)
    assert orders.get(number).state is OrderState.IN_PROGRESS
    modality.association.release()
