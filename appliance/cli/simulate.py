"""`firn simulate`: a library that is not there, for a kernel, a tool, or another program to use."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from appliance.cli.application import app
from appliance.cli.failures import ExitStatus, RequestFailed, not_found
from appliance.cli.session import Session, session
from appliance.cli.words import safe
from drivers.clock import Clock, ScaledClock, SystemClock
from drivers.errors import LibraryBusy

if TYPE_CHECKING:
    from drivers.iscsi import IscsiTarget
    from drivers.scsi.unit import LogicalUnit
    from drivers.simulator import LibrarySpec, SimulatedLibrary

PORT = 3260
_KINDS = ("tape", "drives")
_FASTEST = 1000.0  # a load takes 15 ms then; a clock much faster would leave the calendar within years


@app.command(rich_help_panel="Services")
def simulate(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of a simulated library; what it holds stays from run to run.")],
    create: Annotated[
        str | None,
        typer.Option("--create", help="Make the library if there is none: tape (a robot) or drives (no robot)."),
    ] = None,
    volume_bytes: Annotated[
        int, typer.Option("--volume-bytes", min=2_097_152, help="With --create: capacity of each tape.")
    ] = 400_000_000,
    slots: Annotated[int, typer.Option("--slots", min=2, max=1000, help="With --create: slots of the robot.")] = 12,
    drives: Annotated[int, typer.Option("--drives", min=1, max=32, help="With --create: LTO-8 drives.")] = 2,
    listen: Annotated[
        str, typer.Option("--listen", help="ADDRESS:PORT to listen on. There is no password: see the manual.")
    ] = f"127.0.0.1:{PORT}",
    iqn: Annotated[
        str | None, typer.Option("--iqn", help="Name of the iSCSI target; made from the library's without it.")
    ] = None,
    time_scale: Annotated[
        float | None,
        typer.Option(
            "--time-scale", help="Robot and drives are this many times faster than real ones; 1000 if not said."
        ),
    ] = None,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Robot and drives take the time real ones take.")
    ] = False,
) -> None:
    """Present a simulated tape library over iSCSI until Ctrl-C or SIGTERM."""
    from appliance.serve import stop_on_signals
    from drivers.simulator import SimulatedLibrary
    from drivers.simulator.scsi import units

    current = session(context)
    host, port = _address(listen)
    clock = _clock(time_scale, real_time)
    if create is not None:
        SimulatedLibrary.create(folder, _specification(create, folder, volume_bytes, slots, drives))
    if not (folder / "library.json").is_file():
        raise not_found("simulated library in", str(folder), "Make one with `--create tape`.")
    with _opened(folder, clock) as library:
        if not library.tape_drives:
            raise RequestFailed(
                ExitStatus.REFUSED, f"{library.name} in {folder} has recorders only; they have no SCSI face."
            )
        served = units(library)
        try:
            target = _listening(_target_name(iqn, library.name), served, host, port)
            try:
                stop = stop_on_signals()
                _explain(current, folder, library, target.iqn, host, target.port)
                stop.wait()
                current.say("Ending; what the volumes hold stays.")
            finally:
                target.close()
        finally:
            for unit in served.values():
                unit.close()


def _target_name(iqn: str | None, library: str) -> str:
    return iqn or "iqn.2026-01.example.firn:" + re.sub(r"[^a-z0-9.-]+", "-", library.lower())


def _listening(name: str, served: "Mapping[int, LogicalUnit]", host: str, port: int) -> "IscsiTarget":
    from drivers.iscsi import IscsiTarget

    try:
        target = IscsiTarget(name, served, host, port)
        target.start()
    except ValueError as error:
        raise RequestFailed(ExitStatus.USAGE, f"--iqn: {error}.") from None
    except OSError as error:
        raise RequestFailed(
            ExitStatus.UNAVAILABLE,
            f"{host}:{port} cannot be listened on: {error.strerror or error}. Another target (tgt, LIO, a second "
            "`firn simulate`) may have it; choose another port with --listen 127.0.0.1:3261.",
        ) from None
    return target


def _opened(folder: Path, clock: Clock) -> "SimulatedLibrary":
    from drivers.simulator import SimulatedLibrary

    try:
        return SimulatedLibrary(folder, clock)
    except LibraryBusy:
        raise RequestFailed(
            ExitStatus.UNAVAILABLE,
            f"The library in {folder} is in use. One process owns a library: another `firn simulate`, or the "
            "engine of an archive whose configuration names this folder. End that one, or take another folder.",
        ) from None


def _address(listen: str) -> tuple[str, int]:
    """Host and port of ADDRESS:PORT, where an IPv6 address stands in brackets."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not colon or not 0 <= number <= 65_535:
        raise RequestFailed(
            ExitStatus.USAGE, f"--listen {listen}: write a numeric address and a port, like 127.0.0.1:{PORT}."
        )
    return host, number


