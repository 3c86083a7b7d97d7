"""Small JSON files that survive a kill at any moment, and the one that says where every volume is."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from drivers.base import Barcode, Element, ElementKind

_threads = threading.RLock()  # flock holds between processes, this one between the threads of ours


def save(path: Path, content: dict[str, Any], durable: bool = True) -> None:
    """Replace a JSON file in one step: a reader sees the old content or the new one, never half of it.

    Not `durable`, it survives a kill of the process but perhaps not a loss of the host's power.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(path: Path) -> dict[str, Any]:
    """Read a JSON file written by save()."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@dataclass
class Place:
    """Where one volume is. `kind` is None on the shelf, outside the library."""

    volume: str  # its folder: what the volume *is*, whatever its sticker says
    barcode: str  # what the sticker says
    kind: ElementKind | None = None
    index: int = 0
    origin: int | None = None  # the slot a volume in a drive came from
    move: int = 0  # number of the move that brought it here: tells one arrival from the next
    arrived: str = ""  # ISO time of that move, on the library's clock
    released: bool = False  # a drive let go of it: the robot may take it

    @property
    def arrived_at(self) -> datetime:
        """Time of the last move."""
        return datetime.fromisoformat(self.arrived)


@dataclass
class Places:
    """Where everything is, and how many slots of which kind there are."""

    slots: int
    mail_slots: int
    drives: list[str]  # serial numbers
    moves: int = 0
    volumes: list[Place] = field(default_factory=list)

    def kind_of(self, index: int) -> ElementKind | None:
        """The kind of a storage element, None when there is no such element."""
        if 1 <= index <= self.slots:
            return ElementKind.SLOT
        if self.slots < index <= self.slots + self.mail_slots:
            return ElementKind.MAIL_SLOT
        return None

    def at(self, kind: ElementKind | None, index: int) -> Place | None:
        """The volume in an element, if there is one."""
        return next((p for p in self.volumes if p.kind is kind and p.kind is not None and p.index == index), None)

    def in_storage(self, index: int) -> Place | None:
        """The volume in a slot or mail slot."""
        return self.at(self.kind_of(index), index)

    def in_drive(self, index: int) -> Place | None:
        """The volume in a drive."""
        return self.at(ElementKind.DRIVE, index)

    def named(self, barcode: str) -> Place | None:
        """The volume with that sticker."""
        return next((p for p in self.volumes if p.barcode == barcode), None)

    def put(self, place: Place, kind: ElementKind | None, index: int, now: datetime, origin: int | None = None) -> None:
        """Note that a volume was moved."""
        self.moves += 1
        place.kind, place.index, place.origin, place.released = kind, index, origin, False
        place.move, place.arrived = self.moves, now.isoformat()

    def elements(self, hidden: frozenset[str] = frozenset()) -> tuple[Element, ...]:
        """What a robot would report; barcodes of hidden volumes cannot be read."""

        def element(kind: ElementKind, index: int, serial: str | None = None) -> Element:
            place = self.at(kind, index)
            if place is None:
                return Element(kind, index, drive_serial=serial)
            sticker = place.barcode if place.barcode and place.volume not in hidden else None
            return Element(kind, index, True, None if sticker is None else Barcode(sticker), place.origin, serial)

        last_slot = self.slots + self.mail_slots
        return (
            *(element(ElementKind.DRIVE, index, serial) for index, serial in enumerate(self.drives)),
            *(element(ElementKind.SLOT, index) for index in range(1, self.slots + 1)),
            *(element(ElementKind.MAIL_SLOT, index) for index in range(self.slots + 1, last_slot + 1)),
        )

    def as_json(self) -> dict[str, Any]:
        """The content of places.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Places":
        """Read back as_json()."""
        volumes = [
            Place(**{**place, "kind": None if place["kind"] is None else ElementKind(place["kind"])})
            for place in content["volumes"]
        ]
        return cls(**{**content, "volumes": volumes})


class PlacesFile:
    """places.json: read afresh every time, changed under a lock, so that hands can work beside a running robot."""

    def __init__(self, root: Path) -> None:
        self._path = root / "places.json"
        self._lock = root / ".places.lock"

    def read(self) -> Places:
        """Where everything is now."""
        return Places.from_json(load(self._path))

    @contextmanager
    def change(self) -> Iterator[Places]:
        """Read, let the caller change it, and replace the file; left alone when the caller raises."""
        with _threads, self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            places = self.read()
            yield places
            save(self._path, places.as_json())
