"""A kind of library that Firn does not know is installed beside it, and everything works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is really installed; nothing is fetched."""
    folder = tmp_path_factory.mktemp("vault")
    source, target = folder / "source", folder / "site"
    shutil.copytree(HERE / "vault", source, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    argv += ["--no-build-isolation", "--no-deps", "--target", str(target), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_a_package_brings_a_kind_of_library_that_passes_every_suite(site: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-cov"]
    argv += [str(HERE / "suite.py")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))}
    environment["PYTHONPATH"] = str(site)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "failed" not in done.stdout and "skipped" not in done.stdout


def test_where_it_is_not_installed_the_name_is_unknown() -> None:
    code = "from drivers import kinds; kinds.find('vault')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "there is no driver 'vault'" in done.stderr
