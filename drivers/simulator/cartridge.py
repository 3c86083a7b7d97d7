"""The tape in a cartridge: one data file and an index of its blocks.

Records lie end to end in `data`. `index` has one entry for each logical block, so its number is its place:

| offset | size | field |
|---|---|---|
| 0 | 8 | where the record begins in `data` (for a filemark: where the next record will begin) |
| 8 | 4 | length in bytes; 0xFFFFFFFF is a filemark |
| 12 | 4 | CRC-32 of the block number and the two fields before |

Numbers are little-endian. A record's bytes are written before its entry, so a kill between the two leaves bytes that no
entry names. Entries at the end that are torn, damaged, or point behind the end of `data` do not count.
"""

import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.errors import MediumError
from drivers.simulator import state

_ENTRY = struct.Struct("<QII")
_NUMBER = struct.Struct("<Q")
_MARK = 0xFFFFFFFF
PROTECTED = "write-protected"  # a file of that name is the tab
_SCAN_ENTRIES = 4096  # index entries looked through at a time
_RESERVE_PARTS = 50  # early warning comes when 1/50 of the tape is left


class Cartridge:
    """One tape, opened by the drive that holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volume = folder.name
        facts = state.load(folder / "volume.json")
        self.medium: str = facts["medium"]
        self.capacity_bytes: int = facts["capacity_bytes"]
        self.reserve_bytes: int = facts["reserve_bytes"]
        self.worm: bool = facts.get("worm", False)
        self._counted: Counter[str] = Counter()  # not yet in volume.json
        self._data = os.open(folder / "data", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._index = os.open(folder / "index", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self.blocks = self._count_blocks()
        self.flushed_blocks = self.blocks
        self.used_bytes = self._end_of(self.blocks)
        self._tidy = False  # whether both files end exactly here

    @property
    def protected(self) -> bool:
        """Whether the write-protect tab is set; a person may change it between two mounts."""
        return (self.folder / PROTECTED).exists()

    @property
    def warning_bytes(self) -> int:
        """From here on the drive warns that the end is near."""
        return self.capacity_bytes - self.reserve_bytes

    def _count_blocks(self) -> int:
        data_bytes = os.fstat(self._data).st_size
        blocks = os.fstat(self._index).st_size // _ENTRY.size
        while blocks > 0:
            entry = self._entry(blocks - 1)
            if entry is not None and entry[0] + (entry[1] or 0) <= data_bytes:
                break
            blocks -= 1
        return blocks

    def _entry(self, block: int) -> tuple[int, int | None] | None:
        raw = os.pread(self._index, _ENTRY.size, block * _ENTRY.size)
        if len(raw) < _ENTRY.size:
            return None
        offset, length, check = _ENTRY.unpack(raw)
        if check != _check(block, raw):
            return None
        return offset, None if length == _MARK else length

    def entry(self, block: int) -> tuple[int, int | None]:
        """Offset and length of a block; the length of a filemark is None. Raises: MediumError."""
        entry = self._entry(block)
        if entry is None:
            raise MediumError(f"block {block} of {self.volume}: its index entry is damaged; read another copy")
        return entry

    def _end_of(self, block: int) -> int:
        if block == 0:
            return 0
        offset, length = self.entry(block - 1)
        return offset + (length or 0)

    def offset_of(self, block: int) -> int:
        """Data bytes that lie before a block; its own index entry may be damaged."""
        if block >= self.blocks:
            return self.used_bytes
        entry = self._entry(block)
        return self._end_of(block) if entry is None else entry[0]

    def marks(self, first: int, last: int) -> Iterator[int]:
        """The filemarks from one block up to before another, in order. A damaged entry counts as a record."""
        while first < last:
            size = min(last - first, _SCAN_ENTRIES) * _ENTRY.size
            for block, entry in enumerate(_ENTRY.iter_unpack(os.pread(self._index, size, first * _ENTRY.size)), first):
                if entry[1] == _MARK:
                    yield block
            first += _SCAN_ENTRIES

    def record(self, block: int) -> bytes | None:
        """The bytes of a record, None for a filemark. Raises: MediumError."""
        offset, length = self.entry(block)
        if length is None:
            return None
        content = os.pread(self._data, length, offset)
        if len(content) < length:
            raise MediumError(f"block {block} of {self.volume} is cut short; read another copy")
        return content

    def write_record(self, block: int, content: bytes) -> None:
        """Put a record at a block number. Whatever lay there or behind is gone."""
        self.cut(block)
        _write_whole(self._data, content, self.used_bytes)
        self._append_entry(self.used_bytes, len(content))
        self.used_bytes += len(content)

    def write_mark(self, block: int) -> None:
        """Put a filemark at a block number. Whatever lay there or behind is gone."""
        self.cut(block)
        self._append_entry(self.used_bytes, _MARK)

    def _append_entry(self, offset: int, length: int) -> None:
        head = _ENTRY.pack(offset, length, 0)
        raw = _ENTRY.pack(offset, length, _check(self.blocks, head))
        _write_whole(self._index, raw, self.blocks * _ENTRY.size)
        self.blocks += 1

    def cut(self, block: int) -> None:
        """End the data at a block number."""
        if block >= self.blocks and self._tidy:
            return
        self.blocks = min(block, self.blocks)
        self.used_bytes = self._end_of(self.blocks)
        os.ftruncate(self._index, self.blocks * _ENTRY.size)
        os.ftruncate(self._data, self.used_bytes)
        self.flushed_blocks = min(self.flushed_blocks, self.blocks)
        self._tidy = True

    def sync(self) -> None:
        """Return when everything written is on the disk under this cartridge."""
        os.fsync(self._data)
        os.fsync(self._index)
        state.sync_folder(self.folder)
        self.flushed_blocks = self.blocks
        self._keep_counters()

    def count(self, **events: int) -> None:
        """Add to the cartridge's own counters (mounts, bytes_written, ...); kept with the next sync or close."""
        self._counted.update(events)

    def counters(self) -> Counter[str]:
        """What was counted over the cartridge's whole life."""
        return Counter(state.load(self.folder / "volume.json")["counters"]) + self._counted

    def counter(self, name: str) -> int:
        """One of the cartridge's counters."""
        return self.counters()[name]

    def _keep_counters(self) -> None:
        if self._counted:
            facts = state.load(self.folder / "volume.json")
            facts["counters"] = dict(self.counters())
            state.save(self.folder / "volume.json", facts)
            self._counted.clear()

    def close(self) -> None:
        """Let go of the files."""
        self._keep_counters()
        os.close(self._data)
        os.close(self._index)