def _clock(time_scale: float | None, real_time: bool) -> Clock:
    if real_time and time_scale is not None:
        raise RequestFailed(ExitStatus.USAGE, "Give --real-time or --time-scale, not both.")
    if real_time:
        return SystemClock()
    factor = _FASTEST if time_scale is None else time_scale
    if not 0 < factor <= _FASTEST:
        raise RequestFailed(
            ExitStatus.USAGE, f"--time-scale {time_scale}: give a factor above 0 and up to {_FASTEST:.0f}."
        )
    return ScaledClock(factor)


def _specification(kind: str, folder: Path, volume_bytes: int, slots: int, drives: int) -> "LibrarySpec":
    from dataclasses import replace

    from drivers.simulator import DriveSpec
    from drivers.simulator.spec import demo_specs

    if kind not in _KINDS:
        raise RequestFailed(ExitStatus.USAGE, f"--create {kind}: choose {' or '.join(_KINDS)}.")
    demo = demo_specs(volume_bytes)[0]
    *tapes, cleaning = demo.volumes
    return replace(
        demo,
        name=folder.resolve().name or demo.name,
        drives=tuple(DriveSpec("LTO-8", f"SIMTAPE{number:02}") for number in range(1, drives + 1)),
        slots=slots if kind == "tape" else 0,
        mail_slots=demo.mail_slots if kind == "tape" else 0,
        volumes=(*tapes[: slots - 1], cleaning) if kind == "tape" else demo.volumes,
        by_hand=kind == "drives",
    )


def _explain(current: Session, folder: Path, library: "SimulatedLibrary", name: str, host: str, port: int) -> None:
    """Say what is there and how to get it."""
    reached = {"0.0.0.0": "ADDRESS-OF-THIS-MACHINE", "::": "ADDRESS-OF-THIS-MACHINE"}.get(host, host)
    shown = f"[{reached}]" if ":" in reached else reached
    lines = [
        f"Library {library.name} in {folder} is presented as {name} on {shown}:{port}.",
        "",
        "To attach it, as root, on Debian with the package open-iscsi:",
        f"  iscsiadm -m discovery -t sendtargets -p {shown}:{port}",
        f"  iscsiadm -m node -T {name} -p {shown}:{port} --login",
        "Then `lsscsi -g` shows:",
        *(f"  {line}" for line in _devices(library)),
        "To let it go:",
        f"  iscsiadm -m node -T {name} -p {shown}:{port} --logout",
        "",
    ]
    if not ip_address(host).is_loopback:
        lines[1:1] = [
            "There is no password and no encryption: whoever reaches this port may read, write and erase every volume.",
        ]
    if library.recorders:
        lines.append("Its recorders have no SCSI face and are not presented.")
    lines.append("Ctrl-C or SIGTERM ends it. What the volumes hold stays in the folder.")
    for line in lines:
        current.out.print(safe(line), soft_wrap=True)


def _devices(library: "SimulatedLibrary") -> list[str]:
    drives: Mapping[int, str] = {index: drive.serial for index, drive in sorted(library.tape_drives.items())}
    robot = [] if library.changer.by_hand else ["mediumx  FIRN  the robot"]
    return [*robot, *(f"tape     FIRN  drive {index}, serial number {serial}" for index, serial in drives.items())]
