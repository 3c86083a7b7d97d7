"""Kinds of libraries are found by entry points."""

import sys
import textwrap
from pathlib import Path

import pytest

from drivers import kinds
from drivers.base import MediumKind
from drivers.kinds import DriverUnknown, LibraryMissing
from tests.support.library import make_library, virtual_clock


def package(folder: Path, name: str, entries: dict[str, str], code: str) -> None:
    """What pip leaves of an installed package: a module and its metadata."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_module.py").write_text(textwrap.dedent(code))
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {name}_module:{value}" for key, value in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[firn.drivers]", *lines, ""]))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose packages count as installed."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    return tmp_path / "site"


KIND = """
    from drivers.kinds import DriverKind

    class Shelf(DriverKind):
        meaning, path = "A shelf.", ""
        def open(self, name, path, options, clock):
            return (name, path, options, clock)
    """


def test_firn_brings_its_own_kinds() -> None:
    own = dict(kinds.own())
    assert "simulator" in own
    assert set(own) <= set(kinds.names())
    for kind in own.values():
        assert kind.meaning.endswith(".")
        assert all(
            option.meaning.endswith(".") and option.allows(option.default)
            for option in kind.options
            if option.default is not None
        )


def test_a_package_that_is_installed_brings_a_kind(installed: Path) -> None:
    package(installed, "firnshelf", {"shelf": "Shelf"}, KIND)
    assert "shelf" in kinds.names()
    assert "shelf" not in dict(kinds.own())
    kind = kinds.find("shelf")
    clock = virtual_clock()
    assert kind.open("a", Path("/b"), {}, clock) == ("a", Path("/b"), {}, clock)  # type: ignore[comparison-overlap]
    assert [fault.option for fault in kind.check({"depth": 3})] == ["depth"]
    assert kind.smallest_volume_bytes(Path("/b"), MediumKind.TAPE, ["*"]) is None


def test_an_unknown_kind_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(DriverUnknown, match="nearest known one is 'simulator'"):
        kinds.find("simulater")
    with pytest.raises(DriverUnknown, match=r"no driver 'xyz'; known: .*simulator"):
        kinds.find("xyz")


def test_without_any_kind_the_installation_is_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "GROUP", "firn.nothing")
    with pytest.raises(DriverUnknown, match="install Firn again"):
        kinds.find("simulator")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("broken", "import no_such_module_at_all\n", r"cannot be loaded: ModuleNotFoundError"),
        ("empty", "\n", r"cannot be loaded: AttributeError"),
        ("other", "class Shelf: ...\n", r"not a class derived from DriverKind"),
        (
            "clash",
            KIND + "    media = (__import__('drivers.generations').generations.Medium('LTO-8', 'tape', 1),)\n",
            r"LTO-8",
        ),
    ],
)
def test_a_package_that_does_not_work_is_named_and_harms_no_other(
    installed: Path, name: str, code: str, message: str
) -> None:
    package(installed, name, {name: "Shelf"}, code)
    with pytest.raises(DriverUnknown, match=message):
        kinds.find(name)
    assert kinds.find("simulator").options


def test_two_packages_that_claim_one_name_are_refused(installed: Path) -> None:
    package(installed, "one", {"shelf": "Shelf"}, KIND)
    package(installed, "two", {"shelf": "Shelf"}, KIND)
    with pytest.raises(DriverUnknown, match="claimed by one_module:Shelf and two_module:Shelf"):
        kinds.find("shelf")


def test_a_package_that_is_on_the_path_twice_counts_once(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(installed, "twice", {"shelf": "Shelf"}, KIND)
    other = installed.with_name("other")
    package(other, "twice", {"shelf": "Shelf"}, KIND)
    monkeypatch.setattr(sys, "path", [*sys.path, str(other)])
    assert kinds.find("shelf").meaning == "A shelf."


def test_the_simulator_opens_a_folder_in_its_own_time(tmp_path: Path) -> None:
    kind = kinds.find("simulator")
    with pytest.raises(LibraryMissing, match="firn library create tape"):
        kind.open("tape", tmp_path / "nowhere", {}, virtual_clock())
    with make_library(tmp_path, virtual_clock(), tapes=("A00001L8",), tape_bytes=8_000_000):
        pass
    clock = virtual_clock()
    before = clock.now()
    devices = kind.open("test", tmp_path / "test", {}, clock)
    devices.changer.load(1, 0)
    devices.close()
    assert clock.now() > before, "the robot's time passed on the clock that was handed in"
    assert kind.smallest_volume_bytes(tmp_path / "test", MediumKind.TAPE, ["A*", "B*"]) == 8_000_000
    assert kind.smallest_volume_bytes(tmp_path / "test", MediumKind.TAPE, ["B*"]) is None
    assert [fault.option for fault in kind.check({"time_scale": 0})] == ["time_scale"]
    fast = kind.open("test", tmp_path / "test", {"time_scale": 100_000.0}, clock)
    at = clock.now()
    fast.tape_drives[0].wait_ready(300)
    fast.close()
    assert clock.now() == at, "time_scale brings a clock of its own"
