"""The SCSI devices attached to this machine, by kind and serial number.

Kernel names (nst0, sg3, sr1) are given out by luck, in the order in which devices were found, and change with every
start and reconnection. A device is known by its serial number here, and its names are looked up when they are used.

Source: sysfs (/sys/class/scsi_generic), SPC-4 VPD page 0x80; udev's links below /dev/tape/by-id and /dev/disk/by-id.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SYSFS = Path("/sys")
DEV = Path("/dev")
UDEV = Path("/run/udev/data")


class AttachedKind(StrEnum):
    """What an attached device is."""

    CHANGER = "changer"
    TAPE = "tape"
    RECORDER = "recorder"


# Peripheral device types. Source: SPC-4 table 138.
_TYPES = {1: AttachedKind.TAPE, 5: AttachedKind.RECORDER, 8: AttachedKind.CHANGER}


@dataclass(frozen=True)
class AttachedDevice:
    """One device and the names it has at this moment."""

    kind: AttachedKind
    serial: str  # without the blanks that fill it up; empty when the device has none
    vendor: str
    product: str
    revision: str
    sg: Path  # for SCSI commands
    node: Path | None = None  # /dev/nst0 (never the rewinding name), /dev/sr0, /dev/sch0; None without its driver
    stable: Path | None = None  # udev's link, the same after every start


def attached(sysfs: Path = SYSFS, dev: Path = DEV, udev: Path = UDEV) -> tuple[AttachedDevice, ...]:
    """All changers, tape drives and recorders, in the order of their kernel names."""
    links = _links(dev)
    found = []
    for folder in sorted((sysfs / "class" / "scsi_generic").glob("sg*"), key=lambda path: _number(path.name)):
        kind = _TYPES.get(int(_text(folder / "device" / "type") or "-1"))
        if kind is None:
            continue
        device = folder / "device"
        node = _node(device, kind, dev)
        sg = dev / folder.name
        serial = _serial(device, node, udev)
        found.append(
            AttachedDevice(
                kind=kind,
                serial=serial,
                vendor=_text(device / "vendor"),
                product=_text(device / "model"),
                revision=_text(device / "rev"),
                sg=sg,
                node=node,
                stable=_stable(links, sg if kind is AttachedKind.CHANGER else node, serial),
            )
        )
    return tuple(found)


def find(
    serial: str, kind: AttachedKind, sysfs: Path = SYSFS, dev: Path = DEV, udev: Path = UDEV
) -> AttachedDevice | None:
    """The device of that serial number, under the names it has now; None when it is not attached."""
    return next((d for d in attached(sysfs, dev, udev) if d.kind is kind and d.serial == serial.strip()), None)


def state(device: AttachedDevice, sysfs: Path = SYSFS) -> str | None:
    """What the kernel thinks of a device: "running", "offline", "transport-offline", "blocked"; None when it is gone.

    A name that was given to another device in the meantime counts as gone.
    """
    folder = sysfs / "class" / "scsi_generic" / device.sg.name / "device"
    serial = _vpd_serial(folder)
    if device.serial and serial and serial != device.serial:
        return None
    return _text(folder / "state") or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # the device went while it was looked at, or has no such fact
        return ""


def _number(name: str) -> tuple[int, str]:
    digits = "".join(character for character in name if character.isdigit())
    return int(digits or "0"), name


def _names(folder: Path) -> list[str]:
    try:
        return sorted((entry.name for entry in folder.iterdir()), key=lambda name: (len(name), name))
    except OSError:
        return []


def _node(device: Path, kind: AttachedKind, dev: Path) -> Path | None:
    if kind is AttachedKind.TAPE:
        names = [name for name in _names(device / "scsi_tape") if name.startswith("nst") and name[3:].isdigit()]
    elif kind is AttachedKind.RECORDER:
        names = [name for name in _names(device / "block") if name.startswith("sr")]
    else:
        names = _names(device / "scsi_changer")
    return dev / names[0] if names else None


def _vpd_serial(device: Path) -> str:
    try:
        page = (device / "vpd_pg80").read_bytes()
    except OSError:
        return ""
    size_bytes = int.from_bytes(page[2:4], "big")
    return page[4 : 4 + size_bytes].decode("ascii", errors="replace").replace("\0", " ").strip()


def _serial(device: Path, node: Path | None, udev: Path) -> str:
    """From the device itself; a recorder behind SATA or USB often tells only udev."""
    if (serial := _vpd_serial(device)) or node is None:
        return serial
    number = _text(device / "block" / node.name / "dev")
    facts = dict(
        line[2:].split("=", 1)
        for line in _text(udev / f"b{number}").splitlines()
        if line.startswith("E:") and "=" in line
    )
    return facts.get("ID_SERIAL_SHORT", "").strip()


def _links(dev: Path) -> dict[Path, list[Path]]:
    """The links of udev by what they point to."""
    found: dict[Path, list[Path]] = {}
    for folder in (dev / "tape" / "by-id", dev / "disk" / "by-id"):
        for name in _names(folder):
            link = folder / name
            if link.is_symlink():
                found.setdefault((folder / link.readlink()).resolve(), []).append(link)
    return found


def _stable(links: dict[Path, list[Path]], node: Path | None, serial: str) -> Path | None:
    """The link that names the serial number, else the shortest."""
    if node is None:
        return None
    names = links.get(node.resolve(), [])
    return min(names, key=lambda link: (not serial or serial not in link.name, len(link.name), link.name), default=None)
