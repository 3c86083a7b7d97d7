"""Damaged frames: what is refused, and what can still be had."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import RECORD_BYTES
from hsm.format import ustar
from hsm.format.errors import FormatTooNew, HeaderDamaged, ManifestDamaged, PackDamaged
from hsm.format.frame import MANIFEST_NAME, parse_manifest, plan
from hsm.format.header import HEADER_BYTES, decode, encode
from hsm.format.reading import read_header, read_prefix, verify_stream
from hsm.format.records import RecordCursor
from hsm.format.survey import survey
from tests.hsm.format.samples import STUDY, records, sample, sha256

PACK = sample((3000, 0, 600, 2000, 512, 40))
DATA = PACK.bytes()
FIRST = PACK.layout.frame.entries[0]


def resealed(**changes: Any) -> bytes:
    """A header with other values and a right digest; None leaves a key out."""
    value = {**json.loads(encode(PACK.header())), **changes, "sha256": "0" * 64}
    value = {key: item for key, item in value.items() if item != "left out"}

    def spelled() -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode().ljust(HEADER_BYTES - 1) + b"\n"

    value["sha256"] = hashlib.sha256(spelled()).hexdigest()
    return spelled()


def with_header(header: bytes) -> bytes:
    """The pack behind another header."""
    return DATA[:512] + header + DATA[512 + HEADER_BYTES :]


def framed(manifest: bytes, rest: bytes = b"") -> bytes:
    """A stream with any manifest, and a header that fits it."""
    header = resealed(pack_digest=sha256(manifest))
    return (
        DATA[:512]
        + header
        + ustar.header(MANIFEST_NAME, len(manifest))
        + manifest.ljust(len(manifest) + ustar.padding(len(manifest)), b"\0")
        + rest
    )


def test_a_header_of_a_later_format_is_refused_as_such() -> None:
    for reader in (read_header, read_prefix, verify_stream):
        with pytest.raises(FormatTooNew):
            reader(records(with_header(resealed(format_version=2))))


def test_what_a_later_firn_adds_to_a_header_is_ignored() -> None:
    assert decode(resealed(colour="blue")) == PACK.header()


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 4096, b"[]".ljust(4096), resealed(format="other")])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderDamaged):
        decode(data)


@pytest.mark.parametrize(
    "wrong", [{"sequence": "left out"}, {"pack_bytes": "many"}, {"written_at": "now"}, {"format_version": None}]
)
def test_a_header_with_a_wrong_value_is_damaged_even_if_its_digest_is_right(wrong: dict[str, Any]) -> None:
    with pytest.raises(HeaderDamaged, match="lacks or misspells"):
        decode(resealed(**wrong))


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\xff\n", b"\n", b"0" * 64 + b"  \n", b"0" * 63 + b"  name\n", b"A" * 64 + b"  n\n"]
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestDamaged):
        parse_manifest(data)
    with pytest.raises(PackDamaged):
        read_prefix(records(framed(data, bytes(2048))))


def test_a_pack_whose_size_is_not_what_its_header_says_is_refused() -> None:
    with pytest.raises(PackDamaged, match="contradict"):
        read_prefix(records(with_header(resealed(pack_bytes=PACK.layout.size_bytes + 512))))


def test_a_describing_member_larger_than_the_frame_is_not_read() -> None:
    data = DATA[: 512 + HEADER_BYTES] + ustar.header(MANIFEST_NAME, 2**32)
    with pytest.raises(PackDamaged, match="cannot have"):
        read_prefix(records(data))


def test_a_study_description_that_is_not_the_manifests_is_refused() -> None:
    other = b"0" * 64 + PACK.layout.manifest[64:]
    study = DATA[FIRST.header_offset :]
    with pytest.raises(PackDamaged, match="study description of pack"):
        read_prefix(records(framed(other, study)))


def test_a_manifest_with_a_name_more_than_the_study_is_refused() -> None:
    more = PACK.layout.manifest + b"0" * 64 + b"  1.2/3.4.dcm\n"
    with pytest.raises(PackDamaged, match="contradict"):
        read_prefix(records(framed(more, DATA[FIRST.header_offset :])))


def test_a_study_description_that_describes_nothing_is_refused() -> None:
    junk = b"{}"
    manifest = f"{sha256(junk)}  02_STUDY.json\n".encode()
    with pytest.raises(PackDamaged, match="contradicts itself"):
        read_prefix(records(framed(manifest, ustar.header("02_STUDY.json", 2) + junk.ljust(512, b"\0"))))


def test_bytes_behind_a_describing_member_must_be_nuls() -> None:
    data = bytearray(DATA)
    data[FIRST.offset_bytes + FIRST.size_bytes] = 1
    with pytest.raises(PackDamaged, match="padding"):
        read_prefix(records(bytes(data)))


def test_a_cursor_hashes_only_if_asked() -> None:
    with pytest.raises(ValueError, match="not asked"):
        _ = RecordCursor([b"x"]).stream_sha256


def test_empty_records_are_passed_over() -> None:
    cursor = RecordCursor([b"", b"ab", b"", b"c", b""])
    assert cursor.read(3) == b"abc"
    assert cursor.at_end()


# -- what can still be had --


def test_a_whole_pack_is_surveyed_as_good() -> None:
    found = survey(records(DATA))
    assert found.header == PACK.header()
    assert found.study_json == PACK.layout.study_json
    assert [m.path for m in found.members[:3]] == ["00_HEADER.json", "01_MANIFEST.sha256", "02_STUDY.json"]
    assert [m.offset_bytes for m in found.members[3:]] == [m.offset_bytes for m in PACK.layout.members]
    assert all(m.good for m in found.members)


@settings(max_examples=80)
@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, len(DATA) - 1))))
def test_damage_costs_only_what_it_hits(damage: tuple[int, int]) -> None:
    """Some sectors become NULs; every member outside of them is found and good."""
    sectors, at = damage
    data = bytearray(DATA)
    hit = range(at, min(len(data), at + sectors * 512))
    data[hit.start : hit.stop] = bytes(len(hit))
    found = {m.path: m for m in survey(records(bytes(data), 700)).members}
    describing_hit = hit.start < FIRST.end_offset
    for entry in PACK.layout.frame.entries[1:]:
        place = range(
            entry.header_offset if describing_hit else entry.offset_bytes, entry.offset_bytes + entry.size_bytes
        )
        untouched = hit.stop <= place.start or hit.start >= place.stop
        member = found.get(entry.path)
        if untouched:
            assert member is not None
            assert (member.offset_bytes, member.size_bytes, member.sha256) == (
                entry.offset_bytes,
                entry.size_bytes,
                entry.sha256,
            )
            assert member.good is not False


def test_without_a_manifest_nothing_is_called_good() -> None:
    data = bytearray(DATA)
    data[4608:5120] = bytes(512)
    found = survey(records(bytes(data)))
    images = [m for m in found.members if m.path.endswith(".dcm")]
    assert len(images) == 6
    assert {m.good for m in images} == {None}


def test_a_damaged_manifest_judges_nobody() -> None:
    data = bytearray(DATA)
    data[5120] ^= 1
    found = {m.path: m.good for m in survey(records(bytes(data))).members}
    assert found.pop("00_HEADER.json") is True
    assert found.pop("01_MANIFEST.sha256") is False
    assert set(found.values()) == {None}


def test_a_manifest_without_a_header_is_believed_but_not_called_good() -> None:
    data = bytearray(DATA)
    data[0:600] = bytes(600)
    found = {m.path: m.good for m in survey(records(bytes(data))).members}
    assert found.pop("01_MANIFEST.sha256") is None
    assert all(found.values())
    assert "00_HEADER.json" not in found


def test_what_is_missing_at_the_end_is_named() -> None:
    cut = PACK.layout.members[-2].offset_bytes
    members = survey(records(DATA[:cut])).members
    assert [m.offset_bytes for m in members[-2:]] == [None, None]
    assert members[-1].path == f"{STUDY}.2/{STUDY}.2.6.dcm"
    assert members[-1].good is False


def test_a_pack_with_a_missing_record_is_still_searched() -> None:
    """Places shift when a record is left out instead of replaced: what the headers behind it say is still found."""
    data = DATA[:512] + DATA[512 + HEADER_BYTES :]
    found = survey(records(data))
    assert found.header is None
    assert sum(m.path.endswith(".dcm") for m in found.members) >= 1


def test_a_study_description_of_no_use_does_not_end_the_survey() -> None:
    junk = b'{"format":"firn-study","format_version":9}'
    manifest = f"{sha256(junk)}  02_STUDY.json\n{sha256(b'abc')}  1.2/3.4.dcm\n".encode()
    rest = ustar.header("02_STUDY.json", len(junk)) + junk.ljust(512, b"\0")
    rest += ustar.header("1.2/3.4.dcm", 3) + b"abc".ljust(512, b"\0")
    found = {m.path: m.good for m in survey(records(framed(manifest, rest))).members}
    assert found["1.2/3.4.dcm"] is True


def test_a_member_with_a_pax_size_is_surveyed() -> None:
    big = ustar.header("1.2/3.4.dcm", 9 * 1024**3)
    assert survey(records(big)).members == ()
    small = ustar.header("1.2/3.4.dcm", 9 * 1024**3).replace(b"size=9663676416", b"size=0000000003")
    found = survey(records(small + b"abc".ljust(512, b"\0")))
    assert [(m.path, m.size_bytes, m.sha256) for m in found.members] == [("1.2/3.4.dcm", 3, sha256(b"abc"))]


def test_the_size_of_a_frame_counts_its_end() -> None:
    assert plan([("a", 1, "0" * 64)]).size_bytes == 5120 + 512 + 512 + 512 + 1024
    assert PACK.layout.size_bytes % 512 == 0
    assert RECORD_BYTES % 512 == 0


def test_a_catalog_beyond_8_gib_has_a_readable_header() -> None:
    size = 9 * 1024**3
    frame = plan([("CATALOG.jsonl.gz", size, "0" * 64)])
    header = resealed(kind="catalog", pack_digest=frame.digest, pack_bytes=frame.size_bytes)
    length = len(frame.manifest)
    data = DATA[:512] + header + ustar.header(MANIFEST_NAME, length)
    data += frame.manifest.ljust(length + ustar.padding(length), b"\0") + ustar.header("CATALOG.jsonl.gz", size)
    assert read_prefix(records(data)).frame == frame
