"""02_STUDY.json: nothing the catalog knows is lost, whatever the objects say."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.facts import Header, SeriesUid, SopInstanceUid, StudyUid
from hsm.format.errors import FormatTooNew, LayoutInvalid, StudyJsonInvalid
from hsm.format.study_json import PackedInstance, build, listing, pack_order, parse
from tests.hsm.format.samples import NOW, STUDY, header_of, packed

hostile = st.text(max_size=20) | st.sampled_from(["\0", "\ud800", "\udfff\ud800", "</script>", "\\", '"', "\x1b$B", ""])
number = st.none() | st.integers(-(2**70), 2**70)
plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | hostile,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(hostile, plain_json, max_size=3)
moment = st.integers(0, 2**52).map(lambda us: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
digest = st.binary(min_size=32, max_size=32).map(bytes.hex)
upper: dict[str, st.SearchStrategy[Any]] = {
    "study_instance_uid": st.just(STUDY),
    **dict.fromkeys(("patient_id", "issuer", "patient_name", "sex", "study_time", "accession_number"), hostile),
    **dict.fromkeys(("study_id", "study_description", "referring_physician", "institution", "character_set"), hostile),
    **dict.fromkeys(("birth_date", "study_date"), st.none() | st.dates()),
    **dict.fromkeys(("patient_attributes", "study_attributes"), attributes),
}
middle: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("modality", "series_description", "body_part", "series_time"), hostile),
    "series_number": number,
    "series_date": st.none() | st.dates(),
    "series_attributes": attributes,
}
lower: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("sop_class_uid", "transfer_syntax_uid"), hostile),
    "instance_number": number,
    "instance_attributes": attributes,
}


@st.composite
def studies(draw: st.DrawFn) -> list[PackedInstance]:
    """All instances of one pack, with every field of Header filled in all ways."""
    top = draw(st.fixed_dictionaries(upper))
    found = []
    for series in range(draw(st.integers(1, 2))):
        middle_values = draw(st.fixed_dictionaries(middle))
        for instance in range(draw(st.integers(1, 2))):
            header = Header(
                **top,
                **middle_values,
                **draw(st.fixed_dictionaries(lower)),
                series_instance_uid=SeriesUid(f"1.{series}"),
                sop_instance_uid=SopInstanceUid(f"1.{series}.{instance}"),
            )
            size = draw(st.integers(0, 2**40))
            found.append(PackedInstance(header, size, draw(digest), draw(digest), 7, draw(moment), draw(hostile)))
    return sorted(found, key=pack_order)


@settings(max_examples=60)
@given(studies())
def test_everything_the_catalog_knows_comes_back(instances: list[PackedInstance]) -> None:
    data = build(instances)
    assert data.isascii()
    assert b"\0" not in data
    assert list(parse(data)) == instances
    listed = [(i.sop_instance_uid, i.series_instance_uid, i.size_bytes, i.sha256) for i in listing(data)]
    expected = [(i.header.sop_instance_uid, i.header.series_instance_uid, i.size_bytes, i.sha256) for i in instances]
    assert listed == expected
    assert build(parse(data)) == data


def test_no_field_of_a_header_is_forgotten() -> None:
    drawn = {*upper, *middle, *lower, "series_instance_uid", "sop_instance_uid"}
    assert {field.name for field in fields(Header)} == drawn


def test_the_same_study_has_the_same_bytes_whatever_the_order_of_its_attributes() -> None:
    one = header_of(1, 1, study_attributes={"00100010": {"vr": "PN"}, "00080020": {"vr": "DA"}})
    other = header_of(1, 1, study_attributes={"00080020": {"vr": "DA"}, "00100010": {"vr": "PN"}})
    assert build([packed(one, b"x")]) == build([packed(other, b"x")])


def test_a_number_that_is_none_becomes_a_text() -> None:
    strange = {"00189087": {"vr": "FD", "Value": [float("nan"), float("inf"), 1.5]}}
    found = parse(build([packed(header_of(1, 1, instance_attributes=strange), b"x")]))
    assert found[0].header.instance_attributes == {"00189087": {"vr": "FD", "Value": ["nan", "inf", 1.5]}}


def test_what_a_later_firn_adds_is_ignored() -> None:
    instances = [packed(header_of(1, 1), b"x")]
    document = json.loads(build(instances))
    document["series"][0]["instances"][0]["colour"] = "blue"
    document["patient"]["species"] = "cat"
    assert list(parse(json.dumps(document).encode())) == instances


def test_instances_of_two_studies_are_no_pack() -> None:
    foreign = header_of(2, 1, study_instance_uid=StudyUid("9.9"))
    with pytest.raises(LayoutInvalid, match="cannot hold"):
        build([packed(header_of(1, 1), b"x"), packed(foreign, b"y")])


def test_instances_out_of_order_are_no_pack() -> None:
    with pytest.raises(LayoutInvalid, match="in the order"):
        build([packed(header_of(1, 2), b"x"), packed(header_of(1, 1), b"y")])


def test_no_instances_are_no_pack() -> None:
    with pytest.raises(LayoutInvalid, match="at least one"):
        build([])


def test_an_instance_without_a_number_comes_first() -> None:
    numbers = [None, -1, 0, 3]
    instances = [packed(header_of(1, n, instance_number=number), b"") for n, number in enumerate(numbers)]
    backwards = instances[::-1]
    assert sorted(backwards, key=pack_order) == instances


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"format":"else"}',
        b"[" * 100_000,
        b'{"format":"firn-study"}',
        b'{"format":"firn-study","format_version":"1"}',
        b'{"format":"firn-study","format_version":1}',
        b'{"format":"firn-study","format_version":1,"series":[{"instances":[{}]}],"patient":{},"study":{}}',
        b'{"format":"firn-study","format_version":1,"series":[1],"patient":{},"study":{}}',
    ],
)
def test_what_does_not_describe_a_study_is_refused(data: bytes) -> None:
    with pytest.raises(StudyJsonInvalid):
        listing(data)
    with pytest.raises(StudyJsonInvalid):
        parse(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [("sop_instance_uid", "../x"), ("sop_instance_uid", 5), ("sha256", "0"), ("size_bytes", "5"), ("size_bytes", -1)],
)
def test_an_instance_with_a_bad_uid_digest_or_size_is_refused(key: str, value: object) -> None:
    document = json.loads(build([packed(header_of(1, 1), b"x")]))
    document["series"][0]["instances"][0][key] = value
    with pytest.raises(StudyJsonInvalid):
        listing(json.dumps(document).encode())


def test_a_study_of_a_later_format_is_refused_as_such() -> None:
    document = json.loads(build([packed(header_of(1, 1), b"x")]))
    document["format_version"] = 2
    with pytest.raises(FormatTooNew):
        parse(json.dumps(document).encode())


def test_a_time_without_a_zone_is_refused() -> None:
    naive = replace(packed(header_of(1, 1), b"x"), received_at=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="naive"):
        build([naive])
    document = build([packed(header_of(1, 1), b"x")]).replace(b"2025-01-31T12:30:05Z", b"2025-01-31T12:30:05")
    with pytest.raises(StudyJsonInvalid, match="does not end with Z"):
        parse(document)
