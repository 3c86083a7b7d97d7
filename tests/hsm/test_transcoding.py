"""Objects are written anew for peers that do not take them as they are stored, and stay the same objects."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from hsm.facts import SeriesUid, SopInstanceUid, StoredInstance, StudyUid
from hsm.header import HeaderInvalid, read_file_meta
from hsm.lossless.part10 import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hsm.states import OnlineState
from hsm.transcoding import (
    NotTranscodable,
    Transcoder,
    alternatives,
    can_decode,
    is_native,
)
from tests.hsm.lossless.dying import die
from tests.hsm.objects import TEST_DATA, dataset, files_of_pydicom, part10

J2K, RLE, HTJ2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.201"
LOSSLESS_JPEG, EXTENDED_JPEG = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.51"
# pixel data that are damaged or odd on purpose
ODD = frozenset({"MR_truncated.dcm", "SC_rgb_small_odd_jpeg.dcm", "SC_jpeg_no_color_transform.dcm"})


def stored(path: Path) -> StoredInstance:
    """The object as the catalog would know it."""
    content = path.read_bytes()
    meta = read_file_meta(io.BytesIO(content))
    found = pydicom.dcmread(path, stop_before_pixels=True)
    uids = StudyUid("1.2.3"), SeriesUid("1.2.3.1")
    sop = SopInstanceUid(str(found.get("SOPInstanceUID") or "1.2.3.4"))
    sop_class = str(found.get("SOPClassUID") or "1.2.840.10008.5.1.4.1.1.2")
    syntax, online = meta.transfer_syntax_uid, OnlineState.ONLINE
    offset = meta.dataset_offset
    return StoredInstance(1, sop, sop_class, syntax, *uids, len(content), "", "", offset, online, None, None)


def given(path: Path, target: str, transcoder: Transcoder | None = None) -> bytes:
    """The object in another transfer syntax, as a whole file."""
    instance = stored(path)
    with (transcoder or Transcoder()).transcode(instance, path, target, path.parent) as made:
        content = made.file.read()
        assert made.size_bytes == len(content)
        assert made.dataset_offset == read_file_meta(io.BytesIO(content)).dataset_offset
    return content


def kept(content: bytes | Path) -> dict[int, Any]:
    """Everything an object says beside its pixels and how they are written."""
    found = pydicom.dcmread(io.BytesIO(content) if isinstance(content, bytes) else content, stop_before_pixels=True)
    skipped = {0x00280004, 0x00280006, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x7FE00001, 0x7FE00002}
    tags = [tag for tag in found.keys() - skipped if tag.element]
    return {int(tag): None if tag.is_private else found[tag].value for tag in tags}  # private ones: that they are there


@pytest.mark.filterwarnings("ignore")
def test_every_object_of_pydicom_is_given_uncompressed_or_refused(tmp_path: Path) -> None:
    syntaxes, refused = set(), {}
    for original in files_of_pydicom():
        path = tmp_path / "object"
        path.write_bytes(original.read_bytes())
        try:
            instance = stored(path)
            before = kept(path)
        except (HeaderInvalid, ValueError, AttributeError, pydicom.errors.InvalidDicomError):
            continue
        for target in alternatives(instance.transfer_syntax_uid)[:1]:
            try:
                content = given(path, target)
            except NotTranscodable as error:
                refused[original.name] = str(error)
                continue
            made = pydicom.dcmread(io.BytesIO(content))
            assert made.file_meta.TransferSyntaxUID == target
            assert made.get("SOPInstanceUID") == before.get(0x00080018)
            after = kept(content)
            assert after.keys() == before.keys(), original.name
            assert [tag for tag, value in before.items() if str(after[tag]) != str(value)] == [], original.name
            if "PixelData" in made and original.name not in ODD:
                same_pixels(path, content, original.name)
                syntaxes.add(instance.transfer_syntax_uid)
    assert syntaxes >= {J2K, RLE, LOSSLESS_JPEG, EXTENDED_JPEG, IMPLICIT_LITTLE, EXPLICIT_LITTLE} & syntaxes
    assert {J2K, RLE, EXPLICIT_LITTLE, IMPLICIT_LITTLE} <= syntaxes
    assert len(refused) < 12, refused


def same_pixels(path: Path, content: bytes, name: str) -> None:
    try:
        expected = pydicom.dcmread(path).pixel_array
    except (ValueError, AttributeError, RuntimeError, NotImplementedError):
        return  # pydicom does not understand them as they are stored, either
    found = pydicom.dcmread(io.BytesIO(content))
    pixels = found.pixel_array
    assert expected.shape == pixels.shape, name
    colours = {found.PhotometricInterpretation, pydicom.dcmread(path).PhotometricInterpretation}
    if any(each.startswith("YBR") for each in colours):
        return  # one is turned to RGB, the other not: shape is all that can be compared
    assert np.array_equal(expected, pixels), name


def test_what_was_compressed_with_loss_says_so_and_keeps_its_uid(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes((TEST_DATA / "test_files" / "JPEG2000.dcm").read_bytes())
    before = pydicom.dcmread(path)
    made = pydicom.dcmread(io.BytesIO(given(path, EXPLICIT_LITTLE)))
    assert made.SOPInstanceUID == before.SOPInstanceUID
    assert made.get("LossyImageCompression") == before.get("LossyImageCompression")
    assert made.get("LossyImageCompressionRatio") == before.get("LossyImageCompressionRatio")
    assert len(made.PixelData) == before.Rows * before.Columns * 2


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_bytes_and_signs_are_right_in_explicit_little_endian(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    pixels = np.arange(-10, 10, dtype="i2").reshape(4, 5)
    made = dataset(
        Rows=4, Columns=5, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=16,
        HighBit=15, PixelRepresentation=1, SmallestImagePixelValue=-10,
    )  # fmt: skip
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    made.add_new(0x7FE00010, "OW", pixels.astype(f"{order}i2").tobytes())
    made["SmallestImagePixelValue"].VR = "SS"
    path = tmp_path / "object"
    path.write_bytes(part10(made, syntax))
    found = pydicom.dcmread(io.BytesIO(given(path, EXPLICIT_LITTLE)))
    assert np.array_equal(found.pixel_array, pixels)
    assert found.SmallestImagePixelValue == -10
    again = tmp_path / "again"
    again.write_bytes(given(path, EXPLICIT_LITTLE))
    assert np.array_equal(pydicom.dcmread(io.BytesIO(given(again, IMPLICIT_LITTLE))).pixel_array, pixels)


def test_what_cannot_be_given_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "object"
    whole = (TEST_DATA / "test_files" / "JPEG2000.dcm").read_bytes()
    path.write_bytes(whole)
    with pytest.raises(NotTranscodable, match="cannot be given as"):
        given(path, J2K)
    path.write_bytes(whole[:-2000] + bytes(2000))
    with pytest.raises(NotTranscodable, match="cannot be written as"):
        given(path, EXPLICIT_LITTLE)
    more = pydicom.dcmread(io.BytesIO(whole))
    more.NumberOfFrames = 5
    more.save_as(path)
    with pytest.raises(NotTranscodable):
        given(path, EXPLICIT_LITTLE)
    more.NumberOfFrames = 1
    more.Rows = more.Columns = 65535
    more.save_as(path)
    with pytest.raises(NotTranscodable, match="too large"):
        given(path, EXPLICIT_LITTLE)
    assert [each.name for each in tmp_path.iterdir()] == ["object"]
    assert alternatives("1.2.840.10008.1.2.4.100") == ()  # video
    assert can_decode(HTJ2K)
    assert not is_native(HTJ2K)


def test_a_decoder_that_dies_or_hangs_costs_one_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "object"
    path.write_bytes((TEST_DATA / "test_files" / "JPEG2000.dcm").read_bytes())
    transcoder = Transcoder(workers=1)
    try:
        content = given(path, IMPLICIT_LITTLE, transcoder)
        assert content == given(path, IMPLICIT_LITTLE)
        with monkeypatch.context() as patch:
            patch.setattr("hsm.transcoding.transcode", die)
            with pytest.raises(NotTranscodable, match="broke the decoder"):
                given(path, IMPLICIT_LITTLE, transcoder)
        transcoder._limit_s = 0.0
        with pytest.raises(NotTranscodable, match="longer than"):
            given(path, IMPLICIT_LITTLE, transcoder)
        transcoder._limit_s = 60.0
        assert given(path, IMPLICIT_LITTLE, transcoder) == content
    finally:
        transcoder.close()
