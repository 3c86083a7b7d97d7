import io
import struct
import zlib
from datetime import date
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from hsm.elements import MAX_DEPTH, MAX_PADDING_BYTES
from hsm.facts import Header
from hsm.filemeta import file_meta
from hsm.header import HeaderInvalid, read_dataset_header, read_file_meta, read_header
from tests.hsm.objects import CT, TEST_DATA, dataset, files_of_pydicom, part10, stored_data_set

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def header_of(data: bytes) -> Header:
    return read_header(io.BytesIO(data)).header


def reason(data: bytes) -> str:
    with pytest.raises(HeaderInvalid) as caught:
        read_header(io.BytesIO(data))
    return str(caught.value)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_header_reads_alike_in_every_encoding(syntax: UID) -> None:
    made = dataset(
        StudyDate="20240229",
        StudyTime="0815",
        BodyPartExamined="HEAD",
        SeriesNumber="7",
        InstanceNumber="12",
        Rows=512,
        ImageType=["ORIGINAL", "PRIMARY"],
        AccessionNumber="A1",
        ReferringPhysicianName="House^G",
        StudyDescription="Skull",
        PatientBirthDate="1970.01.31",
    )
    item = Dataset()
    item.ScheduledProcedureStepID = "S1"
    made.RequestAttributesSequence = Sequence([item])
    made.is_undefined_length_sequence_items = True
    data = part10(made, syntax)
    header = header_of(data)
    assert header.transfer_syntax_uid == syntax
    assert (header.patient_name, header.patient_id, header.modality) == ("Doe^Jane", "P1", "CT")
    assert (header.study_date, header.study_time) == (date(2024, 2, 29), "081500.000000")
    assert header.birth_date == date(1970, 1, 31)
    assert (header.series_number, header.instance_number) == (7, 12)
    assert header.instance_attributes["00280010"] == {"vr": "US", "Value": [512]}
    assert header.instance_attributes["00080008"] == {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY"]}
    step = header.series_attributes["00400275"]["Value"][0]
    assert step["00400009"] == {"vr": "SH", "Value": ["S1"]}
    assert data[read_header(io.BytesIO(data)).dataset_offset :] == stored_data_set(data)


def test_every_storage_object_that_pydicom_ships_is_understood_as_pydicom_does() -> None:
    read = 0
    for path in files_of_pydicom():
        with path.open("rb") as stream:
            try:
                header = read_header(stream).header
            except HeaderInvalid:
                continue
        known = pydicom.dcmread(path, stop_before_pixels=True)
        assert header.sop_instance_uid == known.SOPInstanceUID
        assert header.transfer_syntax_uid == known.file_meta.TransferSyntaxUID
        assert header.patient_name.rstrip("=") == str(known.get("PatientName") or ""), path.name
        assert header.modality == (known.get("Modality") or "")
        read += 1
    assert read > 100


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("MR_truncated.dcm", "truncated"),
        ("rtplan_truncated.dcm", "truncated"),
        ("no_meta.dcm", "not a DICOM Part 10 file"),
        ("ExplVR_BigEndNoMeta.dcm", "not a DICOM Part 10 file"),
        ("meta_missing_tsyntax.dcm", "transfer syntax"),
        ("UN_sequence.dcm", "no SOP Instance UID"),
        ("JPEGLSNearLossless_08.dcm", "no Study Instance UID"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(name: str, why: str) -> None:
    assert why in reason((TEST_DATA / "test_files" / name).read_bytes())


def test_a_data_set_that_lacks_its_last_byte_is_refused_in_every_encoding() -> None:
    for syntax in SYNTAXES:
        made = dataset()
        made.add_new(0x7FE00010, "OW", bytes(100))
        cut = 3 if syntax == DeflatedExplicitVRLittleEndian else 1  # the last byte of a deflated one may be padding
        assert "truncated" in reason(part10(made, syntax)[:-cut]), syntax.name


def test_a_truncated_fragment_of_compressed_pixels_is_refused() -> None:
    whole = (TEST_DATA / "test_files" / "JPEG2000.dcm").read_bytes()
    assert header_of(whole).transfer_syntax_uid.startswith("1.2.840.10008.1.2.4.9")
    for cut in (1, 8, 9, 1000):
        assert "truncated" in reason(whole[:-cut])


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"SOPInstanceUID": None}, "no SOP Instance UID"),
        ({"StudyInstanceUID": None}, "no Study Instance UID"),
        ({"SeriesInstanceUID": ""}, "no Series Instance UID"),
        ({"SOPClassUID": None}, "no SOP Class UID"),
        ({"PatientID": "x" * 257}, "257 characters"),
    ],
)
def test_an_object_without_its_identity_is_refused(attributes: dict[str, str | None], why: str) -> None:
    assert why in reason(part10(dataset(**attributes)))


