"""Processes end in time, and what they said is kept."""

import os
import signal
import sys
from pathlib import Path

import pytest

from drivers.command import run
from drivers.errors import CommandFailed, CommandMissing, CommandTimedOut


def test_output_and_status_are_kept() -> None:
    done = run(["sh", "-c", "echo out; echo err >&2; echo $LC_ALL $FIRN_TEST; exit 3"], 30, (0, 3), {"FIRN_TEST": "x"})
    assert (done.status, done.stdout, done.stderr) == (3, "out\nC x\n", "err\n")
    assert done.argv[0] == "sh"
    assert done.duration_s >= 0


def test_a_status_that_is_not_good_is_an_error_with_everything_in_it() -> None:
    with pytest.raises(CommandFailed, match=r"status 4.*no disc") as caught:
        run(["sh", "-c", "echo here; echo no disc >&2; exit 4"], 30)
    assert (caught.value.status, caught.value.stdout, caught.value.stderr) == (4, "here\n", "no disc\n")
    assert caught.value.argv[0] == "sh"
    with pytest.raises(CommandFailed, match="said nothing"):
        run(["false"], 30)


def test_a_tool_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandMissing, match="no-such-tool"):
        run(["no-such-tool"], 30)
    (tmp_path / "plain").write_text("not a program")
    with pytest.raises(CommandMissing, match="plain"):
        run([str(tmp_path / "plain")], 30)


def test_a_tool_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(CommandTimedOut) as caught:
        run(["sh", "-c", f"sleep 600 & echo $! > {child}; echo begun; wait"], 0.5)
    assert caught.value.stdout == "begun\n"
    assert caught.value.status is None
    assert not _runs(int(child.read_text()))


def test_a_tool_that_ignores_the_request_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.command._GRACE_S", 0.2)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    with pytest.raises(CommandTimedOut) as caught:
        run([sys.executable, "-c", script], 2)
    assert caught.value.stdout == "up\n"


def test_an_interruption_ends_the_tool(tmp_path: Path) -> None:
    child = tmp_path / "child"

    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(Interrupted):
            run(["sh", "-c", f"echo $$ > {child}; exec sleep 600"], 60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not _runs(int(child.read_text()))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"
