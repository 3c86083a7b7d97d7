"""The machine that `vagrant up` makes, made here by the same script: Firn under systemd on the virtual library."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.devices.attach import LIBRARY, ROOT, eventually, run

pytestmark = [
    pytest.mark.devices,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(os.environ.get("FIRN_VM_INIT") != "systemd", reason="needs a machine with systemd"),
]
PROVISION = ROOT / ".ci" / "vm" / "provision.sh"
LIMIT_S = 600.0
# What a machine without a network cannot do: install packages, and make .venv.
STEPS = ("settings", "firn", "library", "services", "samples")


def firn(*arguments: str) -> Any:
    """What a command of the installed Firn answers, as its own user."""
    clean = ("env", "-i", f"PATH={os.environ['PATH']}", "LANG=C.UTF-8")  # the tests' FIRN_ variables are no settings
    argv = ("/opt/firn/.venv/bin/firn", "--config", "/etc/firn/firn.toml", *arguments, "--json")
    return json.loads(run("runuser", "-u", "firn", "--", *clean, *argv))


def journal() -> str:
    """What the services said, for the message of a test that failed."""
    return run("journalctl", "--no-pager", "-n", "150", "-o", "cat", "-u", "firn*", status=None)


def awaited(condition: Callable[[], bool], what: str) -> None:
    try:
        eventually(condition, what, LIMIT_S)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{journal()}") from error


def test_the_box_takes_in_studies_and_they_settle_on_tapes_and_a_disc() -> None:
    for name in ("firn", "firn-library"):  # on a disk, as on a real machine: the root of this one lies in its memory
        there, here = Path("/scratch/state", name), Path("/var/lib", name)
        for folder in (there, here):
            folder.mkdir(parents=True, exist_ok=True)
        run("mount", "--bind", there, here)
    for step in STEPS:
        run(PROVISION, ROOT, step, limit_s=LIMIT_S)
    for service in ("firn-simulator", "firn-library", "firn-pacs", "firn-engine", "firn-web"):
        assert run("systemctl", "is-active", service).strip() == "active", journal()
    fed: set[str] = set()

    def settled() -> bool:
        for line in firn("volumes", "wanted")["wanted"]:
            if line["library"] == "desk" and line["volume"]:
                run(LIBRARY, "disc", line["volume"])
                fed.add(line["volume"])
        studies = firn("studies")["studies"]
        return bool(studies) and all(study["availability"] != "ONLINE" for study in studies)

    awaited(settled, "every sample study left the disk")
    assert fed, "nobody asked for a disc"
    run("systemctl", "restart", "firn.target")
    page = run("python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/').status)")
    assert page.strip() == "200"
