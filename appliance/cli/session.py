"""What every command needs: the configuration, the catalog, the clock, and a place to write to."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from appliance.cli.failures import ExitStatus, RequestFailed
from appliance.config import Config
from appliance.config.sources import FILE_VARIABLE

if TYPE_CHECKING:
    from hsm.archive import Archive
    from hsm.catalog import Catalog
    from hsm.pool import OnlinePool

CONFIG_PLACES = (Path("firn.toml"), Path("var/firn.toml"), Path("/etc/firn/firn.toml"))
COMMAND_LINE = "command line"  # who asks for jobs here; the audit trail knows the user of the machine


def find_config(given: Path | None) -> Path | None:
    """The configuration file to use: the one given, FIRN_CONFIG, or the first of CONFIG_PLACES that exists."""
    if given is not None:
        return given
    if os.environ.get(FILE_VARIABLE):
        return Path(os.environ[FILE_VARIABLE])
    return next((place for place in CONFIG_PLACES if place.is_file()), None)


def _console(stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, soft_wrap=False, emoji=False)


@dataclass
class Session:
    """One run of the command line. Everything is opened when first asked for and closed at the end."""

    given_config: Path | None = None
    out: Console = field(default_factory=_console)
    err: Console = field(default_factory=lambda: _console(stderr=True))
    _opened: list[Any] = field(default_factory=list)

    @property
    def config_path(self) -> Path:
        """Where the configuration was found.

        Raises: RequestFailed when there is none.
        """
        found = find_config(self.given_config)
        if found is None:
            places = ", ".join(str(place) for place in CONFIG_PLACES)
            raise RequestFailed(
                ExitStatus.NOT_FOUND,
                f"No configuration was found (looked for {places}). Name one with --config PATH or {FILE_VARIABLE}, "
                "print an example with `firn config example`, or try Firn without one: `firn serve --demo`.",
            )
        return found

    @cached_property
    def config(self) -> Config:
        """The configuration, checked."""
        from appliance.config import load

        path = self.config_path
        if not path.is_file():
            raise RequestFailed(
                ExitStatus.NOT_FOUND, f"There is no configuration file {path}. Look at --config and {FILE_VARIABLE}."
            )
        return load(path, os.environ)

    @cached_property
    def catalog(self) -> "Catalog":
        """The catalog of an archive that exists already."""
        return self._open_catalog(create=False)

    def _open_catalog(self, create: bool) -> "Catalog":
        from appliance.build import open_catalog

        opened = open_catalog(self.config, create=create)
        self._opened.append(opened)
        return opened

    @cached_property
    def pool(self) -> "OnlinePool":
        """The online pool."""
        from appliance.build import open_pool

        return open_pool(self.config)

    @cached_property
    def archive(self) -> "Archive":
        """The front door."""
        from appliance.build import open_archive

        return open_archive(self.config, self.catalog, self.pool)

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)

    def close(self) -> None:
        """Close what was opened, last first."""
        while self._opened:
            self._opened.pop().close()

    def print_json(self, document: Mapping[str, Any]) -> None:
        """One JSON document on standard output, nothing else."""
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def table(self, *columns: str, title: str = "") -> Table:
        """A plain table; a column name that begins with '>' is aligned to the right."""
        made = Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
        for column in columns:
            right = column.startswith(">")
            made.add_column(column.removeprefix(">"), justify="right" if right else "left", overflow="fold")
        return made

    def say(self, text: str) -> None:
        """A line for a person."""
        self.out.print(text, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A line for a person on standard error."""
        self.err.print(text, soft_wrap=True)


def session(context: typer.Context) -> Session:
    """The session of a running command."""
    found = context.find_object(Session)
    if found is None:
        raise RuntimeError("the command line was started without its root command")
    return found
