"""The command line: one module for each family of commands, all hung on one root."""

from appliance.cli import (  # each hangs its commands on the root, in the order in which help shows them
    adding,
    certify,
    configuration,
    holds,
    importing,
    libraries,
    looking,
    moving,
    people,
    policies,
    pools,
    serving,
    status,
    volumes,
)
from appliance.cli.application import app

__all__ = ["app", "main"]

_FAMILIES = (
    adding,
    serving,
    looking,
    status,
    moving,
    importing,
    policies,
    holds,
    volumes,
    libraries,
    certify,
    people,
    configuration,
    pools,
)


def main() -> None:
    """Run the command line; the process ends with an exit status of appliance/cli/failures."""
    app()
