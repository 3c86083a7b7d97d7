"""What goes wrong at a recorder: real xorriso, a file as the disc."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import isofs
from drivers.base import DiscState
from drivers.errors import (
    CommandMissing,
    DeviceError,
    DeviceGone,
    DriveEmpty,
    DriveNotReady,
    MediumError,
    MediumNotBlank,
    MediumUnsupported,
    UnitAttention,
)
from drivers.optical import RecorderOptions, XorrisoRecorder
from tests.drivers.optical.desk import CAPACITY_BYTES, Attached, Bench, bench
from tests.support.library import virtual_clock


@pytest.fixture
def here(tmp_path: Path) -> Bench:
    bench_ = bench(tmp_path)
    bench_.ready()
    return bench_


OPTIONS = RecorderOptions(model="DVD", use_at_most_bytes=CAPACITY_BYTES, rewritable=True)


class Tool:
    """A program of our own in the place of xorriso: passes on, or fails as it is told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._folder.mkdir()
        self.calls = folder / "calls"
        monkeypatch.setenv("PATH", f"{self._folder}:{os.environ['PATH']}")

    def say(self, when: str, stderr: str, status: int = 5) -> None:
        """Fail when the arguments match a shell pattern; otherwise be xorriso."""
        script = self._folder / "xorriso"
        script.write_text(
            f'#!/bin/sh\necho "$*" >>{self.calls}\ncase "$*" in {when}) cat >&2 <<"END"\n{stderr}\nEND\n'
            f'exit {status};; esac\nexec /usr/bin/xorriso "$@"\n'
        )
        script.chmod(0o755)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tool]:
    yield Tool(tmp_path, monkeypatch)


REFUSED = (
    "libburn : FAILURE : SCSI error condition on command 53h RESERVE TRACK: [5 20 00] Illegal request.\n"
    "libburn : FATAL : Cannot reserve track of 5799936 bytes"
)


def test_an_image_is_burnt_and_named(here: Bench, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("hello")
    size_bytes = isofs.make_image(tmp_path / "tree", "D00001", tmp_path / "d.iso")
    here.recorder.burn(tmp_path / "d.iso")
    status = here.recorder.status()
    assert (status.state, status.volume_id) == (DiscState.COMPLETE, "D00001")
    assert here.recorder.read(0, size_bytes) == (tmp_path / "d.iso").read_bytes()
    isofs.check_image(here.tray.disc or Path())


def test_a_drive_without_reserve_track_is_asked_in_another_way_and_only_once(here: Bench, tool: Tool) -> None:
    tool.say('*cdrecord*-data" "/*', REFUSED)
    here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.COMPLETE
    here.recorder.unload()
    here.tray.take()
    here.ready()
    here.recorder.burn(here.image(65536))
    burns = [line for line in tool.calls.read_text().splitlines() if "cdrecord" in line]
    assert ["-tao" in burn for burn in burns] == [False, True, True]


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("libburn : FAILURE : SCSI error on write(16,16): [3 0C 00] Medium error.", MediumError),
        ("libburn : FAILURE : SCSI error on write(16,16): [4 09 00] Hardware error.", DeviceError),
        ("xorriso : FAILURE : libburn indicates failure with writing.", DeviceError),
    ],
)
def test_a_burn_that_fails_spoils_the_disc(here: Bench, tool: Tool, stderr: str, kind: type[Exception]) -> None:
    tool.say("*cdrecord*", stderr)
    with pytest.raises(kind, match="spoilt"):
        here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.UNREADABLE
    with pytest.raises(MediumNotBlank):
        here.recorder.burn(here.image(65536))
    with pytest.raises(MediumError):
        here.recorder.read(0, 1)


def test_the_next_disc_is_not_spoilt(here: Bench, tool: Tool) -> None:
    tool.say("*cdrecord*", "xorriso : FAILURE : libburn indicates failure with writing.")
    with pytest.raises(DeviceError):
        here.recorder.burn(here.image(65536))
    here.recorder.unload()
    here.tray.take()
    here.ready()
    assert here.recorder.status().state is DiscState.BLANK


def test_a_burn_that_says_nothing_of_its_end_is_not_believed(here: Bench, tool: Tool) -> None:
    tool.say("*cdrecord*", "", status=0)
    with pytest.raises(DeviceError, match="did not say"):
        here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.UNREADABLE


