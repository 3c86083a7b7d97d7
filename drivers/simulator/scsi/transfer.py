"""READ and WRITE, in variable and in fixed blocks. Source: SSC-4 sections 6.4 and 6.8, residues 4.2.13."""

from drivers.errors import DriverError
from drivers.scsi.cdb import Command
from drivers.scsi.sense import (
    DATA_PHASE_ERROR,
    END_OF_MEDIUM,
    FILEMARK,
    INCORRECT_LENGTH,
    CheckCondition,
)
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.mechanism import PACE_BYTES, TapeMechanism
from drivers.simulator.scsi.trouble import sense_of
from drivers.simulator.state import Place

LARGEST_BLOCK_BYTES = 8 * 1024 * 1024


def check_read(command: Command, block_bytes: int) -> None:
    """Refuse what does not fit the block mode. Raises: CheckCondition."""
    if command["fixed"]:
        if not block_bytes:
            raise command.refuse("fixed")
        if command["suppress"]:
            raise command.refuse("suppress")


def check_write(command: Command, data: bytes, block_bytes: int) -> bytes:
    """The data of a WRITE. Raises: CheckCondition when they do not fit the command or the block mode."""
    length = command["length"]
    if command["fixed"]:
        if not block_bytes:
            raise command.refuse("fixed")
        length *= block_bytes
    elif length > LARGEST_BLOCK_BYTES:
        raise command.refuse("length")
    if len(data) < length:
        raise CheckCondition(DATA_PHASE_ERROR)
    return data[:length]


def read(drive: TapeMechanism, cartridge: Cartridge, place: Place, command: Command, block_bytes: int) -> bytes:
    """Carry out a READ that was checked. Raises: CheckCondition with the data read so far and what is missing."""
    if command["fixed"]:
        return _read_fixed(drive, cartridge, place, command["length"], block_bytes)
    length = command["length"]
    if length == 0:
        return b""
    try:
        record = drive.read_block(cartridge, place)
    except DriverError as error:
        raise CheckCondition(sense_of(error, "read").left(length)) from error
    drive.pay(PACE_BYTES)
    if record is None:
        raise CheckCondition(FILEMARK.left(length))
    wrong = length - len(record)
    # With SILI a wrong length is no error, but for a longer block while a block length is set.
    if wrong and not (command["suppress"] and (wrong > 0 or not block_bytes)):
        raise CheckCondition(INCORRECT_LENGTH.left(wrong), record[:length])
    return record[:length]


def _read_fixed(drive: TapeMechanism, cartridge: Cartridge, place: Place, count: int, block_bytes: int) -> bytes:
    pieces: list[bytes] = []
    while len(pieces) < count:
        left = count - len(pieces)
        try:
            record = drive.read_block(cartridge, place)
        except DriverError as error:
            raise CheckCondition(sense_of(error, "read").left(left), b"".join(pieces)) from error
        if record is None:
            raise CheckCondition(FILEMARK.left(left), b"".join(pieces))
        if len(record) != block_bytes:
            raise CheckCondition(INCORRECT_LENGTH.left(left), b"".join(pieces))
        pieces.append(record)
        drive.pay(PACE_BYTES)
    return b"".join(pieces)


def write(
    drive: TapeMechanism, cartridge: Cartridge, place: Place, command: Command, data: bytes, block_bytes: int
) -> None:
    """Carry out a WRITE that was checked. Raises: CheckCondition with what was not written, also for early warning."""
    size = block_bytes if command["fixed"] else len(data)
    count = command["length"] if command["fixed"] else 1
    near_end = False
    for number in range(count if data else 0):
        try:
            near_end = drive.write_block(cartridge, place, data[number * size : (number + 1) * size])
        except DriverError as error:
            left = count - number if command["fixed"] else size
            sense = sense_of(error, "write")
            raise CheckCondition(sense if sense.deferred else sense.left(left)) from error
        drive.pay(PACE_BYTES)
    if near_end:
        raise CheckCondition(END_OF_MEDIUM.left(0))
