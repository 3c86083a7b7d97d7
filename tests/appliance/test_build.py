"""From a configuration to objects."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.build import (
    ArchiveMissing,
    PolicyRefused,
    create_archive,
    default_policy,
    dimse_settings,
    open_archive,
    open_catalog,
    open_pool,
    publish,
    volume_pools,
)
from appliance.config import Config
from appliance.devices import DriverUnknown, LibraryMissing, open_devices
from appliance.machinery import engine_settings
from drivers.base import Barcode
from drivers.simulator import DriveSpec, LibrarySpec, SimulatedLibrary, VolumeSpec
from hsm.policy import check, parse
from hsm.pool import PoolMissing

NOW = datetime(2024, 1, 1, tzinfo=UTC)
GIB = 1024**3


def config(root: Path, **sections: Any) -> Config:
    tape = {"name": "tape", "driver": "simulator", "path": "libraries/tape"}
    pools = [
        {"name": name, "kind": "tape", "library": "tape", "barcodes": [f"{name[-1].upper()}?????L8"]}
        for name in ("tape_a", "tape_b")
    ]
    merged = {"archive": {"data_dir": str(root)}, "library": [tape], "volume_pool": pools, **sections}
    return Config.model_validate(merged)


@pytest.mark.parametrize("pools", [[], ["tape_a"], ["tape_a", 'vault "2"'], ["a", "b", "c"]])
def test_the_policy_that_comes_with_firn_fits_any_pools(pools: list[str]) -> None:
    policy = parse(default_policy(pools))
    rules = list(policy.rules)
    assert len(rules) == 1
    text = default_policy(pools)
    assert ("release" in text) == (len(pools) >= 2), "one copy is none: nothing may leave the disk"


def test_a_new_archive_is_made_once_with_the_first_policy(tmp_path: Path) -> None:
    here = config(tmp_path / "new")
    with pytest.raises(ArchiveMissing, match="firn pool init"):
        open_catalog(here, create=False)
    assert any("policy" in line for line in create_archive(here, NOW))
    assert not any("policy" in line for line in create_archive(here, NOW))
    catalog = open_catalog(here, create=False)
    version = catalog.policies.current()
    catalog.close()
    assert version is not None
    assert not [finding for finding in check(parse(version.text), volume_pools(here)) if finding.is_fault]
    open_pool(here).usage()


def test_the_first_policy_may_be_ones_own_but_must_fit(tmp_path: Path) -> None:
    (tmp_path / "mine.policy").write_text('rule "x":\n    copy to nowhere\n')
    with pytest.raises(PolicyRefused, match="nowhere"):
        create_archive(config(tmp_path, policy={"file": "mine.policy"}), NOW)
    (tmp_path / "mine.policy").write_text('rule "x":\n    copy to tape_b\n')
    create_archive(config(tmp_path, policy={"file": "mine.policy"}), NOW)
    catalog = open_catalog(config(tmp_path), create=False)
    assert catalog.policies.history()[0].text == 'rule "x":\n    copy to tape_b\n'
    with pytest.raises(PolicyRefused):
        publish(catalog, 'rule "x":\n    copy to nowhere\n', "me", volume_pools(config(tmp_path)), NOW)
    catalog.close()


def test_a_pool_without_its_sentinel_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(PoolMissing):
        open_pool(config(tmp_path)).usage()


def test_the_reserve_follows_the_size_of_the_volumes(tmp_path: Path) -> None:
    here = config(tmp_path)
    assert volume_pools(here)["tape_a"].reserve_bytes == 5 * GIB  # full-size LTO-8: less than 2 %
    volumes = (
        VolumeSpec(Barcode("A00001L8"), "LTO-8", 100_000_000),
        VolumeSpec(Barcode("A00002L8"), "LTO-8", 50_000_000),
    )
    spec = LibrarySpec("tape", (DriveSpec("LTO-8", "S1"),), slots=4, volumes=volumes)
    SimulatedLibrary.create(tmp_path / "libraries" / "tape", spec)
    assert volume_pools(here)["tape_a"].reserve_bytes == 1_000_000  # 2 % of the smallest
    disc = {"name": "disc", "kind": "disc", "library": "tape", "barcodes": ["D?????"]}
    assert volume_pools(config(tmp_path, volume_pool=[disc]))["disc"].reserve_bytes == 94_007_459  # 2 % of a DVD
    odd = {"name": "odd", "kind": "tape", "library": "tape", "barcodes": ["*"], "capacity_reserve_bytes": 7}
    assert volume_pools(config(tmp_path, volume_pool=[odd]))["odd"].reserve_bytes == 7


def test_devices_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    (entry,) = config(tmp_path).libraries
    with pytest.raises(LibraryMissing, match="firn library create tape"):
        open_devices(entry, tmp_path / "nowhere")
    with pytest.raises(DriverUnknown, match=r"library tape: there is no driver 'simulatr'; the nearest.*'simulator'"):
        open_devices(entry.model_copy(update={"driver": "simulatr"}), tmp_path)
    with pytest.raises(DriverUnknown, match="option speed: there is no such option; known options are time_scale"):
        open_devices(entry.model_copy(update={"options": {"speed": 3}}), tmp_path)


def test_settings_reach_the_dicom_node_and_the_engine(tmp_path: Path) -> None:
    here = config(
        tmp_path,
        dicom={"ae_title": "ICE", "port": 104, "accept_any_called_aet": False, "on_conflict": "replace"},
        peer=[{"ae_title": "WS1", "host": "192.0.2.1", "port": 105, "recall_patience_s": 7}],
        engine={"retry_first_s": 3},
        policy={"tick_every_s": 9},
        pack={"stable_after_s": 11},
    )
    node = dimse_settings(here)
    assert (node.ae_title, node.port, node.require_called_aet) == ("ICE", 104, True)
    assert node.patience_of("WS1") == 7
    engine = engine_settings(here)
    assert (engine.retry.first_s, engine.tick_every_s, engine.tick.stable_after_s) == (3, 9, 11)
    create_archive(here, NOW)
    catalog = open_catalog(here, create=False)
    assert open_archive(here, catalog, open_pool(here)).settings.on_conflict == "replace"
    catalog.close()
