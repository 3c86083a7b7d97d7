"""Which drive can use which medium.

Further kinds of libraries bring media of their own: they are added, and nothing that is known is ever changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from drivers.base import MediumKind


class Use(StrEnum):
    """What a drive can do with a medium."""

    WRITE = "write"  # and read
    READ = "read"
    NONE = "none"


@dataclass(frozen=True)
class Medium:
    """A kind of medium one can buy."""

    name: str
    kind: MediumKind
    capacity_bytes: int  # native


CLEANING = "CLN"  # a cleaning cartridge: a tape by shape, a volume by nothing else

_media = {
    medium.name: medium
    for medium in (
        Medium("LTO-4", MediumKind.TAPE, 800_000_000_000),
        Medium("LTO-5", MediumKind.TAPE, 1_500_000_000_000),
        Medium("LTO-6", MediumKind.TAPE, 2_500_000_000_000),
        Medium("LTO-7", MediumKind.TAPE, 6_000_000_000_000),
        Medium("LTO-M8", MediumKind.TAPE, 9_000_000_000_000),
        Medium("LTO-8", MediumKind.TAPE, 12_000_000_000_000),
        Medium("LTO-9", MediumKind.TAPE, 18_000_000_000_000),
        Medium(CLEANING, MediumKind.TAPE, 0),
        Medium("DVD+R", MediumKind.DISC, 4_700_372_992),
        Medium("DVD+R DL", MediumKind.DISC, 8_543_666_176),
        Medium("DVD-R", MediumKind.DISC, 4_700_372_992),
        Medium("DVD-R DL", MediumKind.DISC, 8_543_666_176),
        Medium("BD-R", MediumKind.DISC, 25_025_314_816),
        Medium("BD-R XL", MediumKind.DISC, 100_103_356_416),
    )
}

MEDIA: Mapping[str, Medium] = MappingProxyType(_media)

# LTO-8 and later read and write one generation back; LTO-5 to LTO-7 read two back and write one.
_writes: dict[str, tuple[str, ...]] = {
    "LTO-5": ("LTO-5", "LTO-4"),
    "LTO-6": ("LTO-6", "LTO-5"),
    "LTO-7": ("LTO-7", "LTO-6"),
    "LTO-8": ("LTO-8", "LTO-M8", "LTO-7"),
    "LTO-9": ("LTO-9", "LTO-8"),
    "DVD": ("DVD+R", "DVD+R DL", "DVD-R", "DVD-R DL"),
    "BD": ("BD-R", "BD-R XL", "DVD+R", "DVD+R DL", "DVD-R", "DVD-R DL"),
}
_reads: dict[str, tuple[str, ...]] = {"LTO-6": ("LTO-4",), "LTO-7": ("LTO-5",)}


def use(drive_model: str, medium: str) -> Use:
    """What a drive of one model ("LTO-8", "BD") can do with a medium ("LTO-7", "BD-R"); NONE for what is unknown."""
    if medium in _writes.get(drive_model, ()):
        return Use.WRITE
    if medium in _reads.get(drive_model, ()):
        return Use.READ
    return Use.NONE


def bring(
    media: Iterable[Medium], writes: Mapping[str, Sequence[str]], reads: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Add media and the drive models that use them (model -> media it writes and reads; media it only reads).

    Bringing the same again changes nothing. All of it is added, or nothing.

    Raises: ValueError when a name is known already and means something else, or a model names an unknown medium.
    """
    new = {medium.name: medium for medium in media}
    for name, medium in new.items():
        if _media.get(name, medium) != medium:
            raise ValueError(f"the medium {name!r} is known already, as {_media[name]}; give it another name")
    for known, brought in ((_writes, writes), (_reads, reads or {})):
        for model, usable in brought.items():
            if known.get(model, tuple(usable)) != tuple(usable):
                raise ValueError(f"the drive model {model!r} is known already; give it another name")
            if unknown := [name for name in usable if name not in _media and name not in new]:
                raise ValueError(f"the drive model {model!r} uses {', '.join(unknown)}, which nobody brings")
    _media.update(new)
    _writes.update({model: tuple(usable) for model, usable in writes.items()})
    _reads.update({model: tuple(usable) for model, usable in (reads or {}).items()})
