"""C-FIND over the network."""

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from appliance.dimse.commands import NO_DATASET, Code, Field, encode_command
from appliance.dimse.identifiers import encode_identifier
from appliance.dimse.wire import data_pdu
from hsm.catalog import CatalogUnavailable
from tests.appliance.dimse.conftest import Node, small_study
from tests.appliance.dimse.raw import EXPLICIT, IMPLICIT, PATIENT_FIND, STUDY_FIND, RawPeer, keys
from tests.hsm.objects import dataset, part10

BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


def find(peer: RawPeer, identifier: Dataset, sop_class: str = STUDY_FIND) -> tuple[list[Any], int, str]:
    peer.ask(Code.C_FIND, sop_class, identifier)
    pending, final, nothing = peer.answers()
    assert nothing is None
    return pending, final.number(Field.STATUS), final.text(Field.ERROR_COMMENT)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_studies_are_found_in_every_encoding(node: Node, syntax: str) -> None:
    node.receive(*small_study(3))
    with node.peer((STUDY_FIND, syntax)) as peer:
        identifier = keys("STUDY", PatientName="doe*", StudyInstanceUID="", NumberOfStudyRelatedInstances="")
        found, status, _ = find(peer, identifier)
        assert status == 0
        assert [(f.StudyInstanceUID, f.PatientName, f.NumberOfStudyRelatedInstances) for f in found] == [
            ("1.2.3", "Doe^Jane", 3)
        ]
        assert (found[0].RetrieveAETitle, found[0].InstanceAvailability) == ("FIRN", "ONLINE")
        assert "SpecificCharacterSet" not in found[0]


def test_keys_that_are_not_kept_come_back_empty_with_a_warning(node: Node) -> None:
    node.receive(*small_study())
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        peer.ask(Code.C_FIND, STUDY_FIND, keys("STUDY", StudyInstanceUID="", PixelSpacing=""))
        answer, found = peer.next()
        assert answer.number(Field.STATUS) == 0xFF01
        assert found is not None
        assert found.PixelSpacing is None or found.PixelSpacing == ""
        peer.next()


def test_names_come_in_the_character_set_that_was_asked_for_where_it_fits(node: Node) -> None:
    node.receive(part10(dataset(PatientName="Yamada^Tarou=山田^太郎", SpecificCharacterSet=["", "ISO 2022 IR 87"])))
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        own: Any = ["", "ISO 2022 IR 87"]
        for asked, expected in (("ISO_IR 192", "ISO_IR 192"), ("GB18030", "GB18030"), ("ISO_IR 100", own)):
            found, _, _ = find(peer, keys("STUDY", PatientName="", SpecificCharacterSet=asked))
            assert found[0].SpecificCharacterSet == expected
            assert str(found[0].PatientName) == "Yamada^Tarou=山田^太郎"
        found, _, _ = find(peer, keys("STUDY", SpecificCharacterSet="ISO_IR 192", PatientName="山田*", PatientID=""))
        assert found[0].PatientID == "P1"


def test_rules_that_are_broken_are_named_with_the_offending_element(node: Node) -> None:
    with node.peer((STUDY_FIND, EXPLICIT), (PATIENT_FIND, EXPLICIT)) as peer:
        for identifier, status, words in (
            (keys("PATIENT"), 0xA900, "no level PATIENT"),
            (keys("SERIES"), 0xA900, "StudyInstanceUID is needed"),
            (keys("STUDY", StudyDate="tomorrow"), 0xA900, "is no date"),
        ):
            _, answered, comment = find(peer, identifier)
            assert (answered, words in comment) == (status, True), comment
        peer.ask(Code.C_FIND, STUDY_FIND, keys("SERIES"))
        final, _ = peer.next()
        assert final.values[Field.OFFENDING_ELEMENT] == b"\x20\x00\x0d\x00"


