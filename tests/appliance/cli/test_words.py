"""What people read: every list as text, and nothing from outside that steers the terminal."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from appliance.cli.words import ago, bar, iso
from tests.appliance.cli.conftest import House
from tests.support.studies import PEOPLE, small_ct


def test_every_list_can_be_read(house: House) -> None:
    uid = house.take_in()
    house.ok("tick", "--wait")
    house.ok("hold", "place", uid, "--reason", "teaching", "--days", "3")
    assert "NEARLINE" in house.ok("studies")
    assert "✓ A00001L8 verified" in house.ok("studies", "--modality", "CT", "--from", "2020-01-01", "--to", "20301231")
    assert "No study fits" in house.ok("studies", "--patient-id", "nobody")
    assert "tape_a" in house.ok("status")
    assert "Every study has 2 verified copies" in house.ok("status")
    assert "study released" in house.ok("events")
    assert "teaching" in house.ok("hold", "list")
    assert "A00001L8" in house.ok("volumes", "list", "--pool", "tape_a")
    assert uid in house.ok("volumes", "show", "A00001L8")
    assert "Nothing lies on it" in house.ok("volumes", "show", "A00003L8")
    assert "A00001L8" in house.ok("library", "show")
    assert "The quarantine is empty" in house.ok("quarantine")
    assert "No job is waiting" in house.ok("jobs")
    assert "done" in house.ok("jobs", "--all")
    assert "Nothing to do now" in house.ok("policy", "plan")
    assert "yes" in house.ok("policy", "history")
    assert "can be published" in house.ok("policy", "check", str(house.root / "rules.policy"))
    assert "It can be written" in house.ok("pool", "show")
    assert "tape_a" in house.ok("config", "show")
    assert "[archive]" in house.ok("config", "example")
    assert "can be used" in house.ok("config", "check")


def test_what_waits_is_seen_in_status_and_jobs(house: House) -> None:
    uid = house.take_in()
    house.ok("tick")
    assert "fewer than 2 verified copies" in " ".join(house.ok("status").split())
    assert "copy" in house.ok("jobs", "--study", uid)
    assert uid in house.ok("policy", "plan", str(house.root / "rules.policy")) or "Nothing" in house.ok(
        "policy", "plan"
    )


def test_hostile_text_steers_neither_the_terminal_nor_the_layout(house: House) -> None:
    person = replace(PEOPLE[7], name="[red]Evil[/red]^\u202eName")
    study = small_ct("hostile", person=replace(person, character_set="ISO_IR 192"))
    for instance in study.instances:
        instance.StudyDescription = "[bold]\\ x[/nonsense]"
    house.take_in(study)
    shown = house.ok("studies")
    assert "[red]Evil[/red]" in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown


def test_the_configuration_shown_can_be_read_again(house: House) -> None:
    import tomllib

    shown = tomllib.loads(house.ok("config", "show"))
    written = tomllib.loads(house.config.read_text())
    assert shown["volume_pool"][0]["barcodes"] == written["volume_pool"][0]["barcodes"]
    assert shown["library"][0]["options"] == {"time_scale": 1e6}
    house.config.write_text(house.ok("config", "show"))
    assert tomllib.loads(house.ok("config", "show")) == shown


def test_the_program_starts_as_a_command_and_knows_its_version() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("firn ")


def test_times_and_bars() -> None:
    now = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert iso(now) == "2024-01-01T12:00:00+00:00"
    assert iso(None) is None
    assert ago(None, now) == "never"
    assert ago(now - timedelta(minutes=5), now) == "5 min ago"
    assert bar(50, 10) == "█████·····"
    assert bar(0, 10, marks=(50, 100)) == "·····|···|"
    assert bar(100, 4, marks=(50,)) == "██┃█"
