"""What is compressed comes back byte for byte and shows the same pixels to others; everything else stays as it is."""

import hashlib
import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import data_store
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hsm.facts import Pressed
from hsm.header import HeaderInvalid, read_file_meta
from hsm.lossless import jpeg_ls
from hsm.lossless.image import Image, NotCompressed
from hsm.lossless.part10 import to_explicit, to_implicit
from hsm.lossless.press import NotRestored, compress, restore
from hsm.lossless.presses import BROKE, NO_ROOM, Presses, PressTask, RestoreTask, press, put_together
from hsm.lossless.proof import prove, same_dataset
from tests.hsm.lossless.dying import die, hang
from tests.hsm.objects import dataset, files_of_pydicom, part10, stored_data_set

JPEG_LS = "1.2.840.10008.1.2.4.80"


def image(pixels: np.ndarray[Any, Any], **attributes: Any) -> Dataset:
    """An object with these pixels; 12 of 16 bits unless told."""
    frames = pixels.shape[0] if pixels.ndim == 4 else 1
    made = dataset(
        Rows=pixels.shape[-3],
        Columns=pixels.shape[-2],
        SamplesPerPixel=pixels.shape[-1],
        PhotometricInterpretation="RGB" if pixels.shape[-1] == 3 else "MONOCHROME2",
        BitsAllocated=pixels.itemsize * 8,
        BitsStored=8 if pixels.itemsize == 1 else 12,
        HighBit=7 if pixels.itemsize == 1 else 11,
        PixelRepresentation=int(pixels.dtype.kind == "i"),
        **attributes,
    )
    if pixels.shape[-1] == 3:
        made.PlanarConfiguration = 0
    if frames > 1:
        made.NumberOfFrames = frames
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    made.add_new(0x7FE00010, "OB" if pixels.itemsize == 1 else "OW", data + b"\0" * (len(data) % 2))
    return made


