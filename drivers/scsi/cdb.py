"""Command descriptor blocks: which fields each command has, and nothing else may be set in it.

A bit outside the fields of a command, and one of the control byte, must be zero; whoever sets it is told which one
(ILLEGAL REQUEST 24h/00h with a field pointer). Source: SPC-4 (common commands), SSC-4 (tape), SMC-3 (changer).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drivers.scsi.sense import FIELD_IN_CDB, UNSUPPORTED_COMMAND, CheckCondition


@dataclass(frozen=True)
class Field:
    """Where a value lies: whole bytes from `byte` on, or some bits of that one byte."""

    byte: int
    size_bytes: int = 1
    low_bit: int = 0
    bits: int = 8
    signed: bool = False

    def read(self, cdb: bytes) -> int:
        """The value in a CDB."""
        raw = int.from_bytes(cdb[self.byte : self.byte + self.size_bytes], "big", signed=self.signed)
        return raw if self.size_bytes > 1 or self.bits == 8 else raw >> self.low_bit & (1 << self.bits) - 1

    def mask(self) -> dict[int, int]:
        """The bits it covers, by byte."""
        if self.size_bytes > 1:
            return dict.fromkeys(range(self.byte, self.byte + self.size_bytes), 0xFF)
        return {self.byte: (1 << self.bits) - 1 << self.low_bit}


@dataclass(frozen=True)
class Layout:
    """One command: its name, operation code, length, and fields by name."""

    name: str
    opcode: int
    fields: Mapping[str, Field]
    service_action: int | None = None

    @property
    def size_bytes(self) -> int:
        """The length of the CDB, by the group of its operation code."""
        return {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}[self.opcode >> 5]

    def usage(self) -> bytes:
        """A map with a one at every bit that is looked at, and the operation code in the first byte."""
        usage = bytearray(self.size_bytes)
        usage[0] = self.opcode
        for field in self.fields.values():
            for byte, mask in field.mask().items():
                usage[byte] |= mask
        return bytes(usage)


@dataclass(frozen=True)
class Command:
    """A CDB that passed the checks. Its fields are read by name: command["length"]."""

    layout: Layout
    cdb: bytes

    @property
    def name(self) -> str:
        """The command's name."""
        return self.layout.name

    def __getitem__(self, field: str) -> int:
        return self.layout.fields[field].read(self.cdb)

    def refuse(self, field: str) -> CheckCondition:
        """The error that says this field has a value that cannot be."""
        where = self.layout.fields[field]
        bit = where.low_bit + where.bits - 1 if where.size_bytes == 1 and where.bits < 8 else None
        return CheckCondition(replace(FIELD_IN_CDB, field=(where.byte, bit)))


def _bit(byte: int, bit: int) -> Field:
    return Field(byte, 1, bit, 1)


def _bits(byte: int, low: int, bits: int) -> Field:
    return Field(byte, 1, low, bits)


def _layout(name: str, opcode: int, **fields: Field) -> Layout:
    return Layout(name, opcode, fields)


_IMMED = _bit(1, 0)
_MODE_PAGE = {"page_control": _bits(2, 6, 2), "page": _bits(2, 0, 6), "subpage": Field(3)}
_SELECT = {"page_format": _bit(1, 4), "save": _bit(1, 0)}

COMMON = (
    _layout("test_unit_ready", 0x00),
    _layout("request_sense", 0x03, allocation=Field(4)),
    _layout("inquiry", 0x12, vital=_bit(1, 0), page=Field(2), allocation=Field(3, 2)),
    _layout("mode_select_6", 0x15, **_SELECT, length=Field(4)),
    _layout("reserve_6", 0x16),
    _layout("release_6", 0x17),
    _layout("mode_sense_6", 0x1A, no_descriptors=_bit(1, 3), **_MODE_PAGE, allocation=Field(4)),
    _layout("prevent_removal", 0x1E, prevent=_bits(4, 0, 2)),
    _layout(
        "log_sense",
        0x4D,
        save=_bit(1, 0),
        page_control=_bits(2, 6, 2),
        page=_bits(2, 0, 6),
        subpage=Field(3),
        parameter=Field(5, 2),
        allocation=Field(7, 2),
    ),
    _layout("mode_select_10", 0x55, **_SELECT, length=Field(7, 2)),
    _layout(
        "mode_sense_10", 0x5A, long_lba=_bit(1, 4), no_descriptors=_bit(1, 3), **_MODE_PAGE, allocation=Field(7, 2)
    ),
    _layout("report_luns", 0xA0, select=Field(2), allocation=Field(6, 4)),
)

