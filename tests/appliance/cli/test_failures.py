"""Whatever a person does wrong ends in a sentence and the documented exit status."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appliance.cli import app
from appliance.cli.failures import ExitStatus, explained
from drivers.clock import SystemClock
from drivers.simulator import SimulatedLibrary
from tests.appliance.cli.conftest import House

NOWHERE = "1.2.3.4.5"


@pytest.mark.parametrize(
    ("status", "arguments", "words"),
    [
        (4, ("explain", NOWHERE), "no study 1.2.3.4.5"),
        (4, ("recall", NOWHERE), "no study 1.2.3.4.5"),
        (4, ("release", NOWHERE), "no study 1.2.3.4.5"),
        (4, ("hold", "place", NOWHERE, "--reason", "x"), "no study 1.2.3.4.5"),
        (4, ("hold", "lift", "77"), "77"),
        (4, ("hold", "change", "77"), "77"),
        (4, ("policy", "show", "77"), "no policy version 77"),
        (4, ("verify", "X00001L8"), "no volume or study X00001L8"),
        (4, ("volumes", "show", "X00001L8"), "no volume X00001L8"),
        (4, ("volumes", "label", "X00001L8"), "no volume X00001L8"),
        (4, ("library", "insert", "X00001L8"), "no volume X00001L8"),
        (4, ("library", "create", "vault"), "no simulated library vault"),
        (4, ("import", "/no/such/folder"), "no file or folder /no/such/folder"),
        (4, ("policy", "check", "/no/such/file"), "no policy file"),
        (2, ("studies", "--from", "yesterday"), "give a day as 2024-01-31"),
        (2, ("studies", "--no-such-option"), "No such option"),
        (2, ("nonsense",), "No such command"),
    ],
)
def test_asking_for_what_is_not_there(house: House, status: int, arguments: tuple[str, ...], words: str) -> None:
    assert words in house.fails(status, *arguments)


def test_a_policy_with_faults_is_named_line_by_line_and_not_published(house: House) -> None:
    before = house.ok("policy", "show")
    path = house.root / "bad.policy"
    path.write_text('rule "typo":\n    copie to tape_a\n')
    assert "bad.policy:2:" in house.fails(6, "policy", "check", str(path))
    assert "was not published" in house.fails(6, "policy", "apply", str(path))
    path.write_text('rule "unknown pool":\n    copy to tape_z\n')
    assert "tape_z" in house.fails(6, "policy", "apply", str(path))
    assert house.ok("policy", "show") == before


def test_rules_are_published_over_the_version_that_was_seen_with_a_reason(house: House) -> None:
    before = house.ok("policy", "show")
    path = house.root / "next.policy"
    path.write_text(before + "# the same\n")
    newest = house.json("policy", "history")["policies"][0]["version"]
    assert "is in force by now" in house.fails(3, "policy", "apply", str(path), "--over", "0")
    house.ok("policy", "apply", str(path), "--over", str(newest), "--reason", "a try", "--confirm", "0")
    assert house.json("policy", "history")["policies"][0]["reason"] == "a try"
    assert house.ok("policy", "show", str(newest)) == before


def test_a_configuration_with_faults_is_explained_by_every_command(house: House) -> None:
    house.config.write_text(house.config.read_text() + "\n[web]\nprot = 80\n")
    assert "prot" in house.run("config", "check").stdout
    assert house.run("config", "check").exit_code == 6
    assert "web.prot" in house.fails(6, "studies")


def test_without_a_configuration_the_next_step_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("appliance.cli.session.CONFIG_PLACES", (Path("firn.toml"), Path("var/firn.toml")))
    monkeypatch.delenv("FIRN_CONFIG", raising=False)
    result = CliRunner().invoke(app, ["status"], env={"COLUMNS": "200"})
    assert result.exit_code == ExitStatus.NOT_FOUND
    assert "firn serve --demo" in result.stderr


def test_the_configuration_of_a_demo_in_this_folder_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = house.root / "elsewhere"
    (folder / "var").mkdir(parents=True)
    shutil.copy(house.config, folder / "var" / "firn.toml")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FIRN_CONFIG", raising=False)
    result = CliRunner().invoke(app, ["config", "show"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "# from var/firn.toml" in result.stdout


def test_a_missing_archive_and_a_missing_pool_are_different_things(house: House) -> None:
    (house.root / "online" / ".firn-pool").unlink()
    assert ".firn-pool" in house.fails(7, "pool", "show")
    (house.root / "catalog.db").unlink()
    assert "firn pool init" in house.fails(4, "jobs")


def test_a_library_that_somebody_else_owns_is_said(house: House) -> None:
    house.take_in()
    house.ok("tick", "--wait")  # the catalog knows the volumes now
    owner = SimulatedLibrary(house.library, SystemClock())
    try:
        assert "another process" in house.fails(7, "tick", "--wait")
        assert "another process" in house.fails(7, "library", "remove", "A00001L8")
    finally:
        owner.close()


def test_a_library_that_was_never_made_is_said(house: House) -> None:
    house.take_in()
    shutil.rmtree(house.library)
    assert "firn library create tape" in house.fails(4, "tick", "--wait")


def test_labels_are_never_written_over(house: House) -> None:
    house.take_in()
    house.ok("tick", "--wait")
    assert "only a blank" in house.fails(3, "volumes", "label", "A00001L8", "--pool", "tape_a")
    assert "no volume pool tape_z" in house.fails(4, "volumes", "label", "A00002L8", "--pool", "tape_z")
    house.ok("volumes", "label", "A00002L8", "--wait")
    assert house.json("volumes", "show", "A00002L8")["volume"]["state"] == "labelled"


def test_dangerous_decisions_ask_for_the_barcode_again(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    result = house.run("volumes", "lost", "A00001L8", "--reason", "fell", input="A00002L8\n")
    assert result.exit_code == ExitStatus.REFUSED
    assert {copy["state"] for copy in house.study(uid)["copies"]} == {"verified"}
    house.ok("volumes", "doubt", "A00001L8", "--reason", "fell")
    assert house.run("volumes", "lost", "A00001L8", "--reason", "fell", input="A00001L8\n").exit_code == 0
    assert {copy["state"] for copy in house.study(uid)["copies"]} == {"verified", "lost"}


def test_a_state_that_does_not_allow_it_is_a_refusal(house: House) -> None:
    house.take_in()
    house.ok("tick", "--wait")
    said = house.fails(3, "volumes", "clear", "A00001L8")
    assert "A00001L8 is filling" in said
    assert "What can be trusted again is suspect" in said


def test_a_fault_of_ours_is_not_hidden() -> None:
    assert explained(ZeroDivisionError("ours")) is None


def test_ctrl_c_while_waiting_ends_quietly(house: House) -> None:
    """A real process, because the signal is real."""
    from datetime import UTC, datetime

    from hsm.catalog import Catalog

    house.take_in()
    house.ok("tick")
    catalog = Catalog.open(f"sqlite:///{house.root}/catalog.db")
    assert catalog.leases.take("engine", "somebody else", datetime.now(UTC), 300)
    catalog.close()
    program = (
        # a shell that runs the tests in the background has its children ignore Ctrl-C
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import appliance.cli.waiting as w, time; real = time.sleep\n"
        "w.time.sleep = lambda s: (print('waiting', flush=True), real(s))\n"
        "from appliance.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--config", str(house.config), "tick", "--wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert "Traceback" not in said
