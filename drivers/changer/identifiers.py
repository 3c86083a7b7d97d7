"""Which drive each drive element is: the device identifiers in the answer of READ ELEMENT STATUS. Pure.

Source: SMC-3, READ ELEMENT STATUS with DVCID, data transfer element descriptor; SPC-4, designation
descriptor (code set, designator type).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DATA_TRANSFER = 4  # element type code
_TAG_BYTES = 36  # a volume tag: 32 characters and 4 bytes
_FIXED_BYTES = 12  # of a descriptor, before the tags


@dataclass(frozen=True)
class DriveIdentifier:
    """What a changer says about the drive in one of its drive elements."""

    address: int  # SCSI element address
    text: str = (
        ""  # the identifier with its blanks taken off; hexadecimal when it is no text; empty when it says nothing
    )


def request(allocation_bytes: int = 0xFFFF) -> tuple[str, ...]:
    """The command block that asks for the drive elements with their identifiers, as bytes in hexadecimal."""
    cdb = bytes([0xB8, 0x10 | DATA_TRANSFER, 0, 0, 0xFF, 0xFF, 0x01, *allocation_bytes.to_bytes(3, "big"), 0, 0])
    return tuple(f"{byte:02x}" for byte in cdb)


def parse(data: bytes) -> tuple[DriveIdentifier, ...]:
    """The drive elements of an answer in its order, which is the order mtx numbers drives in.

    An answer that was cut short gives what is whole; a descriptor that was cut has no identifier.
    """
    return tuple(_elements(data))


def _elements(data: bytes) -> Iterator[DriveIdentifier]:
    end = min(len(data), 8 + int.from_bytes(data[5:8], "big"))
    at = 8
    while at + 8 <= end:
        kind, flags = data[at], data[at + 1]
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        page_end = min(end, at + 8 + int.from_bytes(data[at + 5 : at + 8], "big"))
        at += 8
        if size < _FIXED_BYTES:
            return  # nothing can be told apart any more
        while at + 2 <= page_end:
            if kind == DATA_TRANSFER:
                yield _element(data[at : min(at + size, page_end)], size, bool(flags & 0x80), bool(flags & 0x40))
            at += size
        at = page_end


def _element(descriptor: bytes, size: int, primary: bool, alternate: bool) -> DriveIdentifier:
    address = int.from_bytes(descriptor[:2], "big")
    at = _FIXED_BYTES + _TAG_BYTES * (primary + alternate)
    if at + 4 > size or at + 4 > len(descriptor):
        return DriveIdentifier(address)
    code_set, length = descriptor[at] & 0x0F, descriptor[at + 3]
    identifier = descriptor[at + 4 : at + 4 + length]
    if len(identifier) < length or not identifier.strip(b"\0 "):
        return DriveIdentifier(address)
    if code_set in (2, 3):  # ASCII, UTF-8
        return DriveIdentifier(address, identifier.decode("utf-8", "replace").strip("\0 "))
    return DriveIdentifier(address, identifier.hex())


def matched(elements: Sequence[DriveIdentifier], serials: Sequence[str]) -> tuple[str | None, ...]:
    """For each element the serial number of its drive, out of those this machine sees; None where it cannot be told.

    Robots name a drive by vendor, product and serial number, or by the serial number alone: it counts as named when
    its serial number ends the identifier. A serial number that two elements would claim is given to neither.
    """
    found = [_owner(element.text, serials) for element in elements]
    return tuple(serial if serial is not None and found.count(serial) == 1 else None for serial in found)


def _owner(text: str, serials: Sequence[str]) -> str | None:
    owners = [serial for serial in serials if serial and text.endswith(serial)]
    return max(owners, key=len, default=None)  # "10WT1" ends with "T1", too, if a drive were called so