def create(folder: Path, medium: str, capacity_bytes: int, least_reserve_bytes: int, worm: bool = False) -> None:
    """Make the folder of a blank cartridge."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "medium": medium,
        "capacity_bytes": capacity_bytes,
        "reserve_bytes": max(least_reserve_bytes, capacity_bytes // _RESERVE_PARTS),
        "worm": worm,
        "counters": {},
    }
    state.save(folder / "volume.json", facts)


def medium_of(folder: Path) -> str:
    """What a volume is, by its name in drivers.generations."""
    return str(state.load(folder / "volume.json")["medium"])


def damage(folder: Path, offset_bytes: int, mask: int = 0x01) -> None:
    """Flip bits of one byte in the data of a volume that no drive holds, for good."""
    for name in ("data", "image"):
        if (path := folder / name).exists():
            with path.open("r+b") as file:
                file.seek(offset_bytes)
                byte = file.read(1)
                if not byte:
                    raise ValueError(f"{folder.name} holds no byte {offset_bytes}; nothing was changed")
                file.seek(offset_bytes)
                file.write(bytes([byte[0] ^ mask]))
            return
    raise ValueError(f"nothing was ever written to {folder.name}")


def flip(content: bytes, offset_bytes: int, places: Sequence[int]) -> bytes:
    """The same bytes with one bit changed at every place that falls into them."""
    inside = [place - offset_bytes for place in places if 0 <= place - offset_bytes < len(content)]
    if not inside:
        return content
    changed = bytearray(content)
    for place in inside:
        changed[place] ^= 0x01
    return bytes(changed)


def _check(block: int, entry: bytes) -> int:
    return zlib.crc32(entry[:12], zlib.crc32(_NUMBER.pack(block)))


def _write_whole(file: int, content: bytes, offset: int) -> None:
    done = os.pwrite(file, content, offset)
    while done < len(content):
        done += os.pwrite(file, memoryview(content)[done:], offset + done)
