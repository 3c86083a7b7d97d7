"""What goes out in which form: pure decisions, and single frames out of files."""

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from hsm.dicom_json import MetadataUnreadable, metadata
from tests.support.studies import compress_rle, encode, small_ct
from web.dicomweb import accept, frames
from web.dicomweb.metadata import NoSuchValue, bulk_value

J2K, RLE = str(JPEG2000Lossless), str(RLELossless)
DICOM_PARTS = 'multipart/related; type="application/dicom"'


@pytest.mark.parametrize(
    ("header", "syntaxes"),
    [
        ("", ("*",)),
        ("*/*", ("*",)),
        (DICOM_PARTS, (accept.EXPLICIT,)),
        (f"{DICOM_PARTS}; transfer-syntax=*", ("*",)),
        (
            f"{DICOM_PARTS}; transfer-syntax={J2K};q=0.5, {DICOM_PARTS}; transfer-syntax={RLELossless}",
            (RLELossless, J2K),
        ),
        ("application/dicom", (accept.EXPLICIT,)),
        ("image/jpeg, application/dicom;q=0", None),
        ("application/dicom; q=often", None),
    ],
)
def test_a_client_says_in_which_syntaxes_it_takes_objects(header: str, syntaxes: tuple[str, ...] | None) -> None:
    assert accept.instance_syntaxes(accept.ranges(header)) == syntaxes


@given(st.text(max_size=300))
def test_no_accept_header_breaks_anything(header: str) -> None:
    found = accept.ranges(header)
    assert found and all(0 < each.quality <= 1 for each in found)


@pytest.mark.parametrize(
    ("stored", "wanted", "decodable", "target"),
    [
        (J2K, ("*",), False, J2K),
        (J2K, (J2K,), False, J2K),
        (J2K, (accept.EXPLICIT,), True, accept.EXPLICIT),
        (J2K, (accept.EXPLICIT,), False, None),
        (J2K, (accept.IMPLICIT,), True, accept.IMPLICIT),
        (accept.IMPLICIT, (accept.EXPLICIT,), False, accept.EXPLICIT),
        (accept.EXPLICIT, (accept.IMPLICIT,), False, accept.IMPLICIT),
        (accept.EXPLICIT, (J2K,), False, None),
    ],
)
def test_an_object_goes_as_it_is_where_it_can(
    stored: str, wanted: tuple[str, ...], decodable: bool, target: str | None
) -> None:
    assert accept.target_syntax(stored, wanted, stored != J2K, decodable) == target


@pytest.mark.parametrize(
    ("stored", "header", "media_type", "as_stored"),
    [
        (accept.EXPLICIT, "", accept.OCTETS, True),
        (accept.IMPLICIT, 'multipart/related; type="application/octet-stream"', accept.OCTETS, True),
        (J2K, 'multipart/related; type="application/octet-stream"; transfer-syntax=*', "image/jp2", True),
        (J2K, 'multipart/related; type="image/jp2"', "image/jp2", True),
        (J2K, f'multipart/related; type="image/jp2"; transfer-syntax={J2K}', "image/jp2", True),
        (J2K, 'multipart/related; type="application/octet-stream"', accept.OCTETS, False),
        (J2K, 'multipart/related; type="image/jpeg"', None, None),
        (accept.EXPLICIT, 'multipart/related; type="image/jpeg"', None, None),
    ],
)
def test_frames_go_as_they_are_stored_where_the_client_takes_that(
    stored: str, header: str, media_type: str | None, as_stored: bool | None
) -> None:
    form = frames.form_of(stored, accept.ranges(header))
    assert (form and form.media_type, form and form.as_stored) == (media_type, as_stored)


def multiframe(syntax: str, count: int = 3, bits: int = 16) -> tuple[bytes, list[bytes]]:
    """An object of several frames, and the frames."""
    one = small_ct(slices=1).instances[0]
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 4000, (count, 32, 32), dtype=np.uint16)
    one.NumberOfFrames = count
    one.PixelRepresentation = 0
    if bits == 1:
        flat = rng.integers(0, 2, (count, 5, 3), dtype=np.uint8)
        one.Rows, one.Columns, one.BitsAllocated, one.BitsStored, one.HighBit = 5, 3, 1, 1, 0
        one["PixelData"].VR = "OB"
        one.PixelData = np.packbits(flat.ravel(), bitorder="little").tobytes()
        return encode(one), [np.packbits(each.ravel(), bitorder="little").tobytes() for each in flat]
    one.PixelData = pixels.tobytes()
    return in_syntax(one, syntax), [each.tobytes() for each in pixels]


