"""Real libraries: a robot with the drives behind it ("scsi"), and drives that a person feeds ("manual").

Devices are named by serial number in the configuration and looked up when a library is opened: kernel names are given
out by luck.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from drivers import command
from drivers.attached import AttachedDevice, AttachedKind, attached
from drivers.base import Changer, Recorder, TapeDrive
from drivers.changer import Limits, MtxChanger
from drivers.changer.identifiers import DriveIdentifier, matched, parse, request
from drivers.clock import Clock
from drivers.crew import Accompanied, Crew
from drivers.errors import CommandFailed, MediumUnsupported
from drivers.kinds import Devices, DriverKind, LibraryMissing
from drivers.manual import ManualChanger
from drivers.options import Option, OptionFault, OptionType, settled

_ASK_LIMIT_S = 180.0
_SERIALS = "Serial numbers of the drives"

Look = Callable[[], Sequence[AttachedDevice]]  # what is attached at this moment

DRIVE_OPTIONS = (
    Option(
        "tape_model", OptionType.TEXT, None, 'What the tape drives are, "LTO-8"; unset: as their product name says.'
    ),
    Option(
        "compression", OptionType.TRUTH, False, "Whether tape drives compress; images are compressed or kept as is."
    ),
    Option("key_dir", OptionType.TEXT, None, "Folder with encryption keys, one a file NAME.key; unset: no encryption."),
    Option("key_name", OptionType.TEXT, None, "With which key blank tapes are written; needs key_dir."),
    Option("key_algorithm", OptionType.COUNT, 1, "Number of the drive's algorithm; LTO has AES-GCM there.", low=0),
    Option("load_settle_s", OptionType.NUMBER, 30.0, "How long after a load a drive may still say it is empty.", low=0),
    Option("cleaning_limit_s", OptionType.NUMBER, 900.0, "How long the cleaning of a drive may take.", low=1),
    Option("recorder_model", OptionType.TEXT, None, "What the recorders are; unset: they are asked.", ("DVD", "BD")),
    Option("burn_speed", OptionType.COUNT, None, "Speed of burning, times 1x; unset: as drive and disc agree.", low=1),
    Option("burn_rehearsal", OptionType.TRUTH, False, "Rehearse each burn with the laser off, where that can be done."),
    Option("stream_recording", OptionType.TRUTH, False, "Burn formatted BD at full speed, without defect management."),
    Option("disc_bytes_at_most", OptionType.COUNT, None, "How much of a disc is used; its rim fails first.", low=1),
    Option("rewritable_discs", OptionType.TRUTH, False, "Allow discs that can be written over; no archive should."),
    Option("lock_tray", OptionType.TRUTH, True, "Whether the tray is locked while a disc is in use."),
)


class ScsiKind(DriverKind):
    """A robot with tape drives and recorders."""

    meaning = "A robot with the tape drives and disc recorders behind it, through the kernel's drivers and mtx."
    path = "The robot, by a name that stays: /dev/tape/by-id/scsi-...-changer or another link to its sg device."
    options = (
        Option(
            "drives",
            OptionType.TEXTS,
            (),
            f"{_SERIALS}, in the order of the robot's drive elements; unset: the robot is asked which drive is which.",
        ),
        Option("move_limit_s", OptionType.NUMBER, 900.0, "How long the robot may take for one move.", low=10),
        *DRIVE_OPTIONS,
    )

    def check(self, options: Mapping[str, Any]) -> Sequence[OptionFault]:
        return [*super().check(options), *_contradictions(options)]

    def open(self, name: str, path: Path, options: Mapping[str, Any], clock: Clock) -> Devices:
        return open_robot(name, path, settled(self.options, options), clock)


class ManualKind(DriverKind):
    """Drives and recorders that a person feeds."""

    meaning = "Tape drives and disc recorders without a robot: a person feeds them, asked for each volume by name."
    path = ""
    options = (Option("drives", OptionType.TEXTS, (), f"{_SERIALS}, of tape drives and recorders."), *DRIVE_OPTIONS)

    def check(self, options: Mapping[str, Any]) -> Sequence[OptionFault]:
        faults = [*super().check(options), *_contradictions(options)]
        if not options.get("drives"):
            faults.append(
                OptionFault("drives", "no drive is named", "list serial numbers, see `lsscsi -g` and udevadm")
            )
        return faults

    def open(self, name: str, path: Path, options: Mapping[str, Any], clock: Clock) -> Devices:
        return open_drives(name, settled(self.options, options), clock)


@dataclass(frozen=True)
class Hardware:
    """The devices of a real library, owned by this process. Drives that were missing join with an inventory."""

    changer: Changer
    tape_drives: Mapping[int, TapeDrive]
    recorders: Mapping[int, Recorder]
    crew: Crew

    def close(self) -> None:
        """Let go of all of it; volumes stay where they are."""
        self.crew.close()


def open_robot(name: str, path: Path, options: Mapping[str, Any], clock: Clock, look: Look = attached) -> Hardware:
    """A robot with the drives behind it that are attached to this machine.

    A drive that is not there is left out, and said so in the log: the others do its work, and it joins them when it is
    attached. `options` are complete.

    Raises: LibraryMissing when the robot or all drives are not there, or nobody says which drive is which; LibraryBusy.
    """
    seen = look()
    robot = _robot(name, path, seen)
    serials = tuple(options["drives"]) or _asked(name, robot, seen)
    crew = Crew(name, serials, options, clock, robot.serial or str(robot.sg))
    with _closed_on_error(crew):
        _man(crew, seen)
        if not crew.tape_drives and not crew.recorders:
            known = ", ".join(sorted(device.serial for device in seen if device.kind is not AttachedKind.CHANGER))
            raise LibraryMissing(
                f"library {name}: none of its drives is attached (wanted: {', '.join(s or '?' for s in serials)}; "
                f"seen here: {known or 'none'})"
            )
        limits = Limits(move_s=float(options["move_limit_s"]))
        changer = MtxChanger(name, robot.stable or robot.sg, serials, clock, limits)
    return Hardware(Accompanied(changer, partial(crew.join, look)), crew.tape_drives, crew.recorders, crew)


def open_drives(name: str, options: Mapping[str, Any], clock: Clock, look: Look = attached) -> Hardware:
    """Drives without a robot. What is not there joins when it is attached; that may be all of them.

    Raises: LibraryMissing when nobody says what a drive is; LibraryBusy.
    """
    crew = Crew(name, tuple(options["drives"]), options, clock, None)
    with _closed_on_error(crew):
        _man(crew, look())
        changer = ManualChanger(name, crew.tape_drives, crew.recorders)
    accompanied = Accompanied(changer, partial(crew.join, look))
    return Hardware(accompanied, changer.tape_drives, changer.recorders, crew)


@contextmanager
def _closed_on_error(crew: Crew) -> Iterator[None]:
    try:
        yield
    except BaseException:
        crew.close()
        raise


def _man(crew: Crew, seen: Sequence[AttachedDevice]) -> None:
    """Take possession of the drives that are there. Raises: LibraryMissing when one cannot be used so, LibraryBusy."""
    devices = {device.serial: device for device in seen if device.kind is not AttachedKind.CHANGER}
    for index, serial in crew.missing().items():
        device = devices.get(serial)
        if device is None or device.node is None:
            continue
        try:
            crew.take(index, device)
        except MediumUnsupported as error:
            raise LibraryMissing(f'{error}: options = {{tape_model = "LTO-8"}}') from error
    crew.join(lambda: seen)  # tells who is missing


def _contradictions(options: Mapping[str, Any]) -> list[OptionFault]:
    faults = []
    if options.get("key_name") and not options.get("key_dir"):
        faults.append(OptionFault("key_name", "there is no folder with keys", "set key_dir, too"))
    drives = options.get("drives") or ()
    if isinstance(drives, list | tuple) and (twice := {str(s) for s in drives if drives.count(s) > 1}):
        faults.append(OptionFault("drives", f"{', '.join(sorted(twice))} is named twice", "name each drive once"))
    return faults


def _robot(name: str, path: Path, seen: Sequence[AttachedDevice]) -> AttachedDevice:
    robots = [device for device in seen if device.kind is AttachedKind.CHANGER]
    real = path.resolve()
    for device in robots:
        if real in (link.resolve() for link in (device.sg, device.node, device.stable) if link is not None):
            return device
    there = ", ".join(f"{robot.stable or robot.sg} ({robot.vendor} {robot.product} {robot.serial})" for robot in robots)
    what = "is no robot" if path.exists() else "is not there"
    raise LibraryMissing(f"library {name}: {path} {what}; robots seen: {there or 'none (look at `lsscsi -g`)'}")


def _asked(name: str, robot: AttachedDevice, seen: Sequence[AttachedDevice]) -> tuple[str | None, ...]:
    """The serial numbers of the drive elements, as the robot names them. Raises: LibraryMissing."""
    known = [device.serial for device in seen if device.kind is not AttachedKind.CHANGER and device.serial]
    try:
        elements = read_identifiers(robot.sg)
        said = "; ".join(f"drive {n}: {element.text or 'nothing'}" for n, element in enumerate(elements))
    except CommandFailed as error:
        elements, said = (), str(error)
    serials = matched(elements, known)
    # A drive that is named but not attached here belongs to another machine; one that is not named could be any.
    nameless = any(serial is None and not element.text for serial, element in zip(serials, elements, strict=True))
    if nameless or not any(serials):
        raise LibraryMissing(
            f"library {name}: the robot does not say which drive is which ({said or 'no drive at all'}). Write the "
            f'serial numbers in the order of its drive elements: options = {{drives = ["...", "..."]}}; seen here: '
            f"{', '.join(known) or 'no drive'}"
        )
    return serials


def read_identifiers(sg: Path) -> tuple[DriveIdentifier, ...]:
    """Ask a robot which drive each of its drive elements is. Raises: CommandFailed."""
    with tempfile.TemporaryDirectory(prefix="firn-") as folder:
        answer = Path(folder) / "elements"
        command.run(["sg_raw", "-r", str(0xFFFF), "-o", str(answer), str(sg), *request()], _ASK_LIMIT_S)
        return parse(answer.read_bytes())