@pytest.mark.parametrize("data", [b"", b"\x08\x00\x52\x00CS", b"\xff" * 50, b"\x08\x00\x52\x00CS\xff\xffPATIENT"])
def test_an_identifier_that_makes_no_sense_is_refused_and_the_association_goes_on(node: Node, data: bytes) -> None:
    fields: dict[Field, int | str] = {
        Field.AFFECTED_SOP_CLASS: STUDY_FIND,
        Field.COMMAND: Code.C_FIND,
        Field.MESSAGE_ID: 1,
        Field.PRIORITY: 0,
    }
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        for sent in (data, None):
            peer.command(1, fields, sent)
            final, _ = peer.next()
            assert final.number(Field.STATUS) in (0xA900, 0xC000)
        assert find(peer, keys("STUDY"))[1] == 0


def test_relational_and_combined_queries_are_served_where_negotiated(node: Node) -> None:
    node.receive(*small_study())
    with node.peer((STUDY_FIND, EXPLICIT), extended={STUDY_FIND: b"\x01\x01\x01\x01"}) as peer:
        found, status, _ = find(peer, keys("IMAGE", SOPInstanceUID="1.2.3.1.1"))
        assert (len(found), status) == (1, 0)
        late = keys("STUDY", StudyDate="20240228-20240301", StudyTime="2300-0100")
        assert len(find(peer, late)[0]) == 1
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        assert len(find(peer, late)[0]) == 0  # without negotiation, date and time are matched on their own


def test_a_cancelled_query_stops(node: Node) -> None:
    node.receive(*small_study(4))
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        identifier = keys("IMAGE", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1")
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: STUDY_FIND,
            Field.COMMAND: Code.C_FIND,
            Field.MESSAGE_ID: 9,
            Field.PRIORITY: 0,
        }
        cancel = encode_command({Field.COMMAND: Code.C_CANCEL, Field.RESPONDED_ID: 9, Field.DATASET_TYPE: NO_DATASET})
        peer.send_raw(  # all at once, so that the wish is there before the first answer
            data_pdu(1, 3, encode_command({**fields, Field.DATASET_TYPE: 1}))
            + data_pdu(1, 2, encode_identifier(identifier, EXPLICIT))
            + data_pdu(1, 3, cancel)
        )
        _, final, _ = peer.answers()
        assert final.number(Field.STATUS) == 0xFE00
        peer.cancel(9)  # too late means nothing
        assert find(peer, keys("STUDY"))[1] == 0


def test_too_many_matches_are_said_to_be_too_many(start: Callable[..., Node]) -> None:
    node = start(find_limit=2)
    node.receive(*small_study(4))
    with node.peer((STUDY_FIND, EXPLICIT), extended={STUDY_FIND: b"\x01"}) as peer:
        found, status, comment = find(peer, keys("IMAGE"))
        assert (len(found), status) == (2, 0xA700)
        assert "more than 2 matches" in comment
        assert find(peer, keys("IMAGE", SeriesInstanceUID="1.2.3.1"))[1] == 0


def test_a_catalog_that_is_away_means_try_again_later(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: Any) -> Any:
        raise CatalogUnavailable("the catalog's database does not answer")

    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        with monkeypatch.context() as patched:
            patched.setattr(node.archive.catalog.database, "read", away)
            assert find(peer, keys("STUDY"))[1:] == (0xA700, "the catalog's database does not answer")
        assert find(peer, keys("STUDY"))[1] == 0


def test_an_error_of_ours_ends_the_query_and_not_the_node(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> Any:
        raise ValueError("an answer cannot be encoded")

    node.receive(*small_study())
    with monkeypatch.context() as patched, node.peer((STUDY_FIND, EXPLICIT)) as peer:
        patched.setattr("appliance.dimse.find.encode_identifier", broken)
        assert find(peer, keys("STUDY"))[1] == 0xC001
    with node.peer((STUDY_FIND, EXPLICIT)) as peer:
        assert find(peer, keys("STUDY"))[1] == 0
