"""What every Recorder must do. A driver plugs in by subclassing and giving a `desk` fixture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.base import DiscState, Recorder
from drivers.errors import DriveEmpty, DriveNotReady, EndOfData, EndOfMedium, MediumNotBlank


@dataclass(frozen=True)
class Desk:
    """A recorder with a blank disc loaded but not yet waited for."""

    recorder: Recorder
    capacity_bytes: int
    image: Callable[[int], Path]  # makes an image of that size, without ISO 9660 in it
    remount: Callable[[], None]  # unload, take out, put back
    take_out: Callable[[], None]


BLOCK_BYTES = 65536  # the largest piece that any disc is written in: images of whole blocks are recorded as they are


class RecorderContract:
    @pytest.fixture
    def desk(self) -> Desk:
        raise AssertionError("a driver under contract gives its own desk fixture")

    @pytest.fixture
    def recorder(self, desk: Desk) -> Recorder:
        desk.recorder.wait_ready(300)
        return desk.recorder

    def test_a_blank_disc_says_so(self, recorder: Recorder, desk: Desk) -> None:
        status = recorder.status()
        assert status.state is DiscState.BLANK
        assert status.capacity_bytes == desk.capacity_bytes
        assert status.medium
        with pytest.raises(EndOfData):
            recorder.read(0, 2048)

    def test_what_was_burnt_is_read_back(self, recorder: Recorder, desk: Desk) -> None:
        image = desk.image(45 * BLOCK_BYTES)
        recorder.burn(image)
        desk.remount()
        recorder.wait_ready(300)

        assert recorder.status().state is DiscState.COMPLETE
        assert recorder.status().size_bytes == 45 * BLOCK_BYTES
        expected = image.read_bytes()
        assert recorder.read(0, 45 * BLOCK_BYTES) == expected
        assert recorder.read(123_456, 1000) == expected[123_456:124_456]

    def test_reading_past_the_end_is_short(self, recorder: Recorder, desk: Desk) -> None:
        recorder.burn(desk.image(BLOCK_BYTES))
        assert len(recorder.read(BLOCK_BYTES - 96, 2048)) == 96
        assert recorder.read(BLOCK_BYTES, 2048) == b""
        assert recorder.read(BLOCK_BYTES + 34_463, 1) == b""

    def test_a_disc_is_written_once(self, recorder: Recorder, desk: Desk) -> None:
        image = desk.image(BLOCK_BYTES)
        recorder.burn(image)
        with pytest.raises(MediumNotBlank):
            recorder.burn(desk.image(2 * BLOCK_BYTES))
        assert recorder.read(0, 2 * BLOCK_BYTES) == image.read_bytes()

    def test_an_image_that_does_not_fit_leaves_the_disc_blank(self, recorder: Recorder, desk: Desk) -> None:
        with pytest.raises(EndOfMedium):
            recorder.burn(desk.image(desk.capacity_bytes + 2048))
        assert recorder.status().state is DiscState.BLANK
        recorder.burn(desk.image(BLOCK_BYTES))
        assert recorder.status().state is DiscState.COMPLETE

    def test_an_image_that_is_missing_leaves_the_disc_blank(self, recorder: Recorder, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            recorder.burn(tmp_path / "nowhere.iso")
        assert recorder.status().state is DiscState.BLANK

    def test_an_empty_recorder_says_so(self, recorder: Recorder, desk: Desk) -> None:
        desk.take_out()
        assert recorder.status().state is DiscState.NONE
        for operation in (lambda: recorder.wait_ready(300), lambda: recorder.read(0, 1), recorder.unload):
            with pytest.raises(DriveEmpty):
                operation()

    def test_a_released_disc_cannot_be_used(self, recorder: Recorder) -> None:
        recorder.unload()
        assert recorder.status().state is DiscState.NONE
        with pytest.raises(DriveNotReady):
            recorder.read(0, 1)
        recorder.unload()  # asking again does no harm

    def test_spinning_up_takes_its_time(self, desk: Desk) -> None:
        with pytest.raises(DriveNotReady):
            desk.recorder.wait_ready(0.5)
