"""Devices and media that appear and go, as udev tells of them: nobody has to poll.

Source: udev(7), pyudev's Monitor; the properties of events as 60-cdrom_id.rules and 60-persistent-storage-tape.rules
set them. One change may come as one event, as several, or as none (a drive that nobody opens may not notice): events
are a hint to look, never the only way to find out.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import pyudev
import structlog

from drivers.attached import AttachedKind

CONTROL = Path("/run/udev/control")  # udevd listens here; without it nobody sends events
SETTLE_S = 0.5  # an event is told when so long nothing more came for its device
LONGEST_S = 5.0  # or when the first of a row of events is so old
_POLL_S = 0.25

_log = structlog.get_logger()


class What(StrEnum):
    """What happened to a device."""

    APPEARED = "appeared"
    GONE = "gone"
    MEDIUM_CHANGED = "medium_changed"


@dataclass(frozen=True)
class DeviceChange:
    """One thing that happened, as far as it was told."""

    what: What
    kind: AttachedKind | None  # None: a SCSI device of a kind that the event does not tell
    node: str  # "/dev/sr0"; names are given out by luck, so a caller goes by the serial number where there is one
    serial: str | None = None
    medium: str | None = None  # a disc's state in the words of udev: "blank", "appendable", "complete"; None: no disc


_KINDS = {"scsi_tape": AttachedKind.TAPE, "scsi_changer": AttachedKind.CHANGER, "block": AttachedKind.RECORDER}
_ACTIONS = {"add": What.APPEARED, "remove": What.GONE}


def device_change(properties: Mapping[str, str]) -> DeviceChange | None:
    """What an event says; None when it concerns none of our devices, or nothing about them that matters."""
    subsystem, node = properties.get("SUBSYSTEM", ""), properties.get("DEVNAME", "")
    name = node.rpartition("/")[2]
    if subsystem not in ("scsi_generic", *_KINDS) or not name:
        return None
    if subsystem == "block" and not (name.startswith("sr") and name[2:].isdigit()):
        return None
    if subsystem == "scsi_tape" and not (name.startswith("nst") and name[3:].isdigit()):
        return None  # each drive has eight names; this is the one that is used
    what = _ACTIONS.get(properties.get("ACTION", ""))
    if what is None:
        if properties.get("ACTION") != "change" or properties.get("DISK_MEDIA_CHANGE") != "1":
            return None
        what = What.MEDIUM_CHANGED
    serial = properties.get("ID_SCSI_SERIAL") or properties.get("ID_SERIAL_SHORT") or ""
    medium = properties.get("ID_CDROM_MEDIA_STATE") if properties.get("ID_CDROM_MEDIA") == "1" else None
    return DeviceChange(what, _KINDS.get(subsystem), node, serial.strip() or None, medium)


class Coalesced:
    """Puts the events of one device that come together into one; pure but for what it remembers.

    Of several changes of media the last is told. That a device went and came back is told as both.
    """

    def __init__(self, settle_s: float = SETTLE_S, longest_s: float = LONGEST_S) -> None:
        self._settle_s, self._longest_s = settle_s, longest_s
        self._waiting: dict[tuple[str, bool], tuple[float, float, DeviceChange]] = {}  # first, last, change

    def add(self, change: DeviceChange, now_s: float) -> None:
        """Take one event in."""
        key = (change.node, change.what is What.GONE)
        first_s = self._waiting.pop(key, (now_s, now_s, change))[0]
        self._waiting[key] = (first_s, now_s, change)

    def due(self, now_s: float) -> list[DeviceChange]:
        """What may be told now, in the order in which it came."""
        ready = [
            (key, change)
            for key, (first_s, last_s, change) in self._waiting.items()
            if now_s - last_s >= self._settle_s or now_s - first_s >= self._longest_s
        ]
        for key, _ in ready:
            del self._waiting[key]
        return [change for _, change in ready]


class Source(Protocol):
    """Where events come from: a pyudev Monitor."""

    def poll(self, timeout: float | None = None) -> Any:
        """The next event (its `properties` are a mapping), or None when none came in so many seconds."""
        ...


class Watcher:
    """A thread that tells of changes until it is closed."""

    def __init__(
        self, on_change: Callable[[DeviceChange], None], source: Source | None = None, control: Path = CONTROL
    ) -> None:
        """`on_change` is called in the watcher's thread, for one change at a time, and should be quick."""
        self._on_change = on_change
        self._source = source
        self._control = control
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Begin to watch. Where there is no udev, as in containers, nothing happens and the log says so.

        Returns: whether it watches.
        """
        source = self._source or self._netlink()
        if source is None:
            return False
        self._thread = threading.Thread(target=self._run, args=(source,), name="udev", daemon=True)
        self._thread.start()
        return True

    def _netlink(self) -> Source | None:
        if not self._control.exists():
            _log.info("udev_not_there", reason=f"{self._control} is missing", what_now="inventories by the clock only")
            return None
        try:
            monitor = pyudev.Monitor.from_netlink(pyudev.Context())
            for subsystem in ("scsi_generic", *_KINDS):
                monitor.filter_by(subsystem)
            monitor.start()
        except (OSError, ImportError, ValueError) as error:
            _log.warning("udev_not_there", reason=str(error), what_now="inventories by the clock only")
            return None
        source: Source = monitor
        return source

    def close(self) -> None:
        """Stop watching; nothing is told after this returned. May be called again."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, source: Source) -> None:
        row = Coalesced()
        while not self._stop.is_set():
            try:
                event = source.poll(_POLL_S)
            except OSError as error:
                # Too many events at once: some are lost, and the clock's inventories find out what they said.
                _log.warning("udev_events_lost", reason=str(error))
                self._stop.wait(_POLL_S)
                continue
            change = device_change(event.properties) if event is not None else None
            if change is not None:
                row.add(change, time.monotonic())
            for told in row.due(time.monotonic()):
                _log.info("device_changed", what=told.what.value, node=told.node, serial=told.serial)
                self._on_change(told)
