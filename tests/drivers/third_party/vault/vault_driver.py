"""A vault: volumes of a medium nobody knew, one SQLite file each, brought from the cold by something like a robot.

A package of its own, as anybody could write it: nothing in Firn names it.
"""

import fcntl
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from drivers.base import (
    RECORD_BYTES,
    Address,
    Barcode,
    DriveStatus,
    Element,
    ElementKind,
    Inventory,
    MediumKind,
    Recorder,
    TapeDrive,
    VolumeStatistics,
)
from drivers.clock import Clock
from drivers.errors import (
    ChangerError,
    DriveEmpty,
    DriveNotReady,
    EndOfData,
    EndOfMedium,
    LibraryBusy,
    NoSuchElement,
    SourceEmpty,
    TargetFull,
    UnitAttention,
    WriteProtected,
)
from drivers.generations import Medium
from drivers.kinds import Devices, DriverKind
from drivers.options import Option, OptionType
from drivers.records import read_record

MEDIUM = "VAULT-1"
DRIVES = 2


class VaultKind(DriverKind):
    """A folder with volumes."""

    meaning = "A vault of volumes in a folder."
    path = "The folder; it is made when it is not there."
    options = (
        Option("volumes", OptionType.TEXTS, (), "Barcodes of the volumes; new ones are made."),
        Option("volume_bytes", OptionType.COUNT, 10**9, "Capacity of a volume that is made.", low=4 * RECORD_BYTES),
        Option("thaw_s", OptionType.NUMBER, 30.0, "How long a volume takes to come from the cold.", low=0),
    )
    media = (Medium(MEDIUM, MediumKind.TAPE, 10**9),)
    writes: ClassVar[Mapping[str, tuple[str, ...]]] = {MEDIUM: (MEDIUM,)}

    def open(self, name: str, path: Path, options: Mapping[str, Any], clock: Clock) -> Devices:
        path.mkdir(parents=True, exist_ok=True)
        settled = {option.name: options.get(option.name, option.default) for option in self.options}
        return Vault(name, path, settled["volumes"], settled["volume_bytes"], settled["thaw_s"], clock)

    def smallest_volume_bytes(self, path: Path, kind: MediumKind, barcodes: Sequence[str]) -> int | None:
        if not (path / "vault.db").is_file():
            return None
        with sqlite3.connect(path / "vault.db") as places:
            rows = places.execute("SELECT barcode, capacity_bytes FROM volume").fetchall()
        return min((size for code, size in rows if any(fnmatchcase(code, p) for p in barcodes)), default=None)


