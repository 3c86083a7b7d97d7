"""A PostgreSQL server of the tests' own: in a temporary folder, on a unix socket, gone with the test process."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

_START_LIMIT_S = 60
_UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}


class PostgresMissing(Exception):
    """No PostgreSQL server programs were found; `make test` installs them."""


class PostgresFailed(Exception):
    """The server did not start; its log is in the message."""


def programs() -> Path:
    """The folder with initdb and postgres, of the newest version there is. Raises: PostgresMissing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    raise PostgresMissing("there is no initdb in /usr/lib/postgresql or in PATH: install postgresql (Debian)")


class Server:
    """One running server. Databases are made per test and cost some ten milliseconds."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """SQLAlchemy address of one database."""
        return f"postgresql+psycopg://firn@/{database}?host={self.folder}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of a new, empty database, which is dropped at the end, whoever is still connected."""
        name = f"firn_{next(self._numbers)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url(name)
        finally:
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(f"host={self.folder} user=firn dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def running_server() -> Iterator[Server]:
    """Make and start a server, stop and remove it at the end.

    The server never runs as root: there, it is given to the user postgres. If the test process dies, so does it.

    Raises: PostgresMissing, PostgresFailed.
    """
    bin_folder = programs()
    folder = Path(tempfile.mkdtemp(prefix="firn-pg-", dir="/tmp"))  # short: a socket path holds 107 characters
    prefix = _as_server_user(folder)
    data = folder / "data"
    try:
        options = ["-U", "firn", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        initdb = [*prefix, str(bin_folder / "initdb"), "-D", str(data), *options]
        made = subprocess.run(initdb, check=False, cwd="/", capture_output=True, text=True, timeout=_START_LIMIT_S)
        if made.returncode != 0:
            raise PostgresFailed(f"initdb ended with {made.returncode}: {made.stderr}")
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), **_UNSAFE_BUT_FAST}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*prefix, bin_folder / "postgres", "-D", data, *arguments], cwd="/", stdout=log, stderr=log
            )
        try:
            _wait_ready(folder, process)
            yield Server(folder, process.pid)
        finally:
            stop = [*prefix, str(bin_folder / "pg_ctl"), "stop", "-D", str(data), "-m", "immediate", "-w"]
            subprocess.run(stop, check=False, cwd="/", capture_output=True, timeout=_START_LIMIT_S)
            process.wait(_START_LIMIT_S)
    finally:
        shutil.rmtree(folder)


def _as_server_user(folder: Path) -> list[str]:
    """The command prefix under which the server runs; the folder is made readable for it."""
    die_with_us = ["--pdeathsig", "QUIT"]
    if os.geteuid() != 0:
        return ["setpriv", *die_with_us]
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    identity = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--init-groups"]
    return ["setpriv", *identity, *die_with_us]


def _wait_ready(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            psycopg.connect(f"host={folder} user=firn dbname=postgres").close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise PostgresFailed(f"{error}\n{(folder / 'log').read_text()}") from error
            time.sleep(0.02)  # the server announces itself in no other way
        else:
            return
