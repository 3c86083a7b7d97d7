"""The element addresses of a changer, and what READ ELEMENT STATUS tells of them. Source: SMC-3 section 6.11.

| element | addresses |
|---|---|
| the robot's hand | 1 |
| drive n (from 0) | 256 + n |
| mail slot n (from 1) | 300 + n |
| slot n (from 1) | 1000 + n |
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drivers.base import Element, ElementKind
from drivers.simulator.robot import Spot
from drivers.simulator.scsi.identity import padded
from drivers.simulator.state import Places

HAND = 1
FIRST_DRIVE, FIRST_MAIL_SLOT, FIRST_SLOT = 256, 301, 1001
HAND_TYPE, SLOT_TYPE, MAIL_TYPE, DRIVE_TYPE = 1, 2, 3, 4
_TYPES = {ElementKind.SLOT: SLOT_TYPE, ElementKind.MAIL_SLOT: MAIL_TYPE, ElementKind.DRIVE: DRIVE_TYPE}
_FULL, _BY_OPERATOR, _EXCEPTION, _ACCESS, _EXPORT, _IMPORT = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_TAG_BYTES = 36
_UNREADABLE_BARCODE = (0x83, 0x00)  # of an element in an exception; vendor specific


@dataclass(frozen=True)
class Addresses:
    """Which element has which address."""

    slots: int
    mail_slots: int
    drives: int

    @classmethod
    def of(cls, places: Places) -> "Addresses":
        """Those of a library."""
        return cls(places.slots, places.mail_slots, len(places.drives))

    def spot(self, address: int) -> Spot | None:
        """The place at an address, None when there is none (the hand is none to put a volume)."""
        if FIRST_DRIVE <= address < FIRST_DRIVE + self.drives:
            return ElementKind.DRIVE, address - FIRST_DRIVE
        if FIRST_MAIL_SLOT <= address < FIRST_MAIL_SLOT + self.mail_slots:
            return ElementKind.MAIL_SLOT, address - FIRST_MAIL_SLOT + self.slots + 1
        if FIRST_SLOT <= address < FIRST_SLOT + self.slots:
            return ElementKind.SLOT, address - FIRST_SLOT + 1
        return None

    def of_storage(self, index: int) -> int:
        """The address of a slot or mail slot, which share one numbering."""
        if index <= self.slots:
            return FIRST_SLOT + index - 1
        return FIRST_MAIL_SLOT + index - self.slots - 1

    def of_element(self, element: Element) -> int:
        """The address of an element."""
        return FIRST_DRIVE + element.index if element.kind is ElementKind.DRIVE else self.of_storage(element.index)

    def assignment(self) -> bytes:
        """The mode page that tells them (1Dh), without its head."""
        pairs = (
            (HAND, 1),
            (FIRST_SLOT, self.slots),
            (FIRST_MAIL_SLOT, self.mail_slots),
            (FIRST_DRIVE, self.drives),
        )
        return b"".join(first.to_bytes(2, "big") + count.to_bytes(2, "big") for first, count in pairs) + bytes(2)


@dataclass(frozen=True)
class Request:
    """What a READ ELEMENT STATUS asks."""

    kind: int  # 0: every type
    start: int
    number: int
    tags: bool
    identify: bool


def element_status(
    request: Request,
    places: Places,
    hidden: frozenset[str],
    accessible: Callable[[int], bool],
    name: Callable[[int], bytes],
) -> bytes:
    """The whole answer, as long as it is. `accessible`: may the robot reach into that drive; `name`: its identifier."""
    addresses = Addresses.of(places)
    rows: list[tuple[int, Element | None]] = [(HAND, None)]
    rows += [(addresses.of_element(element), element) for element in places.elements(hidden)]
    wanted = [
        (address, element)
        for address, element in sorted(rows, key=lambda row: row[0])
        if address >= request.start and request.kind in (0, _type(element))
    ][: request.number]
    names = {e.index: name(e.index) for _, e in wanted if e is not None and e.kind is ElementKind.DRIVE}
    pages = b""
    for kind in (HAND_TYPE, DRIVE_TYPE, MAIL_TYPE, SLOT_TYPE):
        of_kind = [(address, element) for address, element in wanted if _type(element) == kind]
        if of_kind:
            identifiers = [names[e.index] if e and kind == DRIVE_TYPE else b"" for _, e in of_kind]
            longest = max(map(len, identifiers)) if request.identify else 0
            descriptors = [
                _descriptor(address, element, addresses, accessible)
                + (_tag(element) if request.tags else b"")
                + (_identifier(identifier, longest) if request.identify else bytes(4))
                for (address, element), identifier in zip(of_kind, identifiers, strict=True)
            ]
            pages += _page(kind, request.tags, descriptors)
    first = wanted[0][0] if wanted else 0
    return first.to_bytes(2, "big") + len(wanted).to_bytes(2, "big") + len(pages).to_bytes(4, "big") + pages


def _type(element: Element | None) -> int:
    return HAND_TYPE if element is None else _TYPES[element.kind]


def _page(kind: int, tags: bool, descriptors: list[bytes]) -> bytes:
    size = len(descriptors[0])
    content = b"".join(descriptors)
    return bytes([kind, 0x80 if tags else 0]) + size.to_bytes(2, "big") + len(content).to_bytes(4, "big") + content


def _descriptor(
    address: int, element: Element | None, addresses: Addresses, accessible: Callable[[int], bool]
) -> bytes:
    flags, code, source = 0, (0, 0), b"\0\0\0"
    if element is not None:
        flags = _FULL if element.full else 0
        if element.kind is not ElementKind.DRIVE or accessible(element.index):
            flags |= _ACCESS
        if element.kind is ElementKind.MAIL_SLOT:
            flags |= _IMPORT | _EXPORT
        if element.full and element.barcode is None:
            code = _UNREADABLE_BARCODE
        if element.origin is not None:
            source = b"\x80" + addresses.of_storage(element.origin).to_bytes(2, "big")
    return address.to_bytes(2, "big") + bytes([flags, 0, *code, 0, 0, 0]) + source


def _tag(element: Element | None) -> bytes:
    """The volume tag: padded with blanks, or nothing at all where there is none or it cannot be read."""
    if element is None or element.barcode is None:
        return bytes(_TAG_BYTES)
    return padded(element.barcode, 32) + bytes(_TAG_BYTES - 32)


def _identifier(identifier: bytes, longest: int) -> bytes:
    """What names a drive: ASCII, as in its vital product data; filled up, since all descriptors are of one length."""
    if not identifier:
        return bytes(4 + longest)
    return bytes([0x02, 0x01, 0, len(identifier)]) + identifier.ljust(longest, b"\0")


def storage_of(places: Places) -> Iterator[tuple[int, int]]:
    """The mail slots that hold something: number and the move that brought it."""
    for place in places.volumes:
        if place.kind is ElementKind.MAIL_SLOT:
            yield place.index, place.move