class Vault:
    """The whole of it, owned by one process."""

    def __init__(
        self, name: str, path: Path, volumes: Sequence[str], volume_bytes: int, thaw_s: float, clock: Clock
    ) -> None:
        self._lock = (path / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise LibraryBusy(f"the vault in {path} belongs to another process; end that one first") from error
        self._places = sqlite3.connect(path / "vault.db", check_same_thread=False)
        self._places.execute(
            "CREATE TABLE IF NOT EXISTS volume (barcode TEXT PRIMARY KEY, capacity_bytes INT, place TEXT UNIQUE, "
            "protected INT DEFAULT 0)"
        )
        for number, barcode in enumerate(volumes, 1):
            values = (barcode, volume_bytes, f"slot {number}")
            self._places.execute(
                "INSERT OR IGNORE INTO volume (barcode, capacity_bytes, place) VALUES (?, ?, ?)", values
            )
        self._places.commit()
        self._drives = {n: VaultDrive(f"{name}/{n}", f"{name}-V{n}", path, thaw_s, clock) for n in range(DRIVES)}
        self.changer = VaultChanger(name, self._places, self._drives, slots=len(volumes) + 2)
        self.changer.recall_drives()

    @property
    def tape_drives(self) -> Mapping[int, TapeDrive]:
        return self._drives

    @property
    def recorders(self) -> Mapping[int, Recorder]:
        return {}

    def protect(self, barcode: str) -> None:
        """Let nobody write on a volume."""
        self._places.execute("UPDATE volume SET protected = 1 WHERE barcode = ?", (barcode,))
        self._places.commit()

    def close(self) -> None:
        for drive in self._drives.values():
            drive.close()
        self._places.close()
        self._lock.close()


class VaultChanger:
    """Brings volumes; the last slot is the mail slot."""

    def __init__(self, name: str, places: sqlite3.Connection, drives: Mapping[int, "VaultDrive"], slots: int) -> None:
        self._name, self._places, self._drives, self._slots = name, places, drives, slots

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_hand(self) -> bool:
        return False

    def _row(self, place: str) -> tuple[str, int, int] | None:
        found = self._places.execute("SELECT barcode, capacity_bytes, protected FROM volume WHERE place = ?", (place,))
        row: tuple[str, int, int] | None = found.fetchone()
        return row

    def recall_drives(self) -> None:
        """After a restart: what lies in the drives."""
        for index, drive in self._drives.items():
            if row := self._row(f"drive {index}"):
                drive.take(*row)

    def inventory(self) -> Inventory:
        def element(kind: ElementKind, index: int, serial: str | None = None) -> Element:
            row = self._row(f"{'drive' if kind is ElementKind.DRIVE else 'slot'} {index}")
            return Element(kind, index, row is not None, Barcode(row[0]) if row else None, None, serial)

        kinds = {self._slots: ElementKind.MAIL_SLOT}
        drives = [element(ElementKind.DRIVE, index, drive.serial) for index, drive in self._drives.items()]
        slots = [element(kinds.get(n, ElementKind.SLOT), n) for n in range(1, self._slots + 1)]
        return Inventory(self._name, (*drives, *slots))

    def load(self, slot: int, drive: int) -> None:
        self._move(f"slot {slot}", f"drive {drive}")
        if row := self._row(f"drive {drive}"):
            self._drives[drive].take(*row)

    def unload(self, drive: int, slot: int) -> None:
        device = self._drives.get(drive)
        if device is not None and device.holds:
            self._check(f"drive {drive}", f"slot {slot}")
            raise ChangerError(f"drive {drive} of {self._name} has not let go of its volume; unload it first")
        self._move(f"drive {drive}", f"slot {slot}")
        self._drives[drive].give()

    def transfer(self, source: int, target: int) -> None:
        self._move(f"slot {source}", f"slot {target}")

    def _check(self, source: str, target: str) -> None:
        known = {*(f"slot {n}" for n in range(1, self._slots + 1)), *(f"drive {n}" for n in self._drives)}
        for place in (source, target):
            if place not in known:
                raise NoSuchElement(f"there is no {place} in {self._name}")
        if self._row(source) is None:
            raise SourceEmpty(f"{source} of {self._name} is empty")
        if self._row(target) is not None:
            raise TargetFull(f"{target} of {self._name} is occupied")

    def _move(self, source: str, target: str) -> None:
        self._check(source, target)
        self._places.execute("UPDATE volume SET place = ? WHERE place = ?", (target, source))
        self._places.commit()


class VaultDrive:
    """Writes and reads one volume: rows are blocks, a row without data is a filemark. A flush commits."""

    model = MEDIUM

    def __init__(self, name: str, serial: str, path: Path, thaw_s: float, clock: Clock) -> None:
        self.name, self.serial = name, serial
        self._path, self._thaw_s, self._clock = path, thaw_s, clock
        self._blocks: sqlite3.Connection | None = None
        self._barcode = ""
        self._capacity_bytes = 0
        self._protected = False
        self._ready_at = clock.now()
        self._at: int | None = None  # None: unknown until a rewind
        self._warned = False

    @property
    def holds(self) -> bool:
        """Whether a volume is in it that it has not let go of."""
        return self._blocks is not None

    def take(self, barcode: str, capacity_bytes: int, protected: int) -> None:
        """A volume is put in."""
        self._blocks = sqlite3.connect(self._path / f"{barcode}.db", check_same_thread=False)
        self._blocks.execute("PRAGMA synchronous = FULL")
        self._blocks.execute("CREATE TABLE IF NOT EXISTS block (n INTEGER PRIMARY KEY, data BLOB)")
        self._blocks.commit()
        self._barcode, self._capacity_bytes, self._protected = barcode, capacity_bytes, bool(protected)
        self._ready_at = self._clock.now() + timedelta(seconds=self._thaw_s)
        self._at, self._warned = None, False

    def give(self) -> None:
        """The volume is taken out."""
        self._barcode = ""

    def close(self) -> None:
        """Let go of the file; what was not flushed is not kept."""
        if self._blocks is not None:
            self._blocks.close()
            self._blocks = None

    def status(self) -> DriveStatus:
        if self._blocks is None:
            return DriveStatus(False, False)
        ready = self._clock.now() >= self._ready_at
        return DriveStatus(True, ready, self._protected, MEDIUM, self._capacity_bytes)

    def statistics(self) -> VolumeStatistics:
        self._ready()
        return VolumeStatistics()

    def wait_ready(self, limit_s: float) -> None:
        self._held()
        missing_s = (self._ready_at - self._clock.now()).total_seconds()
        self._clock.sleep(min(missing_s, limit_s))
        if missing_s > limit_s:
            raise DriveNotReady(f"{self.name}: {self._barcode} is not thawed after {limit_s:g} s; wait longer")

    def _held(self) -> sqlite3.Connection:
        if self._blocks is None:
            kind = DriveNotReady if self._barcode else DriveEmpty
            raise kind(f"{self.name} holds no volume; load one first")
        return self._blocks

    def _ready(self) -> sqlite3.Connection:
        blocks = self._held()
        if self._clock.now() < self._ready_at:
            raise DriveNotReady(f"{self.name}: {self._barcode} is not thawed yet; wait for it")
        return blocks

    def _here(self) -> tuple[sqlite3.Connection, int]:
        blocks = self._ready()
        if self._at is None:
            raise UnitAttention(f"{self.name}: a volume was loaded; rewind and read its label")
        return blocks, self._at

    def rewind(self) -> None:
        self._ready()
        self._at = 0

    def tell(self) -> Address:
        return Address(self._here()[1])

    def seek(self, address: Address) -> None:
        blocks, _ = self._here()
        (end,) = blocks.execute("SELECT coalesce(max(n) + 1, 0) FROM block").fetchone()
        self._at = min(address, end)
        if address > end:
            raise EndOfData(f"{self.name}: {self._barcode} ends at block {end}, before {address}")

    def append(self, stream: BinaryIO) -> Address:
        blocks, start = self._here()
        if self._protected:
            raise WriteProtected(f"{self._barcode} is protected")
        blocks.execute("DELETE FROM block WHERE n >= ?", (start,))
        (used_bytes,) = blocks.execute("SELECT coalesce(sum(length(data)), 0) FROM block").fetchone()
        while record := read_record(stream, RECORD_BYTES):
            used_bytes += len(record)
            near = used_bytes > self._capacity_bytes - 2 * RECORD_BYTES and not self._warned
            self._warned |= near
            if near or used_bytes > self._capacity_bytes:
                raise EndOfMedium(f"{self._barcode} is full")
            self._write(blocks, record)
        self._write(blocks, None)
        return Address(start)

    def _write(self, blocks: sqlite3.Connection, data: bytes | None) -> None:
        blocks.execute("INSERT INTO block VALUES (?, ?)", (self._at, data))
        self._at = (self._at or 0) + 1

    def flush(self) -> None:
        self._ready().commit()

    def read(self) -> Iterator[bytes]:
        blocks, at = self._here()
        while True:
            row = blocks.execute("SELECT data FROM block WHERE n = ?", (at,)).fetchone()
            if row is None:
                raise EndOfData(f"{self.name}: nothing is written at block {at} of {self._barcode}")
            at += 1
            self._at = at
            if row[0] is None:
                return
            yield row[0]

    def unload(self) -> None:
        if self._blocks is None:
            if not self._barcode:
                raise DriveEmpty(f"{self.name} is empty")
            return
        self._blocks.commit()
        self.close()
