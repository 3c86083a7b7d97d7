"""The Vagrantfile says what Vagrant understands, and names a script that is there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("vagrant") is None, reason="needs vagrant, which `make test-devices` installs")
def test_vagrant_understands_the_file(tmp_path: Path) -> None:
    home = {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot")}
    argv = ["vagrant", "validate", "--ignore-provider"]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **home}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_the_script_that_the_test_machine_runs() -> None:
    (script,) = re.findall(r'inline: "/vagrant/(\S+) /vagrant"', (ROOT / "Vagrantfile").read_text())
    assert os.access(ROOT / script, os.X_OK)
    assert script in (ROOT / "tests" / "devices" / "test_box.py").read_text().replace('" / "', "/")
