"""Protocol data units: what is read out of a received header, and the headers of answers.

A header has 48 bytes, numbers are big-endian, data are padded to four bytes. An answer is built without its sequence
numbers; the session stamps them in at the moment it is sent, so that they leave in order.

Source: RFC 7143 section 11.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

HEADER_BYTES = 48
NO_TAG = 0xFFFFFFFF
SERIAL_MASK = 0xFFFFFFFF

FINAL = 0x80
CONTINUE = 0x40
READS = 0x40
WRITES = 0x20
_EXTENDED_CDB = 1  # type of an additional header segment
# Length of a CDB by the group of its operation code; other groups have none of their own. Source: SPC-4 section 4.2.5.1
_CDB_BYTES = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}


class PduInvalid(Exception):
    """An initiator sent what the protocol does not allow; its connection has to be closed."""


class Opcode(IntEnum):
    """Kinds of PDUs. Source: RFC 7143 section 11.2.1.2."""

    NOP_OUT = 0x00
    COMMAND = 0x01
    TASK_MANAGEMENT = 0x02
    LOGIN = 0x03
    TEXT = 0x04
    DATA_OUT = 0x05
    LOGOUT = 0x06
    SNACK = 0x10
    NOP_IN = 0x20
    RESPONSE = 0x21
    TASK_MANAGEMENT_RESPONSE = 0x22
    LOGIN_RESPONSE = 0x23
    TEXT_RESPONSE = 0x24
    DATA_IN = 0x25
    LOGOUT_RESPONSE = 0x26
    R2T = 0x31
    REJECT = 0x3F


class RejectReason(IntEnum):
    """Why a PDU was not taken. Source: RFC 7143 section 11.17.1."""

    SNACK = 0x03
    PROTOCOL_ERROR = 0x04
    NOT_SUPPORTED = 0x05
    TOO_MANY_IMMEDIATE = 0x06
    TASK_IN_PROGRESS = 0x07
    INVALID_FIELD = 0x09


@dataclass(frozen=True, slots=True)
class Header:
    """The first 48 bytes of a received PDU."""

    raw: bytes

    @property
    def opcode(self) -> int:
        """What it is; a number that Opcode may not know."""
        return self.raw[0] & 0x3F

    @property
    def immediate(self) -> bool:
        """To be acted on at once, outside the order of command numbers."""
        return bool(self.raw[0] & 0x40)

    @property
    def flags(self) -> int:
        """The second byte, whose meaning depends on the opcode."""
        return self.raw[1]

    @property
    def final(self) -> bool:
        """The last PDU of a sequence."""
        return bool(self.raw[1] & FINAL)

    @property
    def ahs_bytes(self) -> int:
        """How many bytes of additional header segments follow."""
        return self.raw[4] * 4

    @property
    def data_bytes(self) -> int:
        """How many bytes of data follow, without the padding."""
        return int.from_bytes(self.raw[5:8])

    @property
    def lun(self) -> int | None:
        """The logical unit; None for a number of a form that this target never gives out."""
        return lun_number(self.raw[8:16])

    @property
    def itt(self) -> int:
        """The initiator's tag of the task."""
        return int.from_bytes(self.raw[16:20])

    def word(self, offset: int) -> int:
        """The 32-bit number at a place of the header."""
        return int.from_bytes(self.raw[offset : offset + 4])

    @property
    def cmd_sn(self) -> int:
        """The number of a command."""
        return int.from_bytes(self.raw[24:28])


def padding_bytes(length: int) -> int:
    """How many bytes fill data of this length up to a multiple of four."""
    return -length % 4


def lun_number(field: bytes) -> int | None:
    """The number in an eight-byte LUN field: peripheral or flat addressing of one level, else None.

    Source: SAM-5 section 4.7.
    """
    if any(field[2:]):
        return None
    method, first = field[0] >> 6, field[0] & 0x3F
    if method == 0 and first == 0:
        return field[1]
    if method == 1:
        return first << 8 | field[1]
    return None


def lun_field(lun: int) -> bytes:
    """The eight bytes that name a logical unit below 16384."""
    if lun < 256:
        return bytes([0, lun, 0, 0, 0, 0, 0, 0])
    return bytes([0x40 | lun >> 8, lun & 0xFF, 0, 0, 0, 0, 0, 0])


