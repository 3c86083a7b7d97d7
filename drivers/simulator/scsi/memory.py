"""The memory chip of a cartridge: attributes that drive, maker and host leave there. Source: SPC-4 section 7.4.

What a host wrote lies in `memory.json` beside the cartridge's data and stays with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.scsi.sense import LENGTH_OF_PARAMETERS, CheckCondition
from drivers.simulator import state
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.scsi.density import DENSITIES, ORGANISATION, medium_type
from drivers.simulator.scsi.identity import VENDOR, padded
from drivers.simulator.scsi.modes import bad_parameter

_BINARY, _ASCII, _TEXT = 0, 1, 2
_READ_ONLY = 0x80
_MIB = 1024 * 1024
_CHIP_BYTES = 16 * 1024
_HOST_BYTES = 8000  # what a host may use of it
_HEAD_BYTES = 5

# Attributes a host may write: format and largest length. Source: SPC-4 table 407, host type attributes.
HOST = {
    0x0800: (_ASCII, 8),  # application vendor
    0x0801: (_ASCII, 32),  # application name
    0x0802: (_ASCII, 8),  # application version
    0x0803: (_TEXT, 160),  # user medium text label
    0x0804: (_ASCII, 12),  # date and time last written
    0x0805: (_BINARY, 1),  # text localization identifier
    0x0806: (_ASCII, 32),  # barcode
    0x0807: (_TEXT, 80),  # owning host textual name
    0x0808: (_TEXT, 160),  # media pool
    0x0809: (_ASCII, 16),  # partition user text label
    0x080B: (_ASCII, 16),  # application format version
    0x080C: (_BINARY, 1023),  # volume coherency information
}


@dataclass(frozen=True)
class Attribute:
    """One attribute and what it holds."""

    identifier: int
    format: int
    value: bytes
    read_only: bool = True

    def encode(self) -> bytes:
        """Identifier, flags, length, value."""
        flags = self.format | (_READ_ONLY if self.read_only else 0)
        return self.identifier.to_bytes(2, "big") + bytes([flags]) + len(self.value).to_bytes(2, "big") + self.value


def attributes(cartridge: Cartridge, drive_serial: str, alerts: int) -> list[Attribute]:
    """All attributes of a cartridge, in the order of their identifiers; `alerts`: TapeAlert flags, flag 1 on top."""
    life = cartridge.counters()
    density = DENSITIES[cartridge.medium]
    host = _written(cartridge)
    left = max(cartridge.capacity_bytes - cartridge.used_bytes, 0)
    free = _HOST_BYTES - sum(_HEAD_BYTES + len(value) for value in host.values())

    def binary(identifier: int, value: int, size: int) -> Attribute:
        return Attribute(identifier, _BINARY, value.to_bytes(size, "big"))

    def text(identifier: int, value: str, size: int) -> Attribute:
        return Attribute(identifier, _ASCII, padded(value, size))

    found = [
        binary(0x0000, left // _MIB, 8),
        binary(0x0001, cartridge.capacity_bytes // _MIB, 8),
        binary(0x0002, alerts, 8),
        binary(0x0003, life["mounts"], 8),
        binary(0x0004, free, 8),
        text(0x0005, ORGANISATION, 8),
        binary(0x0006, density.code, 1),
        binary(0x0007, 1, 2),
        text(0x020A, f"{VENDOR:<8}{drive_serial}", 40),
        binary(0x0220, life["bytes_written"] // _MIB, 8),
        binary(0x0221, life["bytes_read"] // _MIB, 8),
        text(0x0400, VENDOR, 8),
        text(0x0401, cartridge.volume, 32),
        binary(0x0402, density.length_m, 4),
        binary(0x0403, 127, 4),
        text(0x0404, ORGANISATION, 8),
        binary(0x0405, density.code, 1),
        text(0x0406, "20240101", 8),
        binary(0x0407, _CHIP_BYTES, 8),
        binary(0x0408, 0x80 if cartridge.worm else 0x00, 1),
        binary(0x0409, medium_type(cartridge.medium, cartridge.worm), 2),
    ]
    found += [Attribute(identifier, HOST[identifier][0], value, False) for identifier, value in host.items()]
    return sorted(found, key=lambda attribute: attribute.identifier)


def write(cartridge: Cartridge, parameters: bytes) -> None:
    """Carry out the parameter list of a WRITE ATTRIBUTE: all of it, or nothing. A length of 0 takes one away.

    Raises: CheckCondition for an attribute that is not a host's, too long, or more than the chip can hold.
    """
    if len(parameters) < 4 or int.from_bytes(parameters[:4], "big") != len(parameters) - 4:
        raise CheckCondition(LENGTH_OF_PARAMETERS)
    host = _written(cartridge)
    offset = 4
    while offset < len(parameters):
        if offset + _HEAD_BYTES > len(parameters):
            raise CheckCondition(LENGTH_OF_PARAMETERS)
        identifier = int.from_bytes(parameters[offset : offset + 2], "big")
        length = int.from_bytes(parameters[offset + 3 : offset + _HEAD_BYTES], "big")
        if identifier not in HOST:
            raise bad_parameter(offset)
        form, longest = HOST[identifier]
        if parameters[offset + 2] != form and (parameters[offset + 2], form) != (_ASCII, _TEXT):
            raise bad_parameter(offset + 2)
        if length > longest:
            raise bad_parameter(offset + 3)
        value = parameters[offset + _HEAD_BYTES : offset + _HEAD_BYTES + length]
        if len(value) < length:
            raise CheckCondition(LENGTH_OF_PARAMETERS)
        host.pop(identifier, None)
        if length:
            host[identifier] = value
        offset += _HEAD_BYTES + length
    if sum(_HEAD_BYTES + len(value) for value in host.values()) > _HOST_BYTES:
        raise bad_parameter(0)
    content = {f"{identifier:04X}": value.hex() for identifier, value in host.items()}
    state.save(cartridge.folder / "memory.json", content)


def _written(cartridge: Cartridge) -> dict[int, bytes]:
    path = cartridge.folder / "memory.json"
    content: Mapping[str, str] = state.load(path) if path.exists() else {}
    return {int(identifier, 16): bytes.fromhex(value) for identifier, value in content.items()}
