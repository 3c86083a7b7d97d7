"""The command line: one module for each family of commands, all hung on one root."""

from appliance.cli import (  # each hangs its commands on the root, in the order in which help shows them,
    adding,
    announcements,
    certify,
    commitments,
    configuration,
    drives,
    errands,
    holds,
    importing,
    labelling,
    libraries,
    looking,
    moving,
    notifications,
    orders,
    peers,
    people,
    policies,
    pools,
    printing,
    repacking,
    serving,
    simulate,
    status,
    tokens,
    viewers,
    volumes,
    wishes,
)
from appliance.cli.application import app

__all__ = ["app", "main"]

_FAMILIES = (
    adding,
    serving,
    simulate,
    looking,
    status,
    commitments,
    announcements,
    moving,
    wishes,
    orders,
    importing,
    policies,
    holds,
    volumes,
    labelling,
    printing,
    errands,
    repacking,
    libraries,
    drives,
    certify,
    people,
    notifications,
    peers,
    tokens,
    viewers,
    configuration,
    pools,
)


def main() -> None:
    """Run the command line; the process ends with an exit status of appliance/cli/failures."""
    app()
