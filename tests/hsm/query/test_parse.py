from datetime import date
from typing import Any

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from hsm.query.matching import AnyNumber, AnyText, AnyUid, DateRange, ItemMatch, MomentRange, NameMatch, TimeRange
from hsm.query.model import Level, Model, QueryInvalid
from hsm.query.parse import MAX_UIDS, match_of, parse_query, parse_retrieval


def ask(level: str | None = "STUDY", **keys: Any) -> Dataset:
    identifier = Dataset()
    if level is not None:
        identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def conditions(identifier: Dataset, model: Model = Model.STUDY_ROOT, **options: bool) -> dict[int, Any]:
    return {c.tag: c.match for c in parse_query(identifier, model, **options).conditions}


def refused(identifier: Dataset, model: Model = Model.STUDY_ROOT) -> tuple[int, str]:
    with pytest.raises(QueryInvalid) as caught:
        parse_query(identifier, model)
    assert len(str(caught.value)) <= 64
    return caught.value.status, str(caught.value)


def test_keys_become_conditions_by_their_kind() -> None:
    found = conditions(
        ask(
            PatientName="Doe*",
            PatientID="P1",
            StudyInstanceUID=["1.2", "1.3"],
            StudyDate="20240101-20241231",
            StudyTime="10-1130",
            ModalitiesInStudy=["CT", "MR"],
            NumberOfStudyRelatedInstances="3",
            StudyDescription="*",
            AccessionNumber="",
        )
    )
    assert found == {
        0x00100010: NameMatch(("Doe*",)),
        0x00100020: AnyText(("P1",)),
        0x0020000D: AnyUid(("1.2", "1.3")),
        0x00080020: DateRange(date(2024, 1, 1), date(2024, 12, 31)),
        0x00080030: TimeRange("100000.000000", "113059.999999"),
        0x00080061: AnyText(("CT", "MR")),
        0x00201208: AnyNumber((3.0,)),
    }


def test_open_ranges_single_days_and_single_times_are_understood() -> None:
    assert conditions(ask(StudyDate="-20240101"))[0x00080020] == DateRange(None, date(2024, 1, 1))
    assert conditions(ask(StudyDate="20240101-"))[0x00080020] == DateRange(date(2024, 1, 1), None)
    assert conditions(ask(StudyDate="20240101"))[0x00080020] == DateRange(date(2024, 1, 1), date(2024, 1, 1))
    assert conditions(ask(StudyTime="10"))[0x00080030] == TimeRange("100000.000000", "105959.999999")
    assert conditions(ask(StudyTime="101112.25"))[0x00080030] == TimeRange("101112.250000", "101112.259999")
    assert conditions(ask(StudyTime="-10"))[0x00080030] == TimeRange("", "105959.999999")
    assert conditions(ask(StudyTime="10-"))[0x00080030] == TimeRange("100000.000000", "")


def test_date_and_time_are_one_range_where_that_was_negotiated() -> None:
    identifier = ask(StudyDate="20240101-20240102", StudyTime="1000-1100")
    query = parse_query(identifier, Model.STUDY_ROOT, combined=True)
    assert query.study_moments == MomentRange("20240101100000000000", "20240102110059999999")
    assert [c.tag for c in query.conditions] == [0x00080020]
    assert parse_query(identifier, Model.STUDY_ROOT).study_moments is None
    assert parse_query(ask(StudyDate="20240101"), Model.STUDY_ROOT, combined=True).study_moments is None
    half = parse_query(ask(StudyDate="20240101-", StudyTime="1000-"), Model.STUDY_ROOT, combined=True)
    assert half.study_moments == MomentRange("20240101100000000000", "")


