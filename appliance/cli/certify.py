"""`firn drives certify`: try a drive and a cartridge, and print a report worth sending in."""

import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from appliance.cli.drives import drives_app
from appliance.cli.failures import ExitStatus, not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.words import iso, safe
from drivers.base import Barcode, ElementKind, TapeDrive
from drivers.certify import MEGABYTE, Certification, Report, Step, holds_data
from drivers.clock import Clock, SystemClock
from web.words import size

if TYPE_CHECKING:
    from drivers.attached import AttachedDevice

_READY_LIMIT_S = 300.0


@dataclass
class Bench:
    """A drive with a cartridge in it, ours until the command ends."""

    drive: TapeDrive
    clock: Clock
    barcode: str | None  # on the sticker, where a robot can read it
    device: "AttachedDevice | None"  # what the kernel says of the drive; None for a simulated one


@drives_app.command()
def certify(
    context: typer.Context,
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="Serial number of the tape drive.")],
    library: Annotated[
        str | None, typer.Option("--library", help="The drive belongs to this configured library.")
    ] = None,
    barcode: Annotated[
        str | None,
        typer.Option("--barcode", help="Have the robot bring this cartridge, and put it back. Needs --library."),
    ] = None,
    overwrite: Annotated[
        str | None,
        typer.Option("--overwrite", help="Barcode of a cartridge that holds data and is to be written over."),
    ] = None,
    megabytes: Annotated[int, typer.Option("--megabytes", help="Size of the file that is timed.", min=1)] = 1000,
    as_json: Json = False,
) -> None:
    """Try a tape drive with a blank cartridge: write, read back, position, end of data, speed.

    Everything on the cartridge is lost.
    """
    current = session(context)
    if barcode is not None and library is None:
        raise refused("--barcode needs --library: without a robot put the cartridge into the drive by hand.")
    with ExitStack() as stack:
        bench = stack.enter_context(
            _attached(serial) if library is None else _in_library(current, library, serial, barcode)
        )
        bench.drive.wait_ready(_READY_LIMIT_S)
        _permitted(current, bench, overwrite, library is not None)
        report = Certification(
            bench.drive, bench.clock, megabytes * MEGABYTE, lambda step: None if as_json else _tell(current, step)
        ).run()
    if as_json:
        current.print_json(document(report, bench))
    else:
        _summary(current, report, bench)
    if not report.good:
        raise typer.Exit(ExitStatus.FAILED)


@contextmanager
def _attached(serial: str) -> Iterator[Bench]:
    """A drive of this machine, without any configuration; the cartridge in it is used."""
    from drivers.attached import AttachedKind, attached
    from drivers.ownership import Ownership
    from drivers.tape import StTapeDrive

    tapes = [device for device in attached() if device.kind is AttachedKind.TAPE]
    device = next((one for one in tapes if one.serial == serial), None)
    if device is None:
        known = ", ".join(one.serial for one in tapes) or "none"
        raise not_found("tape drive", serial, f"Attached: {known}; for a drive of a configured library add --library.")
    ownership, clock = Ownership([device.serial]), SystemClock()
    try:
        drive = StTapeDrive(device.serial, device, clock)
        try:
            yield Bench(drive, clock, None, device)
        finally:
            drive.close()
    finally:
        ownership.close()


@contextmanager
def _in_library(current: Session, name: str, serial: str, barcode: str | None) -> Iterator[Bench]:
    """A drive of a configured library; the robot brings the cartridge and puts it back."""
    from appliance.devices import open_devices
    from drivers.attached import AttachedKind, find

    entry = next((one for one in current.config.libraries if one.name == name), None)
    if entry is None:
        known = ", ".join(one.name for one in current.config.libraries) or "none"
        raise not_found("library", name, f"Configured: {known}.")
    devices = open_devices(entry, current.config.resolve(entry.path))
    try:
        index = next((number for number, drive in devices.tape_drives.items() if drive.serial == serial), None)
        if index is None:
            known = ", ".join(drive.serial for drive in devices.tape_drives.values()) or "none"
            raise not_found("tape drive", serial, f"Library {name} has: {known}.")
        drive = devices.tape_drives[index]
        inventory = devices.changer.inventory()
        element = inventory.drive(index)
        inside = element.barcode if element is not None and element.full else None
        slot = None
        if barcode is not None and inside != barcode:
            place = inventory.find(Barcode(barcode))
            if place is None or place.kind is ElementKind.DRIVE:
                raise not_found("cartridge", barcode, f"It has to lie in a slot of library {name}.")
            if element is not None and element.full:
                raise refused(f"Drive {serial} holds {inside or 'a cartridge'}; have it taken out first.")
            slot = place.index
            devices.changer.load(slot, index)
            inside = place.barcode
        try:
            yield Bench(drive, SystemClock(), inside, find(serial, AttachedKind.TAPE))
        finally:
            if slot is not None:
                drive.unload()
                devices.changer.unload(index, slot)
    finally:
        devices.close()