def command_cdb(header: Header, ahs: bytes) -> bytes:
    """The command descriptor block of a SCSI command, as long as its operation code says.

    What an additional header segment holds of it is put behind the 16 bytes of the header.

    Raises: PduInvalid for segments that contradict their own length, and for a bidirectional command.
    """
    cdb = header.raw[32:48]
    while ahs:
        if len(ahs) < 4:
            raise PduInvalid(f"an additional header segment of {len(ahs)} bytes has no room for its own length")
        length, kind = int.from_bytes(ahs[:2]), ahs[2]
        if not 1 <= length <= len(ahs) - 3:
            raise PduInvalid(f"an additional header segment claims {length} bytes where {len(ahs) - 3} are left")
        if kind != _EXTENDED_CDB:
            raise PduInvalid(f"an additional header segment of type {kind} is not served here")
        cdb += ahs[4 : 3 + length]
        ahs = ahs[3 + length + padding_bytes(3 + length) :]
    return cdb[: _CDB_BYTES.get(cdb[0] >> 5, len(cdb))]


def _header(opcode: Opcode, flags: int, itt: int, data_bytes: int = 0) -> bytearray:
    header = bytearray(HEADER_BYTES)
    header[0] = opcode
    header[1] = flags
    header[5:8] = data_bytes.to_bytes(3)
    header[16:20] = itt.to_bytes(4)
    header[20:24] = NO_TAG.to_bytes(4)
    return header


def stamp(header: bytearray, stat_sn: int, exp_cmd_sn: int, max_cmd_sn: int) -> None:
    """Write the three sequence numbers that every answer carries."""
    struct.pack_into(">III", header, 24, stat_sn & SERIAL_MASK, exp_cmd_sn & SERIAL_MASK, max_cmd_sn & SERIAL_MASK)


def login_response(request: Header, flags: int, tsih: int, status: int, data_bytes: int) -> bytearray:
    """`flags` are T, C, CSG and NSG; `status` is class and detail in one number."""
    header = _header(Opcode.LOGIN_RESPONSE, flags, request.itt, data_bytes)
    header[8:14] = request.raw[8:14]
    header[14:16] = tsih.to_bytes(2)
    header[20:24] = bytes(4)
    header[36:38] = status.to_bytes(2)
    return header


def text_response(itt: int, data_bytes: int) -> bytearray:
    """The whole answer to a text request, in one PDU."""
    return _header(Opcode.TEXT_RESPONSE, FINAL, itt, data_bytes)


def nop_in(itt: int, data_bytes: int) -> bytearray:
    """The answer to a ping."""
    return _header(Opcode.NOP_IN, FINAL, itt, data_bytes)


def logout_response(itt: int, response: int) -> bytearray:
    """0: closed, 1: no such connection, 2: no recovery here."""
    header = _header(Opcode.LOGOUT_RESPONSE, FINAL, itt)
    header[2] = response
    header[20:24] = bytes(4)
    return header


def task_management_response(itt: int, response: int) -> bytearray:
    """`response` is one of session.TaskAnswer."""
    header = _header(Opcode.TASK_MANAGEMENT_RESPONSE, FINAL, itt)
    header[2] = response
    header[20:24] = bytes(4)
    return header


def reject(reason: RejectReason) -> bytearray:
    """The data of a reject is the refused header."""
    header = _header(Opcode.REJECT, FINAL, NO_TAG, HEADER_BYTES)
    header[2] = reason
    header[20:24] = bytes(4)
    return header


def residual_flags(expected_bytes: int, there_bytes: int) -> tuple[int, int]:
    """Overflow or underflow bit, and the count that goes with it."""
    if there_bytes > expected_bytes:
        return 0x04, there_bytes - expected_bytes
    if there_bytes < expected_bytes:
        return 0x02, expected_bytes - there_bytes
    return 0, 0


def scsi_response(itt: int, status: int, residual: tuple[int, int], sent_pdus: int, data_bytes: int) -> bytearray:
    """The end of a command; its data are the sense length and the sense data."""
    header = _header(Opcode.RESPONSE, FINAL | residual[0], itt, data_bytes)
    header[3] = status
    header[20:24] = bytes(4)
    struct.pack_into(">II", header, 36, sent_pdus, 0)
    struct.pack_into(">I", header, 44, residual[1])
    return header


def data_in(itt: int, data_sn: int, offset: int, data_bytes: int, final: bool) -> bytearray:
    """Data to the initiator, still without a status."""
    header = _header(Opcode.DATA_IN, FINAL if final else 0, itt, data_bytes)
    struct.pack_into(">II", header, 36, data_sn, offset)
    return header


def collapse_status(header: bytearray, status: int, residual: tuple[int, int]) -> None:
    """Let the last Data-In PDU bring the status of the command, too."""
    header[1] |= 0x01 | residual[0]
    header[3] = status
    struct.pack_into(">I", header, 44, residual[1])


def r2t(itt: int, ttt: int, lun: bytes, r2t_sn: int, offset: int, length: int) -> bytearray:
    """Ask for a part of the data of a write."""
    header = _header(Opcode.R2T, FINAL, itt)
    header[8:16] = lun
    header[20:24] = ttt.to_bytes(4)
    struct.pack_into(">III", header, 36, r2t_sn, offset, length)
    return header
