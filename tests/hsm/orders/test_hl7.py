"""HL7 messages: what is understood, what is answered, what is kept."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable
from hsm.orders.hl7_answer import take
from hsm.orders.model import OrderRecord
from hsm.states import OrderState
from tests.hsm.orders.messages import message, orm

NOW = datetime(2024, 1, 1, 8, tzinfo=UTC)
BERLIN = timezone(timedelta(hours=1))


def send(catalog: Catalog, raw: bytes, zone: timezone = UTC) -> list[list[str]]:
    """The segments of the answer, each as its fields."""
    return [line.split("|") for line in take(raw, "192.0.2.7", catalog, zone, NOW).decode().strip("\r").split("\r")]


def code(answer: list[list[str]]) -> str:
    return answer[1][1]


def only(catalog: Catalog) -> OrderRecord:
    (order,) = catalog.orders.list()
    return order


def test_an_order_says_who_is_examined_when_and_how(catalog: Catalog) -> None:
    answer = send(catalog, orm(control="77", study_uid="1.2.3.4"), BERLIN)
    assert answer[1] == ["MSA", "AA", "77"]
    assert answer[0][8] == "ACK^O01^ACK"
    assert answer[0][2:6] == ["FIRN", "ARCHIVE", "RIS", "HOSPITAL"]
    order = only(catalog)
    fields = order.fields
    assert fields.scheduled_at == datetime(2024, 1, 2, 8, tzinfo=UTC)
    assert (fields.patient_id, fields.issuer, fields.patient_name) == ("PAT1", "HOSP", "DOE^JANE^^DR")
    assert (fields.birth_date, fields.sex) == (date(1970, 2, 3), "F")
    assert (fields.accession_number, fields.procedure_id, fields.step_id) == ("A4711", "RP4711", "S4711")
    assert (fields.placer_number, fields.filler_number) == ("P4711", "F4711")
    assert (fields.modality, fields.body_part, fields.study_instance_uid) == ("CT", "CHEST", "1.2.3.4")
    assert (fields.procedure_code, fields.procedure, fields.procedure_scheme) == ("CTCH", "CT of chest", "LOCAL")
    assert (fields.referring_physician, fields.performing_physician) == ("REFERRER^RUTH", "PERFORMER^PETER")
    assert fields.duration_s == 1200
    assert order.state is OrderState.SCHEDULED


def test_a_change_keeps_what_it_does_not_say_and_a_cancel_ends_it(catalog: Catalog) -> None:
    send(catalog, orm("1"))
    change = message("ORM^O01", "2", "PID|||PAT1^^^HOSP^MR", "ORC|XO|P4711|F4711||||^^^20240103", "OBR|||||||||||")
    assert code(send(catalog, change)) == "AA"
    assert only(catalog).fields.scheduled_at == datetime(2024, 1, 3, tzinfo=UTC)
    assert only(catalog).fields.patient_name == "DOE^JANE^^DR"
    assert code(send(catalog, orm("3", "SC", status="IP"))) == "AA"
    assert only(catalog).state is OrderState.IN_PROGRESS
    assert code(send(catalog, orm("4", "CA"))) == "AA"
    assert only(catalog).state is OrderState.DISCONTINUED
    answer = send(catalog, orm("5", "XO"))
    assert (code(answer), answer[2][3].split("^")[0]) == ("AE", "204")


def test_the_same_message_again_is_answered_and_not_done_again(catalog: Catalog) -> None:
    send(catalog, orm("1"))
    send(catalog, orm("2", at="20240105"))
    assert code(send(catalog, orm("1"))) == "AA"
    assert only(catalog).fields.scheduled_at == datetime(2024, 1, 5, tzinfo=UTC)


def test_newer_messages_name_the_modality_in_their_own_segment(catalog: Catalog) -> None:
    timed = "TQ1|1||||||20240102101500+0100|||||||||||||||"
    omi = message(
        "OMI^O23^OMI_O23",
        "1",
        "PID|1||9~PAT2^^^HOSP^MR||ROE^RIC",
        "ORC|NW|P1|F1",
        timed,
        "OBR|1|P1|F1|MRK^MR knee^L",
        "IPC|ACC1|RP1|1.2.9|S1|MR|||ROOM 2|MR_AET",
    )
    assert code(send(catalog, omi)) == "AA"
    fields = only(catalog).fields
    assert fields.scheduled_at == datetime(2024, 1, 2, 9, 15, tzinfo=UTC)
    assert (fields.patient_id, fields.modality, fields.station_aet) == ("PAT2", "MR", "MR_AET")
    assert (fields.accession_number, fields.study_instance_uid, fields.location) == ("ACC1", "1.2.9", "ROOM 2")
    omg = message("OMG^O19", "2", "PID|1||PAT3", "ORC|NW|P2", timed, "OBR|1|P2||X^Y^L||||||||||||||||||||CT")
    assert code(send(catalog, omg)) == "AA"
    assert catalog.orders.list(patient_id="PAT3")[0].fields.accession_number == "F2"


@pytest.mark.parametrize(
    ("charset", "encoding", "name", "kept"),
    [
        ("UNICODE UTF-8", "utf_8", "ΠΑΠΠΑΣ^ΝΙΚΟΣ", "ΠΑΠΠΑΣ^ΝΙΚΟΣ"),
        ("8859/1", "latin_1", "MÜLLER^JÜRGEN", "MÜLLER^JÜRGEN"),
        ("8859/5", "iso8859_5", "ЛЮК^СЕРГЕЙ", "ЛЮК^СЕРГЕЙ"),
        ("GB 18030-2000", "gb18030", "王^小东", "王^小东"),
        (
            "~ISO IR87",
            "iso2022_jp",
            "YAMADA^TARO^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P",
            "YAMADA^TARO=山田^太郎=やまだ^たろう",
        ),
    ],
)
def test_names_arrive_in_the_character_set_of_their_message(
    catalog: Catalog, charset: str, encoding: str, name: str, kept: str
) -> None:
    assert code(send(catalog, orm(name=name, charset=charset, encoding=encoding))) == "AA"
    assert only(catalog).fields.patient_name == kept


@pytest.mark.parametrize(
    ("raw", "answer", "number"),
    [
        (b"PID|no header", "AR", "100"),
        (message("ORU^R01", "1", "PID|||1"), "AR", "200"),
        (message("ORM^O02", "1", "PID|||1"), "AR", "201"),
        (orm(version="3.0"), "AR", "203"),
        (orm().replace(b"|P|", b"|T|"), "AR", "202"),
        (orm(control=""), "AR", "101"),
        (orm(charset="EBCDIC"), "AE", "103"),
        (orm(name="M\u00dcLLER", encoding="latin_1"), "AE", "102"),
        (orm(at="soon"), "AE", "102"),
        (orm(at="20241341"), "AE", "102"),
        (orm(modality=""), "AE", "101"),
        (orm(patient=""), "AE", "101"),
        (orm(doing="QQ"), "AE", "103"),
        (orm(doing="SC", status="ZZ"), "AE", "103"),
        (orm(doing="CA", order="0815"), "AE", "204"),
        (orm(order="12345678901234567"), "AE", "102"),
        (orm().replace(b"19700203", b"19709999"), "AE", "102"),
        (message("ORM^O01", "1", "PID|||1"), "AE", "100"),
        (message("ORM^O01", "1", "ORC|NW|1"), "AE", "100"),
        (message("ORM^O01", "1", "PID|||1", "ORC|NW"), "AE", "101"),
        (message("ADT^A40", "1", "PID|||1"), "AE", "100"),
        (message("ADT^A40", "1", "PID|||1", "MRG|"), "AE", "101"),
        (message("ADT^A08", "1"), "AE", "100"),
        (message("ORM^O01", "1", *["NTE|"] * 2001), "AR", "100"),
    ],
)
def test_what_is_not_understood_is_said_and_kept(catalog: Catalog, raw: bytes, answer: str, number: str) -> None:
    said = send(catalog, raw)
    assert (code(said), said[2][3].split("^")[0]) == (answer, number)
    assert catalog.orders.list() == []
    (kept,) = catalog.order_messages.quarantined()
    assert (kept.raw, kept.answer, kept.address) == (raw, answer, "192.0.2.7")
    send(catalog, raw)
    assert [one.tries for one in catalog.order_messages.quarantined()] == [2]
    catalog.order_messages.settle(kept.id, "anna", NOW)
    assert catalog.order_messages.quarantined() == []
    assert catalog.order_messages.get(kept.id).raw == raw


def test_the_number_of_another_patients_order_changes_nothing(catalog: Catalog) -> None:
    send(catalog, orm("1"))
    before = only(catalog)
    said = send(catalog, orm("2", patient="PAT2"))
    assert (code(said), said[2][3].split("^")[0]) == ("AE", "204")
    assert only(catalog).fields == before.fields


@pytest.mark.parametrize("odd", ["\N{SUPERSCRIPT TWO}", "9" * 5000, "-1", "1e3"])
def test_an_odd_duration_is_not_taken_for_one(catalog: Catalog, odd: str) -> None:
    raw = orm("1", charset="UNICODE UTF-8", encoding="utf-8").replace(b"M20^", f"M{odd}^".encode())
    assert code(send(catalog, raw)) == "AA"
    assert only(catalog).fields.duration_s == 1800, "what an order has that says none"


def test_an_offset_that_no_place_has_is_no_time(catalog: Catalog) -> None:
    assert code(send(catalog, orm("1").replace(b"20240101080000", b"20240101080000+9900"))) == "AA"
    said = send(catalog, orm("2", at="20240102090000+9900", order="12"))
    assert (code(said), said[2][3].split("^")[0]) == ("AE", "102")


def test_whatever_breaks_is_answered_and_kept(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("hsm.orders.hl7_answer.wishes", broken)
    said = send(catalog, orm("1"))
    assert (code(said), said[2][3].split("^")[0]) == ("AE", "207")
    assert len(catalog.order_messages.quarantined()) == 1


def test_what_was_not_understood_is_done_when_it_comes_again_and_can_be(catalog: Catalog) -> None:
    cancel = orm("2", "CA")
    assert code(send(catalog, cancel)) == "AE"
    send(catalog, orm("1"))
    assert code(send(catalog, cancel)) == "AA"
    assert only(catalog).state is OrderState.CANCELLED
    assert catalog.order_messages.quarantined() == []


def test_a_message_with_several_orders_is_done_whole_or_not_at_all(catalog: Catalog) -> None:
    head = "PID|||PAT1"
    good = "OBR|1|1||X^Y^L||||||||||||||||||||CT|||^^^20240102"
    both = message("ORM^O01", "1", head, "ORC|NW|1", good, "ORC|NW|2", good.replace("20240102", ""))
    assert code(send(catalog, both)) == "AE"
    assert catalog.orders.list() == []


def test_a_patient_is_updated_and_merged_in_open_orders_and_it_is_noted_for_studies(catalog: Catalog) -> None:
    send(catalog, orm("1"))
    update = message("ADT^A08^ADT_A01", "2", "EVN|A08", 'PID|1||PAT1^^^HOSP^MR||SMITH^JANE||""|O')
    assert code(send(catalog, update)) == "AA"
    fields = only(catalog).fields
    assert (fields.patient_name, fields.birth_date, fields.sex) == ("SMITH^JANE", None, "O")
    merge = message("ADT^A40", "3", "PID|1||PAT9^^^HOSP^MR||SMITH^JANE", "MRG|PAT1^^^HOSP^MR")
    assert code(send(catalog, merge)) == "AA"
    assert only(catalog).fields.patient_id == "PAT9"
    merged, updated = catalog.orders.patient_changes(waiting=True)
    assert (merged.kind, merged.patient_id, merged.prior_id, merged.orders) == ("merge", "PAT9", "PAT1", 1)
    assert (updated.kind, updated.fields["patient_name"]) == ("update", "SMITH^JANE")
    catalog.orders.settle_patient_change(merged.id, NOW)
    assert [change.id for change in catalog.orders.patient_changes(waiting=True)] == [updated.id]


def test_while_the_catalog_is_away_nothing_is_acknowledged(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bool:
        raise CatalogUnavailable("locked")

    monkeypatch.setattr(catalog.order_messages, "accept", away)
    monkeypatch.setattr(catalog.order_messages, "quarantine", away)
    for raw in (orm(), b"PID"):
        said = send(catalog, raw)
        assert (code(said), said[2][3].split("^")[0]) == ("AE", "207")


def test_hostile_text_does_not_break_the_answer(catalog: Catalog) -> None:
    raw = orm().replace(b"|1|P|2.5.1", b"|a~b&c\\|P|2.5.1").replace(b"RIS|HOSPITAL", b"R~IS|H\x07OSP")
    answer = take(raw, "192.0.2.7", catalog, UTC, NOW)
    assert answer.count(b"\r") >= 2
    assert answer.split(b"\r")[1].startswith(b"MSA|A")
