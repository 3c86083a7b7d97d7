"""A device that goes takes its drive out of service, and coming back puts it in again. A hint to look is passed on."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import structlog

from drivers.clock import Clock
from drivers.udev import DeviceChange, What
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogError
from hsm.catalog.records import DriveRecord
from hsm.library.cleaner import GONE
from hsm.states import DriveState, IllegalTransition

log = structlog.get_logger()


@dataclass(frozen=True)
class Verdict:
    """What becomes of one drive."""

    drive: DriveRecord
    event: str  # of the drive table
    reason: str


def verdicts(change: DeviceChange, drives: Sequence[DriveRecord]) -> list[Verdict]:
    """What a change means for the drives: pure. Drives that failed or that a person took down stay as they are."""
    found = [drive for drive in drives if change.serial is not None and drive.serial == change.serial]
    if change.what is What.GONE and change.kind is not None:
        reason = f"{GONE} ({change.node}): look at its power and its cable"
        return [Verdict(d, "down", reason) for d in found if d.state not in (DriveState.DOWN, DriveState.FAILED)]
    if change.what is What.APPEARED and change.kind is not None:
        back = (d for d in found if d.state is DriveState.DOWN and d.reason.startswith(GONE))
        return [Verdict(d, "up", "its device is back") for d in back]
    return []


class Attendance:
    """Hears of devices; to be given to a drivers.udev.Watcher."""

    def __init__(self, catalog: Catalog, libraries: Collection[str], clock: Clock, look: Callable[[], None]) -> None:
        """`libraries`: those this engine owns; `look`: asks for an inventory soon, from any thread."""
        self._catalog = catalog
        self._libraries = libraries
        self._clock = clock
        self._look = look

    def noticed(self, change: DeviceChange) -> None:
        """One change. The catalog may be away: then the drive's own errors tell."""
        try:
            drives = [drive for drive in self._catalog.drives.list() if drive.library in self._libraries]
            for verdict in verdicts(change, drives):
                drive = verdict.drive
                self._catalog.drives.change(
                    drive.library, drive.index, verdict.event, self._clock.now(), reason=verdict.reason
                )
                log.warning(f"drive_{verdict.event}", library=drive.library, drive=drive.index, reason=verdict.reason)
        except (CatalogError, IllegalTransition) as error:  # the latter: somebody was quicker
            log.error("device_change_not_noted", node=change.node, reason=str(error))
        self._look()