def test_what_is_wanted_back_keeps_its_order_and_unsupported_keys_match_everything() -> None:
    identifier = ask(PatientName="", StudyInstanceUID="", Modality="CT", PixelSpacing="")
    identifier.add_new(0x00091001, "LO", "private")
    identifier.add_new(0x00080000, "UL", 10)
    identifier.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    query = parse_query(identifier, Model.STUDY_ROOT)
    assert query.conditions == ()
    assert [w.tag for w in query.wanted] == [0x00080060, 0x00091001, 0x00100010, 0x0020000D, 0x00280030]
    assert query.character_set == ("", "ISO 2022 IR 87")


def test_a_sequence_key_matches_by_its_one_item() -> None:
    inside = ask(None, ScheduledProcedureStepID="S1", RequestedProcedureID="")
    identifier = ask("SERIES", StudyInstanceUID="1.2", RequestAttributesSequence=Sequence([inside]))
    query = parse_query(identifier, Model.STUDY_ROOT)
    assert {c.tag: c.match for c in query.conditions}[0x00400275] == ItemMatch((("00400009", AnyText(("S1",))),))
    assert [(w.tag, [i.tag for i in w.inside]) for w in query.wanted] == [
        (0x0020000D, []),
        (0x00400275, [0x00400009, 0x00401001]),
    ]
    empty = ask("SERIES", StudyInstanceUID="1.2", RequestAttributesSequence=Sequence([]))
    assert len(parse_query(empty, Model.STUDY_ROOT).conditions) == 1
    universal = ask(
        "SERIES", StudyInstanceUID="1.2", RequestAttributesSequence=Sequence([ask(None, ScheduledProcedureStepID="")])
    )
    assert len(parse_query(universal, Model.STUDY_ROOT).conditions) == 1
    two = ask("SERIES", StudyInstanceUID="1.2", RequestAttributesSequence=Sequence([inside, inside]))
    assert "more than one item" in refused(two)[1]


@pytest.mark.parametrize(
    ("identifier", "model", "words"),
    [
        (ask(None), Model.STUDY_ROOT, "Level is missing"),
        (ask("PATIENT"), Model.STUDY_ROOT, "no level PATIENT"),
        (ask("FRAME"), Model.PATIENT_ROOT, "no level FRAME"),
        (ask("SERIES", StudyInstanceUID="1.2"), Model.PATIENT_STUDY_ONLY, "no level SERIES"),
        (ask("SERIES"), Model.STUDY_ROOT, "StudyInstanceUID is needed at level SERIES"),
        (ask("STUDY"), Model.PATIENT_ROOT, "PatientID is needed at level STUDY"),
        (ask("STUDY", PatientID="*"), Model.PATIENT_ROOT, "PatientID is needed"),
        (ask("IMAGE", StudyInstanceUID="1.2"), Model.STUDY_ROOT, "SeriesInstanceUID is needed"),
        (ask(StudyInstanceUID="1.2*"), Model.STUDY_ROOT, "is no UID"),
    ],
)
def test_hierarchical_rules_are_kept(identifier: Dataset, model: Model, words: str) -> None:
    status, text = refused(identifier, model)
    assert status == 0xA900
    assert words in text


def test_relational_queries_need_no_upper_keys() -> None:
    assert parse_query(ask("IMAGE"), Model.PATIENT_ROOT, relational=True).level is Level.IMAGE


@pytest.mark.parametrize(
    ("tag", "vr", "value", "words"),
    [
        (0x00080020, "LO", "yesterday", "is no date"),
        (0x00080020, "LO", "20240101-tomorrow", "is no date"),
        (0x00080030, "LO", "2570", "is no time"),
        (0x00201208, "LO", "1-5", "is no number"),
        (0x00100010, "PN", "x" * 2000, "too long"),
        (0x0020000D, "UI", ["1.2"] * (MAX_UIDS + 1), "too long"),
    ],
)
def test_values_that_break_their_rule_are_refused(tag: int, vr: str, value: Any, words: str) -> None:
    identifier = ask()
    identifier.add_new(tag, vr, value)
    assert words in refused(identifier)[1]


