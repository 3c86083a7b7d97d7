"""`firn status`: the whole archive on one screen."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from appliance.cli.application import app
from appliance.cli.looking import PANEL, Json
from appliance.cli.session import Session, session
from appliance.cli.shapes import drive_row
from appliance.cli.words import ago, bar, iso, safe, used_pct
from hsm.facts import DiskFacts, VolumeRecord
from hsm.states import ACTIVE_JOBS, CopyState, DriveState, JobState, VolumeState
from web.words import count, duration, said, size

if TYPE_CHECKING:
    from hsm.catalog import Catalog

SAFE_COPIES = 2  # verified, on distinct volumes


@app.command(rich_help_panel=PANEL)
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show tiers, jobs, drives, volumes, and what is not safe yet."""
    current = session(context)
    seen = _look(current)
    if as_json:
        current.print_json(seen)
    else:
        _show(current, seen)


def _look(current: Session) -> dict[str, Any]:
    """Everything there is to know, in the shape of --json."""
    from appliance.build import disk_facts
    from appliance.serve import web_address
    from hsm.catalog.safety import safety
    from web.reads.work import matrix

    catalog, now = current.catalog, current.now()
    counts = catalog.studies.counts()
    unsafe = safety(catalog.database)
    jobs: dict[str, int] = dict.fromkeys((state.value for state in JobState), 0)
    for (_, state), number in matrix(catalog).counts.items():
        jobs[state.value] += number
    volumes = catalog.volumes.list()
    return {
        "archive": {
            "config": str(current.config_path.resolve()),
            "dicom": f"{current.config.dicom.ae_title}@{current.config.dicom.host}:{current.config.dicom.port}",
            "web": web_address(current.config),
            "patients": counts.patients,
            "studies": counts.studies,
            "instances": counts.instances,
            "size_bytes": counts.size_bytes,
            "online_bytes": counts.online_bytes,
        },
        "engine": {**_engine(catalog, now), "tick_every_s": current.config.policy.tick_every_s},
        "tiers": [_disk_tier(disk_facts(current.config, current.pool)), *_volume_tiers(volumes)],
        "jobs": jobs,
        "drives": [drive_row(drive) for drive in catalog.drives.list()],
        "volumes": {state.value: sum(volume.state is state for volume in volumes) for state in VolumeState},
        "copies": {state.value: counts.copies.get(state, 0) for state in CopyState},
        "not_safe": {
            "copies_needed": SAFE_COPIES,
            "studies": unsafe.studies,
            "size_bytes": unsafe.size_bytes,
            "oldest_study_instance_uid": unsafe.oldest_uid,
            "oldest_received_at": iso(unsafe.oldest_received_at),
        },
    }


def _engine(catalog: "Catalog", now: datetime) -> dict[str, Any]:
    from hsm.engine.engine import LEASE

    holder = catalog.leases.holder(LEASE, now)
    return {"alive": holder is not None, "holder": holder}


def _disk_tier(facts: DiskFacts) -> dict[str, Any]:
    return {
        "name": "online",
        "kind": "disk",
        "used_bytes": facts.used_bytes,
        "capacity_bytes": facts.capacity_bytes,
        "free_bytes": max(0, facts.capacity_bytes - facts.used_bytes),
        "high_water_pct": facts.high_water_pct,
        "low_water_pct": facts.low_water_pct,
        "volumes": None,
    }


def _volume_tiers(volumes: list[VolumeRecord]) -> list[dict[str, Any]]:
    tiers = []
    for name, kind in sorted({(volume.pool or "unassigned", str(volume.kind)) for volume in volumes}):
        members = [v for v in volumes if (v.pool or "unassigned", str(v.kind)) == (name, kind)]
        used, capacity = sum(v.used_bytes for v in members), sum(v.capacity_bytes for v in members)
        tiers.append(
            {
                "name": name,
                "kind": kind,
                "used_bytes": used,
                "capacity_bytes": capacity,
                "free_bytes": max(0, capacity - used),
                "high_water_pct": None,
                "low_water_pct": None,
                "volumes": len(members),
            }
        )
    return tiers


def _show(current: Session, seen: dict[str, Any]) -> None:
    now = current.now()
    archive, engine, unsafe = seen["archive"], seen["engine"], seen["not_safe"]
    current.say(
        f"[bold]{count(archive['studies'], 'study', 'studies')}[/bold], {count(archive['instances'], 'instance')}, "
        f"{size(archive['size_bytes'])}, {size(archive['online_bytes'])} of it on disk"
    )
    alive = "[green]● running[/green]" if engine["alive"] else "[red]✗ not running[/red] (start it: firn serve)"
    looks = f", looks at the policy every {duration(engine['tick_every_s'])}" if engine["alive"] else ""
    current.say(f"Engine {alive}{looks}")
    current.say(f"DICOM {safe(archive['dicom'])}   web {safe(archive['web'])}\n")
    _show_tiers(current, seen["tiers"])
    _show_drives(current, seen["drives"])
    active = {state: number for state, number in seen["jobs"].items() if number and JobState(state) in ACTIVE_JOBS}
    ended = {state: number for state, number in seen["jobs"].items() if number and JobState(state) not in ACTIVE_JOBS}
    current.say(f"Jobs     {_counted(active) or 'none waiting'}   [dim]{_counted(ended)}[/dim]")
    volumes = ", ".join(
        f"{number} {said(VolumeState(state)).word}" for state, number in seen["volumes"].items() if number
    )
    copies = ", ".join(f"{number} {said(CopyState(state)).word}" for state, number in seen["copies"].items() if number)
    current.say(f"Volumes  {volumes or 'none known'}")
    current.say(f"Copies   {copies or 'none'}")
    if unsafe["studies"]:
        waits = ago(_moment(unsafe["oldest_received_at"]), now)
        current.say(
            f"[yellow]○[/yellow] {count(unsafe['studies'], 'study', 'studies')} ({size(unsafe['size_bytes'])}) "
            f"with fewer than {unsafe['copies_needed']} verified copies; the oldest arrived {waits}: "
            f"{safe(unsafe['oldest_study_instance_uid'])}"
        )
    elif archive["studies"]:
        current.say(f"[green]●[/green] Every study has {unsafe['copies_needed']} verified copies.")


def _show_tiers(current: Session, tiers: list[dict[str, Any]]) -> None:
    table = current.table("tier", "kind", ">used", ">free", "", ">full", ">volumes")
    for tier in tiers:
        percent = used_pct(tier["used_bytes"], tier["capacity_bytes"])
        marks = tuple(tier[key] for key in ("low_water_pct", "high_water_pct") if tier[key] is not None)
        table.add_row(
            safe(tier["name"]),
            tier["kind"],
            size(tier["used_bytes"]),
            size(tier["free_bytes"]),
            bar(percent, marks=marks),
            f"{percent:.0f} %",
            "" if tier["volumes"] is None else str(tier["volumes"]),
        )
    current.out.print(table, "")


def _show_drives(current: Session, drives: list[dict[str, Any]]) -> None:
    if not drives:
        return
    table = current.table("drive", "serial", "kind", "state", "volume", "note")
    for drive in drives:
        table.add_row(
            safe(f"{drive['library']}/{drive['index']}"),
            safe(drive["serial"]),
            drive["kind"],
            said(DriveState(drive["state"])).word,
            safe(drive["volume"] or "-"),
            safe(drive["reason"]),
        )
    current.out.print(table, "")


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {said(JobState(state)).word}" for state, number in numbers.items())


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
