"""Sense data: why a command ended with CHECK CONDITION.

Fixed format, 18 bytes, as tape drives and changers send it. Source: SPC-4 section 4.5.3; ASC and ASCQ: SPC-4 annex F.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum

_FIXED = struct.Struct(">BBB4sB4sBBB3s")
_CURRENT, _DEFERRED = 0x70, 0x71


class Key(IntEnum):
    """The sense key: what kind of end it was."""

    NO_SENSE = 0x0  # with a flag that says what happened: filemark, end of medium, incorrect length
    RECOVERED_ERROR = 0x1
    NOT_READY = 0x2
    MEDIUM_ERROR = 0x3
    HARDWARE_ERROR = 0x4
    ILLEGAL_REQUEST = 0x5
    UNIT_ATTENTION = 0x6
    DATA_PROTECT = 0x7
    BLANK_CHECK = 0x8
    ABORTED_COMMAND = 0xB
    VOLUME_OVERFLOW = 0xD


@dataclass(frozen=True)
class Sense:
    """What sense data say."""

    key: Key = Key.NO_SENSE
    code: tuple[int, int] = (0, 0)  # additional sense code and qualifier
    information: int | None = None  # what was not done of what was asked for; negative when a block was longer
    filemark: bool = False
    eom: bool = False  # beginning or end of the partition, or early warning
    ili: bool = False  # the block was of another length
    deferred: bool = False  # about an earlier command
    field: tuple[int, int | None] | None = None  # offending byte of the CDB and its bit
    in_parameters: bool = False  # the field is one of the parameter data instead

    def encode(self) -> bytes:
        """The 18 bytes."""
        valid = 0x00 if self.information is None else 0x80
        flags = self.filemark << 7 | self.eom << 6 | self.ili << 5 | self.key
        response = valid | (_DEFERRED if self.deferred else _CURRENT)
        information = ((self.information or 0) & 0xFFFFFFFF).to_bytes(4, "big")
        pointer = b"\0\0\0"
        if self.field is not None:
            byte, bit = self.field
            head = 0x80 | (0 if self.in_parameters else 0x40) | (0 if bit is None else 0x08 | bit)
            pointer = bytes([head]) + byte.to_bytes(2, "big")
        return _FIXED.pack(response, 0, flags, information, 10, b"", *self.code, 0, pointer)

    @classmethod
    def decode(cls, raw: bytes) -> "Sense":
        """Read fixed-format sense data back. Raises: ValueError for another format or fewer than 18 bytes."""
        if len(raw) < _FIXED.size or raw[0] & 0x7F not in (_CURRENT, _DEFERRED):
            raise ValueError(f"not sense data in fixed format: {raw.hex() or 'nothing'}")
        response, _, flags, information, _, _, asc, ascq, _, pointer = _FIXED.unpack_from(raw)
        number = int.from_bytes(information, "big", signed=True)
        bit = pointer[0] & 0x07 if pointer[0] & 0x08 else None
        return cls(
            key=Key(flags & 0x0F),
            code=(asc, ascq),
            information=number if response & 0x80 else None,
            filemark=bool(flags & 0x80),
            eom=bool(flags & 0x40),
            ili=bool(flags & 0x20),
            deferred=response & 0x7F == _DEFERRED,
            field=(int.from_bytes(pointer[1:], "big"), bit) if pointer[0] & 0x80 else None,
            in_parameters=pointer[0] & 0xC0 == 0x80,
        )

    def left(self, information: int) -> "Sense":
        """The same with what was not done."""
        return replace(self, information=information)

    def __str__(self) -> str:
        what = TEXTS.get(self.code, "")
        return f"{self.key.name.lower()} {self.code[0]:02X}h/{self.code[1]:02X}h{' ' + what if what else ''}"


class CheckCondition(Exception):
    """A command ends here; what it says goes to the initiator, with the data that go beside it."""

    def __init__(self, sense: Sense, data: bytes = b"") -> None:
        super().__init__(str(sense))
        self.sense, self.data = sense, data


NOTHING = Sense()
FILEMARK = Sense(code=(0x00, 0x01), filemark=True)
END_OF_MEDIUM = Sense(code=(0x00, 0x02), eom=True)  # early warning: the data were written
BEGINNING_OF_MEDIUM = Sense(code=(0x00, 0x04), eom=True)
INCORRECT_LENGTH = Sense(ili=True)
BECOMING_READY = Sense(Key.NOT_READY, (0x04, 0x01))
MANUAL_INTERVENTION = Sense(Key.NOT_READY, (0x04, 0x03))
IN_PROGRESS = Sense(Key.NOT_READY, (0x04, 0x07))
INCOMPATIBLE_MEDIUM = Sense(Key.NOT_READY, (0x30, 0x00))
CLEANING_CARTRIDGE = Sense(Key.NOT_READY, (0x30, 0x03))
MEDIUM_NOT_PRESENT = Sense(Key.NOT_READY, (0x3A, 0x00))
WRITE_ERROR = Sense(Key.MEDIUM_ERROR, (0x0C, 0x00))
READ_ERROR = Sense(Key.MEDIUM_ERROR, (0x11, 0x00))
LOCATE_ERROR = Sense(Key.MEDIUM_ERROR, (0x15, 0x02))
LOAD_OR_EJECT_FAILED = Sense(Key.MEDIUM_ERROR, (0x53, 0x00))
MECHANICAL_ERROR = Sense(Key.HARDWARE_ERROR, (0x15, 0x01))
INTERNAL_FAILURE = Sense(Key.HARDWARE_ERROR, (0x44, 0x00))
LENGTH_OF_PARAMETERS = Sense(Key.ILLEGAL_REQUEST, (0x1A, 0x00))
UNSUPPORTED_COMMAND = Sense(Key.ILLEGAL_REQUEST, (0x20, 0x00))
NO_SUCH_ELEMENT = Sense(Key.ILLEGAL_REQUEST, (0x21, 0x01))
FIELD_IN_CDB = Sense(Key.ILLEGAL_REQUEST, (0x24, 0x00))
UNSUPPORTED_UNIT = Sense(Key.ILLEGAL_REQUEST, (0x25, 0x00))
FIELD_IN_PARAMETERS = Sense(Key.ILLEGAL_REQUEST, (0x26, 0x00), in_parameters=True)
SAVING_NOT_SUPPORTED = Sense(Key.ILLEGAL_REQUEST, (0x39, 0x00))
DESTINATION_FULL = Sense(Key.ILLEGAL_REQUEST, (0x3B, 0x0D))
SOURCE_EMPTY = Sense(Key.ILLEGAL_REQUEST, (0x3B, 0x0E))
REMOVAL_PREVENTED = Sense(Key.ILLEGAL_REQUEST, (0x53, 0x02))
MEDIUM_CHANGED = Sense(Key.UNIT_ATTENTION, (0x28, 0x00))
MAIL_SLOT_ACCESSED = Sense(Key.UNIT_ATTENTION, (0x28, 0x01))
RESET = Sense(Key.UNIT_ATTENTION, (0x29, 0x00))
MODE_CHANGED = Sense(Key.UNIT_ATTENTION, (0x2A, 0x01))
WRITE_PROTECTED = Sense(Key.DATA_PROTECT, (0x27, 0x00))
CANNOT_WRITE_FORMAT = Sense(Key.DATA_PROTECT, (0x30, 0x05))
WORM_OVERWRITE = Sense(Key.DATA_PROTECT, (0x30, 0x0C))
END_OF_DATA = Sense(Key.BLANK_CHECK, (0x00, 0x05))
POWER_LOST = Sense(Key.ABORTED_COMMAND, (0x08, 0x00))
DATA_PHASE_ERROR = Sense(Key.ABORTED_COMMAND, (0x4B, 0x00))
OVERFLOW = Sense(Key.VOLUME_OVERFLOW, (0x00, 0x02), eom=True)

TEXTS = {
    (0x00, 0x01): "filemark detected",
    (0x00, 0x02): "end of partition or medium detected",
    (0x00, 0x04): "beginning of partition or medium detected",
    (0x00, 0x05): "end of data detected",
    (0x04, 0x01): "becoming ready",
    (0x04, 0x03): "manual intervention required",
    (0x04, 0x07): "operation in progress",
    (0x08, 0x00): "logical unit communication failure",
    (0x0C, 0x00): "write error",
    (0x11, 0x00): "unrecovered read error",
    (0x15, 0x01): "mechanical positioning error",
    (0x15, 0x02): "positioning error detected by read of medium",
    (0x1A, 0x00): "parameter list length error",
    (0x20, 0x00): "invalid command operation code",
    (0x21, 0x01): "invalid element address",
    (0x24, 0x00): "invalid field in CDB",
    (0x25, 0x00): "logical unit not supported",
    (0x26, 0x00): "invalid field in parameter list",
    (0x27, 0x00): "write protected",
    (0x28, 0x00): "not ready to ready change, medium may have changed",
    (0x28, 0x01): "import or export element accessed",
    (0x29, 0x00): "power on, reset, or bus device reset occurred",
    (0x2A, 0x01): "mode parameters changed",
    (0x30, 0x00): "incompatible medium installed",
    (0x30, 0x03): "cleaning cartridge installed",
    (0x30, 0x05): "cannot write medium, incompatible format",
    (0x30, 0x0C): "WORM medium, overwrite attempted",
    (0x39, 0x00): "saving parameters not supported",
    (0x3A, 0x00): "medium not present",
    (0x3B, 0x0D): "medium destination element full",
    (0x3B, 0x0E): "medium source element empty",
    (0x44, 0x00): "internal target failure",
    (0x4B, 0x00): "data phase error",
    (0x53, 0x00): "media load or eject failed",
    (0x53, 0x02): "medium removal prevented",
}
