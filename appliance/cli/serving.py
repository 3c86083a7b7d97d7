"""The programs that run for ever: everything together, or one service each for systemd."""

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.application import app
from appliance.cli.session import Session, session

PANEL = "Services"
DEMO_FOLDER = Path("var")


@app.command(rich_help_panel=PANEL)
def serve(
    context: typer.Context,
    demo: Annotated[
        bool, typer.Option("--demo", help="A whole archive with simulated libraries and sample studies, in --data.")
    ] = False,
    data: Annotated[Path, typer.Option("--data", help="With --demo: the folder to use.")] = DEMO_FOLDER,
    log_dir: Annotated[
        Path | None,
        typer.Option("--log-dir", help="Write each service's log into a file here instead of standard error."),
    ] = None,
) -> None:
    """Run the DICOM node, the engine and the web pages on this machine until Ctrl-C or SIGTERM."""
    from appliance.serve import serve as run
    from appliance.serve import serve_demo

    current = session(context)
    if demo:
        serve_demo(data, current.given_config, current.say)
    else:
        run(current.config, current.config_path, current.say, log_dir)


def _begin(current: Session, service: str) -> None:
    """What every single service does first."""
    from appliance.logs import LogFormat, set_up
    from appliance.supervise import die_with_parent

    die_with_parent()
    set_up(current.config.log.level, LogFormat(current.config.log.format), service)


@app.command(rich_help_panel=PANEL)
def pacs(context: typer.Context) -> None:
    """Run one DICOM acceptor; several share the port."""
    from appliance.serve import run_pacs

    current = session(context)
    _begin(current, "pacs")
    run_pacs(current.config)


@app.command(rich_help_panel=PANEL)
def engine(context: typer.Context) -> None:
    """Run the engine: it owns the libraries, evaluates the policy and carries jobs out. One at a time."""
    from appliance.serve import run_engine

    current = session(context)
    _begin(current, "engine")
    run_engine(current.config)


@app.command(rich_help_panel=PANEL)
def web(context: typer.Context) -> None:
    """Run the web pages."""
    from appliance.serve import run_web

    current = session(context)
    _begin(current, "web")
    run_web(current.config, current.config_path)


@app.command(hidden=True)
def feed(context: typer.Context) -> None:
    """Send the sample studies to the DICOM node of this archive; the demo starts this."""
    from appliance.serve import run_feed

    current = session(context)
    _begin(current, "feed")
    run_feed(current.config)
