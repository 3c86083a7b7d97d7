"""Mode pages and the parameter lists that carry them. Source: SPC-4 sections 6.9 to 6.12 and 7.5."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from drivers.scsi.cdb import Command
from drivers.scsi.sense import (
    FIELD_IN_PARAMETERS,
    LENGTH_OF_PARAMETERS,
    SAVING_NOT_SUPPORTED,
    CheckCondition,
)

_ALL = 0x3F
_CHANGEABLE, _DEFAULT, _SAVED = 1, 2, 3


@dataclass(frozen=True)
class ModePage:
    """One page: what it says by default, and which of its bits can be set."""

    number: int
    default: bytes  # behind the two bytes of number and length
    changeable: bytes = b""

    def mask(self) -> bytes:
        """The changeable bits, as long as the page."""
        return self.changeable.ljust(len(self.default), b"\0")


class Modes:
    """The pages of one unit and what they say now. What is set lasts until a reset."""

    def __init__(self, pages: Iterable[ModePage]) -> None:
        self._pages: Mapping[int, ModePage] = {page.number: page for page in pages}
        self._now: dict[int, bytes] = {}
        self.reset()

    def reset(self) -> None:
        """Go back to the defaults."""
        self._now = {number: page.default for number, page in self._pages.items()}

    def current(self, number: int) -> bytes:
        """What a page says now, without its number and length."""
        return self._now[number]

    def pages(self, command: Command, overrides: Mapping[int, bytes]) -> bytes:
        """The pages a MODE SENSE asks for; `overrides` are what pages say that tell a state.

        Raises: CheckCondition for a page that is not there, or saved values.
        """
        if command["page_control"] == _SAVED:
            raise CheckCondition(SAVING_NOT_SUPPORTED)
        if command["subpage"] not in (0x00, 0xFF):
            raise command.refuse("subpage")
        wanted = command["page"]
        if wanted == _ALL:
            numbers = list(self._pages)
        elif wanted == 0:  # the header and the block descriptor alone; st asks so
            numbers = []
        elif wanted in self._pages:
            numbers = [wanted]
        else:
            raise command.refuse("page")
        return b"".join(self._page(number, command["page_control"], overrides) for number in numbers)

    def _page(self, number: int, control: int, overrides: Mapping[int, bytes]) -> bytes:
        page = self._pages[number]
        if control == _CHANGEABLE:
            content = page.mask()
        elif control == _DEFAULT:
            content = page.default
        else:
            content = overrides.get(number, self._now[number])
        return bytes([number, len(content)]) + content

    def check(self, content: bytes, offset: int, overrides: Mapping[int, bytes]) -> dict[int, bytes]:
        """Check the pages of a MODE SELECT, which begin at an offset of the parameter list.

        Returns: what the pages shall say. Raises: CheckCondition for a page, a length or a bit that cannot be.
        """
        wanted: dict[int, bytes] = {}
        while offset < len(content):
            number = content[offset] & 0x3F
            page = self._pages.get(number)
            if page is None or content[offset] & 0xC0:
                raise bad_parameter(offset)
            if offset + 2 + len(page.default) > len(content):
                raise CheckCondition(LENGTH_OF_PARAMETERS)
            if content[offset + 1] != len(page.default):
                raise bad_parameter(offset + 1)
            body = content[offset + 2 : offset + 2 + len(page.default)]
            now = overrides.get(number, self._now[number])
            for place, (new, old, mask) in enumerate(zip(body, now, page.mask(), strict=True)):
                if (new ^ old) & ~mask:
                    raise bad_parameter(offset + 2 + place)
            wanted[number] = body
            offset += 2 + len(body)
        return wanted

    def take(self, wanted: Mapping[int, bytes]) -> None:
        """Let pages say what was checked."""
        self._now.update(wanted)


def header(long: bool, medium_type: int, specific: int, descriptor: bytes, pages: bytes) -> bytes:
    """A whole MODE SENSE parameter list."""
    if long:
        total = 6 + len(descriptor) + len(pages)
        head = total.to_bytes(2, "big") + bytes([medium_type, specific, 0, 0]) + len(descriptor).to_bytes(2, "big")
    else:
        head = bytes([min(3 + len(descriptor) + len(pages), 255), medium_type, specific, len(descriptor)])
    return head + descriptor + pages


@dataclass(frozen=True)
class Selected:
    """The head of a MODE SELECT parameter list."""

    specific: int
    specific_at: int
    descriptor: bytes  # nothing, or eight bytes
    descriptor_at: int
    pages_at: int


def selected(content: bytes, long: bool) -> Selected:
    """Read the head of a MODE SELECT parameter list. Raises: CheckCondition."""
    size = 8 if long else 4
    if len(content) < size:
        raise CheckCondition(LENGTH_OF_PARAMETERS)
    length_at = 6 if long else 3
    length = int.from_bytes(content[length_at:size], "big")
    if length not in (0, 8):
        raise bad_parameter(length_at)
    if size + length > len(content):
        raise CheckCondition(LENGTH_OF_PARAMETERS)
    specific_at = 3 if long else 2
    return Selected(content[specific_at], specific_at, content[size : size + length], size, size + length)


def bad_parameter(byte: int, bit: int | None = None) -> CheckCondition:
    """The error that points to a byte of the parameter list."""
    return CheckCondition(replace(FIELD_IN_PARAMETERS, field=(byte, bit)))
