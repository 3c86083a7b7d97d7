"""Storage commitment with pynetdicom on the other side: asked on its association, told on ours."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from socketserver import TCPServer
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt

from appliance.dimse.commitment import WELL_KNOWN_INSTANCE, send_report
from appliance.dimse.reporter import LEASE, Reporter
from appliance.dimse.services import COMMITMENT
from appliance.dimse.settings import Peer
from hsm.catalog.commitments import CommitmentState
from hsm.commitment.levels import Level
from tests.appliance.dimse.conftest import Node, small_study
from tests.hsm.objects import dataset

CT = str(dataset().SOPClassUID)
WAIT_S = 20.0


@dataclass
class Modality:
    """A foreign peer that asks, and listens for the answer."""

    port: int
    told: "queue.Queue[tuple[int, Dataset]]"
    status: int = 0x0000

    def ask(self, node: Node, uids: list[str], transaction: str = "", calling: str = "CT1", **change: Any) -> Dataset:
        """Ask for commitment; the answer's status."""
        ae = AE(calling)
        ae.add_requested_context(COMMITMENT, ExplicitVRLittleEndian)
        association = ae.associate("127.0.0.1", node.server.port, ae_title="FIRN")
        assert association.is_established
        asked = Dataset()
        asked.TransactionUID = transaction or generate_uid()
        asked.ReferencedSOPSequence = []
        for uid in uids:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
            asked.ReferencedSOPSequence.append(item)
        for name, value in change.items():
            if name not in ("action", "instance"):
                setattr(asked, name, value)
        status, _ = association.send_n_action(
            asked, change.get("action", 1), COMMITMENT, change.get("instance", WELL_KNOWN_INSTANCE)
        )
        association.release()
        return status


@pytest.fixture
def modality() -> Iterator[Modality]:
    """Listening."""
    with ExitStack() as stack:
        ae = AE("CT1")
        ae.add_supported_context(COMMITMENT, ExplicitVRLittleEndian, scu_role=False, scp_role=True)
        made = Modality(0, queue.Queue())

        def keep(event: Any) -> tuple[int, None]:
            if made.status == 0x0000:
                made.told.put((event.event_type, event.event_information))
            return made.status, None

        server = ae.make_server(("127.0.0.1", 0), evt_handlers=[(evt.EVT_N_EVENT_REPORT, keep)])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        stack.callback(server.server_close)
        stack.callback(thread.join)
        stack.callback(lambda: TCPServer.shutdown(server))
        made.port = server.server_address[1]
        yield made


@pytest.fixture
def asked_node(start: Callable[..., Node], modality: Modality) -> Node:
    """A node that knows where the modality listens."""
    return start(peers={"CT1": Peer("127.0.0.1", modality.port)}, report_poll_s=0.02, connect_s=2.0)


def test_what_was_sent_is_promised_and_what_was_not_is_refused(asked_node: Node, modality: Modality) -> None:
    asked_node.receive(*small_study(2))
    transaction = generate_uid()
    assert modality.ask(asked_node, ["1.2.3.1.1", "1.2.3.2.2", "9.9.9"], transaction).Status == 0x0000
    assert Reporter(asked_node.archive, asked_node.settings).look() == 1
    event_type, report = modality.told.get(timeout=WAIT_S)
    assert (event_type, report.TransactionUID, report.RetrieveAETitle) == (2, transaction, "FIRN")
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.2.3.1.1", "1.2.3.2.2"]
    assert [(i.ReferencedSOPInstanceUID, i.FailureReason) for i in report.FailedSOPSequence] == [("9.9.9", 0x0112)]


def test_a_running_node_tells_by_itself(asked_node: Node, modality: Modality) -> None:
    asked_node.receive(*small_study(1))
    reporter = Reporter(asked_node.archive, asked_node.settings)
    reporter.start()
    try:
        modality.ask(asked_node, ["1.2.3.1.1"])
        event_type, report = modality.told.get(timeout=WAIT_S)
        assert event_type == 1 and "FailedSOPSequence" not in report
    finally:
        reporter.stop()
    assert asked_node.archive.catalog.leases.holder(LEASE, asked_node.archive.clock.now()) is None


