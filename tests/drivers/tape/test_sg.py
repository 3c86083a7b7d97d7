"""Commands through sg3-utils: what their words and exit statuses come to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers import sg
from drivers.command import Completed
from drivers.errors import CommandFailed, UnitAttention
from drivers.sg import Sense
from drivers.tape import composing
from tests.drivers.tape.recorded import names, recorded

Tool = Callable[[str, int, str], Path]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """A program that says what a real one said."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def made(name: str, status: int, said: str) -> Path:
        (tmp_path / "said").write_text(said)
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\ncat {tmp_path}/said\necho "$*" >> {tmp_path}/asked\nexit {status}\n')
        path.chmod(0o755)
        return tmp_path / "asked"

    return made


SENSES = {
    "turs_ready": Sense(),
    "turs_ua": Sense("unit attention", "not ready to ready change, medium may have changed"),
    "turs_becoming-ready": Sense("unit attention", "not ready to ready change, medium may have changed"),
    "turs_cleaning": Sense("not ready", "cleaning cartridge installed"),
    "turs_offline": Sense("not ready"),
    "logs_bad-page": Sense("illegal request"),
}


def test_every_recording_is_read_by_some_parser() -> None:
    status_and_logs = {*names("*_status-*"), *names("logs_*")}  # test_mtio.py and test_sg_logs.py read all of these
    assert set(names("*")) - status_and_logs - {"densities"} == SENSES.keys() - status_and_logs


@pytest.mark.parametrize(("name", "sense"), SENSES.items())
def test_the_sense_is_read_from_what_was_printed(name: str, sense: Sense) -> None:
    assert sg.sense_of(recorded(name)) == sense
    assert sense.good == (recorded(name).status == 0)


def test_an_exit_status_nobody_knows_is_not_good() -> None:
    assert sg.sense_of(Completed(("x",), 33, "", "", 0.0)) == Sense("exit status 33")
    assert sg.sense_of(Completed(("x",), 3, "", "", 0.0)).key == "medium error"


def test_a_cleaning_cartridge_and_a_foreign_medium_are_told_apart() -> None:
    assert composing.is_cleaning(sg.sense_of(recorded("turs_cleaning")))
    assert not composing.is_cleaning(sg.sense_of(recorded("turs_offline")))
    assert composing.is_unusable(Sense("not ready", "cannot read medium - incompatible format"))
    assert composing.is_unusable(Sense("medium error", "incompatible medium installed"))
    assert not composing.is_unusable(sg.sense_of(recorded("turs_cleaning")))


def test_a_log_page_is_what_sg_logs_printed(tool: Tool) -> None:
    asked = tool("sg_logs", 0, "a page")
    assert sg.log_page(Path("/dev/sg1"), 0x2E) == "a page"
    assert asked.read_text() == "-p 0x2e /dev/sg1\n"


@pytest.mark.parametrize("status", [2, 5, 9])
def test_a_page_the_drive_does_not_have_is_no_error(tool: Tool, status: int) -> None:
    tool("sg_logs", status, "")
    assert sg.log_page(Path("/dev/sg1"), 0x3E) is None


def test_a_unit_attention_is_never_thrown_away(tool: Tool) -> None:
    tool("sg_logs", 6, "")
    with pytest.raises(UnitAttention, match="rewind"):
        sg.log_page(Path("/dev/sg1"), 0x2E)


def test_other_failures_of_the_tool_are_errors(tool: Tool) -> None:
    tool("sg_logs", 15, "no such device")
    with pytest.raises(CommandFailed):
        sg.log_page(Path("/dev/sg1"), 0x2E)


def test_readiness_and_a_second_read_tell_their_sense(tool: Tool) -> None:
    tool("sg_turs", 2, recorded("turs_cleaning").stderr)
    assert sg.ready(Path("/dev/sg1")).key == "not ready"
    asked = tool(
        "sg_raw", 3, "Fixed format, current; Sense key: Medium Error\nAdditional sense: Unrecovered read error\n"
    )
    assert sg.read_again(Path("/dev/sg1")) == Sense("medium error", "unrecovered read error")
    assert "/dev/sg1 08 02 08 00 00 00" in asked.read_text()


def test_a_drive_that_does_not_unload_says_so(tool: Tool) -> None:
    tool("sg_raw", 0, "")
    sg.unload(Path("/dev/sg1"))
    tool("sg_raw", 2, "")
    with pytest.raises(CommandFailed, match="did not unload"):
        sg.unload(Path("/dev/sg1"))