TAPE = (
    *COMMON,
    _layout("rewind", 0x01, immediate=_IMMED),
    _layout("read_block_limits", 0x05),
    _layout("read_6", 0x08, suppress=_bit(1, 1), fixed=_bit(1, 0), length=Field(2, 3)),
    _layout("write_6", 0x0A, fixed=_bit(1, 0), length=Field(2, 3)),
    _layout("write_filemarks_6", 0x10, immediate=_IMMED, count=Field(2, 3)),
    _layout("space_6", 0x11, code=_bits(1, 0, 4), count=Field(2, 3, signed=True)),
    _layout("erase_6", 0x19, immediate=_bit(1, 1), long=_bit(1, 0)),
    _layout(
        "load_unload",
        0x1B,
        immediate=_IMMED,
        hold=_bit(4, 3),
        end_of_tape=_bit(4, 2),
        retension=_bit(4, 1),
        load=_bit(4, 0),
    ),
    _layout(
        "locate_10",
        0x2B,
        block_type=_bit(1, 2),
        change_partition=_bit(1, 1),
        immediate=_IMMED,
        block=Field(3, 4),
        partition=Field(8),
    ),
    _layout("read_position", 0x34, form=_bits(1, 0, 5), allocation=Field(7, 2)),
    _layout("report_density", 0x44, medium_type=_bit(1, 1), medium=_bit(1, 0), allocation=Field(7, 2)),
    _layout(
        "read_attribute",
        0x8C,
        action=_bits(1, 0, 5),
        volume=Field(5),
        partition=Field(7),
        first=Field(8, 2),
        allocation=Field(10, 4),
        cache=_bit(14, 0),
    ),
    _layout("write_attribute", 0x8D, through=_bit(1, 0), volume=Field(5), partition=Field(7), length=Field(10, 4)),
    _layout("space_16", 0x91, code=_bits(1, 0, 4), count=Field(4, 8, signed=True), length=Field(12, 2)),
    _layout(
        "locate_16",
        0x92,
        destination=_bits(1, 3, 2),
        change_partition=_bit(1, 1),
        immediate=_IMMED,
        explicit=_bit(2, 0),
        partition=Field(3),
        identifier=Field(4, 8),
    ),
)

_MOVE = {"transport": Field(2, 2), "source": Field(4, 2)}

CHANGER = (
    *COMMON,
    _layout("initialize_elements", 0x07),
    _layout("position_to_element", 0x2B, transport=Field(2, 2), destination=Field(4, 2), invert=_bit(8, 0)),
    _layout("initialize_range", 0x37, range=_bit(1, 0), fast=_bit(1, 1), start=Field(2, 2), number=Field(6, 2)),
    _layout("move_medium", 0xA5, **_MOVE, destination=Field(6, 2), invert=_bit(10, 0)),
    _layout(
        "exchange_medium",
        0xA6,
        **_MOVE,
        first_destination=Field(6, 2),
        second_destination=Field(8, 2),
        invert_second=_bit(10, 0),
        invert_first=_bit(10, 1),
    ),
    _layout(
        "read_element_status",
        0xB8,
        tags=_bit(1, 4),
        kind=_bits(1, 0, 4),
        start=Field(2, 2),
        number=Field(4, 2),
        current=_bit(6, 1),
        identify=_bit(6, 0),
        allocation=Field(7, 3),
    ),
)


def decode(cdb: bytes, layouts: Mapping[int, Layout]) -> Command:
    """Check a CDB, padded or not, against the commands of a unit, by operation code.

    Raises: CheckCondition for an unknown command, a CDB that is too short, or a bit that must be zero.
    """
    layout = layouts.get(cdb[0]) if cdb else None
    if layout is None:
        raise CheckCondition(UNSUPPORTED_COMMAND)
    if len(cdb) < layout.size_bytes:
        raise CheckCondition(replace(FIELD_IN_CDB, field=(len(cdb) - 1, None)))
    cdb = cdb[: layout.size_bytes]
    usage = layout.usage()
    for byte in range(1, len(cdb)):
        if wrong := cdb[byte] & ~usage[byte]:
            raise CheckCondition(replace(FIELD_IN_CDB, field=(byte, wrong.bit_length() - 1)))
    return Command(layout, cdb)


def by_opcode(layouts: tuple[Layout, ...]) -> dict[int, Layout]:
    """The commands of a unit by operation code."""
    return {layout.opcode: layout for layout in layouts}