def test_a_burn_of_which_too_little_is_there_is_not_believed(here: Bench, tool: Tool) -> None:
    tool.say("*cdrecord*", "Writing to '/dev/sr0' completed successfully.", status=0)
    with pytest.raises(DeviceError, match="after the burn the disc is blank"):
        here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.UNREADABLE


def test_a_recorder_in_use_keeps_its_disc_blank(here: Bench, tool: Tool) -> None:
    tool.say("*cdrecord*", "libburn : SORRY : Cannot open busy device '/dev/sr0'")
    with pytest.raises(DriveNotReady, match="another program"):
        here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.BLANK


def test_without_xorriso_the_disc_stays_blank(here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = here.image(65536)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", str(tmp_path))
        with pytest.raises(CommandMissing):
            here.recorder.burn(image)
    assert here.recorder.status().state is DiscState.BLANK


def test_a_burn_that_hangs_is_stopped(here: Bench, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.say("*cdrecord*", "")
    script = tool.calls.parent / "bin" / "xorriso"
    script.write_text(script.read_text().replace("exit 5;;", "exec sleep 60;;"))
    monkeypatch.setattr("drivers.optical.verdict.burn_limit_s", lambda medium, size_bytes: 0.2)
    with pytest.raises(DeviceError, match="did not end"):
        here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.UNREADABLE


def test_a_tray_that_must_be_pushed_in_by_hand_is_no_failed_burn(here: Bench) -> None:
    here.tray.motor = False
    here.recorder.burn(here.image(65536))
    assert here.recorder.status().state is DiscState.NONE
    with pytest.raises(DriveEmpty):
        here.recorder.read(0, 1)
    assert here.tray.disc is not None
    here.tray.put(here.tray.disc)
    here.recorder.wait_ready(60)
    assert here.recorder.read(0, 5) == here.image(65536).read_bytes()[:5]


def test_a_rehearsal_is_done_only_with_media_that_can(here: Bench, tool: Tool) -> None:
    tool.say("nothing", "")
    recorder = XorrisoRecorder("rec", Attached(), here.clock, replace(OPTIONS, simulate=True), here.tray)
    recorder.burn(here.image(65536))
    assert "-dummy" not in tool.calls.read_text()
    assert recorder.status().state is DiscState.COMPLETE


def test_a_rehearsal_that_fails_leaves_the_disc_blank(here: Bench, tool: Tool) -> None:
    tool.say("*-dummy*", "xorriso : FAILURE : simulation of write job not supported by drive")
    real = here.tray.disc
    assert real is not None
    script = tool.calls.parent / "bin" / "xorriso"
    # A DVD-R in the place of the file: only the medium's name is another.
    script.write_text(
        script.read_text().replace(
            'exec /usr/bin/xorriso "$@"',
            "/usr/bin/xorriso \"$@\" 2>&1 | sed 's/stdio file, overwriteable/DVD-R sequential recording/'",
        )
    )
    recorder = XorrisoRecorder("rec", Attached(), here.clock, replace(OPTIONS, simulate=True), here.tray)
    with pytest.raises(DeviceError, match="simulation"):
        recorder.burn(here.image(65536))
    assert recorder.status().state is DiscState.BLANK
    assert real.stat().st_size == 0


# -- looking ----------------------------------------------------------------------------------------------------------


def test_a_disc_changed_behind_our_back_is_noticed(here: Bench) -> None:
    here.recorder.burn(here.image(65536))
    assert here.recorder.read(0, 1)
    here.tray.take()
    here.tray.put(here.folder / "other")
    with pytest.raises(UnitAttention):
        here.recorder.read(0, 1)


def test_an_unreadable_sector_is_a_medium_error_and_the_rest_is_read(here: Bench) -> None:
    here.recorder.burn(here.image(65536))
    here.tray.scratched.add(20)
    with pytest.raises(MediumError, match="sectors 20-21"):
        here.recorder.read(0, 65536)
    assert len(here.recorder.read(0, 20 * 2048)) == 20 * 2048


def test_a_disc_whose_beginning_cannot_be_read_is_unreadable(here: Bench) -> None:
    here.recorder.burn(here.image(65536))
    here.tray.scratched.update((0, 16))
    assert here.recorder.status().state is DiscState.UNREADABLE


def test_a_spinning_disc_is_waited_for_and_not_judged(here: Bench) -> None:
    here.tray.take()
    here.tray.put(here.folder / "another")
    with pytest.raises(DriveNotReady):
        here.recorder.status()
    here.recorder.wait_ready(60)
    assert here.recorder.status().state is DiscState.BLANK


def test_an_open_tray_is_pulled_in_once(here: Bench) -> None:
    here.tray.open = True
    here.recorder.wait_ready(60)
    here.tray.open, here.tray.motor = True, False
    with pytest.raises(DriveEmpty):
        here.recorder.wait_ready(60)


def test_the_tray_is_locked_while_a_disc_is_in_use(here: Bench) -> None:
    locked = [here.tray.locked]
    here.recorder.unload()
    locked.append(here.tray.locked)
    free = XorrisoRecorder("rec", Attached(), here.clock, replace(OPTIONS, lock_tray=False), here.tray)
    here.tray.put(here.folder / "more")
    free.wait_ready(60)
    assert [*locked, here.tray.locked] == [True, False, False]


def test_a_door_that_sticks_is_told(here: Bench) -> None:
    here.tray.sticks = True
    with pytest.raises(DeviceError, match="keeps its disc"):
        here.recorder.unload()
    here.tray.sticks = False
    here.recorder.unload()


def test_a_rewritable_disc_is_not_used_unless_allowed(here: Bench) -> None:
    strict = XorrisoRecorder("rec", Attached(), here.clock, RecorderOptions(model="DVD"), here.tray)
    assert strict.status().state is DiscState.UNREADABLE
    with pytest.raises(MediumUnsupported):
        strict.wait_ready(60)
    with pytest.raises(MediumNotBlank):
        strict.burn(here.image(65536))


def test_a_device_that_went_is_gone(here: Bench, tool: Tool) -> None:
    here.tray.gone = True
    for operation in (here.recorder.status, lambda: here.recorder.wait_ready(10), here.recorder.unload):
        with pytest.raises(DeviceGone):
            operation()
    here.tray.gone = False
    tool.say("*-toc*", "xorriso : FAILURE : Cannot acquire drive")
    here.tray.take()
    here.tray.put(here.folder / "next")
    with pytest.raises(DeviceError, match="Cannot acquire"):
        here.recorder.wait_ready(60)


def test_a_device_that_goes_while_xorriso_asks_is_gone(here: Bench, tool: Tool) -> None:
    tool.say("*-toc*", "xorriso : FAILURE : Cannot acquire drive")
    recorder = XorrisoRecorder("rec", Attached(), here.clock, OPTIONS, here.tray)
    asked = here.tray.door
    answers = iter([asked()])

    def door() -> object:
        here.tray.gone = next(answers, None) is None
        return asked()

    here.tray.door = door  # type: ignore[method-assign, assignment]
    with pytest.raises(DeviceGone):
        recorder.status()


def test_what_a_recorder_is_is_asked_of_it(here: Bench, tool: Tool) -> None:
    recorder = XorrisoRecorder("rec", Attached(), here.clock, RecorderOptions(), here.tray)
    assert (recorder.name, recorder.serial) == ("rec", "R1")
    assert recorder.model == "DVD"  # a file cannot say
    tool.say("*-list_profiles*", "Profile      : 0x0041 (BD-R sequential recording)", status=0)
    assert recorder.model == "BD"


def test_a_recorder_without_a_block_device_is_refused() -> None:
    with pytest.raises(ValueError, match="sr_mod"):
        XorrisoRecorder("rec", Attached(node=None), virtual_clock())


def test_a_recorder_at_work_tells_what_it_said_last(here: Bench, tool: Tool, tmp_path: Path) -> None:
    before = here.recorder.status()
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    tool.say("*cdrecord*", "")
    script = tool.calls.parent / "bin" / "xorriso"
    script.write_text(script.read_text().replace("exit 5;;", f"cat {fifo}; exit 5;;"))
    errors: list[Exception] = []

    def burn() -> None:
        try:
            here.recorder.burn(here.image(65536))
        except DeviceError as error:
            errors.append(error)

    worker = threading.Thread(target=burn)
    worker.start()
    with fifo.open("w"):  # opens when the burn has begun
        assert here.recorder.status() == before
    worker.join()
    assert errors and here.recorder.status().state is DiscState.UNREADABLE
