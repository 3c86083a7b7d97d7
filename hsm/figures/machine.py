"""How the machine is: load, memory, disks, temperature, and the devices that the kernel knows."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from drivers import attached

HOT_BELOW_C = 150.0  # a sensor that says more, or less than nothing, is broken


def machine(folders: Iterable[Path]) -> dict[str, Any]:
    """Load over one and five minutes, CPUs, memory, the file systems of these folders, the hottest sensor.

    What a machine does not tell is None.
    """
    memory = psutil.virtual_memory()
    one_min, five_min, _ = psutil.getloadavg()
    return {
        "host": os.uname().nodename,
        "cpus": psutil.cpu_count() or 1,
        "load_1": round(one_min, 2),
        "load_5": round(five_min, 2),
        "memory_bytes": memory.total,
        "memory_used_bytes": memory.total - memory.available,
        "disks": disks(folders),
        "temperature_c": hottest(_sensors()),
    }


def disks(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """The file systems these folders lie on, each once, by the first folder on it; those that are away are left out."""
    found: dict[int, dict[str, Any]] = {}
    for folder in folders:
        try:
            device, usage = folder.stat().st_dev, psutil.disk_usage(str(folder))
        except OSError:  # its own page says that the pool is away
            continue
        found.setdefault(device, {"folder": str(folder), "size_bytes": usage.total, "used_bytes": usage.used})
    return list(found.values())


def _sensors() -> Mapping[str, Any]:
    return psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}


def hottest(sensors: Mapping[str, Any]) -> float | None:
    """The highest believable temperature; None on machines without a sensor. Pure."""
    values = [one.current for entries in sensors.values() for one in entries if one.current is not None]
    return max((value for value in values if 0 < value < HOT_BELOW_C), default=None)


def devices() -> dict[str, Any]:
    """The changers, tape drives and recorders that the kernel shows, under the names they have at this moment."""
    return {
        "devices": [
            {
                "kind": device.kind.value,
                "serial": device.serial,
                "name": f"{device.vendor} {device.product}".strip(),
                "revision": device.revision,
                "node": str(device.node or device.sg),
                "state": attached.state(device) or "gone",
            }
            for device in attached.attached()
        ],
        "udev": Path("/run/udev/control").exists(),
    }