def smooth(rows: int = 24, columns: int = 30, kind: str = "u2", samples: int = 1, frames: int = 0) -> Any:
    """A picture that compresses."""
    whole = (frames, rows, columns, samples) if frames else (rows, columns, samples)
    return (np.arange(np.prod(whole)).reshape(whole) // 7 % 200).astype(kind)


def task(content: bytes, folder: Path) -> PressTask:
    meta = read_file_meta(io.BytesIO(content))
    source = folder / "received"
    source.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return PressTask(source, folder / "pressed", meta.dataset_offset, digest, meta.transfer_syntax_uid)


def restored(done: PressTask, pressed: Pressed) -> bytes:
    out = io.BytesIO()
    digest = restore(done.target, pressed.dataset_offset, done.transfer_syntax_uid, pressed.pixel_vr, out)
    assert digest == hashlib.sha256(out.getvalue()).hexdigest()
    return out.getvalue()


def answer(content: bytes, folder: Path) -> Pressed | str:
    """What became of an object; what holds of every object is checked here."""
    done = task(content, folder)
    pressed = press(done)
    assert done.source.read_bytes() == content
    if isinstance(pressed, str):
        assert not done.target.exists()
        return pressed
    compressed = done.target.read_bytes()
    assert (len(compressed), hashlib.sha256(compressed).hexdigest()) == (pressed.size_bytes, pressed.sha256)
    assert hashlib.sha256(compressed[pressed.dataset_offset :]).hexdigest() == pressed.dataset_sha256
    assert stored_data_set(compressed) == compressed[pressed.dataset_offset :]
    assert len(compressed) < len(content)
    assert restored(done, pressed) == content
    one, other = pydicom.dcmread(io.BytesIO(content)), pydicom.dcmread(io.BytesIO(compressed))
    assert other.file_meta.TransferSyntaxUID == JPEG_LS == pressed.transfer_syntax_uid
    assert one.SOPInstanceUID == other.SOPInstanceUID
    assert not other.keys() - one.keys()
    assert np.array_equal(one.pixel_array, other.pixel_array)
    return pressed


def test_every_uncompressed_object_of_pydicom_is_proved_or_stays_as_it_is(tmp_path: Path) -> None:
    reasons: dict[str, str] = {}
    done: dict[str, tuple[int, int]] = {}
    more = sorted(Path(next(iter(data_store.__path__))).rglob("*.dcm"))
    assert more
    for path in [*files_of_pydicom(), *more]:
        content = path.read_bytes()
        try:
            became = answer(content, tmp_path)
        except HeaderInvalid:
            continue
        if isinstance(became, str):
            reasons[path.name] = became
        else:
            done[path.name] = len(content), became.size_bytes
    assert len(done) >= 55
    assert sum(before for before, _ in done.values()) > 2 * sum(after for _, after in done.values())
    assert {"SC_rgb_16bit_2frame.dcm", "emri_small.dcm", "examples_palette.dcm", "gdcm-US-ALOKA-16.dcm"} <= done.keys()
    expected = {
        "JPEG2000.dcm": "compressed already",
        "MR_small_bigendian.dcm": "",
        "image_dfl.dcm": "written in another way",
        "liver_1frame.dcm": "1 bits allocated",
        "rtdose_1frame.dcm": "32 bits allocated",
        "rtplan.dcm": "no pixels",
        "CT_small.dcm": "TIFF",
        "SC_ybr_full_422_uncompressed.dcm": "colours",
        "MR_truncated.dcm": "",
        "rtplan_truncated.dcm": "truncated",
        "no_meta_group_length.dcm": "file meta",
    }
    assert {name: why for name, why in expected.items() if why not in reasons.get(name, "absent")} == {}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_sequences_private_data_and_texts_of_any_length_are_the_same_afterwards(tmp_path: Path, syntax: UID) -> None:
    inner = Dataset()
    inner.CodeValue = "121181"
    inner.is_undefined_length_sequence_item = True
    icon = image(smooth(8, 8, "u1"))
    made = image(smooth(), PatientComments="line\r\n" * 20)
    made.ReferencedStudySequence = Sequence([inner, Dataset()])
    made.IconImageSequence = Sequence([icon])
    made.ContourData = [1.5] * 3
    made.SmallestImagePixelValue = 0
    made["SmallestImagePixelValue"].VR = "US"
    block = made.private_block(0x0019, "SOMEBODY", create=True)
    block.add_new(0x01, "UN", b"\x01\x02\x03\x04")
    block.add_new(0x02, "OB", bytes(range(256)))
    made.add_new(0x00400275, "SQ", Sequence([]))
    made.add_new(0xFFFCFFFC, "OB", b"\0" * 10)
    assert isinstance(answer(part10(made, syntax), tmp_path), Pressed)


def test_group_lengths_are_written_anew_in_both_directions(tmp_path: Path) -> None:
    content = part10(image(smooth()), ImplicitVRLittleEndian)
    offset = read_file_meta(io.BytesIO(content)).dataset_offset
    groups: dict[int, bytes] = {}
    data = content[offset:]
    while data:
        group, _, size = struct.unpack("<HHI", data[:8])
        groups[group] = groups.get(group, b"") + data[: 8 + size]
        data = data[8 + size :]
    old = b"".join(struct.pack("<HHII", group, 0, 4, len(rest)) + rest for group, rest in groups.items())
    pressed = answer(content[:offset] + old, tmp_path)
    assert isinstance(pressed, Pressed)
    made = pydicom.dcmread(tmp_path / "pressed")
    assert made[0x7FE00000].value == len((tmp_path / "pressed").read_bytes()) - pressed.dataset_offset - _before(made)


def _before(made: Dataset) -> int:
    return int(made[0x7FE00010].file_tell or 0) - 12 - _offset(made)


def _offset(made: Dataset) -> int:
    return int(min(element.file_tell for element in made if element.file_tell)) - 8


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    frames=st.integers(1, 3),
    bits=st.integers(2, 16),
    signed=st.booleans(),
    colour=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_frames_of_any_depth_and_sign_come_back(
    rows: int, columns: int, frames: int, bits: int, signed: bool, colour: bool, seed: int
) -> None:
    allocated = 8 if bits <= 8 and seed % 2 else 16
    how = Image(rows, columns, 3 if colour else 1, allocated, bits, signed and not colour, frames)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if how.signed else (0, 1 << bits)
    values = np.random.default_rng(seed).integers(low, high, (rows, columns, how.samples))
    frame = values.astype("<i2" if allocated == 16 else "i1") if how.signed else values.astype(f"<u{allocated // 8}")
    try:
        stream = jpeg_ls.encode(frame.tobytes(), how)
    except NotCompressed as error:
        assert "codec" in str(error)  # CharLS refuses tiny noise that would grow
        return
    assert len(stream) % 2 == 0
    assert jpeg_ls.decode(stream, how) == frame.tobytes()
    other = replace(how, rows=rows + 1)
    with pytest.raises(jpeg_ls.FrameDamaged):
        jpeg_ls.decode(stream, other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"BitsStored": 10, "HighBit": 9}, "unused bits"),
        ({"HighBit": 13}, "lowest bits"),
        ({"Rows": 25}, "not as many"),
        ({"NumberOfFrames": "many"}, "not clear"),
        ({"Rows": 0}, "not clear"),
        ({"SamplesPerPixel": 2}, "colours"),
        ({"PixelRepresentation": 7}, "bits"),
    ],
)
def test_an_odd_image_stays_as_it_is(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    made = image((smooth() * 20).astype("u2"))
    for keyword, value in change.items():
        if keyword == "NumberOfFrames":
            made.add_new(0x00280008, "IS", "1")
            made["NumberOfFrames"]._value = value
        else:
            setattr(made, keyword, value)
    assert why in str(answer(part10(made), tmp_path))


def test_planes_signatures_tables_and_what_does_not_become_smaller_stay(tmp_path: Path) -> None:
    planes = image(smooth(samples=3, kind="u1"))
    planes.PlanarConfiguration = 1
    assert "plane by plane" in str(answer(part10(planes), tmp_path))
    signed = image(smooth())
    signed.add_new(0xFFFAFFFA, "SQ", Sequence([Dataset()]))
    assert "signed" in str(answer(part10(signed), tmp_path))
    floats = dataset()
    floats.add_new(0x7FE00008, "OF", b"\0" * 16)
    assert "floating" in str(answer(part10(floats), tmp_path))
    noise = image(np.random.default_rng(1).integers(0, 256, (64, 64, 1)).astype("u1"))
    assert "smaller" in str(answer(part10(noise), tmp_path))
    big = part10(image(smooth()), ExplicitVRBigEndian)
    assert "another way" in str(answer(big, tmp_path))
    whole = part10(image(smooth()))
    assert "truncated" in str(answer(whole[:-3], tmp_path))
    assert isinstance(answer(whole[:0] + b"SOMEBODY" + whole[8:], tmp_path), Pressed)  # a harmless preamble


def test_an_object_that_cannot_be_proved_is_not_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = part10(image(smooth()))
    done = task(content, tmp_path)
    pressed = compress(done.source, done.dataset_offset, done.target)
    args = done.source, done.sha256, done.transfer_syntax_uid, done.target
    prove(*args, pressed)
    with pytest.raises(NotCompressed, match="byte for byte"):
        prove(done.source, "0" * 64, done.transfer_syntax_uid, done.target, pressed)
    other = part10(image(smooth() + np.uint16(1)))
    done.source.write_bytes(other)
    with pytest.raises(NotCompressed, match="another reader sees"):
        prove(*args, pressed)
    done.source.write_bytes(b"no object")
    with pytest.raises(NotCompressed, match="another reader could not"):
        prove(*args, pressed)
    damaged = bytearray(done.target.read_bytes())
    damaged[-60:-8] = bytes(52)
    done.target.write_bytes(damaged)
    with pytest.raises(NotCompressed, match="restored"):
        prove(*args, pressed)
    honest = jpeg_ls.decode
    monkeypatch.setattr("hsm.lossless.press.jpeg_ls.decode", lambda stream, how: honest(stream, how)[:-2] + b"\1\0")
    assert "byte for byte" in str(press(task(content, tmp_path)))


def test_what_is_not_a_compressed_object_is_not_restored(tmp_path: Path) -> None:
    content = part10(image(smooth(frames=2)))
    done = task(content, tmp_path)
    offset = done.dataset_offset
    with pytest.raises(NotRestored, match="no compressed pixels"):
        restore(done.source, offset, JPEG_LS, "OW", io.BytesIO())
    pressed = compress(done.source, offset, done.target)
    more = pydicom.dcmread(done.target)
    more.NumberOfFrames = 3
    more.save_as(tmp_path / "more")
    with pytest.raises(NotRestored, match="2 frames instead of 3"):
        restore(tmp_path / "more", pressed.dataset_offset, done.transfer_syntax_uid, "OW", io.BytesIO())
    wrong = RestoreTask(
        done.target, tmp_path / "out", pressed.dataset_offset, done.transfer_syntax_uid, "OB", done.sha256
    )
    with pytest.raises(NotRestored, match="digest"):
        put_together(wrong)


def test_two_data_sets_are_told_apart(tmp_path: Path) -> None:
    one, other = dataset(), dataset()
    one.ReferencedStudySequence = Sequence([dataset()])
    other.ReferencedStudySequence = Sequence([dataset(PatientID="P2")])
    assert same_dataset(one, one)
    assert not same_dataset(one, other)
    assert not same_dataset(one, dataset())


def test_implicit_elements_go_to_explicit_and_back() -> None:
    def element(tag: int, value: bytes, size: int | None = None) -> bytes:
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if size is None else size) + value

    item = element(0xFFFEE000, element(0x00080100, b"CODE"))
    open_item = element(0xFFFEE000, element(0x00080100, b"CODE") + element(0xFFFEE00D, b""), 0xFFFFFFFF)
    unknown = element(0x00110110, item + element(0xFFFEE0DD, b""), 0xFFFFFFFF)
    data = (
        element(0x00081110, item + item)
        + element(0x00081115, item + open_item + element(0xFFFEE0DD, b""), 0xFFFFFFFF)
        + element(0x00110010, b"SOMEBODY")
        + unknown
        + element(0x30060050, b"1\\" * 40_000)
        + element(0x60003000, bytes(64))
    )
    explicit = to_explicit(data)
    assert explicit != data
    assert to_implicit(explicit) == data