def in_syntax(dataset: Any, syntax: str) -> bytes:
    """The Part 10 file of a native data set in another native syntax."""
    made = io.BytesIO()
    read = pydicom.dcmread(io.BytesIO(encode(dataset)))
    little = syntax != ExplicitVRBigEndian
    if not little:
        read.PixelData = np.frombuffer(read.PixelData, "<u2").astype(">u2").tobytes()
    read.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    pydicom.dcmwrite(made, read, little_endian=little, implicit_vr=syntax == ImplicitVRLittleEndian)
    return made.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_native_frames_are_read_alone_and_in_little_endian(syntax: str) -> None:
    data, expected = multiframe(syntax)
    reader = frames.FrameReader(io.BytesIO(data))
    form = frames.form_of(syntax, accept.ranges(""))
    assert form is not None
    assert [reader.frame(number, form) for number in (3, 1, 2)] == [expected[2], expected[0], expected[1]]


def test_frames_of_single_bits_begin_with_a_byte() -> None:
    data, expected = multiframe(ExplicitVRLittleEndian, bits=1)
    reader = frames.FrameReader(io.BytesIO(data))
    form = frames.FrameForm(accept.OCTETS, accept.EXPLICIT, True)
    assert [reader.frame(number, form) for number in (1, 2, 3)] == expected


@pytest.mark.parametrize("table", ["basic", "none", "extended"])
def test_compressed_frames_are_found_with_and_without_a_table(table: str) -> None:
    contents = [b"\xff\x4f" + bytes([n]) * (20 + 2 * n) for n in range(3)]
    dataset = pydicom.dcmread(io.BytesIO(multiframe(ExplicitVRLittleEndian)[0]))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    if table == "extended":
        dataset.PixelData, offsets, lengths = encapsulate_extended(contents)
        dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths
    else:
        dataset.PixelData = encapsulate(contents, has_bot=table == "basic")
    dataset["PixelData"].VR = "OB"
    made = io.BytesIO()
    pydicom.dcmwrite(made, dataset, enforce_file_format=True)
    made.seek(0)
    reader = frames.FrameReader(made)
    form = frames.FrameForm("image/jp2", J2K, True)
    assert [reader.frame(number, form) for number in (1, 2, 3)] == contents


def test_compressed_frames_are_decoded_for_who_cannot() -> None:
    one = small_ct(slices=1).instances[0]
    native = one.PixelData
    data = encode(compress_rle(one))
    reader = frames.FrameReader(io.BytesIO(data))
    form = frames.form_of(RLE, accept.ranges('multipart/related; type="application/octet-stream"'))
    assert form is not None and not form.as_stored
    assert reader.frame(1, form) == native


@pytest.mark.parametrize("data", [b"", b"rubbish" * 50, b"\0" * 128 + b"DICM"])
def test_what_is_no_object_has_no_frames_and_no_metadata(data: bytes) -> None:
    with pytest.raises(frames.FramesUnreadable):
        frames.FrameReader(io.BytesIO(data))
    with pytest.raises(MetadataUnreadable):
        metadata(io.BytesIO(data))


def test_an_object_without_pixels_has_no_frames() -> None:
    one = small_ct(slices=1).instances[0]
    del one.PixelData
    with pytest.raises(frames.NoSuchFrame):
        frames.FrameReader(io.BytesIO(encode(one)))
    assert "7FE00010" not in metadata(io.BytesIO(encode(one)))


def test_a_frame_that_is_cut_off_is_not_made_up() -> None:
    data, _ = multiframe(ExplicitVRLittleEndian)
    reader = frames.FrameReader(io.BytesIO(data))
    reader._size_bytes -= 100
    with pytest.raises(frames.FramesUnreadable, match="end before"):
        reader.frame(3, frames.FrameForm(accept.OCTETS, accept.EXPLICIT, True))


def test_a_long_value_inside_a_sequence_is_fetched_by_its_path() -> None:
    one = small_ct(slices=1).instances[0]
    inner = pydicom.Dataset()
    inner.add_new(0x00420011, "OB", b"%PDF" + bytes(3000))
    one.add_new(0x00081115, "SQ", [pydicom.Dataset(), inner])
    data = encode(one)
    said = metadata(io.BytesIO(data))
    address = said["00081115"]["Value"][1]["00420011"]["BulkDataURI"]
    assert address == "@/00081115/2/00420011"
    assert bulk_value(io.BytesIO(data), address.removeprefix("@/")).startswith(b"%PDF")
    for path in ("00081115/3/00420011", "00081115/2", "00100010", "zz", "", "00081115/x/00420011"):
        with pytest.raises((NoSuchValue, MetadataUnreadable)):
            bulk_value(io.BytesIO(data), path)


@pytest.mark.filterwarnings("ignore:Invalid value for VR IS")
def test_values_that_break_their_rules_do_not_break_the_metadata() -> None:
    one = small_ct(slices=1).instances[0]
    one.add_new(0x00200013, "IS", "7")
    data = encode(one).replace(b"IS\x02\x007 ", b"IS\x02\x00x ")
    said = metadata(io.BytesIO(data))
    assert said["0020000D"]["Value"] == [str(one.StudyInstanceUID)]


def test_a_type_that_should_be_quoted_and_is_not_is_understood() -> None:
    (wanted,) = accept.ranges("multipart/related; type=application/octet-stream; transfer-syntax=*")
    assert (wanted.media_type, wanted.multipart, wanted.transfer_syntax) == (accept.OCTETS, True, "*")
