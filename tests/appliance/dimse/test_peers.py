"""Peers that come and go while the node runs, what each may do, and C-ECHO to real ones."""

import socket
from collections.abc import Callable

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE

from appliance.dimse.directory import Directory
from appliance.dimse.echo import echo
from appliance.dimse.settings import DimseSettings, Peer
from appliance.peers import check_all
from drivers.clock import SystemClock
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable
from hsm.peers.model import Peering, PeerRecord, PeerRight
from tests.appliance.dimse.conftest import Node, Receiver, small_study
from tests.hsm.objects import dataset

VERIFICATION = "1.2.840.10008.1.1"
CT, FIND = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.2.2.1"
GET, COMMITMENT = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.1.20.1"
IMPLICIT = "1.2.840.10008.1.2"
OURS = DimseSettings(ae_title="FIRN")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_peer_that_is_there_answers_a_c_echo(node: Node, receiver: Callable[..., Receiver]) -> None:
    foreign = receiver((VERIFICATION, [IMPLICIT]))
    assert echo(OURS, PeerRecord("DEST", "127.0.0.1", foreign.port)).answered
    told = echo(OURS, PeerRecord("FIRN", "127.0.0.1", node.server.port))  # our own node is one, too
    assert (told.answered, told.text) == (True, "")


def test_a_peer_that_is_away_or_odd_says_why(receiver: Callable[..., Receiver]) -> None:
    away = echo(OURS, PeerRecord("AWAY", "127.0.0.1", free_port()))
    assert not away.answered and "cannot be reached" in away.text
    deaf = echo(OURS, PeerRecord("DEST", "127.0.0.1", receiver((CT, [IMPLICIT])).port))
    assert not deaf.answered and "does not take a C-ECHO" in deaf.text


def test_every_peer_is_asked_and_the_answers_are_kept(node: Node) -> None:
    catalog = node.archive.catalog
    catalog.peers.add(PeerRecord("AWAY", "127.0.0.1", free_port()), (), "boss", SystemClock().now())
    known = Peering((PeerRecord("FIRN", "127.0.0.1", node.server.port, configured=True),), lambda p: echo(OURS, p))
    assert [peer.ae_title for peer in check_all(catalog, known, SystemClock())] == ["AWAY"]
    assert {title: check.answered for title, check in catalog.peers.checks().items()} == {"FIRN": True, "AWAY": False}


def test_a_peer_that_is_added_counts_without_a_restart(node: Node, monkeypatch: object) -> None:
    catalog: Catalog = node.archive.catalog
    directory = Directory({"FILE": Peer("h", 1)}, catalog)
    assert list(directory) == ["FILE"]
    catalog.peers.add(PeerRecord("WS1", "h", 2), (), "boss", SystemClock().now())
    catalog.peers.add(PeerRecord("FILE", "other", 3), (), "boss", SystemClock().now())
    directory._look_at_s = 0.0
    assert directory["WS1"] == Peer("h", 2)
    assert directory["FILE"] == Peer("h", 1)
    assert len(directory) == 2

    class Away:
        def list(self) -> list[PeerRecord]:
            raise CatalogUnavailable("away")

    directory._look_at_s, catalog.peers = 0.0, Away()  # type: ignore[assignment]
    assert "WS1" in directory


def test_a_peer_does_only_what_it_may(start: Callable[..., Node]) -> None:
    rights = {"READER": frozenset({PeerRight.QUERY}), "WRITER": frozenset({PeerRight.STORE})}
    node = start(peers={name: Peer("127.0.0.1", free_port(), rights=some) for name, some in rights.items()})
    node.receive(*small_study(1))
    ae = AE("WRITER")
    ae.add_requested_context(FIND)
    for uid in (CT, GET, COMMITMENT):
        ae.add_requested_context(uid)
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", ""
    for title, found, stored in (("WRITER", 0x0124, 0x0000), ("READER", 0x0000, 0x0124), ("STRANGER", 0x0000, 0x0000)):
        ae.ae_title = title
        association = ae.associate("127.0.0.1", node.server.port)
        assert association.is_established
        answers = [status.Status for status, _ in association.send_c_find(wanted, FIND)]
        assert answers[-1] == found, title
        one = dataset(SOPInstanceUID=f"1.9.{len(title)}", StudyInstanceUID="1.9")
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        assert association.send_c_store(one).Status == stored, title
        wanted.StudyInstanceUID = "1.2.3"
        answers = [status.Status for status, _ in association.send_c_get(wanted, GET)]
        assert (answers[-1] == 0x0124) == (title != "STRANGER"), title
        asked = Dataset()
        asked.TransactionUID = "1.2.3.4"
        status, _ = association.send_n_action(asked, 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
        assert (status.Status == 0x0124) == (title != "STRANGER"), title
        wanted.StudyInstanceUID = ""
        association.release()
