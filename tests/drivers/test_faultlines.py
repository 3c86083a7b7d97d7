"""The language of faults.txt says what it did not understand, and README.md shows every form."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceError, EndOfMedium, MediumError
from drivers.simulator.faultlines import Action, FaultsInvalid, parse, parse_line

_README = Path(__file__).parents[2] / "drivers" / "simulator" / "README.md"


def test_every_part_of_a_line_is_understood() -> None:
    fault = parse_line("fail  write with medium error on drive SIM1 on volume A00001L8 after 3 records 2 times")
    assert (fault.action, fault.operation, fault.error) == (Action.FAIL, "write", MediumError)
    assert (fault.drive, fault.volume, fault.after, fault.counts, fault.times) == ("SIM1", "A00001L8", 3, "records", 2)

    fault = parse_line("unreadable blocks 100-120 on volume A00001L8 in drive 0")
    assert (fault.first, fault.last, fault.unit, fault.times) == (100, 120, "blocks", None)
    assert parse_line("unreadable byte 7 on volume D1 once").times == 1
    assert parse_line("hang flush").seconds == 120
    assert parse_line("fail flush with end of medium").error is EndOfMedium
    assert parse_line("fail burn").error is DeviceError
    assert parse_line("never ready after 1 call always").counts == "calls"
    assert parse_line("fail robot before move").operation is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fail wrote", "nearest forms"),
        ("", "nearest forms"),
        ("rot byte 5", "on which volume"),
        ("unreadable blocks 9-3 on volume A", "ends before it begins"),
        ("never ready on", "'on' at the end"),
        ("never ready on drive 0 sometimes", "'sometimes' at the end"),
        ("never readying", "'ing' at the end"),
        ("hang write after 2 records", "after 2 calls"),
        ("never ready oncemore", "'oncemore' at the end"),
    ],
)
def test_a_line_that_is_wrong_gets_a_reason(line: str, expected: str) -> None:
    with pytest.raises(FaultsInvalid, match=re.escape(expected)):
        parse_line(line)


def test_all_wrong_lines_are_named_at_once() -> None:
    with pytest.raises(FaultsInvalid) as caught:
        parse("never ready\nnonsense  # here\n\n# fine\nrot byte 1\n")
    assert "line 2: 'nonsense'" in str(caught.value)
    assert "line 5" in str(caught.value)
    assert "line 1:" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        parse(text)
    except FaultsInvalid as error:
        assert str(error)


def test_the_readme_shows_every_form_and_each_is_understood() -> None:
    block = re.search(r"```faults\n(.*?)```", _README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    shown = parse(block[1])
    assert {fault.action for fault in shown} == set(Action)
