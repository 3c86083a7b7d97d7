"""`firn viewer`: OHIF, a viewer of somebody else, as an option."""

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.cli.session import session

viewer_app = family("OHIF, a viewer of somebody else, on a port of its own.")
app.add_typer(viewer_app, name="viewer", rich_help_panel="Set-up")


@viewer_app.command("install")
def install_viewer(
    context: typer.Context,
    archive: Annotated[
        Path | None,
        typer.Option("--from", help="The published archive, when it was brought here; else npm fetches it."),
    ] = None,
) -> None:
    """Fetch the viewer, check that it is what was published, and unpack it where it is served from."""
    from appliance.viewer.package import LICENCE, NAME, VERSION, ViewerNotInstalled, install

    current = session(context)
    try:
        folder = install(current.config.resolve(current.config.viewer.directory), archive)
    except ViewerNotInstalled as error:
        raise RequestFailed(ExitStatus.FAILED, f"The viewer was not installed: {error}.") from error
    current.say(f"{NAME} {VERSION} ({LICENCE}) is in {folder}. Restart Firn, and studies on disk open in it.")


@viewer_app.command("serve")
def serve_viewer(context: typer.Context) -> None:
    """Run the viewer; `firn serve` does that by itself where it is installed."""
    from appliance.logs import LogFormat, set_up
    from appliance.supervise import die_with_parent
    from appliance.viewer.package import ViewerNotInstalled
    from appliance.viewer.server import ViewerServer

    current = session(context)
    die_with_parent()
    set_up(current.config.log.level, LogFormat(current.config.log.format), "viewer")
    try:
        server = ViewerServer(current.config)
    except ViewerNotInstalled as error:
        raise RequestFailed(ExitStatus.NOT_FOUND, f"{error}.") from error
    server.run()
