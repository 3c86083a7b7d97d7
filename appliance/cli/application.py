"""The root of the command line: global options, and the one place where errors become exit statuses."""

import os
import pwd
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from appliance.cli.failures import ExitStatus, RequestFailed, explained
from appliance.cli.session import CONFIG_PLACES, Session
from appliance.config.sources import FILE_VARIABLE
from appliance.logs import set_up
from hsm.access.actor import Actor, Via, begin, end


class Root(TyperGroup):
    """The group that holds all commands and tells failures in a paragraph."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what a person can cause ends with a message and an exit status."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(ExitStatus.INTERRUPTED) from None
        except Exception as error:
            failure = explained(error)
            if failure is None:
                raise
            tell(failure)
            raise typer.Exit(failure.status) from None
        finally:
            used = ctx.find_object(Session)
            if used is not None:
                used.close()


def tell(failure: RequestFailed) -> None:
    """Write a failure to standard error."""
    Session().err.print(f"[red]firn:[/red] {escape(str(failure))}", soft_wrap=True)


def family(help_text: str) -> typer.Typer:
    """A group of commands below one word."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="rich")


app = typer.Typer(
    cls=Root,
    name="firn",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hierarchical storage for DICOM images: disk, optical disc, tape, and back on demand.",
)


def user_of_this_machine() -> str:
    """Who typed the command: the person behind sudo, else the user the process belongs to."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"firn {version('firn')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar=FILE_VARIABLE,
            show_envvar=True,
            help=f"Configuration file. Without it the first that exists of {', '.join(map(str, CONFIG_PLACES))}.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also tell on standard error what happens inside.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Global options."""
    del version
    set_up("info" if verbose else "error")  # services set it up again, as their configuration says
    context.obj = Session(given_config=config)
    acting = begin(Actor(user_of_this_machine(), Via.COMMAND_LINE))
    context.call_on_close(lambda: end(acting))