@pytest.mark.parametrize(
    "uid", ["../../etc/passwd", "1.2.3/4", "1..2", ".1", "1.2.", "1." + "2" * 63, "1.2a", "1.2\\1.3"]
)
def test_a_uid_that_could_harm_is_refused(uid: str) -> None:
    raw = uid.encode().ljust(len(uid) + len(uid) % 2, b"\0")
    good = part10(dataset())
    old = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", 8) + b"1.2.3.4\0"
    assert good.count(old) == 1
    bad = good.replace(old, struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", len(raw)) + raw)
    assert "is not a UID" in reason(bad)


def test_leading_zeros_in_a_uid_are_tolerated() -> None:
    data = part10(dataset()).replace(b"1.2.3.4\0", b"1.2.03.4")
    assert header_of(data).sop_instance_uid == "1.2.03.4"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"DICM", "not a DICOM Part 10 file"),
        (bytes(128) + b"DICM", "transfer syntax"),
        (bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x40\x001.2", "file meta is broken"),
        (bytes(128) + b"DICM" + b"\x02\x00\x02\x00OB\0\0" + b"\xff\xff\xff\xff", "file meta is broken"),
        (bytes(128) + b"DICM" + b"\x02", "file meta is broken"),
    ],
)
def test_what_is_no_part_10_file_is_refused(data: bytes, why: str) -> None:
    assert why in reason(data)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def nested(depth: int) -> bytes:
    begin = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return begin * depth + end * depth


def explicit(*extra: bytes) -> bytes:
    return part10(dataset()) + b"".join(extra)


def test_deep_nesting_is_refused_before_it_hurts() -> None:
    assert header_of(explicit(nested(MAX_DEPTH))).patient_id == "P1"
    assert "nested deeper" in reason(explicit(nested(MAX_DEPTH + 2)))
    assert "nested deeper" in reason(explicit(nested(20_000)))


def test_zeros_behind_the_last_element_are_tolerated_and_other_bytes_are_not() -> None:
    assert header_of(explicit(bytes(1000))).patient_id == "P1"
    assert "belong to no element" in reason(explicit(bytes(1000), b"x"))
    assert "zeros" in reason(explicit(bytes(MAX_PADDING_BYTES + 10)))


def test_items_without_a_sequence_and_elements_where_items_belong_are_refused() -> None:
    assert "outside a sequence" in reason(explicit(b"\xfe\xff\x00\xe0\0\0\0\0"))
    open_sequence = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    assert "where an item should begin" in reason(explicit(open_sequence, element(0x00200013, b"IS", b"1 ")))
    wanted = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    assert "where an item should begin" in reason(explicit(wanted, element(0x00200013, b"IS", b"1 ")))


def test_an_unknown_element_of_undefined_length_is_read_as_implicit() -> None:
    inside = struct.pack("<HHI", 0x0008, 0x0100, 4) + b"ABCD"
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", 0xFFFFFFFF) + inside + b"\xfe\xff\x0d\xe0\0\0\0\0"
    unknown = struct.pack("<HH2sHI", 0x0040, 0x0275, b"UN", 0, 0xFFFFFFFF) + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    header = header_of(explicit(unknown))
    assert header.series_attributes["00400275"]["Value"] == [{"00080100": {"vr": "SH", "Value": ["ABCD"]}}]


def test_an_element_without_a_vr_among_explicit_ones_is_read_as_implicit() -> None:
    header = header_of(explicit(struct.pack("<HHI", 0x0020, 0x4000, 4) + b"note"))
    assert header.instance_attributes["00204000"]["Value"] == ["note"]


def test_a_value_too_long_to_keep_is_passed() -> None:
    long = struct.pack("<HH2sHI", 0x0042, 0x0010, b"UT", 0, 100_000) + bytes(100_000)
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", 1000) + bytes(1000) for _ in range(100))
    sequence = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF) + items + b"\xfe\xff\xdd\xe0\0\0\0\0"
    header = header_of(explicit(long, sequence))
    assert "00420010" not in header.instance_attributes
    assert "00400275" not in header.series_attributes


def test_a_deflated_data_set_is_walked_piece_by_piece_to_its_end() -> None:
    made = dataset()
    made.add_new(0x7FE00010, "OW", bytes(3_000_000))
    data = part10(made, DeflatedExplicitVRLittleEndian)
    assert header_of(data).patient_id == "P1"
    offset = read_header(io.BytesIO(data)).dataset_offset
    assert "no end" in reason(data[:-20])
    assert "cannot be inflated" in reason(data[:offset] + b"\x07" + data[offset + 1 :])
    deflater = zlib.compressobj(wbits=-15)
    raw = zlib.decompress(data[offset:], -15)[:-100]
    assert "ends 100 bytes early" in reason(data[:offset] + deflater.compress(raw) + deflater.flush())


