"""The units start programs that exist, as the right user, and do not go on where it is pointless."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from appliance.cli import app
from appliance.cli.failures import ExitStatus

FOLDER = Path(__file__).parents[1] / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def test_the_target_wants_every_service() -> None:
    wanted = unit(FOLDER / "firn.target")["Unit"]["Wants"].split()
    assert sorted(wanted) == [path.name for path in SERVICES]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_runs_a_command_that_exists(path: Path) -> None:
    command = unit(path)["Service"]["ExecStart"].split()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert command[0].endswith("/firn")
    assert command[-1] in commands


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_confined(path: Path) -> None:
    service = unit(path)["Service"]
    assert service["User"] == "firn"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/lib/firn"


def test_only_the_engine_reaches_devices() -> None:
    private = {path.stem: unit(path)["Service"].get("PrivateDevices") for path in SERVICES}
    assert private == {"firn-engine": None, "firn-pacs": "yes", "firn-viewer": "yes", "firn-web": "yes"}
    assert unit(FOLDER / "firn-engine.service")["Service"]["SupplementaryGroups"].split() == ["tape", "cdrom"]


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_not_restarted_with_a_configuration_that_cannot_be_used(path: Path) -> None:
    statuses = {int(text) for text in unit(path)["Service"]["RestartPreventExitStatus"].split()}
    assert statuses == {ExitStatus.NOT_FOUND, ExitStatus.CONFIG_INVALID}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's own checker")
def test_systemd_understands_the_units() -> None:
    units = [*SERVICES, FOLDER / "firn.target"]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "firn" in line and "is not executable" not in line]
    assert said == []
