"""Kinds of libraries: what a configured driver name stands for, found by entry points.

A package brings a further kind by naming a class derived from DriverKind in its metadata; nothing in here changes:

    [project.entry-points."firn.drivers"]
    vault = "vault_driver:VaultKind"

Source: the entry points specification of the Python packaging guide.
"""

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Protocol

from drivers.base import Changer, MediumKind, Recorder, TapeDrive
from drivers.clock import Clock
from drivers.generations import Medium, bring
from drivers.options import Option, OptionFault, faults

GROUP = "firn.drivers"


class DriverUnknown(Exception):
    """The configuration names a driver, or an option of one, that this Firn does not have."""


class LibraryMissing(Exception):
    """A configured library, or a drive of it, is not there."""


class Devices(Protocol):
    """What a driver for a whole library hands out. It owns the hardware until close()."""

    @property
    def changer(self) -> Changer: ...

    @property
    def tape_drives(self) -> Mapping[int, TapeDrive]:
        """Tape drives by drive element number."""
        ...

    @property
    def recorders(self) -> Mapping[int, Recorder]:
        """Recorders by drive element number; no number is in both."""
        ...

    def close(self) -> None:
        """Let go of the hardware. Volumes stay where they are."""
        ...


class DriverKind(ABC):
    """One kind of library. Made without arguments, once; it holds no device until open()."""

    meaning: ClassVar[str]  # a sentence: what it drives
    path: ClassVar[str]  # a sentence: what the path of the library is; empty when it needs none
    options: ClassVar[tuple[Option, ...]] = ()
    media: ClassVar[tuple[Medium, ...]] = ()  # that it brings beside those of drivers/generations
    writes: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # drive model -> media it can write and read
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # drive model -> media it can only read

    @abstractmethod
    def open(self, name: str, path: Path, options: Mapping[str, Any], clock: Clock) -> Devices:
        """Take possession of one library. `options` has passed check(); `path` is absolute.

        Raises: LibraryMissing, LibraryBusy, and what the devices raise.
        """

    def check(self, options: Mapping[str, Any]) -> Sequence[OptionFault]:
        """What is wrong with options, without touching a device."""
        return list(faults(self.options, options))

    def smallest_volume_bytes(self, path: Path, kind: MediumKind, barcodes: Sequence[str]) -> int | None:
        """The capacity of the smallest volume whose barcode fits one of these shell patterns.

        None where that cannot be told without a drive. No device may be touched.
        """
        return None


def names() -> list[str]:
    """All kinds that are installed."""
    return sorted({entry.name for entry in _entries()})


def own() -> Iterator[tuple[str, DriverKind]]:
    """The kinds that come with Firn itself."""
    for entry in sorted(_entries(), key=lambda entry: entry.name):
        if entry.dist is not None and entry.dist.name == "firn":
            yield entry.name, _load(entry)


def find(name: str) -> DriverKind:
    """The kind of that name. The media it brings are known from then on.

    Raises: DriverUnknown when there is none, when it cannot be loaded, and when two packages claim the name.
    """
    found = [entry for entry in _entries() if entry.name == name]
    if not found:
        raise DriverUnknown(f"there is no driver {name!r}; {nearest(name)}")
    if len(found) > 1:
        claims = " and ".join(sorted(entry.value for entry in found))
        raise DriverUnknown(f"the driver {name!r} is claimed by {claims}; uninstall all but one of these packages")
    kind = _load(found[0])
    try:
        bring(kind.media, kind.writes, kind.reads)
    except ValueError as error:
        raise DriverUnknown(f"the driver {name!r} cannot be used: {error}") from error
    return kind


def nearest(name: str) -> str:
    """What somebody who wrote an unknown name may have meant, as a sentence."""
    known = names()
    if not known:
        return "no driver is installed at all: install Firn again (`make setup`, or `pip install --editable .`)"
    if close := get_close_matches(name, known, n=1):
        return f"the nearest known one is {close[0]!r} (known: {', '.join(known)})"
    return f"known: {', '.join(known)}"


def _entries() -> list[importlib.metadata.EntryPoint]:
    """The entry points of the group. What is on the path twice counts once.

    All distributions are asked, also those that another of the same name hides: a folder with a checkout may hold the
    metadata of an older state of what is installed.
    """
    found = (entry for distribution in importlib.metadata.distributions() for entry in distribution.entry_points)
    by_value = {(entry.name, entry.value): entry for entry in found if entry.group == GROUP}
    return list(by_value.values())


def _load(entry: importlib.metadata.EntryPoint) -> DriverKind:
    try:
        kind = entry.load()
    except Exception as error:  # whatever a foreign package does when it is imported
        raise DriverUnknown(
            f"the driver {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, DriverKind)):
        raise DriverUnknown(f"the driver {entry.name!r} ({entry.value}) is not a class derived from DriverKind")
    return kind()
