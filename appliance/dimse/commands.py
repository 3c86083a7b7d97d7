"""Command sets: read from strangers with every length checked, and written.

Source: PS3.7 section 6.3 and annex E: always Implicit VR Little Endian, group 0000 only.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from hsm.charsets import clean

MAX_COMMAND_BYTES = 64 * 1024
NO_DATASET = 0x0101
_ELEMENT = struct.Struct("<HHI")


class Field(IntEnum):
    """Elements of group 0000."""

    AFFECTED_SOP_CLASS = 0x0002
    REQUESTED_SOP_CLASS = 0x0003
    COMMAND = 0x0100
    MESSAGE_ID = 0x0110
    RESPONDED_ID = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    DATASET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE = 0x1000
    REQUESTED_SOP_INSTANCE = 0x1001
    EVENT_TYPE = 0x1002
    ACTION_TYPE = 0x1008
    REMAINING = 0x1020
    COMPLETED = 0x1021
    FAILED = 0x1022
    WARNING = 0x1023
    ORIGINATOR_AET = 0x1030
    ORIGINATOR_ID = 0x1031


class Code(IntEnum):
    """What a command asks for; a response has the highest bit set. Source: PS3.7 table E.1-1."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    C_CANCEL = 0x0FFF


RESPONSE = 0x8000


class CommandInvalid(Exception):
    """The bytes are no command set."""


@dataclass(frozen=True)
class Command:
    """A command set as it was sent."""

    values: Mapping[int, bytes]

    def number(self, field: Field, default: int | None = None) -> int:
        """The value of a US element. Raises: CommandInvalid when it is absent and has no default."""
        raw = self.values.get(field, b"")
        if len(raw) >= 2:
            return int.from_bytes(raw[:2], "little")
        if default is None:
            raise CommandInvalid(f"the command has no {field.name}")
        return default

    def text(self, field: Field) -> str:
        """The value of a text or UID element without padding; "" when absent."""
        return clean(self.values.get(field, b"").decode("latin_1")).strip(" \0")

    @property
    def code(self) -> int:
        """The command field."""
        return self.number(Field.COMMAND)

    @property
    def has_dataset(self) -> bool:
        """Whether a data set follows."""
        return self.number(Field.DATASET_TYPE, NO_DATASET) != NO_DATASET


def decode_command(data: bytes) -> Command:
    """Read a whole command set. Raises: CommandInvalid."""
    values: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise CommandInvalid("the command is cut")
        group, element, size = _ELEMENT.unpack_from(data, at)
        at += 8
        if group != 0 or at + size > len(data):
            raise CommandInvalid(f"({group:04X},{element:04X}) with {size} bytes in a command of {len(data)}")
        values.setdefault(element, data[at : at + size])
        at += size
    command = Command(values)
    command.number(Field.COMMAND)
    return command


def encode_command(fields: Mapping[Field, int | str]) -> bytes:
    """Write a command set; numbers are US (the offending element AT), texts are padded as their kind needs."""
    body = b"".join(_element(field, fields[field]) for field in sorted(fields))
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _element(field: Field, value: int | str) -> bytes:
    if field is Field.OFFENDING_ELEMENT:
        tag = int(value)
        raw = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    elif isinstance(value, int):
        raw = struct.pack("<H", value)
    else:
        raw = value.encode("ascii", "replace")
        if len(raw) % 2:
            raw += b"\0" if field in _UIDS else b" "
    return _ELEMENT.pack(0, field, len(raw)) + raw


_UIDS = frozenset(
    {Field.AFFECTED_SOP_CLASS, Field.REQUESTED_SOP_CLASS, Field.AFFECTED_SOP_INSTANCE, Field.REQUESTED_SOP_INSTANCE}
)
