"""Questions against a real catalog."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hsm.catalog import Catalog
from hsm.facts import Arrival, PoolFile
from hsm.header import read_header
from hsm.query.answers import Answer, answers
from hsm.query.encode import to_dataset
from hsm.query.matching import AnyText, NameMatch
from hsm.query.model import Condition, Level, Model, Query, Retrieval, Wanted
from hsm.query.parse import parse_query
from hsm.query.retrieve import wanted_instances
from tests.hsm.objects import dataset, part10

NOW = datetime(2024, 5, 1, tzinfo=UTC)
MR = "1.2.840.10008.5.1.4.1.1.4"


def add(catalog: Catalog, study: str, series: str, sop: str, **attributes: Any) -> None:
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": sop}
    data = part10(dataset(**{**uids, **attributes}))
    parsed = read_header(io.BytesIO(data))
    digest = hashlib.sha256(data).hexdigest()
    file = PoolFile(Path("/pool"), f"{study}/{series}/{sop}.00000000.dcm")
    catalog.intake.record(Arrival(parsed.header, file, len(data), digest, digest, parsed.dataset_offset, NOW, "CT1"))


def fill(catalog: Catalog) -> None:
    step = Dataset()
    step.ScheduledProcedureStepID, step.RequestedProcedureID = "STEP1", "RP1"
    skull = {
        "PatientName": "Müller^Jürgen",
        "SpecificCharacterSet": "ISO_IR 100",
        "StudyDescription": "Skull 100%",
        "StudyDate": "20240229",
        "StudyTime": "101500",
        "AccessionNumber": "A_1",
        "PatientBirthDate": "19700131",
        "PatientSex": "M",
        "ReferringPhysicianName": "House^Gregory",
        "PatientAge": "054Y",
    }
    add(catalog, "1.1", "1.1.1", "1.1.1.1", **skull, SeriesNumber="1", InstanceNumber="1", Rows=512)
    add(catalog, "1.1", "1.1.1", "1.1.1.2", **skull, SeriesNumber="1", InstanceNumber="2", Rows=256)
    mr = {**skull, "Modality": "MR", "SOPClassUID": MR, "SeriesNumber": "2"}
    add(catalog, "1.1", "1.1.2", "1.1.2.1", **mr, RequestAttributesSequence=Sequence([step]), ProtocolName="T1 FLAIR")
    add(
        catalog,
        "1.2",
        "1.2.1",
        "1.2.1.1",
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientID="P2",
        StudyDate="20240301",
        StudyTime="235959.5",
        StudyDescription="skull",
        AccessionNumber="AX1",
    )
    add(catalog, "1.3", "1.3.1", "1.3.1.1", PatientID="P3", PatientName="", Modality="")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    catalog = Catalog.open(f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.db'}")
    fill(catalog)
    yield catalog
    catalog.close()


def ask(catalog: Catalog, level: str, model: Model = Model.STUDY_ROOT, **keys: Any) -> list[Answer]:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    query = parse_query(identifier, model, relational=True, combined=True)
    return list(answers(catalog.database, query, "FIRN"))


def uids(found: list[Answer], key: str = "0020000D") -> list[str]:
    return sorted(answer.attributes[key]["Value"][0] for answer in found)


def value(answer: Answer, key: str) -> Any:
    return answer.attributes[key].get("Value")


@pytest.mark.parametrize(
    ("keys", "studies"),
    [
        ({}, ["1.1", "1.2", "1.3"]),
        ({"PatientName": "muller*"}, ["1.1"]),
        ({"PatientName": "MÜLLER^JÜRGEN"}, ["1.1"]),
        ({"PatientName": "Muller"}, []),
        ({"PatientName": "山田*"}, ["1.2"]),
        ({"PatientName": "yamada^*=山田^*"}, ["1.2"]),
        ({"PatientName": "*"}, ["1.1", "1.2", "1.3"]),
        ({"PatientID": "P?"}, ["1.1", "1.2", "1.3"]),
        ({"PatientID": ["P2", "P3"]}, ["1.2", "1.3"]),
        ({"PatientID": "p1"}, []),
        ({"StudyInstanceUID": ["1.1", "1.3", "9.9"]}, ["1.1", "1.3"]),
        ({"StudyDate": "20240229"}, ["1.1"]),
        ({"StudyDate": "20240229-20240301"}, ["1.1", "1.2"]),
        ({"StudyDate": "-20240229"}, ["1.1"]),
        ({"StudyTime": "10"}, ["1.1"]),
        ({"StudyTime": "1016-"}, ["1.2"]),
        ({"StudyDate": "20240229-20240301", "StudyTime": "1100-0900"}, []),
        ({"StudyDate": "20240229-20240302", "StudyTime": "1100-0900"}, ["1.2"]),
        ({"StudyDate": "20240228-20240301", "StudyTime": "1100-0900"}, ["1.1"]),
        ({"StudyDescription": "Skull*"}, ["1.1"]),
        ({"StudyDescription": "?kull*"}, ["1.1", "1.2"]),
        ({"StudyDescription": "*100%"}, ["1.1"]),
        ({"StudyDescription": "%"}, []),
        ({"AccessionNumber": "A_1"}, ["1.1"]),
        ({"AccessionNumber": "A_*"}, ["1.1"]),
        ({"AccessionNumber": "A?1"}, ["1.1", "1.2"]),
        ({"ModalitiesInStudy": "MR"}, ["1.1"]),
        ({"ModalitiesInStudy": ["MR", "CT"]}, ["1.1", "1.2"]),
        ({"ModalitiesInStudy": "M*"}, ["1.1"]),
        ({"ModalitiesInStudy": "mr"}, []),
        ({"ReferringPhysicianName": "house*"}, ["1.1"]),
        ({"PatientSex": "M"}, ["1.1"]),
        ({"PatientBirthDate": "19700101-19701231"}, ["1.1"]),
        ({"PatientAge": "054Y"}, ["1.1"]),
        ({"NumberOfStudyRelatedInstances": "3"}, ["1.1"]),
        ({"Modality": "MR"}, ["1.1", "1.2", "1.3"]),  # a key below the level is not matched
    ],
)
def test_studies_are_found_by_their_keys(catalog: Catalog, keys: dict[str, Any], studies: list[str]) -> None:
    assert uids(ask(catalog, "STUDY", **keys)) == studies


@pytest.mark.parametrize(
    ("keys", "series"),
    [
        ({"StudyInstanceUID": "1.1"}, ["1.1.1", "1.1.2"]),
        ({"Modality": "MR"}, ["1.1.2"]),
        ({"SeriesNumber": "1"}, ["1.1.1"]),
        ({"ProtocolName": "*FLAIR"}, ["1.1.2"]),
        ({"StudyDescription": "Skull*", "Modality": "CT"}, ["1.1.1"]),
        ({"RequestAttributesSequence": "STEP1"}, ["1.1.2"]),
        ({"RequestAttributesSequence": "STEP2"}, []),
    ],
)
def test_series_are_found_by_their_keys(catalog: Catalog, keys: dict[str, Any], series: list[str]) -> None:
    if "RequestAttributesSequence" in keys:
        item = Dataset()
        item.ScheduledProcedureStepID = keys["RequestAttributesSequence"]
        keys = {"RequestAttributesSequence": Sequence([item])}
    assert uids(ask(catalog, "SERIES", **keys), "0020000E") == series


def test_instances_are_found_by_their_keys(catalog: Catalog) -> None:
    assert uids(ask(catalog, "IMAGE", StudyInstanceUID="1.1", Rows=256), "00080018") == ["1.1.1.2"]
    assert uids(ask(catalog, "IMAGE", SOPClassUID=MR), "00080018") == ["1.1.2.1"]
    assert uids(ask(catalog, "IMAGE", InstanceNumber="1"), "00080018") == ["1.1.1.1"]
    answer = ask(catalog, "IMAGE", SOPInstanceUID="1.1.1.2", Rows=None, PatientName="", Modality="")[0]
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    for tag in (0x00083002, 0x00280010, 0x00280011, 0x00100010):
        identifier.add_new(tag, "UN", None)
    query = parse_query(identifier, Model.STUDY_ROOT, relational=True)
    answer = next(a for a in answers(catalog.database, query, "FIRN") if value(a, "00080018") == ["1.1.1.2"])
    assert value(answer, "00083002") == ["1.2.840.10008.1.2.1"]
    assert value(answer, "00280010") == [256]
    assert value(answer, "00280011") is None
    assert value(answer, "00100010") == [{"Alphabetic": "Müller^Jürgen"}]


def test_patients_are_found_and_counted(catalog: Catalog) -> None:
    found = ask(
        catalog,
        "PATIENT",
        Model.PATIENT_ROOT,
        PatientID="P1",
        PatientName="müller*",
        NumberOfPatientRelatedStudies="",
        NumberOfPatientRelatedSeries="",
        NumberOfPatientRelatedInstances="",
    )
    assert len(found) == 1
    assert [value(found[0], key) for key in ("00201200", "00201202", "00201204")] == [[1], [2], [3]]
    assert found[0].availability.value == "ONLINE"


def test_answers_carry_counts_modalities_and_where_to_retrieve_from(catalog: Catalog) -> None:
    answer = ask(
        catalog,
        "STUDY",
        StudyInstanceUID="1.1",
        ModalitiesInStudy="",
        SOPClassesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        StudyTime="",
        OtherStudyNumbers="",
    )[0]
    assert value(answer, "00080061") == ["CT", "MR"]
    assert value(answer, "00080062") == ["1.2.840.10008.5.1.4.1.1.2", MR]
    assert (value(answer, "00201206"), value(answer, "00201208")) == ([2], [3])
    assert value(answer, "00080030") == ["101500"]
    assert value(answer, "00080054") == ["FIRN"]
    assert value(answer, "00080056") == ["ONLINE"]
    assert answer.attributes["00201070"] == {"vr": "IS"}
    assert "00880130" not in answer.attributes
    series = ask(catalog, "SERIES", SeriesInstanceUID="1.1.1", NumberOfSeriesRelatedInstances="")[0]
    assert value(series, "00201209") == [2]


def test_of_a_sequence_only_what_was_asked_for_comes_back(catalog: Catalog) -> None:
    item = Dataset()
    item.RequestedProcedureID = ""
    item.RequestedProcedureDescription = ""
    answer = ask(catalog, "SERIES", SeriesInstanceUID="1.1.2", RequestAttributesSequence=Sequence([item]))[0]
    assert value(answer, "00400275") == [{"00321060": {"vr": "LO"}, "00401001": {"vr": "SH", "Value": ["RP1"]}}]
    whole = ask(catalog, "SERIES", SeriesInstanceUID="1.1.2", RequestAttributesSequence=Sequence([]))[0]
    assert set(value(whole, "00400275")[0]) == {"00400009", "00401001"}
    back = to_dataset(answer, Level.SERIES)
    assert back.RequestAttributesSequence[0].RequestedProcedureID == "RP1"


@pytest.mark.parametrize(
    ("study", "asked", "expected"),
    [
        ("1.3", ("ISO_IR 100",), None),
        ("1.1", ("ISO_IR 100",), "ISO_IR 100"),
        ("1.1", ("ISO_IR 192",), "ISO_IR 192"),
        ("1.1", ("ISO_IR 144",), "ISO_IR 100"),
        ("1.2", ("ISO_IR 100",), ["", "ISO 2022 IR 87"]),
        ("1.2", ("GB18030",), "GB18030"),
        ("1.2", ("", "ISO 2022 IR 149"), ["", "ISO 2022 IR 87"]),
    ],
)
def test_answers_come_in_a_character_set_that_carries_them(
    catalog: Catalog, study: str, asked: tuple[str, ...], expected: Any
) -> None:
    answer = ask(catalog, "STUDY", StudyInstanceUID=study, PatientName="")[0]
    said = to_dataset(answer, Level.STUDY, asked)
    assert said.get("SpecificCharacterSet") == expected
    assert said.QueryRetrieveLevel == "STUDY"
    out = io.BytesIO()
    dcmwrite(out, said, implicit_vr=False, little_endian=True)
    back = dcmread(io.BytesIO(out.getvalue()), force=True)
    names = {"1.1": "Müller^Jürgen", "1.2": "Yamada^Tarou=山田^太郎=やまだ^たろう", "1.3": ""}
    assert str(back.PatientName) == names[study]


def test_values_of_every_kind_become_elements() -> None:
    attributes = {
        "00081160": {"vr": "IS", "Value": [1, None]},
        "00101030": {"vr": "DS", "Value": [70.123456789012]},
        "00280010": {"vr": "US"},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00100010": {"vr": "PN", "Value": ["odd", {"Ideographic": "x"}]},
        "00080008": {"vr": "CS", "Value": ["A", None]},
        "00081140": {"vr": "SQ"},
    }
    said = to_dataset(Answer(attributes, None, ()), Level.IMAGE)  # type: ignore[arg-type]
    assert str(said[0x00101030].value) == "70.12345679"
    assert said[0x00280009].value == 0x00181063
    assert said[0x00080008].value == ["A", ""]
    assert len(said[0x00081140].value) == 0
    assert said[0x00280010].value is None


def test_answers_stop_at_the_limit_and_go_on_over_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page_rows = 20
    monkeypatch.setattr("hsm.query.answers.PAGE_ROWS", page_rows)
    catalog = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}")
    data = part10(dataset())
    header = read_header(io.BytesIO(data)).header
    arrivals = [
        Arrival(
            replace(header, sop_instance_uid=f"1.2.{n}", instance_number=n),  # type: ignore[arg-type]
            PoolFile(Path("/pool"), f"1/1/1.2.{n}.00000000.dcm"),
            1,
            f"{n:064x}",
            f"{n:064x}",
            0,
            NOW,
        )
        for n in range(page_rows * 2 + 1)
    ]
    catalog.intake.record_many(arrivals)
    everything = Query(Level.IMAGE, (), (Wanted(0x00200013, "IS"),))
    found = [value(a, "00200013")[0] for a in answers(catalog.database, everything, "FIRN")]
    assert found == list(reversed(range(page_rows * 2 + 1)))
    assert len(list(answers(catalog.database, everything, "FIRN", limit=7))) == 7
    assert len(list(answers(catalog.database, everything, "FIRN", limit=page_rows))) == page_rows
    catalog.close()


_PATTERNS = st.text("aAkSull*?%_!\\'\" 10=^ü", max_size=12)


@given(_PATTERNS)
def test_no_pattern_finds_other_studies_than_the_rules_say(catalog: Catalog, pattern: str) -> None:
    descriptions = {"1.1": "Skull 100%", "1.2": "skull", "1.3": ""}
    names = {"1.1": "Müller^Jürgen", "1.2": "Yamada^Tarou=山田^太郎=やまだ^たろう", "1.3": ""}
    for tag, match, texts in (
        (0x00081030, AnyText((pattern,)), descriptions),
        (0x00100010, NameMatch((pattern,)), names),
    ):
        query = Query(Level.STUDY, (Condition(tag, match),), (Wanted(0x0020000D, "UI"),))
        expected = sorted(study for study, text in texts.items() if match.accepts([text] if text else []))
        assert uids(list(answers(catalog.database, query, "FIRN"))) == expected


@pytest.mark.postgres
def test_postgresql_answers_as_sqlite_does(catalog: Catalog, postgres_url: str) -> None:
    other = Catalog.open(postgres_url)
    try:
        fill(other)
        for keys in (
            {},
            {"PatientName": "muller*"},
            {"StudyDescription": "*100%"},
            {"AccessionNumber": "A_*"},
            {"ModalitiesInStudy": ["MR", "CT"]},
            {"StudyDate": "20240229-20240302", "StudyTime": "1100-0900"},
            {"StudyDescription": "\\"},
            {"PatientID": "!%_*"},
        ):
            for level in ("STUDY", "SERIES", "IMAGE"):
                ours = [a.attributes for a in ask(other, level, SOPClassesInStudy="", **keys)]
                assert ours == [a.attributes for a in ask(catalog, level, SOPClassesInStudy="", **keys)], (level, keys)
        counted = ask(other, "PATIENT", Model.PATIENT_ROOT, NumberOfPatientRelatedInstances="")
        assert sorted(value(a, "00201204")[0] for a in counted) == [1, 1, 3]
    finally:
        other.close()


@pytest.mark.parametrize(
    ("retrieval", "sops"),
    [
        (Retrieval(Level.STUDY, None, ("1.1", "1.1")), ["1.1.1.1", "1.1.1.2", "1.1.2.1"]),
        (Retrieval(Level.STUDY, None, ("1.2", "9.9")), ["1.2.1.1"]),
        (Retrieval(Level.SERIES, None, ("1.1",), ("1.1.2",)), ["1.1.2.1"]),
        (Retrieval(Level.IMAGE, None, ("1.1",), ("1.1.1",), ("1.1.1.2",)), ["1.1.1.2"]),
        (Retrieval(Level.PATIENT, "P1"), ["1.1.1.1", "1.1.1.2", "1.1.2.1"]),
        (Retrieval(Level.PATIENT, "P*"), []),
        (Retrieval(Level.STUDY, "P2", ("1.1",)), []),
        (Retrieval(Level.STUDY, "P1", ("1.1",)), ["1.1.1.1", "1.1.1.2", "1.1.2.1"]),
        (Retrieval(Level.SERIES, None, (), ("1.1.2", "1.2.1")), ["1.1.2.1", "1.2.1.1"]),
        (Retrieval(Level.IMAGE, None, (), (), ("1.1.1.2", "1.3.1.1")), ["1.1.1.2", "1.3.1.1"]),
    ],
)
def test_what_is_to_be_retrieved_is_found(catalog: Catalog, retrieval: Retrieval, sops: list[str]) -> None:
    assert sorted(i.sop_instance_uid for i in wanted_instances(catalog, retrieval)) == sops
