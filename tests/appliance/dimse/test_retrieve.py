"""C-MOVE and C-GET of what is on disk."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt

from appliance.dimse.commands import Code, Field
from appliance.dimse.outgoing import batches, proposals
from appliance.dimse.retrieve import Tally
from appliance.dimse.settings import Peer
from appliance.dimse.statuses import Status, comment
from hsm.catalog import CatalogUnavailable
from tests.appliance.dimse.conftest import Node, Receiver, peers, small_study
from tests.appliance.dimse.raw import (
    EXPLICIT,
    IMPLICIT,
    PATIENT_GET,
    PATIENT_MOVE,
    STUDY_GET,
    STUDY_MOVE,
    RawPeer,
    keys,
)
from tests.hsm.objects import CT, TEST_DATA, dataset, part10, stored_data_set

J2K = "1.2.840.10008.1.2.4.90"
MPEG4 = "1.2.840.10008.1.2.4.102"
Started = Callable[..., Node]
Receivers = Callable[..., Receiver]


def move(
    peer: RawPeer, identifier: Dataset, destination: str = "DEST", sop_class: str = STUDY_MOVE
) -> tuple[int, str, tuple[int, int, int], list[str]]:
    """Status, comment, (completed, failed, warning), failed UIDs of the final answer."""
    peer.ask(Code.C_MOVE, sop_class, identifier, message_id=3, destination=destination)
    _, final, listed = peer.answers()
    counters = tuple(final.number(field, 0) for field in (Field.COMPLETED, Field.FAILED, Field.WARNING))
    failed = listed.get("FailedSOPInstanceUIDList") if listed is not None else []
    failed = [failed] if isinstance(failed, str) else list(failed or [])
    return final.number(Field.STATUS), final.text(Field.ERROR_COMMENT), counters, failed  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("sop_class", "identifier", "count"),
    [
        (STUDY_MOVE, keys("STUDY", StudyInstanceUID="1.2.3"), 4),
        (STUDY_MOVE, keys("SERIES", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.2"), 2),
        (
            STUDY_MOVE,
            keys("IMAGE", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", SOPInstanceUID=["1.2.3.1.1"]),
            1,
        ),
        (PATIENT_MOVE, keys("PATIENT", PatientID="P1"), 4),
        (PATIENT_MOVE, keys("STUDY", PatientID="P1", StudyInstanceUID="1.2.3"), 4),
        (PATIENT_MOVE, keys("STUDY", PatientID="P2", StudyInstanceUID="1.2.3"), 0),
        (STUDY_MOVE, keys("STUDY", StudyInstanceUID="9.9"), 0),
    ],
)
def test_every_level_is_moved_byte_for_byte_in_the_name_of_who_asked(
    start: Started, receiver: Receivers, sop_class: str, identifier: Dataset, count: int
) -> None:
    destination = receiver()
    node = start(peers=peers(destination))
    contents = small_study(4)
    node.receive(*contents)
    with node.peer((sop_class, EXPLICIT), calling="WORKSTATION") as peer:
        status, _, counters, _ = move(peer, identifier, sop_class=sop_class)
    assert (status, counters) == (0, (count, 0, 0))
    assert len(destination.objects) == count
    for uid, data in destination.objects.items():
        assert data == node.stored(uid)[0]
    assert set(destination.originators) <= {("WORKSTATION", 3)}
    study = node.archive.catalog.studies.get("1.2.3")
    assert study is not None
    assert (study.accessed_at is not None) is (count > 0)


def test_every_transfer_syntax_is_moved_as_it_lies_there(start: Started, receiver: Receivers) -> None:
    destination = receiver()
    node = start(peers=peers(destination))
    names = ("JPEG2000.dcm", "MR_small_RLE.dcm", "JPEG-lossy.dcm")
    contents = [(TEST_DATA / "test_files" / name).read_bytes() for name in names]
    contents.append(part10(dataset(SOPInstanceUID="1.5.1", StudyInstanceUID="1.5"), ExplicitVRBigEndian))
    contents.append(part10(dataset(SOPInstanceUID="1.5.2", StudyInstanceUID="1.5"), DeflatedExplicitVRLittleEndian))
    contents.append(part10(dataset(SOPInstanceUID="1.5.3", StudyInstanceUID="1.5"), ImplicitVRLittleEndian))
    node.receive(*contents)
    studies = [s.study.study_instance_uid for s in node.archive.catalog.studies.summary()]
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        status, _, counters, _ = move(peer, keys("STUDY", StudyInstanceUID=studies))
    assert (status, counters) == (0, (6, 0, 0))
    for uid, data in destination.objects.items():
        assert (data, destination.syntaxes[uid]) == node.stored(uid)


def test_a_receiver_of_the_default_syntax_gets_uncompressed_objects_written_anew(
    start: Started, receiver: Receivers
) -> None:
    destination = receiver((CT, [IMPLICIT]))
    node = start(peers=peers(destination))
    compressed = (TEST_DATA / "test_files" / "JPEG2000.dcm").read_bytes()
    node.receive(
        part10(dataset(Rows=5)),
        part10(dataset(SOPInstanceUID="1.2.3.5"), ExplicitVRBigEndian),
        part10(dataset(SOPInstanceUID="1.2.3.6", Rows=6), DeflatedExplicitVRLittleEndian),
        part10(dataset(SOPInstanceUID="1.2.3.7"), UID(MPEG4)),
        compressed,
    )
    study = next(
        s.study.study_instance_uid
        for s in node.archive.catalog.studies.summary()
        if s.study.study_instance_uid != "1.2.3"
    )
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        status, words, counters, failed = move(peer, keys("STUDY", StudyInstanceUID="1.2.3"))
        assert (status, counters, failed) == (0xB000, (3, 1, 0), ["1.2.3.7"])
        assert words.startswith("receiver does not take transfer syntax")
        status, words, counters, _ = move(peer, keys("STUDY", StudyInstanceUID=study))
        assert (status, counters) == (0xA702, (0, 1, 0))
        assert words == "receiver does not take this SOP class"
    assert destination.objects["1.2.3.4"] == stored_data_set(part10(dataset(Rows=5), ImplicitVRLittleEndian))
    assert destination.objects["1.2.3.5"] == stored_data_set(
        part10(dataset(SOPInstanceUID="1.2.3.5"), ImplicitVRLittleEndian)
    )
    assert destination.objects["1.2.3.6"] == stored_data_set(
        part10(dataset(SOPInstanceUID="1.2.3.6", Rows=6), ImplicitVRLittleEndian)
    )


def test_a_destination_that_is_unknown_or_away_is_said_to_be(start: Started) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        node = start(peers={"DEST": Peer("127.0.0.1", unused.getsockname()[1])})
        node.receive(*small_study())
        with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
            study = keys("STUDY", StudyInstanceUID="1.2.3")
            status, words, _, _ = move(peer, study, "NOBODY")
            assert (status, words) == (0xA801, "move destination NOBODY is not configured")
            status, words, counters, failed = move(peer, study)
            assert (status, counters) == (0xA702, (0, 2, 0))
            assert "cannot be reached" in words
            assert sorted(failed) == ["1.2.3.1.1", "1.2.3.2.2"]


def test_a_destination_that_rejects_or_refuses_is_quoted(start: Started, receiver: Receivers) -> None:
    refusing = receiver()
    refusing.status = 0xA700
    rejecting = receiver()
    rejecting.ae.require_calling_aet = ["SOMEBODY"]
    warning = receiver()
    warning.status = 0xB007
    node = start(
        peers={
            "REFUSING": Peer("127.0.0.1", refusing.port),
            "REJECTING": Peer("127.0.0.1", rejecting.port),
            "WARNING": Peer("127.0.0.1", warning.port),
        }
    )
    node.receive(*small_study())
    study = keys("STUDY", StudyInstanceUID="1.2.3")
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        assert move(peer, study, "REFUSING")[:3] == (0xA702, "the receiver answers status A700", (0, 2, 0))
        status, words, counters, _ = move(peer, study, "REJECTING")
        assert (status, counters, "rejects us" in words) == (0xA702, (0, 2, 0), True)
        assert move(peer, study, "WARNING")[:3] == (0xB000, "", (0, 0, 2))


def test_a_destination_that_breaks_off_costs_only_its_own_move(start: Started, receiver: Receivers) -> None:
    ae = AE("BREAKING")
    ae.add_supported_context(CT, EXPLICIT)
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: event.assoc.abort() or 0)]
    )
    assert server is not None
    try:
        node = start(peers={"BREAKING": Peer("127.0.0.1", server.server_address[1])})
        node.receive(*small_study(3))
        with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
            status, words, counters, _ = move(peer, keys("STUDY", StudyInstanceUID="1.2.3"), "BREAKING")
            assert (status, counters) == (0xA702, (0, 3, 0))
            assert words
    finally:
        server.shutdown()


def test_a_peer_that_is_no_dicom_node_is_no_destination(start: Started) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x00\x04\0\0\0\0", b""):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        talker = threading.Thread(target=talk)
        talker.start()
        node = start(peers={"DEST": Peer("127.0.0.1", listener.getsockname()[1])})
        node.receive(*small_study(1))
        with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
            said = [move(peer, keys("STUDY", StudyInstanceUID="1.2.3")) for _ in range(3)]
        talker.join()
    assert [one[0] for one in said] == [0xA702] * 3
    assert all("associat" in one[1] for one in said)


def test_a_move_is_cancelled_between_two_objects(start: Started, receiver: Receivers) -> None:
    destination = receiver()
    node = start(peers=peers(destination))
    node.receive(*small_study(6))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        destination.on_store = lambda: peer.cancel(3) if len(destination.objects) == 1 else None
        peer.ask(Code.C_MOVE, STUDY_MOVE, keys("STUDY", StudyInstanceUID="1.2.3"), message_id=3, destination="DEST")
        _, final, _ = peer.answers()
        assert final.number(Field.STATUS) == 0xFE00
        assert (final.number(Field.COMPLETED), final.number(Field.REMAINING)) == (2, 4)
    assert len(destination.objects) == 2


def test_identifiers_that_break_a_rule_are_refused(start: Started, receiver: Receivers) -> None:
    node = start(peers=peers(receiver()))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        assert move(peer, keys("STUDY"))[:2] == (0xA900, "StudyInstanceUID is missing at level STUDY")
        assert move(peer, keys("PATIENT", PatientID="P1"))[0] == 0xA900


def test_a_catalog_that_is_away_is_said_to_be(
    start: Started, receiver: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: Any) -> Any:
        raise CatalogUnavailable("the catalog's database does not answer")

    node = start(peers=peers(receiver()))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        monkeypatch.setattr(node.archive.catalog.database, "read", away)
        assert move(peer, keys("STUDY", StudyInstanceUID="1.2.3"))[:2] == (
            0xA702,
            "the catalog's database does not answer",
        )


def test_a_file_that_is_gone_from_the_pool_is_one_failure(start: Started, receiver: Receivers) -> None:
    node = start(peers=peers(receiver()))
    node.receive(*small_study(2))
    found = node.archive.catalog.intake.find("1.2.3.1.1")
    assert found is not None
    assert found.file is not None
    (found.file.directory / found.file.path).unlink()
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        status, words, counters, failed = move(peer, keys("STUDY", StudyInstanceUID="1.2.3"))
    assert (status, counters, failed) == (0xB000, (1, 1, 0), ["1.2.3.1.1"])
    assert words


# -- C-GET --


def get(
    peer: RawPeer, identifier: Dataset, sop_class: str = STUDY_GET, on_object: Any = None
) -> tuple[Any, dict[str, bytes]]:
    """The final answer, and the data sets that came, each acknowledged."""
    peer.ask(Code.C_GET, sop_class, identifier, message_id=3)
    got: dict[str, bytes] = {}
    while True:
        context_id, command = peer.channel.read_command(20)
        data = peer.channel.read_identifier(context_id, command)
        if command.code != Code.C_STORE:
            if command.number(Field.STATUS) == 0xFF00:
                continue
            return command, got
        got[command.text(Field.AFFECTED_SOP_INSTANCE)] = data
        assert command.text(Field.ORIGINATOR_AET) == ""
        status = on_object(len(got)) if on_object else 0
        peer.command(
            context_id,
            {
                Field.AFFECTED_SOP_CLASS: command.text(Field.AFFECTED_SOP_CLASS),
                Field.COMMAND: Code.C_STORE | 0x8000,
                Field.RESPONDED_ID: command.number(Field.MESSAGE_ID),
                Field.STATUS: status or 0,
                Field.AFFECTED_SOP_INSTANCE: command.text(Field.AFFECTED_SOP_INSTANCE),
            },
        )


def test_objects_come_on_the_association_that_asked(node: Node) -> None:
    node.receive(*small_study(3))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        final, got = get(peer, keys("STUDY", StudyInstanceUID="1.2.3"))
        assert final.number(Field.STATUS) == 0
        assert got == {uid: node.stored(uid)[0] for uid in ("1.2.3.1.1", "1.2.3.2.2", "1.2.3.1.3")}
    with node.peer((PATIENT_GET, EXPLICIT), (CT, IMPLICIT), roles=[CT]) as peer:
        final, got = get(peer, keys("PATIENT", PatientID="P1"), PATIENT_GET)
        assert (final.number(Field.STATUS), len(got)) == (0, 3)


def test_who_does_not_offer_to_receive_gets_nothing(node: Node) -> None:
    node.receive(*small_study(2))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT)) as peer:
        final, got = get(peer, keys("STUDY", StudyInstanceUID="1.2.3"))
        assert (final.number(Field.STATUS), got) == (0xA702, {})
        assert final.text(Field.ERROR_COMMENT) == "receiver does not take this SOP class"


def test_a_get_is_cancelled_between_two_objects(node: Node) -> None:
    node.receive(*small_study(4))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:

        def stop(count: int) -> None:
            if count == 2:
                peer.cancel(3)

        final, got = get(peer, keys("STUDY", StudyInstanceUID="1.2.3"), on_object=stop)
        assert final.number(Field.STATUS) == 0xFE00
        assert len(got) == 2
        assert final.number(Field.REMAINING) == 2


def test_a_wish_to_stop_after_the_last_object_is_granted(node: Node) -> None:
    node.receive(*small_study(1))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        final, got = get(peer, keys("STUDY", StudyInstanceUID="1.2.3"), on_object=lambda _: peer.cancel(3))
        assert final.number(Field.STATUS) == 0xFE00
        assert (len(got), final.number(Field.COMPLETED)) == (1, 1)


def test_objects_the_peer_refuses_are_counted_and_listed(node: Node) -> None:
    node.receive(*small_study(2))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        final, _ = get(peer, keys("STUDY", StudyInstanceUID="1.2.3"), on_object=lambda n: 0xA700 if n == 1 else 0)
        assert final.number(Field.STATUS) == 0xB000
        assert (final.number(Field.COMPLETED), final.number(Field.FAILED)) == (1, 1)


def test_a_peer_that_answers_something_else_is_cut_off(node: Node) -> None:
    node.receive(*small_study(2))
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        peer.ask(Code.C_GET, STUDY_GET, keys("STUDY", StudyInstanceUID="1.2.3"))
        while peer.next()[0].code != Code.C_STORE:
            continue
        peer.command(1, {Field.COMMAND: Code.C_ECHO, Field.MESSAGE_ID: 9})
        assert peer.until_closed()[:1] == b"\x07"


# -- decisions --


def test_contexts_are_proposed_one_a_combination_with_the_default_behind() -> None:
    assert proposals([(CT, EXPLICIT), (CT, EXPLICIT), (CT, J2K)]) == [[(CT, EXPLICIT), (CT, J2K), (CT, IMPLICIT)]]
    assert proposals([(CT, J2K)]) == [[(CT, J2K), (CT, EXPLICIT), (CT, IMPLICIT)]]
    assert proposals([(CT, IMPLICIT)]) == [[(CT, IMPLICIT), (CT, EXPLICIT)]]
    assert proposals([(CT, MPEG4)]) == [[(CT, MPEG4)]]


def test_more_combinations_than_one_association_holds_make_several() -> None:
    classes = [f"1.2.840.10008.5.1.4.1.1.{n}" for n in range(100)]
    items = [((uid, EXPLICIT), number) for number, uid in enumerate(classes)]
    made = list(batches(items))
    assert [len(proposed) for proposed, _ in made] == [128, 72]
    assert sorted(number for _, numbers in made for number in numbers) == list(range(100))
    assert list(batches([])) == []


def test_counters_stay_within_their_16_bits() -> None:
    tally = Tally(100_000, completed=70_000)
    assert tally.counters(True)[Field.COMPLETED] == 0xFFFF
    assert tally.counters(True)[Field.REMAINING] == 30_000
    assert Field.REMAINING not in tally.counters(False)
    assert tally.outcome() is Status.SUCCESS


def test_a_comment_is_one_short_line_of_ascii() -> None:
    assert comment("über\nzwei\\Zeilen " + "x" * 99) == ("?ber zwei/Zeilen " + "x" * 99)[:64]
