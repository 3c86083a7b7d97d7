"""`firn config`: what is set, what is wrong with it, and an example."""

import json
import os
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.cli.session import session

config_app = family("The configuration file.")
app.add_typer(config_app, name="config", rich_help_panel="Set-up")


@config_app.command()
def check(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say everything that is wrong with the configuration; exit status 6 if it cannot be used."""
    from appliance.config import Severity
    from appliance.config import check as find_faults

    current = session(context)
    path = current.config_path
    if not path.is_file():
        raise RequestFailed(ExitStatus.NOT_FOUND, f"There is no configuration file {path}.")
    found = find_faults(path, os.environ)
    serious = [fault for fault in found if fault.severity is Severity.FAULT]
    if as_json:
        current.print_json(
            {
                "path": str(path.resolve()),
                "valid": not serious,
                "faults": [
                    {
                        "where": fault.where,
                        "key": fault.key,
                        "wrong": fault.wrong,
                        "remedy": fault.remedy,
                        "severity": fault.severity.value,
                    }
                    for fault in found
                ],
            }
        )
    else:
        for fault in found:
            current.out.print(str(fault), markup=False, soft_wrap=True)
        if not serious:
            current.out.print(f"{path} can be used.", markup=False, soft_wrap=True)
    if serious:
        raise typer.Exit(ExitStatus.CONFIG_INVALID)


@config_app.command()
def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the configuration in force, defaults included."""
    from appliance.toml_text import to_toml

    current = session(context)
    if as_json:
        current.print_json(json.loads(current.config.model_dump_json(by_alias=True)))
    else:
        typer.echo(f"# from {current.config_path}\n{to_toml(current.config)}", nl=False)


@config_app.command()
def example() -> None:
    """Print a configuration file with every setting explained."""
    from appliance.config.reference import example as example_text

    typer.echo(example_text(), nl=False)
