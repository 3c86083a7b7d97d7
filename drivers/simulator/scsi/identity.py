"""Who a unit says it is: INQUIRY data and vital product data. Source: SPC-4 sections 6.4 and 7.8, SSC-4 section 8.5."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

VENDOR = "FIRN"
REVISION = "0001"
TAPE, CHANGER = 0x01, 0x08  # peripheral device types
_SPC4 = 0x06
_ASCII, _BINARY = 0x02, 0x01  # code sets
_T10, _NAA = 0x01, 0x03  # designator types


def padded(text: str, size: int) -> bytes:
    """Text as SCSI wants it: printable ASCII, cut or filled with blanks."""
    return text.encode("ascii", "replace")[:size].ljust(size)


@dataclass(frozen=True)
class Identity:
    """What tells one unit from another."""

    device_type: int
    product: str
    serial: str

    def inquiry(self) -> bytes:
        """The standard data, 96 bytes."""
        head = bytes([self.device_type, 0x80, _SPC4, 0x02, 91, 0, 0, 0x02])  # removable medium, queued commands
        return (head + padded(VENDOR, 8) + padded(self.product, 16) + padded(REVISION, 4)).ljust(96, b"\0")

    def t10(self) -> bytes:
        """The vendor's identifier, also told by a changer of its drives."""
        return padded(VENDOR, 8) + padded(self.product, 16) + self.serial.encode("ascii", "replace")

    def naa(self) -> bytes:
        """A locally assigned name, made from the serial number."""
        digest = hashlib.sha256(self.t10()).digest()
        return bytes([0x30 | digest[0] & 0x0F]) + digest[1:8]

    def vital_pages(self) -> Mapping[int, Callable[[], bytes]]:
        """The vital product data pages by number."""
        pages: dict[int, Callable[[], bytes]] = {
            0x80: lambda: self.serial.encode("ascii", "replace"),
            0x83: self._designators,
        }
        if self.device_type == TAPE:
            pages[0xB0] = lambda: b"\x01\x00"  # WORM media can be used
        numbers = bytes([0x00, *pages])
        return {0x00: lambda: numbers, **pages}

    def vital(self, page: int) -> bytes | None:
        """One vital product data page, None when there is none of that number."""
        build = self.vital_pages().get(page)
        if build is None:
            return None
        content = build()
        return bytes([self.device_type, page]) + len(content).to_bytes(2, "big") + content

    def _designators(self) -> bytes:
        return _designator(_ASCII, _T10, self.t10()) + _designator(_BINARY, _NAA, self.naa())


def _designator(code_set: int, kind: int, content: bytes) -> bytes:
    return bytes([code_set, kind, 0, len(content)]) + content


drive_identity = partial(Identity, TAPE)
changer_identity = partial(Identity, CHANGER)
