"""Media that other packages bring."""

import pytest

from drivers import generations
from drivers.base import MediumKind
from drivers.generations import MEDIA, Medium, Use, bring, use

GLASS = Medium("GLASS-1", MediumKind.DISC, 360_000_000_000)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is brought is gone after the test."""
    for name in ("_writes", "_reads"):
        monkeypatch.setattr(generations, name, dict(getattr(generations, name)))
    copy = dict(MEDIA)
    monkeypatch.setattr(generations, "_media", copy)
    monkeypatch.setattr(generations, "MEDIA", copy)


def test_a_medium_that_is_brought_is_known_with_its_drives(tables: None) -> None:
    assert use("GLASS-1", "GLASS-1") is Use.NONE
    for _ in range(2):
        bring([GLASS], {"GLASS-1": ("GLASS-1",)}, {"GLASS-1": ("DVD+R",)})
    assert generations.MEDIA["GLASS-1"] is GLASS
    assert use("GLASS-1", "GLASS-1") is Use.WRITE
    assert use("GLASS-1", "DVD+R") is Use.READ
    assert use("BD", "GLASS-1") is Use.NONE


@pytest.mark.parametrize(
    ("media", "writes", "reads", "message"),
    [
        ([Medium("LTO-8", MediumKind.TAPE, 1)], {}, {}, "'LTO-8' is known already"),
        ([GLASS], {"LTO-8": ("GLASS-1",)}, {}, "model 'LTO-8' is known already"),
        ([GLASS], {}, {"LTO-7": ("GLASS-1",)}, "model 'LTO-7' is known already"),
        ([GLASS], {"GLASS-1": ("GLASS-2",)}, {}, "GLASS-2, which nobody brings"),
    ],
)
def test_nothing_that_is_known_is_changed(
    media: list[Medium], writes: dict[str, tuple[str, ...]], reads: dict[str, tuple[str, ...]], message: str
) -> None:
    before = dict(MEDIA)
    with pytest.raises(ValueError, match=message):
        bring(media, writes, reads)
    assert dict(MEDIA) == before
    assert use("LTO-8", "LTO-8") is Use.WRITE