def test_workers_do_the_same_and_a_codec_that_dies_costs_one_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = part10(image(smooth()))
    tasks = [task(content, tmp_path)]
    presses = Presses(1)
    try:
        (pressed,) = presses.press(tasks)
        assert isinstance(pressed, Pressed)
        out = tmp_path / "out"
        job = RestoreTask(
            tasks[0].target, out, pressed.dataset_offset, tasks[0].transfer_syntax_uid, "OW", tasks[0].sha256
        )
        presses.begin_restore(job)()
        assert out.read_bytes() == content
        monkeypatch.setattr("hsm.lossless.presses.press", die)
        assert presses.press(tasks) == [BROKE]
        assert not tasks[0].target.exists()
        monkeypatch.setattr("hsm.lossless.presses.put_together", die)
        with pytest.raises(NotRestored, match=BROKE):
            presses.begin_restore(job)()
    finally:
        presses.close()


def test_a_codec_that_hangs_is_ended_and_its_object_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = task(part10(image(smooth())), tmp_path)
    presses = Presses(1, limit_s=0.2)
    try:
        with monkeypatch.context() as patched:
            patched.setattr("hsm.lossless.presses.press", hang)
            patched.setattr("hsm.lossless.presses.put_together", hang)
            assert presses.press([one]) == [BROKE]
            with pytest.raises(NotRestored, match=BROKE):
                presses.begin_restore(RestoreTask(one.target, tmp_path / "out", 0, "", "OW", ""))()
        presses._limit_s = 60.0
        (pressed,) = presses.press([one])
        assert isinstance(pressed, Pressed), "the next object finds workers again"
    finally:
        presses.close()


def test_a_full_disk_keeps_nothing_and_other_troubles_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = task(part10(image(smooth())), tmp_path)

    def full(*_: object) -> Pressed:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hsm.lossless.presses.compress", full)
    assert press(done) == NO_ROOM
    monkeypatch.setattr("hsm.lossless.presses.compress", lambda *_: 1 / 0)
    assert press(done) == "it could not be compressed (ZeroDivisionError)"
    monkeypatch.undo()
    done.source.unlink()
    with pytest.raises(FileNotFoundError):
        press(done)