def _permitted(current: Session, bench: Bench, overwrite: str | None, catalogued: bool) -> None:
    """Refuse a cartridge that anybody may still want.

    Raises: RequestFailed. The catalog's word stands above everything: what it counts on is never written over.
    """
    from hsm.format.errors import FormatError
    from hsm.format.label import decode

    first = holds_data(bench.drive)
    label = None
    if first is not None:
        try:
            label = str(decode(first).barcode)
        except FormatError:
            label = None
    known = {name for name in (bench.barcode, label, overwrite) if name}
    if catalogued:
        _not_counted_on(current, known)
    if first is None:
        return
    what = f"carries the label of {label}" if label else "holds data that are not Firn's"
    if overwrite is None:
        raise refused(f"The cartridge {what}. A blank one is needed; or say --overwrite BARCODE to lose what is on it.")
    if known != {overwrite}:
        raise refused(
            f"--overwrite {overwrite} was said, and the cartridge is {' and '.join(sorted(known - {overwrite}))}."
        )
    if typer.prompt(f"The cartridge {what}. Type its barcode again to lose all of it", err=True) != overwrite:
        raise refused("The barcodes differ; nothing was written.")


def _not_counted_on(current: Session, known: set[str]) -> None:
    from appliance.build import ArchiveMissing

    try:
        volumes = current.catalog.volumes
    except ArchiveMissing:
        return  # nothing was ever stored with this configuration
    for name in sorted(known):
        volume = volumes.find(Barcode(name))
        if volume is not None and volume.uuid is not None:
            raise refused(f"The catalog counts on {name}; it is not written over. Take another cartridge.")


def document(report: Report, bench: Bench) -> dict[str, Any]:
    """The report as --json prints it."""
    device = bench.device
    return {
        "good": report.good,
        "began_at": iso(report.began_at),
        "machine": {"kernel": platform.release(), "architecture": platform.machine()},
        "drive": {
            "driver": type(bench.drive).__name__,
            "serial": report.serial,
            "model": report.model,
            "vendor": device.vendor if device else None,
            "product": device.product if device else None,
            "revision": device.revision if device else None,
        },
        "volume": {
            "barcode": bench.barcode,
            "generation": report.status.generation if report.status else None,
            "capacity_bytes": report.status.capacity_bytes if report.status else None,
            "statistics": asdict(report.statistics) if report.statistics else None,
        },
        "alerts": list(report.status.alerts) if report.status else [],
        "write_bytes_s": report.write_bytes_s and round(report.write_bytes_s),
        "read_bytes_s": report.read_bytes_s and round(report.read_bytes_s),
        "steps": [asdict(step) for step in report.steps],
    }


def _tell(current: Session, step: Step) -> None:
    word = "[green]good[/green]" if step.good else "[red]BAD[/red] "
    current.out.print(f"{word}  {step.duration_s:8.2f} s  {step.name}: {safe(step.detail)}", soft_wrap=True)


def _summary(current: Session, report: Report, bench: Bench) -> None:
    device = bench.device
    what = f"{device.vendor} {device.product} {device.revision}" if device else type(bench.drive).__name__
    current.say(f"\nDrive {safe(report.serial)} ({safe(what)}, {safe(report.model)}), kernel {platform.release()}")
    if report.write_bytes_s and report.read_bytes_s:
        current.say(f"Writes {size(int(report.write_bytes_s))}/s, reads {size(int(report.read_bytes_s))}/s")
    current.say(
        "The drive did everything as it should." if report.good else "The drive did NOT do everything as it should."
    )
    current.say("The cartridge now holds test data: erase it (mt erase) before it is given to a volume pool.")
