"""Packs: written, read back, changed under the hand, damaged."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import RECORD_BYTES
from hsm.facts import Member
from hsm.format import study_json
from hsm.format.errors import FormatError, LayoutInvalid, MemberChanged, PackDamaged, TextInvalid, WrongPack
from hsm.format.frame import MANIFEST_OFFSET, plan
from hsm.format.header import KIND_PACK, decode, encode
from hsm.format.label import encode as encode_label
from hsm.format.pack import PackInput, PackStream, layout, member_path
from hsm.format.reading import extract, inputs_of, read_header, read_prefix, verify_stream
from tests.hsm.format.samples import NOW, STUDY, TAPE_LABEL, Sample, header_of, pack_of, packed, records, sample, sha256

edges = st.sampled_from([0, 1, 511, 512, 513, 1024, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1])
sizes = st.lists(st.one_of(edges, st.integers(0, 3000)), min_size=1, max_size=6)
long_uid = st.from_regex(r"[0-9]{1,30}(\.[0-9]{1,30}){0,1}", fullmatch=True)

# Sizes around block and record edges, in two series: small enough to write out a thousand times.
SMALL = sample((100, 0, 512, 2000))
LARGE = sample((700, 300_000, 0, 12, 600_000, 5))
LARGE_BYTES = LARGE.bytes()
GOLDEN = Path(__file__).parent / "golden" / "pack.tar"


@settings(max_examples=40)
@given(sizes, st.integers(1, 3), st.integers(1, 300_000))
def test_any_pack_is_read_back_whole(member_sizes: list[int], series: int, record_bytes: int) -> None:
    pack = sample(member_sizes, series)
    stream = pack.stream()
    data = stream.read()
    assert len(data) == pack.layout.size_bytes
    verified = verify_stream(records(data, record_bytes), stream.stream_sha256, pack.layout.digest)
    assert verified.header == pack.header()
    assert verified.members == pack.layout.members
    assert verified.study_json == pack.layout.study_json
    assert verified.stream_sha256 == stream.stream_sha256 == sha256(data)
    assert {m.sop_instance_uid: data[m.offset_bytes :][: m.size_bytes] for m in verified.members} == pack.contents


@settings(max_examples=25)
@given(
    st.lists(st.tuples(long_uid, long_uid, st.binary(max_size=600)), min_size=1, max_size=5, unique_by=lambda t: t[1])
)
def test_any_uids_and_any_bytes_are_read_back(objects: list[tuple[str, str, bytes]]) -> None:
    pack = pack_of(
        (header_of(1, 1, series_instance_uid=series, sop_instance_uid=uid), content) for series, uid, content in objects
    )
    verified = verify_stream(records(pack.bytes()))
    assert [m.sha256 for m in verified.members] == [sha256(pack.contents[m.sop_instance_uid]) for m in verified.members]


def test_uids_of_64_characters_fit() -> None:
    series, uid = "1." + "2" * 62, "3." + "4" * 62
    pack = pack_of([(header_of(1, 1, series_instance_uid=series, sop_instance_uid=uid), b"image")])
    assert verify_stream(records(pack.bytes())).members[0].sop_instance_uid == uid


def test_copies_differ_in_their_header_only() -> None:
    one, other = SMALL.bytes(), SMALL.bytes(barcode="B00001L8", sequence=9, previous_address=77)
    assert one != other
    assert one[:512] == other[:512]
    assert one[4608:] == other[4608:]
    assert one[MANIFEST_OFFSET:].startswith(SMALL.layout.manifest)


def test_the_format_did_not_change_by_accident() -> None:
    """When this fails, media written before may not be readable: raise FORMAT_VERSION, or find what changed."""
    assert sha256(GOLDEN.read_bytes()) == "2b3ebae9f5d3e8f75b199fe2f05626f3a4de53ba062f2c7dc48a4004f7231279"
    assert SMALL.bytes() == GOLDEN.read_bytes()
    assert SMALL.layout.digest == "c54ca78d0fca4ff6d9377e35bb58fa6d9d6642ca1b0bd6d55b84429c27094608"
    assert sha256(encode_label(TAPE_LABEL)) == "67fead1d99f18e0e4dc7798ec947dcca68219c96b5ccc21e2cdaa9a69815e2da"


def test_a_pack_written_by_the_first_version_is_read() -> None:
    verified = verify_stream(records(GOLDEN.read_bytes()))
    assert verified.header == SMALL.header()
    assert [member.size_bytes for member in verified.members] == [100, 512, 0, 2000]
    assert study_json.parse(verified.study_json)[0].header == header_of(1, 1)


@given(st.integers(0, len(SMALL.bytes()) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_a_change_of_any_byte_is_noticed_without_the_catalog(at: int, flip: int) -> None:
    data = bytearray(SMALL.bytes())
    data[at] ^= flip
    with pytest.raises(PackDamaged):
        verify_stream(records(bytes(data)))


@given(st.integers(0, len(SMALL.bytes()) - 1))
def test_a_pack_that_is_cut_off_anywhere_is_noticed(length: int) -> None:
    with pytest.raises(PackDamaged):
        verify_stream(records(SMALL.bytes()[:length]))


def test_what_follows_a_pack_is_noticed() -> None:
    with pytest.raises(PackDamaged, match="follows the end"):
        verify_stream(records(SMALL.bytes() + b"\0"))


def test_all_damaged_members_are_named() -> None:
    data = bytearray(SMALL.bytes())
    for member in (SMALL.layout.members[0], SMALL.layout.members[3]):
        data[member.offset_bytes] ^= 1
    with pytest.raises(PackDamaged) as caught:
        verify_stream(records(bytes(data)))
    assert caught.value.members == (f"{STUDY}.1/{STUDY}.1.1.dcm", f"{STUDY}.2/{STUDY}.2.4.dcm")


def test_the_members_behind_a_cut_are_named() -> None:
    last = SMALL.layout.members[-1]
    with pytest.raises(PackDamaged, match="cut off") as caught:
        verify_stream(records(SMALL.bytes()[: last.offset_bytes + 5]))
    assert caught.value.members == (f"{STUDY}.2/{STUDY}.2.4.dcm",)


def test_another_pack_in_the_place_is_named() -> None:
    with pytest.raises(WrongPack, match="number 1 on A00012L8"):
        verify_stream(records(SMALL.bytes()), expected_digest="0" * 64)
    with pytest.raises(WrongPack):
        read_prefix(records(SMALL.bytes()), "0" * 64)


def test_another_copy_of_the_same_pack_is_not_the_one_written() -> None:
    stream = SMALL.stream()
    stream.read()
    with pytest.raises(WrongPack, match="whole but not the one written"):
        verify_stream(records(SMALL.bytes(sequence=2)), stream.stream_sha256)


def test_the_beginning_of_a_pack_says_where_everything_is() -> None:
    pack = sample((300_000, 400_000))
    taken: list[bytes] = []

    def counted() -> Iterator[bytes]:
        for record in records(pack.bytes()):
            taken.append(record)
            yield record

    prefix = read_prefix(counted())
    assert prefix.members == pack.layout.members
    assert prefix.study_json == pack.layout.study_json
    assert prefix.frame == pack.layout.frame
    assert len(taken) == 1
    assert read_header(records(pack.bytes())) == prefix.header == pack.header()


@settings(max_examples=40)
@given(st.data())
def test_wanted_members_are_read_without_the_rest(data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(LARGE.layout.members), min_size=1, unique=True))
    first = min(member.offset_bytes for member in wanted) // RECORD_BYTES * RECORD_BYTES
    found = {
        member.sop_instance_uid: b"".join(pieces)
        for member, pieces in extract(records(LARGE_BYTES[first:]), first, wanted)
    }
    assert found == {member.sop_instance_uid: LARGE.contents[member.sop_instance_uid] for member in wanted}


def test_after_a_damaged_member_the_next_can_still_be_had() -> None:
    data = bytearray(SMALL.bytes())
    first, last = SMALL.layout.members[0], SMALL.layout.members[-1]
    data[first.offset_bytes + 3] ^= 1
    members = extract(records(bytes(data)), 0, [last, first])
    member, pieces = next(members)
    assert member == first
    with pytest.raises(PackDamaged, match="is damaged") as caught:
        b"".join(pieces)
    assert caught.value.members == (member_path(first.series_instance_uid, first.sop_instance_uid),)
    member, pieces = next(members)
    assert b"".join(pieces) == SMALL.contents[last.sop_instance_uid]


def test_a_member_nobody_takes_is_passed_over() -> None:
    pack = sample((700_000, 10))
    found = extract(records(pack.bytes()), 0, pack.layout.members)
    _, pieces = next(found)
    next(pieces)
    member, pieces = next(found)
    assert b"".join(pieces) == pack.contents[member.sop_instance_uid]


def test_a_member_behind_the_end_of_the_records_is_cut_off() -> None:
    member = SMALL.layout.members[-1]
    _, pieces = next(extract(records(SMALL.bytes()[: member.offset_bytes + 9]), 0, [member]))
    with pytest.raises(PackDamaged, match="is cut off"):
        b"".join(pieces)


def test_a_member_before_the_first_record_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="lies before"):
        next(extract(records(b""), 10**6, SMALL.layout.members))


# -- the stream --


@settings(max_examples=30)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.integers(1, 5000))
def test_a_read_is_as_long_as_asked_except_at_the_end(reads: list[int], rest: int) -> None:
    stream, whole, got = SMALL.stream(), SMALL.bytes(), b""
    for size in reads:
        piece = stream.read(size)
        assert len(piece) == min(size, len(whole) - len(got))
        got += piece
        assert stream.tell() == len(got)
    buffer = bytearray(rest)
    while count := stream.readinto(buffer):
        got += buffer[:count]
    assert got == whole
    assert stream.read(1) == b""
    assert stream.readable()


def test_a_member_in_small_pieces_makes_full_records() -> None:
    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 7))

    pack = sample((5000,))
    stream = PackStream(pack.layout, pack.header(), lambda m: Dribble(pack.contents[m.sop_instance_uid]))
    assert stream.read(6000) == pack.bytes()[:6000]


def test_the_digest_of_a_stream_is_known_only_at_its_end() -> None:
    stream = SMALL.stream()
    stream.read(1000)
    with pytest.raises(ValueError, match="only 1000 of"):
        _ = stream.stream_sha256


def _opening(pack: Sample, uid: str, content: bytes) -> PackStream:
    contents = {**pack.contents, uid: content}
    return PackStream(pack.layout, pack.header(), lambda m: io.BytesIO(contents[m.sop_instance_uid]))


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "ends"), (bytes(99), "ends 1 bytes"), (bytes(101), "longer"), (bytes(100), "its digest")]
)
def test_a_member_that_changed_stops_the_stream(content: bytes, why: str) -> None:
    stream = _opening(SMALL, f"{STUDY}.1.1", content)
    with pytest.raises(MemberChanged, match=why) as caught:
        stream.read()
    assert caught.value.path == f"{STUDY}.1/{STUDY}.1.1.dcm"
    with pytest.raises(MemberChanged):
        stream.read()
    stream.close()


def test_an_empty_member_that_grew_stops_the_stream() -> None:
    with pytest.raises(MemberChanged, match="longer"):
        _opening(SMALL, f"{STUDY}.2.2", b"x").read()


def test_a_member_that_cannot_be_opened_or_read_stops_the_stream() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    def absent(member: Member) -> BinaryIO:
        raise FileNotFoundError(2, "No such file", member.sop_instance_uid)

    with pytest.raises(MemberChanged, match="cannot be opened"):
        PackStream(SMALL.layout, SMALL.header(), absent).read()
    with pytest.raises(MemberChanged, match="cannot be read"):
        PackStream(SMALL.layout, SMALL.header(), lambda _: Broken()).read()


def test_an_abandoned_stream_closes_the_member_it_was_reading() -> None:
    pack = sample((5000,))
    opened: list[BinaryIO] = []

    def opening(member: Member) -> BinaryIO:
        opened.append(pack.open_member(member))
        return opened[-1]

    with PackStream(pack.layout, pack.header(), opening) as stream:
        stream.read(pack.layout.members[0].offset_bytes + 100)
        assert not opened[0].closed
    assert opened[0].closed


def test_a_header_of_another_pack_is_refused() -> None:
    with pytest.raises(FormatError, match="the header is of pack"):
        SMALL.stream(pack_digest="0" * 64)


# -- the layout --


def test_a_pack_needs_instances() -> None:
    with pytest.raises(LayoutInvalid, match="at least one"):
        layout(b'{"format":"firn-study","format_version":1,"series":[]}', [])


def test_a_pack_must_be_what_its_description_lists() -> None:
    inputs = inputs_of(SMALL.layout.study_json)
    for wrong in (inputs[1:], inputs[::-1], [replace(inputs[0], size_bytes=1), *inputs[1:]]):
        with pytest.raises(LayoutInvalid, match="does not list the same"):
            layout(SMALL.layout.study_json, wrong)
    with pytest.raises(LayoutInvalid, match="cannot be read"):
        layout(b"{}", inputs)


def test_a_catalog_id_stays_with_its_member() -> None:
    inputs = [replace(item, instance_id=10 + n) for n, item in enumerate(inputs_of(SMALL.layout.study_json))]
    assert [m.instance_id for m in layout(SMALL.layout.study_json, inputs).members] == [10, 11, 12, 13]
    assert layout(SMALL.layout.study_json, inputs).digest == SMALL.layout.digest


def test_an_instance_cannot_be_in_a_pack_twice() -> None:
    one = (header_of(1, 1), b"image")
    with pytest.raises(LayoutInvalid, match="twice"):
        pack_of([one, one])


@pytest.mark.parametrize("uid", ["", "..", "1..2", "../../etc/passwd", "1.2\n", "1.2/3", "1" * 65, "1.2.", "١.٢"])
def test_what_is_no_uid_never_names_a_member(uid: str) -> None:
    with pytest.raises(LayoutInvalid, match="not a UID"):
        member_path(uid, "1.2")
    with pytest.raises(LayoutInvalid, match="not a UID"):
        member_path("1.2", uid)


@pytest.mark.parametrize("content", [("a", -1, "0" * 64), ("a", 1, "0" * 63), ("01_MANIFEST.sha256", 1, "0" * 64)])
def test_a_frame_of_nonsense_is_refused(content: tuple[str, int, str]) -> None:
    with pytest.raises(LayoutInvalid):
        plan([content])


def test_a_member_beyond_8_gib_has_its_place() -> None:
    big = replace(packed(header_of(1, 1), b""), size_bytes=9 * 1024**3)
    study = study_json.build([big, packed(header_of(1, 2), b"x")])
    planned = layout(study, [PackInput(STUDY + ".1.1", STUDY + ".1", 9 * 1024**3, sha256(b"")), inputs_of(study)[1]])
    first, second = planned.members
    assert second.offset_bytes == first.offset_bytes + 9 * 1024**3 + 512
    study_end = planned.frame.entries[0].end_offset
    assert first.offset_bytes == study_end + 3 * 512


# -- the header --


def test_a_header_says_what_it_was_told() -> None:
    header = SMALL.header(sequence=7, previous_address=12, previous_digest="a" * 64, previous_stream_sha256="b" * 64)
    assert decode(encode(header)) == header
    assert header.kind == KIND_PACK
    assert header.written_at == NOW


@pytest.mark.parametrize(
    "wrong",
    [
        {"previous_digest": "A" * 64},
        {"previous_stream_sha256": "short"},
        {"kind": "parcel"},
        {"barcode": "Größe"},
        {"volume_uuid": "x" * 65},
        {"study_instance_uid": "1.2\n"},
    ],
)
def test_a_header_that_could_not_be_read_back_is_not_written(wrong: dict[str, str]) -> None:
    with pytest.raises(TextInvalid):
        encode(SMALL.header(**wrong))
