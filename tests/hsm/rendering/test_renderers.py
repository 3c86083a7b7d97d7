"""Processes that draw: confined, replaced when they die or dawdle, and never in the way of each other."""

import io
import json
import os
import signal
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from hsm.rendering import NotRendered, Renderers, RenderersBusy, Window, WindowFunction, Wish, program
from hsm.rendering.draw import draw
from hsm.rendering.picture import NoPicture, NoSuchPicture, header_of, picture
from hsm.rendering.wish import Annotation, Form, Viewport, to_json
from tests.hsm.objects import TEST_DATA, dataset, part10

FILES = TEST_DATA / "test_files"
CT = FILES / "CT_small.dcm"


@pytest.fixture(scope="module")
def renderers() -> Iterator[Renderers]:
    made = Renderers(1, time_limit_s=20.0, wait_s=0.05)
    yield made
    made.close()


def test_a_picture_comes_and_a_file_without_one_says_why(renderers: Renderers, tmp_path: Path) -> None:
    with CT.open("rb") as stream:
        made = renderers.render(stream, Wish(Form.PNG, viewport=Viewport(50, 90)))
        assert Image.open(io.BytesIO(made.data)).size == (50, 50) and made.frame == 1
        with pytest.raises(NotRendered, match="no frame 2") as told:
            renderers.render(stream, Wish(frame=2))
        assert told.value.missing
    nothing = tmp_path / "report.dcm"
    nothing.write_bytes(part10(dataset()))
    with nothing.open("rb") as stream, pytest.raises(NotRendered, match="no image"):
        renderers.render(stream, Wish())
    (tmp_path / "rubbish").write_bytes(os.urandom(500))
    with (tmp_path / "rubbish").open("rb") as stream, pytest.raises(NotRendered, match="cannot be decoded"):
        renderers.render(stream, Wish())


def test_a_process_that_dies_or_is_too_slow_is_replaced(renderers: Renderers) -> None:
    with CT.open("rb") as stream:
        renderers.render(stream, Wish())
        painter = renderers._free.get()
        assert painter is not None
        with pytest.raises(RenderersBusy):
            renderers.render(stream, Wish())
        os.kill(painter._process.pid, signal.SIGKILL)
        renderers._free.put(painter)
        with pytest.raises(NotRendered, match="within its limits"):
            renderers.render(stream, Wish())
        assert renderers.render(stream, Wish()).data.startswith(b"\xff\xd8")
        hasty = Renderers(1, time_limit_s=0.0001)
        with pytest.raises(NotRendered, match="within its limits"):
            hasty.render(stream, Wish())
        hasty.close()


def test_values_mean_what_the_object_says() -> None:
    header = header_of(CT.open("rb"))
    data, about = draw(CT.open("rb"), Wish(Form.VALUES))
    numbers = np.frombuffer(zlib.decompress(data), "<u2").reshape(about["rows"], about["columns"])
    import pydicom

    true = pydicom.dcmread(CT).pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
    assert np.array_equal(numbers * about["slope"] + about["intercept"], true)
    assert about["low"] < about["high"] and not about["inverted"]
    with pytest.raises(NoPicture, match="no window"):
        draw((FILES / "examples_rgb_color.dcm").open("rb"), Wish(Form.VALUES))


def test_windows_regions_words_and_tables_change_what_is_seen() -> None:
    def grey(wish: Wish) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(draw(CT.open("rb"), wish)[0])).convert("L")).astype(int)

    plain = grey(Wish(Form.PNG))
    soft = grey(Wish(Form.PNG, window=Window(0, 4000, WindowFunction.SIGMOID)))
    assert plain.shape == soft.shape == (128, 128) and (plain != soft).any()
    assert set(np.unique(grey(Wish(Form.PNG, window=Window(0, 1))))) == {0, 255}, "a step"
    left = grey(Wish(Form.PNG, viewport=Viewport(64, 128, 0, 0, 64, 128)))
    right_way = grey(Wish(Form.PNG, viewport=Viewport(64, 128, 0, 0, -64, -128)))
    assert np.array_equal(left, right_way[::-1, ::-1]) and np.array_equal(left, plain[:, :64])
    assert (grey(Wish(Form.PNG, annotations=frozenset(Annotation), window=Window(40, 400))) != 0).any()
    with pytest.raises(NoPicture, match="outside"):
        draw(CT.open("rb"), Wish(viewport=Viewport(5, 5, 500, 500)))
    with pytest.raises(NoSuchPicture):
        draw(CT.open("rb"), Wish(frame=0))


def test_a_lookup_table_of_the_header_is_used() -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8)
    made = dataset(Rows=8, Columns=8, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsAllocated=16)
    made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 15, 0
    table = Dataset()
    table.add_new(0x00283002, "US", [64, 0, 8])
    table.add_new(0x00283006, "US", list(range(255, 191, -1)))
    made.VOILUTSequence = Sequence([table])
    made.PixelData = ramp.tobytes()
    made["PixelData"].VR = "OW"
    made.RepresentativeFrameNumber = 1
    shown = np.asarray(picture(io.BytesIO(part10(made, ExplicitVRLittleEndian))))
    assert shown[0, 0] == 255 and shown[-1, -1] == 192


def test_the_program_answers_for_hostile_bytes(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes((FILES / "JPEG2000.dcm").read_bytes()[:-3000])
    said = json.loads(json.dumps(to_json(Wish())))
    data, about = program.answer(os.open(bad, os.O_RDONLY), said)
    assert data or about["why"]
    assert program.answer(os.open(CT, os.O_RDONLY), {**said, "frame": 9})[1]["missing"]
    assert "no image" in program.answer(os.open(_report(tmp_path), os.O_RDONLY), said)[1]["why"]


def _report(folder: Path) -> Path:
    path = folder / "report"
    path.write_bytes(part10(dataset()))
    return path