@pytest.mark.parametrize(
    ("terms", "name", "raw"),
    [
        ("ISO_IR 100", "Buc^Jérôme", "Buc^Jérôme".encode("latin_1")),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東", "Wang^XiaoDong=王^小東".encode()),
        ("GB18030", "Wang^XiaoDong=王^小东", "Wang^XiaoDong=王^小东".encode("gb18030")),
        ("ISO_IR 144", "Люкceмбypг", "Люкceмбypг".encode("iso8859_5")),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
        ("ISO-IR 100", "Jérôme", "Jérôme".encode("latin_1")),
        ("KLINGON", "Jérôme", "Jérôme".encode("latin_1")),
        ("", "Jérôme", "Jérôme".encode("latin_1")),
        ("ISO_IR 192", "J�r", b"J\xffr"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ", "ﾔﾏﾀﾞ".encode("shift_jis")),
    ],
)
def test_names_are_decoded_whatever_their_character_set(terms: str, name: str, raw: bytes) -> None:
    body = b"".join(
        element(tag, vr, value + padding * (len(value) % 2))
        for tag, vr, value, padding in (
            (0x00080005, b"CS", terms.encode(), b" "),
            (0x00080016, b"UI", CT.encode(), b"\0"),
            (0x00080018, b"UI", b"1.2.3.4", b"\0"),
            (0x00100010, b"PN", raw, b" "),
            (0x0020000D, b"UI", b"1.2.3", b"\0"),
            (0x0020000E, b"UI", b"1.2.3.1", b"\0"),
        )
    )
    header = read_dataset_header(io.BytesIO(body), ExplicitVRLittleEndian)
    assert header.patient_name == name
    assert header.character_set == terms


def test_controls_that_databases_refuse_are_dropped() -> None:
    data = part10(dataset(StudyDescription="a\x07b"))
    assert header_of(data.replace(b"a\x07b", b"a\x00b")).study_description == "ab"


def test_values_that_are_no_dates_times_or_numbers_are_absent() -> None:
    made = dataset()
    made.add_new(0x00080020, "LO", "20241332")
    made.add_new(0x00080030, "LO", "2561")
    made.add_new(0x00200011, "LO", "9999999999999")
    made.add_new(0x00200013, "LO", "one")
    header = header_of(part10(made))
    assert (header.study_date, header.study_time) == (None, "")
    assert (header.series_number, header.instance_number) == (None, None)


def test_the_file_meta_we_write_is_read_by_pydicom_and_by_us() -> None:
    meta = file_meta(CT, "1.2.3.45", str(ExplicitVRLittleEndian), "MODALITY1")
    made = meta + stored_data_set(part10(dataset(SOPInstanceUID="1.2.3.45")))
    ours, theirs = read_file_meta(io.BytesIO(made)), pydicom.dcmread(io.BytesIO(made))
    assert theirs.file_meta.TransferSyntaxUID == ours.transfer_syntax_uid == ExplicitVRLittleEndian
    assert theirs.file_meta.MediaStorageSOPInstanceUID == ours.sop_instance_uid == "1.2.3.45"
    assert theirs.file_meta.MediaStorageSOPClassUID == ours.sop_class_uid == CT
    assert theirs.file_meta.SourceApplicationEntityTitle == "MODALITY1"
    assert theirs.file_meta.FileMetaInformationGroupLength == len(meta) - 144
    assert ours.dataset_offset == len(meta)
    assert file_meta(CT, "1.2.3.45", "1.2.840.10008.1.2", "ÄÖ") == file_meta(CT, "1.2.3.45", "1.2.840.10008.1.2")
    with pytest.raises(HeaderInvalid, match="SOP Instance UID"):
        file_meta(CT, "../x", "1.2.840.10008.1.2")


_SEEDS = [
    (TEST_DATA / "test_files" / name).read_bytes()
    for name in (
        "CT_small.dcm",
        "JPEG2000.dcm",
        "rtplan.dcm",
        "image_dfl.dcm",
        "MR_small_bigendian.dcm",
        "reportsi.dcm",
    )
]


@given(st.data())
def test_no_mutation_of_a_file_gets_past_as_anything_but_a_header_or_a_refusal(data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(_SEEDS))
    changed = bytearray(seed[: data.draw(st.integers(0, len(seed)))] if data.draw(st.booleans()) else seed)
    for _ in range(data.draw(st.integers(1, 8))):
        if changed:
            at = data.draw(st.integers(0, min(len(changed) - 1, 4000)))
            changed[at] = data.draw(st.integers(0, 255))
    try:
        header = header_of(bytes(changed))
    except HeaderInvalid as error:
        assert str(error)
        return
    assert header.sop_instance_uid
    for text in (header.patient_name, header.study_description, header.institution):
        assert "\0" not in text
        text.encode()


@given(st.binary(max_size=600))
def test_random_bytes_are_never_more_than_refused(data: bytes) -> None:
    for start in (b"", bytes(128) + b"DICM", file_meta(CT, "1.2.3", "1.2.840.10008.1.2.1")):
        with pytest.raises(HeaderInvalid):
            read_header(io.BytesIO(start + data))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "object.dcm"
    path.write_bytes(part10(dataset()) + element(0x00420010, b"ST", b"t" * 60000))

    class Shrinking(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            if size == 60000:
                path.write_bytes(b"")
            return super().read(size)

    with Shrinking(path) as stream, pytest.raises(HeaderInvalid, match="shrank"):
        read_header(stream)