def test_a_peer_that_refuses_is_told_again(asked_node: Node, modality: Modality) -> None:
    asked_node.receive(*small_study(1))
    modality.status = 0x0110
    modality.ask(asked_node, ["1.2.3.1.1"])
    reporter = Reporter(asked_node.archive, asked_node.settings)
    assert reporter.look() == 0
    (kept,) = asked_node.archive.catalog.commitments.list()
    assert kept.tries == 1 and "0110" in kept.message and kept.state is CommitmentState.WAITING
    modality.status = 0x0000
    verdict = asked_node.archive.catalog.commitments.verdict(
        kept, kept.look_at, asked_node.settings.commitment_patience
    )
    send_report(asked_node.settings, "CT1", asked_node.settings.peers["CT1"], kept.transaction_uid, verdict)
    assert modality.told.get(timeout=WAIT_S)[0] == 1


def test_a_peer_that_is_gone_or_takes_no_reports_does_not_stop_the_others(
    start: Callable[..., Node], modality: Modality
) -> None:
    peers = {"CT1": Peer("127.0.0.1", modality.port), "GONE": Peer("127.0.0.1", 9), "SELF": Peer("127.0.0.1", 1)}
    node = start(peers=peers, connect_s=2.0)
    node.settings.peers["SELF"] = Peer("127.0.0.1", node.server.port)  # type: ignore[index]
    node.receive(*small_study(1))
    for calling in ("GONE", "SELF", "CT1"):
        assert modality.ask(node, ["1.2.3.1.1"], calling=calling).Status == 0x0000
    assert Reporter(node.archive, node.settings).look() == 1
    waiting = node.archive.catalog.commitments.list(waiting_only=True)
    assert {each.peer_aet for each in waiting} == {"GONE", "SELF"} and all(each.message for each in waiting)


def test_a_higher_level_waits_for_its_copies(start: Callable[..., Node], modality: Modality) -> None:
    node = start(peers={"CT1": Peer("127.0.0.1", modality.port, commit=Level.TWO_COPIES)})
    node.receive(*small_study(1))
    assert modality.ask(node, ["1.2.3.1.1"]).Status == 0x0000
    assert Reporter(node.archive, node.settings).look() == 0
    (kept,) = node.archive.catalog.commitments.list()
    assert (kept.state, kept.tries, kept.level) == (CommitmentState.WAITING, 0, Level.TWO_COPIES)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"action": 2}, 0x0123),
        ({"instance": "1.2.3"}, 0x0112),
        ({"TransactionUID": ""}, 0x0115),
        ({"ReferencedSOPSequence": []}, 0x0115),
        ({"ReferencedSOPSequence": [Dataset()]}, 0x0115),
    ],
)
def test_a_wrong_request_is_refused_and_nothing_is_noted(
    asked_node: Node, modality: Modality, change: dict[str, Any], status: int
) -> None:
    assert modality.ask(asked_node, ["1.2.3"], **change).Status == status
    assert asked_node.archive.catalog.commitments.list() == []


def test_who_cannot_be_answered_is_refused(asked_node: Node, modality: Modality) -> None:
    answer = modality.ask(asked_node, ["1.2.3"], calling="STRANGER")
    assert answer.Status == 0x0110 and "make it a peer" in answer.ErrorComment


def test_a_transaction_uid_is_not_used_twice_for_different_objects(asked_node: Node, modality: Modality) -> None:
    assert modality.ask(asked_node, ["1.2.3"], "1.9.9").Status == 0x0000
    assert modality.ask(asked_node, ["1.2.3"], "1.9.9").Status == 0x0000
    assert modality.ask(asked_node, ["1.2.4"], "1.9.9").Status == 0x0131
