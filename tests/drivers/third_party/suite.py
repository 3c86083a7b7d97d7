"""What a driver of another package has to show. Run by test_third_party, in a process where the package is installed.

The package is reached by its name in a configuration only.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.config import check
from appliance.config.schema import LibraryEntry
from appliance.devices import open_devices
from drivers import kinds
from drivers.base import Barcode, MediumKind
from drivers.clock import VirtualClock
from drivers.errors import LibraryBusy
from drivers.generations import MEDIA, Use, use
from hsm.states import Availability
from tests.drivers.contract.changer_contract import ChangerContract, Robot
from tests.drivers.contract.tape_contract import Bench, TapeContract
from tests.support.library import virtual_clock
from tests.support.studies import small_ct
from tests.support.world import START, TAPES_ONLY, ArchiveWorld, volume_pools

VOLUME_BYTES = 8_000_000


def opened(path: Path, clock: VirtualClock, volumes: tuple[str, ...]) -> Any:
    """A vault as a configured library names it."""
    options = {"volumes": list(volumes), "volume_bytes": VOLUME_BYTES, "thaw_s": 30}
    entry = LibraryEntry(name="cold", driver="vault", path=path, options=options)
    return open_devices(entry, path, clock)


class TestVaultChanger(ChangerContract):
    @pytest.fixture
    def robot(self, tmp_path: Path) -> Iterator[Robot]:
        vault = opened(tmp_path, virtual_clock(), ("V1", "V2"))

        def release(drive: int) -> None:
            vault.tape_drives[drive].wait_ready(300)
            vault.tape_drives[drive].unload()

        yield Robot(vault.changer, Barcode("V1"), Barcode("V2"), 4, release)
        vault.close()


class TestVaultDrive(TapeContract):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        vault = opened(tmp_path, virtual_clock(), ("V1",))
        drive = vault.tape_drives[0]

        def remount() -> None:
            drive.unload()
            vault.changer.unload(0, 1)
            vault.changer.load(1, 0)

        def protect() -> None:
            vault.protect("V1")
            remount()

        vault.changer.load(1, 0)
        yield Bench(drive, vault.tape_drives[1], VOLUME_BYTES, protect, remount, generation="VAULT-1")
        vault.close()


def test_it_was_installed_and_is_no_part_of_firn() -> None:
    assert "vault" in kinds.names()
    assert "vault" not in dict(kinds.own())
    kind = kinds.find("vault")
    module = Path(str(sys.modules[type(kind).__module__].__file__))
    assert Path(__file__).parents[3] not in module.parents
    assert MEDIA["VAULT-1"].kind is MediumKind.TAPE
    assert use("VAULT-1", "VAULT-1") is Use.WRITE
    assert use("LTO-8", "VAULT-1") is Use.NONE


def test_its_options_are_checked_with_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "firn.toml"
    library = '[[library]]\nname = "cold"\ndriver = "vault"\npath = "cold"\n'
    path.write_text(library + 'options = {thaw_s = 5, volumes = ["V1"]}\n')
    assert check(path, {}) == []
    path.write_text(library + "options = {thaws = 5}\n")
    (fault,) = check(path, {})
    assert fault.key == "library[1].options.thaws"
    assert "thaw_s" in fault.remedy


def test_it_has_one_owner_and_keeps_what_it_holds(tmp_path: Path) -> None:
    vault = opened(tmp_path, virtual_clock(), ("V1",))
    with pytest.raises(LibraryBusy):
        opened(tmp_path, virtual_clock(), ("V1",))
    vault.changer.load(1, 0)
    vault.close()
    again = opened(tmp_path, virtual_clock(), ("V1",))
    assert again.changer.inventory().drive(0).barcode == "V1"
    assert again.tape_drives[0].status().loaded
    again.close()
    assert kinds.find("vault").smallest_volume_bytes(tmp_path, MediumKind.TAPE, ["V*"]) == VOLUME_BYTES


def test_the_engine_keeps_studies_on_it(tmp_path: Path) -> None:
    clock = VirtualClock(START)
    vault = opened(tmp_path / "cold", clock, ("A1", "A2", "B1", "B2"))
    pools = {name: replace(pool, library="cold") for name, pool in volume_pools().items() if name != "disc"}
    world = ArchiveWorld(tmp_path, {"cold": vault}, pools, TAPES_ONLY, clock=clock)
    uid = world.receive(small_ct())
    before = world.online_bytes(uid)
    world.settle()
    assert world.availability(uid) is Availability.NEARLINE
    assert world.online_bytes(uid) == {}
    assert len(world.verified_volumes(uid)) == 2
    assert {volume.generation for volume in world.catalog.volumes.list() if volume.pool} == {"VAULT-1"}
    assert world.catalog.recalls.state(world.recall(uid)).done
    assert world.online_bytes(uid) == before
    world.close()
