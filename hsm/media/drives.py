"""What people decide about drives."""

from collections.abc import Iterable
from datetime import datetime

from hsm.catalog import Catalog
from hsm.catalog.records import DriveRecord
from hsm.facts import JobRecord
from hsm.media.refusal import MediaRefused, in_words
from hsm.states import DriveState

SET_ASIDE = frozenset({DriveState.DOWN, DriveState.FAILED})


def at_work(drive: DriveRecord, running: Iterable[JobRecord]) -> JobRecord | None:
    """The running job of a drive: the one it was given, or one of the robot on the volume it holds. Pure."""
    listed = list(running)
    given = (job for job in listed if job.drive == drive.serial)
    on_it = (job for job in listed if job.drive is None and job.barcode is not None and job.barcode == drive.barcode)
    return next(given, None) or next(on_it, None)


def why_not_up(drive: DriveRecord) -> str:
    """Why a drive cannot be set up; "" when it can. Pure."""
    return "" if drive.state in SET_ASIDE else f"it is {in_words(drive.state)}, not set aside"


def set_down(catalog: Catalog, library: str, drive: int, reason: str, now: datetime) -> None:
    """Set a drive aside: what it does is brought to its end, nothing new is begun.

    Raises: MediaRefused without a reason, NotCatalogued.
    """
    if not reason.strip():
        raise MediaRefused(f"say why drive {library}/{drive} is set aside, so that others know when to use it again")
    catalog.drives.change(library, drive, "down", now, reason=reason.strip())


def set_up(catalog: Catalog, library: str, drive: int, now: datetime) -> None:
    """Use a drive again that was set aside. Raises: MediaRefused, NotCatalogued."""
    entry = catalog.drives.get(library, drive)
    if why := why_not_up(entry):
        raise MediaRefused(f"drive {library}/{drive} stays as it is: {why}")
    catalog.drives.change(library, drive, "up", now)


def reserve(catalog: Catalog, library: str, drive: int, recalls_only: bool, now: datetime) -> None:
    """Keep a drive for recalls, or let it do everything again. What it does now is brought to its end.

    Raises: NotCatalogued.
    """
    catalog.drives.reserve(library, drive, recalls_only, now)
