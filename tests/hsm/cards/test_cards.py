"""Previews: small, bounded, kept beside the pool, and never a reason for anything else to fail."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from drivers.clock import SystemClock
from hsm.archive import Archive
from hsm.cards import CardMaker, CardShelf, MakerSettings
from hsm.cards.shelf import KEY
from hsm.catalog import Catalog
from hsm.pool import OnlinePool
from hsm.rendering.picture import MOST_PIXELS, NoPicture, jpeg, picture
from tests.hsm.objects import TEST_DATA, dataset, part10

FILES = TEST_DATA / "test_files"


def image(values: np.ndarray, **more: object) -> bytes:
    """A CT object whose pixels are these."""
    samples = 1 if values.ndim == 2 else 3
    about = {
        "Rows": values.shape[0],
        "Columns": values.shape[1],
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "MONOCHROME2" if samples == 1 else "RGB",
        "BitsAllocated": values.dtype.itemsize * 8,
        "BitsStored": values.dtype.itemsize * 8,
        "HighBit": values.dtype.itemsize * 8 - 1,
        "PixelRepresentation": 0,
    }
    if samples == 3:
        about["PlanarConfiguration"] = 0
    made = dataset(**{**about, **more})
    made.PixelData = values.tobytes()
    made["PixelData"].VR = "OW" if values.dtype.itemsize == 2 else "OB"
    return part10(made, ExplicitVRLittleEndian)


def grey(content: bytes) -> np.ndarray:
    return np.asarray(picture(io.BytesIO(content)).convert("L")).astype(int)


RAMP = np.linspace(0, 4000, 64 * 64).reshape(64, 64).astype(np.uint16)


def test_the_window_of_the_header_decides_what_is_black_and_white() -> None:
    shown = grey(image(RAMP, WindowCenter="2000", WindowWidth="200"))
    assert shown[0, 0] == 0 and shown[-1, -1] == 255
    assert 0 < shown[32, 0] < 255
    assert (shown[:28] == 0).all() and (shown[36:] == 255).all()


@pytest.mark.parametrize(
    "window",
    [{}, {"WindowCenter": "1", "WindowWidth": "0"}, {"WindowCenter": "-99999", "WindowWidth": "1"}],
)
def test_without_a_window_that_makes_sense_most_of_it_is_shown(window: dict[str, str]) -> None:
    shown = grey(image(RAMP, **window))
    assert shown[0, 0] < 5 and shown[-1, -1] > 250
    assert 100 < shown[32, 32] < 155


def test_inverted_colour_flat_and_many_frames_are_shown() -> None:
    assert grey(image(RAMP, PhotometricInterpretation="MONOCHROME1"))[0, 0] > 250
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert picture(io.BytesIO(image(red))).getpixel((3, 3)) == (200, 0, 0)
    assert grey(image(np.full((8, 8), 7, np.uint16))).max() == 0
    frames = np.stack([np.full((8, 8), n * 100, np.uint8) for n in range(3)])
    many = image(frames.reshape(24, 8), Rows=8, NumberOfFrames="3", WindowCenter="128", WindowWidth="256")
    assert abs(grey(many)[0, 0] - 100) < 3, "the middle frame"


@pytest.mark.parametrize(
    "name",
    [
        "JPEG2000.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "CT_small.dcm",
        "examples_palette.dcm",
    ],
)
def test_what_hospitals_send_is_shown(name: str) -> None:
    made = jpeg(picture(io.BytesIO((FILES / name).read_bytes())), 64)
    small = Image.open(io.BytesIO(made))
    assert max(small.size) == 64 and small.format == "JPEG"
    assert np.asarray(small.convert("L")).std() > 1


def test_a_huge_or_missing_image_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(NoPicture, match="no image"):
        picture(io.BytesIO(part10(dataset())))
    with pytest.raises(NoPicture, match="too large"):
        picture(io.BytesIO(image(RAMP, Rows=65535, Columns=65535)))
    assert MOST_PIXELS > 40_000_000


def test_a_large_frame_is_thinned_out() -> None:
    assert max(picture(io.BytesIO(image(np.zeros((16, 5000), np.uint8)))).size) <= 2048


# -- the program -------------------------------------------------------------------------------------------------


def rendered(path: Path, memory_bytes: int = 1_500_000_000, cpu_s: int = 20) -> dict[str, object] | None:
    with path.open("rb") as stream:
        order = {
            "memory_bytes": memory_bytes,
            "cpu_s": cpu_s,
            "pictures": [{"name": "1.2", "fd": stream.fileno(), "sizes_px": {"thumbnail": 32}}],
        }
        done = subprocess.run(
            [sys.executable, "-m", "hsm.rendering.previews"],
            input=json.dumps(order).encode(),
            capture_output=True,
            pass_fds=[stream.fileno()],
            timeout=60,
            check=False,
        )
    return json.loads(done.stdout) if done.stdout else None


def test_rubbish_and_a_lack_of_memory_end_a_picture_and_nothing_else(tmp_path: Path) -> None:
    good, rubbish = tmp_path / "good", tmp_path / "rubbish"
    good.write_bytes(image(np.zeros((6000, 6000), np.uint16)))
    rubbish.write_bytes((FILES / "JPEG2000.dcm").read_bytes()[:-3000] + os.urandom(2000))
    answer = rendered(rubbish)
    assert answer is not None and ("jpegs" in answer or answer["why"])
    assert "jpegs" in (rendered(good) or {})
    starved = rendered(good, memory_bytes=60_000_000)
    assert starved is None or "why" in starved


# -- the shelf and the maker -------------------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}") as catalog:
        yield Archive(catalog, OnlinePool.create([tmp_path / "pool"], 0, tmp_path / "quarantine"), SystemClock())


@pytest.fixture
def maker(archive: Archive, tmp_path: Path) -> Iterator[CardMaker]:
    made = CardMaker(archive.catalog, archive.pool, CardShelf(tmp_path / "cards"), MakerSettings(64, 128, 60.0))
    yield made
    made.close()


def receive(archive: Archive, *contents: bytes) -> None:
    for content in contents:
        assert archive.receive_file(io.BytesIO(content), "TEST").kept


def study(archive: Archive) -> None:
    """Two series of images, one of something that is none."""
    named = {"StudyInstanceUID": "1.2.3"}
    receive(
        archive,
        *(image(RAMP, SeriesInstanceUID="1.2.3.1", SOPInstanceUID=f"1.2.3.1.{n}", **named) for n in (1, 2)),
        image(RAMP.T.copy(), SeriesInstanceUID="1.2.3.2", SOPInstanceUID="1.2.3.2.1", **named),
        part10(dataset(SeriesInstanceUID="1.2.3.3", SOPInstanceUID="1.2.3.3.1", **named)),
    )


def test_a_card_has_a_picture_of_each_series_and_a_key_image(archive: Archive, maker: CardMaker) -> None:
    study(archive)
    card = maker.make("1.2.3")
    assert card is not None and card == maker.shelf.card("1.2.3")
    assert set(card.pictures) == {"1.2.3.1", "1.2.3.2", KEY}
    assert card.missing == {"1.2.3.3": "it has no image"}
    assert card.instances == 4
    sizes = {}
    for name in card.pictures:
        path = maker.shelf.picture("1.2.3", name)
        assert path is not None
        sizes[name] = Image.open(path).size
    assert sizes == {"1.2.3.1": (64, 64), "1.2.3.2": (64, 64), KEY: (64, 64)}
    again = maker.make("1.2.3")
    assert again == card, "made anew in place of the old one"
    maker.shelf.forget("1.2.3")
    assert maker.shelf.card("1.2.3") is None


def test_what_is_wanted_is_made_aside_and_once(archive: Archive, maker: CardMaker) -> None:
    study(archive)
    assert not maker.has("1.2.3")
    assert maker.want("1.2.3") and maker.want("1.2.3")
    assert maker.want("9.9")
    wait_for(lambda: not maker.want("9.9"))
    assert maker.has("1.2.3"), "it came before"
    assert maker.has("9.9"), "nothing of it is on disk: it was tried in vain"


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        threading.Event().wait(0.02)


def test_a_program_that_dies_or_hangs_leaves_a_card_that_says_so(
    archive: Archive, maker: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(archive)

    def hangs(*about: object, **more: object) -> object:
        raise subprocess.TimeoutExpired(
            "render", 1.0, b'{"name": "1.2.3.1", "why": "a"}\n{"name": "77", "why": ""}\n{"na'
        )

    monkeypatch.setattr(subprocess, "run", hangs)
    card = maker.make("1.2.3")
    assert card is not None and card.pictures == {}
    assert card.missing["1.2.3.1"] == "a"
    assert card.missing["1.2.3.2"] == "could not be decoded within its limits"
    assert "77" not in card.missing


def test_a_shelf_keeps_nothing_under_hostile_names(tmp_path: Path) -> None:
    shelf = CardShelf(tmp_path / "cards")
    for name in ("../../etc", "1.2/..", "", "1.2\x00"):
        assert shelf.card(name) is None
        assert shelf.picture("1.2", name) is None
        assert shelf.picture(name, KEY) is None
        with pytest.raises(ValueError, match="no UID"):
            shelf.put(name, 1, {}, {})
    with pytest.raises(ValueError, match="no UID"):
        shelf.put("1.2", 1, {"../x": b""}, {})


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 2}', b'{"version": 1, "instances": "x"}'])
def test_a_damaged_card_counts_as_none(tmp_path: Path, content: bytes) -> None:
    shelf = CardShelf(tmp_path / "cards")
    shelf.put("1.2", 1, {KEY: b"x"}, {})
    (path,) = (tmp_path / "cards").rglob("card.json")
    path.write_bytes(content)
    assert shelf.card("1.2") is None


def test_a_pool_that_lost_its_files_is_tried_in_vain(archive: Archive, maker: CardMaker) -> None:
    study(archive)
    for file in archive.pool.directories[0].rglob("*.dcm"):
        file.unlink()
    maker.want("1.2.3")
    wait_for(lambda: maker.has("1.2.3"))
    assert maker.shelf.card("1.2.3") is None


def test_too_many_wishes_are_not_kept(maker: CardMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    import queue

    maker._waiting = queue.Queue(1)
    maker._waiting.put("1.1")
    assert not maker.want("1.2")
    maker._waiting.get()


# -- headers -----------------------------------------------------------------------------------------------------


def test_what_the_objects_say_is_kept_and_only_what_changed_is_read_again(
    archive: Archive, maker: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(archive)
    assert not maker.complete("1.2.3")
    maker.make("1.2.3")
    assert maker.complete("1.2.3")
    heads = {uid: head for n in (1, 2, 3) for uid, head in maker.shelf.heads("1.2.3", f"1.2.3.{n}").items()}
    stored = {one.sop_instance_uid: one.sha256 for one in archive.catalog.studies.instances("1.2.3")}
    assert {uid: head.sha256 for uid, head in heads.items()} == stored
    for uid, head in heads.items():
        said = json.loads(head.said)
        assert (said["00080018"]["Value"] == [uid] and "7FE00010" not in said) or "BulkDataURI" in said["7FE00010"]
    orders: list[list[str]] = []
    run = maker._run

    def noted(pictures: object, heads: list[dict[str, object]]) -> list[dict[str, object]]:
        orders.append([str(one["name"]) for one in heads])
        return run(pictures, heads)  # type: ignore[arg-type]

    monkeypatch.setattr(maker, "_run", noted)
    again = maker.make("1.2.3")
    assert again is not None and not any(orders), "they are what they were"
    assert {uid for n in (1, 2, 3) for uid in maker.shelf.heads("1.2.3", f"1.2.3.{n}")} == set(stored)


def test_headers_that_cannot_be_read_are_not_asked_for_again(
    archive: Archive, maker: CardMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(archive)
    monkeypatch.setattr(maker, "_run", lambda pictures, heads: [])
    maker.make("1.2.3")
    assert maker.complete("1.2.3")
    assert {head.said for head in maker.shelf.heads("1.2.3", "1.2.3.1").values()} == {b""}
    assert maker.shelf.heads("1.2.3", "../x") == {} and maker.shelf.heads("9", "9") == {}
    (path,) = maker.shelf._folder.rglob("1.2.3.1.heads.gz")
    path.write_bytes(path.read_bytes()[:-9])
    assert maker.shelf.heads("1.2.3", "1.2.3.1") == {}


def test_a_maker_that_closes_gives_up_between_two_runs(archive: Archive, maker: CardMaker) -> None:
    study(archive)
    maker._closing.set()
    assert maker.make("1.2.3") is None and maker.shelf.card("1.2.3") is None
