"""A whole small archive in a folder, and the command line to work it with."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from appliance.cli import app
from drivers.base import Barcode
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from tests.support.studies import SampleStudy, small_ct, write_study

CONFIG = """\
[archive]
data_dir = "{root}"

[dicom]
port = 11999
max_object_bytes = 8388608

[online]
reserve_bytes = 0
keep_online_s = 0

[cards]
enabled = false

[pack]
stable_after_s = 0
max_bytes = 8388608

[engine]
retry_first_s = 3600
retry_max_s = 86400

[[library]]
name = "tape"
driver = "simulator"
path = "libraries/tape"
options = {{time_scale = 1e6}}

[[volume_pool]]
name = "tape_a"
kind = "tape"
library = "tape"
barcodes = ["A?????L8"]
auto_label = true

[[volume_pool]]
name = "tape_b"
kind = "tape"
library = "tape"
barcodes = ["B?????L8"]
auto_label = true
"""

RULES = """\
rule "two tapes, then off the disk":
    copy to tape_a, tape_b
    release after 2 verified copies
"""


@dataclass
class House:
    """The archive as somebody at a shell sees it."""

    root: Path
    runner: CliRunner

    @property
    def config(self) -> Path:
        return self.root / "firn.toml"

    @property
    def library(self) -> Path:
        return self.root / "libraries" / "tape"

    def run(self, *arguments: str, **more: Any) -> Result:
        """Run a command; whatever it raises beyond an exit status is a fault of ours and fails the test."""
        environment = {"COLUMNS": "200", "TERM": "dumb", "FIRN_CONFIG": str(self.config)}
        result = self.runner.invoke(app, list(arguments), env=environment, **more)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def ok(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        result = self.run(*arguments)
        assert result.exit_code == 0, f"firn {' '.join(arguments)} ended with {result.exit_code}: {result.output}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command that succeeds prints with --json."""
        return json.loads(self.ok(*arguments, "--json"))

    def fails(self, status: int, *arguments: str) -> str:
        """What a command that fails with this status says."""
        result = self.run(*arguments)
        assert result.exit_code == status, f"firn {' '.join(arguments)}: {result.exit_code} {result.output}"
        assert "Traceback" not in result.output
        return " ".join(result.stderr.split())

    def publish(self, rules: str) -> None:
        """Put these rules in force."""
        path = self.root / "rules.policy"
        path.write_text(rules)
        self.ok("policy", "apply", str(path))

    def take_in(self, study: SampleStudy | None = None) -> str:
        """Import a study; its UID."""
        study = study or small_ct()
        write_study(self.root / "inbox", study)
        self.ok("import", str(self.root / "inbox" / study.study_uid))
        return study.study_uid

    def study(self, uid: str) -> Any:
        """The row of one study."""
        (row,) = self.json("studies", uid)["studies"]
        return row


@pytest.fixture
def make_house(tmp_path: Path) -> Callable[[], House]:
    """Make the archive: one library of two drives and six tapes, rules in force, nothing stored."""

    return lambda: build_house(tmp_path)


def build_house(folder: Path) -> House:
    """An archive in a folder: one library of two drives and six tapes, rules in force, nothing stored."""
    house = House(folder / "archive", CliRunner())
    house.root.mkdir()
    house.config.write_text(CONFIG.format(root=house.root))
    tapes = tuple(VolumeSpec(Barcode(f"{pool}0000{n}L8"), "LTO-8", 20_000_000) for pool in "AB" for n in (1, 2, 3))
    drives = (DriveSpec("LTO-8", "SIM1"), DriveSpec("LTO-8", "SIM2"))
    SimulatedLibrary.create(house.library, LibrarySpec("tape", drives, slots=8, mail_slots=2, volumes=tapes))
    house.ok("pool", "init")
    house.publish(RULES)
    return house


@pytest.fixture
def house(make_house: Callable[[], House]) -> House:
    """The archive."""
    return make_house()
