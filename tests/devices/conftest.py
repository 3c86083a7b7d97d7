"""The tests marked `devices` run in the test machine, where the kernel meets devices; see docs/HARDWARE.md."""

import os
from pathlib import Path

import pytest

IN_MACHINE = os.environ.get("FIRN_VM") == "1"
RESULTS = os.environ.get("FIRN_RESULTS")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs devices where there are none; begin with what starts the machine, since it takes longest."""
    ours = pytest.mark.skip(reason="needs the devices of the test machine; `make test-devices` runs it there")
    for item in items:
        if item.get_closest_marker("devices") and not IN_MACHINE:
            item.add_marker(ours)
    items.sort(key=lambda item: "/devices/test_in_vm.py" not in item.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell a failure at once: a machine that is stopped, because its time is up, tells nothing at its end."""
    if IN_MACHINE and RESULTS and report.failed:
        with (Path(RESULTS) / "failures.txt").open("a") as file:
            file.write(f"{report.nodeid} ({report.when})\n{report.longreprtext}\n{report.capstdout}\n\n")
