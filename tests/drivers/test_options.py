"""Options of drivers."""

import pytest

from drivers.options import Option, OptionType, faults, settled

OPTIONS = (
    Option("speed", OptionType.COUNT, None, "Times 1x.", low=1, high=16),
    Option("scale", OptionType.NUMBER, 1.0, "Faster.", low=0.5),
    Option("mode", OptionType.TEXT, "fast", "How.", choices=("fast", "slow")),
    Option("key_name", OptionType.TEXT, "", "Which key."),
    Option("check", OptionType.TRUTH, False, "Whether."),
    Option("drives", OptionType.TEXTS, (), "Serial numbers."),
    Option("wait_s", OptionType.NUMBER, 5, "How long.", high=60),
)


def test_what_is_allowed_passes_and_the_rest_has_its_default() -> None:
    given = {"speed": 4, "scale": 2, "mode": "slow", "key_name": "k", "check": True, "drives": ["A"], "wait_s": 0.5}
    assert list(faults(OPTIONS, given)) == []
    assert settled(OPTIONS, given) == given
    assert settled(OPTIONS, {"speed": 2})["mode"] == "fast"
    assert set(settled(OPTIONS, {})) == {option.name for option in OPTIONS}


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("speed", 0, "whole number, 1 to 16"),
        ("speed", 17, "whole number, 1 to 16"),
        ("speed", 2.5, "whole number"),
        ("speed", True, "whole number"),
        ("scale", 0.4, "number, at least 0.5"),
        ("scale", "2", "number"),
        ("wait_s", 61, "number, at most 60"),
        ("mode", "other", '"fast" or "slow"'),
        ("mode", 1, '"fast" or "slow"'),
        ("key_name", None, "text"),
        ("check", "yes", "true or false"),
        ("drives", "A", "list of texts"),
        ("drives", [""], "list of texts"),
        ("drives", [1], "list of texts"),
        ("sped", 1, "nearest known option is speed"),
        ("nothing", 1, "known options are speed, scale"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(name: str, value: object, remedy: str) -> None:
    (fault,) = faults(OPTIONS, {name: value})
    assert fault.option == name
    assert remedy in fault.remedy
    assert str(fault).startswith(f"option {name}: ")


def test_a_driver_without_options_says_so() -> None:
    (fault,) = faults((), {"speed": 1})
    assert "has no options" in fault.remedy
