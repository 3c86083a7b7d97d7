"""Opening a drive, and bringing st to the settings the driver relies on."""

import errno
from pathlib import Path

import structlog

from drivers.attached import SYSFS, AttachedDevice
from drivers.errors import DeviceError
from drivers.tape import mtio
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import Op, StOption
from drivers.tape.options import TapeOptions

_log = structlog.get_logger()


def opened(node: Path) -> TapeDevice:
    """Open without waiting for a medium; for reading only where the medium or its tab forbids more.

    An error of somebody's earlier write may be told at an open: it is not ours, the second open succeeds.
    """
    try:
        return TapeDevice(node)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EIO):
            raise
        return TapeDevice(node, writable=error.errno != errno.EROFS)


def present_options(node: Path, sysfs: Path = SYSFS) -> StOption | None:
    """The switches of st for a device; None when the kernel does not show them."""
    try:
        text = (sysfs / "class" / "scsi_tape" / node.name / "options").read_text(encoding="ascii")
    except OSError:
        return None
    return StOption(int(text, 16) & sum(StOption))


def settle(tape: TapeDevice, device: AttachedDevice, options: TapeOptions, name: str, sysfs: Path = SYSFS) -> None:
    """Variable blocks, compression as configured, and the switches of st as far as this user may set them.

    Raises: DeviceError when a switch is set that makes a flush or a position untrue and cannot be taken back; OSError.
    """
    _switch(tape, device, name, sysfs)
    if tape.status().block_bytes != 0:
        tape.do(Op.SETBLK, 0)
    try:
        tape.do(Op.COMPRESSION, int(options.compression))
    except OSError as error:  # a drive without compression
        _log.info("tape_compression_not_set", drive=name, reason=str(error))


def _switch(tape: TapeDevice, device: AttachedDevice, name: str, sysfs: Path) -> None:
    if device.node is None or (present := present_options(device.node, sysfs)) is None:
        return
    for change in mtio.option_changes(present):
        try:
            tape.do(Op.SETDRVBUFFER, change)
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
    if unsafe := (present_options(device.node, sysfs) or present) & mtio.UNSAFE:
        raise DeviceError(
            f"{name}: {device.node} has the switches {unsafe!r} of st set, with which a flush or a position may lie; "
            f"take them back as root: mt -f {device.node} stclearoptions no-wait-eof no-wait two-fms can-partitions"
        )