def test_a_date_and_time_range_is_understood_or_refused() -> None:
    def at(value: str) -> Dataset:
        identifier = ask("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
        identifier.add_new(0x0008002A, "LO", value)
        return identifier

    def moment(value: str) -> Any:
        return conditions(at(value))[0x0008002A]

    assert moment("20240101") == MomentRange("20240101", "20240101")
    assert moment("20240101-20240201") == MomentRange("20240101", "20240201")
    assert moment("2023-2024") == MomentRange("2023", "2024")
    assert moment("20240101-") == MomentRange("20240101", "")
    assert moment("20240101120000.5+0100") == MomentRange("202401011200005", "202401011200005")
    for bad in ("soon", "-", "2024-2025-2026"):
        assert "no date and time" in refused(at(bad))[1]


def test_bulk_data_cannot_be_matched() -> None:
    identifier = ask("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
    identifier.add_new(0x00200032, "DS", ["1", "2", "3"])
    assert conditions(identifier)[0x00200032] == AnyNumber((1.0, 2.0, 3.0))
    private = Dataset()
    private.add_new(0x00091001, "UN", b"raw")
    with pytest.raises(QueryInvalid, match="cannot be matched"):
        match_of(private[0x00091001])


def test_an_identifier_that_pydicom_cannot_read_is_refused() -> None:
    identifier = ask()
    identifier[0x00280010] = RawDataElement(Tag(0x00280010), "US", 3, b"odd", 0, False, True)
    status, text = refused(identifier)
    assert status == 0xC000
    assert "unreadable" in text


# -- retrieval --


def test_a_retrieval_names_what_it_wants_by_unique_keys() -> None:
    wanted = parse_retrieval(ask("STUDY", StudyInstanceUID=["1.2", "1.3"]), Model.STUDY_ROOT)
    assert (wanted.level, wanted.patient_id, wanted.study_uids) == (Level.STUDY, None, ("1.2", "1.3"))
    wanted = parse_retrieval(
        ask("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3", SOPInstanceUID=["1.4", "1.5"], PatientID="other"),
        Model.STUDY_ROOT,
    )
    assert (wanted.patient_id, wanted.series_uids, wanted.sop_uids) == (None, ("1.3",), ("1.4", "1.5"))
    assert parse_retrieval(ask("PATIENT", PatientID="P1"), Model.PATIENT_ROOT).patient_id == "P1"
    free = parse_retrieval(ask("IMAGE", SOPInstanceUID="1.4"), Model.STUDY_ROOT, relational=True)
    assert (free.study_uids, free.sop_uids) == ((), ("1.4",))


@pytest.mark.parametrize(
    ("identifier", "model", "words"),
    [
        (ask("STUDY"), Model.STUDY_ROOT, "StudyInstanceUID is missing"),
        (ask("STUDY", StudyInstanceUID="*"), Model.STUDY_ROOT, "StudyInstanceUID is missing"),
        (ask("STUDY", StudyInstanceUID="1.2"), Model.PATIENT_ROOT, "PatientID is missing"),
        (ask("SERIES", SeriesInstanceUID="1.2"), Model.STUDY_ROOT, "StudyInstanceUID is missing"),
        (
            ask("SERIES", StudyInstanceUID=["1.2", "1.3"], SeriesInstanceUID="1.4"),
            Model.STUDY_ROOT,
            "one StudyInstance",
        ),
        (ask("STUDY", StudyInstanceUID="../x"), Model.STUDY_ROOT, "is no UID"),
        (ask("PATIENT", PatientID="x" * 300), Model.PATIENT_ROOT, "too long"),
        (ask("PATIENT", PatientID="A\\B"), Model.PATIENT_ROOT, "one PatientID"),
    ],
)
def test_a_retrieval_that_breaks_a_rule_is_refused(identifier: Dataset, model: Model, words: str) -> None:
    with pytest.raises(QueryInvalid, match=words):
        parse_retrieval(identifier, model)
