"""Where a tape is and how far to go: SPACE and READ POSITION over the index of a cartridge. Pure."""

from dataclasses import dataclass

from drivers.scsi.sense import BEGINNING_OF_MEDIUM, END_OF_DATA, FILEMARK, Sense
from drivers.simulator.cartridge import Cartridge


@dataclass(frozen=True)
class Arrival:
    """Where a SPACE ends, and what is to be said of it."""

    block: int
    sense: Sense | None = None


def space_marks(cartridge: Cartridge, here: int, count: int) -> Arrival:
    """Over filemarks: forward to behind the last of them, backward to before it. Source: SSC-4 section 7.9."""
    left = abs(count)
    if count > 0:
        for block in cartridge.marks(here, cartridge.blocks):
            left -= 1
            if left == 0:
                return Arrival(block + 1)
        return Arrival(cartridge.blocks, END_OF_DATA.left(left))
    if count < 0:
        before = list(cartridge.marks(0, here))
        if left <= len(before):
            return Arrival(before[-left])
        return Arrival(0, BEGINNING_OF_MEDIUM.left(left - len(before)))
    return Arrival(here)


def space_blocks(cartridge: Cartridge, here: int, count: int) -> Arrival:
    """Over records; a filemark ends the way, and is passed. Source: SSC-4 section 7.9."""
    if count >= 0:
        wanted = min(here + count, cartridge.blocks)
        mark = next(cartridge.marks(here, wanted), None)
        if mark is not None:
            return Arrival(mark + 1, FILEMARK.left(here + count - mark))
        if wanted < here + count:
            return Arrival(wanted, END_OF_DATA.left(here + count - wanted))
        return Arrival(wanted)
    wanted = max(here + count, 0)
    marks = list(cartridge.marks(wanted, here))
    if marks:
        return Arrival(marks[-1], FILEMARK.left(marks[-1] + 1 - (here + count)))
    if wanted > here + count:
        return Arrival(0, BEGINNING_OF_MEDIUM.left(wanted - (here + count)))
    return Arrival(wanted)


def nth_file(cartridge: Cartridge, number: int) -> int | None:
    """The first block of a file (file 0 begins at block 0), None when there are not so many."""
    if number == 0:
        return 0
    for count, block in enumerate(cartridge.marks(0, cartridge.blocks), 1):
        if count == number:
            return block + 1
    return None


_AT_BEGINNING, _NEAR_END = 0x80, 0x40


def position_data(form: int, cartridge: Cartridge, here: int, near_end: bool) -> bytes:
    """What READ POSITION tells. Source: SSC-4 section 7.7: short form 0 or 1, long form 6, extended form 8."""
    flags = (_AT_BEGINNING if here == 0 else 0) | (_NEAR_END if near_end else 0)
    if form == 6:
        files = sum(1 for _ in cartridge.marks(0, here))
        return bytes([flags]) + bytes(7) + here.to_bytes(8, "big") + files.to_bytes(8, "big") + bytes(8)
    if form == 8:
        return bytes([flags, 0, 0, 0x1C]) + bytes(4) + here.to_bytes(8, "big") * 2 + bytes(8)
    return bytes([flags, 0, 0, 0]) + here.to_bytes(4, "big") * 2 + bytes(8)
