"""The ioctls of st: numbers, structures, flags. Pure; a device is touched in drivers/tape/device only.

Source: linux/mtio.h, st(4); drivers/scsi/st.c of Linux 6.1 where st(4) is silent.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

_MTOP = struct.Struct("@hi")
_MTGET = struct.Struct("@lllllii")
_MTPOS = struct.Struct("@l")
_WRITE, _READ = 1, 2


def _number(direction: int, number: int, size_bytes: int) -> int:
    return direction << 30 | size_bytes << 16 | ord("m") << 8 | number


MTIOCTOP = _number(_WRITE, 1, _MTOP.size)
MTIOCGET = _number(_READ, 2, _MTGET.size)
MTIOCPOS = _number(_READ, 3, _MTPOS.size)
GET_BYTES, POSITION_BYTES = _MTGET.size, _MTPOS.size
MOST = 2**31 - 1  # what a count may be


class Op(IntEnum):
    """Operations of MTIOCTOP that are used here."""

    WEOF = 5  # filemarks; with count 0: return when everything is on the medium
    REWIND = 6
    OFFLINE = 7  # rewind and unload
    EOM = 12  # behind the last block
    SETBLK = 20
    SEEK = 22
    SETDRVBUFFER = 24  # options of the driver; needs CAP_SYS_ADMIN
    UNLOCK = 29
    LOAD = 30
    COMPRESSION = 32
    WEOFI = 35  # filemarks, answered before they are on the medium


class Flag(IntFlag):
    """Generic status bits that are looked at."""

    EOF = 0x80000000
    BOT = 0x40000000
    EOT = 0x20000000
    EOD = 0x08000000
    WR_PROT = 0x04000000
    ONLINE = 0x01000000
    DR_OPEN = 0x00040000  # no medium
    IM_REP_EN = 0x00010000
    CLN = 0x00008000


class StOption(IntFlag):
    """Switches of st, as /sys/class/scsi_tape/nstN/options shows them and MTSETDRVBUFFER sets them."""

    BUFFER_WRITES = 0x1
    ASYNC_WRITES = 0x2
    READ_AHEAD = 0x4
    DEBUGGING = 0x8
    TWO_FM = 0x10
    FAST_MTEOM = 0x20
    AUTO_LOCK = 0x40
    DEF_WRITES = 0x80
    CAN_BSR = 0x100
    NO_BLKLIMS = 0x200
    CAN_PARTITIONS = 0x400
    SCSI2LOGICAL = 0x800
    SYSV = 0x1000
    NOWAIT = 0x2000
    SILI = 0x4000
    NOWAIT_EOF = 0x8000


_SET_BOOLEANS, _CLEAR_BOOLEANS = 0x30000000, 0x40000000
# A flush that is not waited for is none; a rewind that is not waited for leaves the position open; a second filemark
# is a block nobody counted; a partition is another tape under the same block numbers.
UNSAFE = StOption.NOWAIT_EOF | StOption.NOWAIT | StOption.TWO_FM | StOption.CAN_PARTITIONS
_UNWANTED = UNSAFE | StOption.BUFFER_WRITES | StOption.ASYNC_WRITES | StOption.READ_AHEAD | StOption.AUTO_LOCK
_UNWANTED |= StOption.SYSV
_WANTED = StOption.SCSI2LOGICAL


@dataclass(frozen=True)
class MtStatus:
    """What MTIOCGET tells. File and block numbers are st's own count and are not used."""

    flags: Flag
    density: int
    block_bytes: int  # 0: variable blocks

    @property
    def online(self) -> bool:
        """Whether a medium can be used."""
        return Flag.ONLINE in self.flags

    @property
    def empty(self) -> bool:
        """Whether the drive says that it holds no medium."""
        return Flag.DR_OPEN in self.flags

    @property
    def write_protected(self) -> bool:
        """Whether the medium refuses to be written."""
        return Flag.WR_PROT in self.flags

    @property
    def wants_cleaning(self) -> bool:
        """Whether the drive asked for cleaning in sense data."""
        return Flag.CLN in self.flags


def operation(op: Op, count: int) -> bytes:
    """The argument of MTIOCTOP. `count` above 2**31 is taken as the bits it has."""
    return _MTOP.pack(op, count - 2**32 if count > MOST else count)


def status(raw: bytes) -> MtStatus:
    """Decode what MTIOCGET filled in."""
    _type, _resid, dsreg, gstat, _erreg, _fileno, _blkno = _MTGET.unpack(raw)
    return MtStatus(Flag(gstat & _FLAGS), dsreg >> 24 & 0xFF, dsreg & 0xFFFFFF)


_FLAGS = sum(Flag)


def position(raw: bytes) -> int:
    """Decode what MTIOCPOS filled in."""
    block: int = _MTPOS.unpack(raw)[0]
    return block & 0xFFFFFFFF  # a 32-bit block number that st may hand out with its sign


def option_changes(present: StOption) -> tuple[int, ...]:
    """The counts for SETDRVBUFFER that bring the switches of st to what is needed; none when they are."""
    changes = []
    if missing := _WANTED & ~present:
        changes.append(_SET_BOOLEANS | missing)
    if unwanted := _UNWANTED & present:
        changes.append(_CLEAR_BOOLEANS | unwanted)
    return tuple(changes)
