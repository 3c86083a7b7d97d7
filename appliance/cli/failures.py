"""What a person can run into at the command line, in one paragraph and with an exit status, instead of a traceback."""

from enum import IntEnum

from appliance.config import ConfigInvalid
from drivers.errors import DriverError, LibraryBusy


class ExitStatus(IntEnum):
    """How a command ends; docs/COMMANDS.md lists them for scripts."""

    OK = 0
    FAILED = 1  # it was tried and did not succeed
    USAGE = 2  # the command line was not understood
    REFUSED = 3  # it would be unsafe or is not allowed in the present state; nothing changed
    NOT_FOUND = 4  # no such study, volume, hold, job, library or archive
    TIMED_OUT = 5  # waited as long as asked; the work goes on
    CONFIG_INVALID = 6  # firn.toml or a policy has faults
    UNAVAILABLE = 7  # the catalog, the online pool or a library cannot be used now; try later
    INTERRUPTED = 130  # Ctrl-C


class RequestFailed(Exception):
    """A command ended without success; the message says what happened and what to do."""

    def __init__(self, status: ExitStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def not_found(what: str, name: str, advice: str = "") -> RequestFailed:
    """The failure of asking for something that does not exist."""
    return RequestFailed(ExitStatus.NOT_FOUND, f"There is no {what} {name}." + (f" {advice}" if advice else ""))


def refused(message: str) -> RequestFailed:
    """The failure of asking for something unsafe."""
    return RequestFailed(ExitStatus.REFUSED, message)


def explained(error: Exception) -> RequestFailed | None:
    """The same failure for a person, or None when the error is a fault of ours and deserves a traceback."""
    if isinstance(error, RequestFailed):
        return error
    if isinstance(error, ConfigInvalid):
        return RequestFailed(ExitStatus.CONFIG_INVALID, str(error))
    if isinstance(error, LibraryBusy):
        return RequestFailed(
            ExitStatus.UNAVAILABLE,
            f"{error}. It is probably the engine of this archive (see `firn status`).",
        )
    if isinstance(error, DriverError):
        return RequestFailed(ExitStatus.FAILED, f"A device did not do what was asked: {error}")
    return _of_archive(error)


def _of_archive(error: Exception) -> RequestFailed | None:
    from appliance.build import ArchiveMissing, PolicyRefused
    from appliance.devices import DriverUnknown, LibraryMissing
    from appliance.labels.errors import LabelRefused
    from appliance.supervise import ServiceFailed
    from appliance.tls import TlsUnusable
    from hsm.catalog import errors as catalog
    from hsm.engine import EngineBusy
    from hsm.media import MediaRefused
    from hsm.policy import PolicyInvalid
    from hsm.pool import PoolError
    from hsm.states import IllegalTransition
    from hsm.ticking import NoPolicy

    for family, status in (
        (ArchiveMissing, ExitStatus.NOT_FOUND),
        (LibraryMissing, ExitStatus.NOT_FOUND),
        (NoPolicy, ExitStatus.NOT_FOUND),
        (DriverUnknown, ExitStatus.CONFIG_INVALID),
        (TlsUnusable, ExitStatus.CONFIG_INVALID),
        (PolicyRefused, ExitStatus.CONFIG_INVALID),
        (LabelRefused, ExitStatus.REFUSED),
        (MediaRefused, ExitStatus.REFUSED),
        (EngineBusy, ExitStatus.UNAVAILABLE),
        (ServiceFailed, ExitStatus.FAILED),
        (catalog.NotCatalogued, ExitStatus.NOT_FOUND),
        (catalog.ReleaseRefused, ExitStatus.REFUSED),
        (catalog.NotRecallable, ExitStatus.REFUSED),
        (catalog.VolumeRefused, ExitStatus.REFUSED),
        (catalog.JobRefused, ExitStatus.REFUSED),
        (catalog.DeliveryRefused, ExitStatus.REFUSED),
        (catalog.CopyRefused, ExitStatus.REFUSED),
        (catalog.CatalogUnavailable, ExitStatus.UNAVAILABLE),
        (catalog.CatalogError, ExitStatus.FAILED),
        (IllegalTransition, ExitStatus.REFUSED),
        (PolicyInvalid, ExitStatus.CONFIG_INVALID),
        (PoolError, ExitStatus.UNAVAILABLE),
        (PermissionError, ExitStatus.FAILED),
        (FileNotFoundError, ExitStatus.NOT_FOUND),
    ):
        if isinstance(error, family):
            return RequestFailed(status, _sentence(error))
    return None


def _sentence(error: Exception) -> str:
    if type(error).__name__ == "MediaRefused":
        return f"{error}. Nothing was changed."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}. Look at the path and its permissions."
    return str(error)
