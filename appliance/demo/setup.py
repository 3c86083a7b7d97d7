"""Make a whole archive in one folder: configuration, simulated libraries, online pool, rules. Harmless to repeat."""

import os
from datetime import datetime
from importlib import resources
from pathlib import Path

from appliance.build import create_archive, open_catalog, publish, volume_pools
from appliance.config import Config, demo_config, load
from appliance.config.dicom import Peer
from appliance.toml_text import to_toml
from drivers.simulator import SimulatedLibrary, demo_specs

CONFIG_NAME = "firn.toml"
WORKSTATION = Peer(ae_title="WORKSTATION", host="127.0.0.1", port=11113)
BURN_AFTER_S = 15.0  # nobody watches a demo for a day

_HEAD = """\
# Written by `firn serve --demo`; yours to change, it is not written again.
# `firn config example` explains every setting.

"""


def prepare(root: Path, now: datetime) -> tuple[Config, Path]:
    """Make what is missing of the demo in a folder.

    Returns: its configuration and the file it is in.
    Raises: ConfigInvalid when a person changed the file so that it cannot be used.
    """
    root = root.resolve()
    path = root / CONFIG_NAME
    if not path.exists():
        root.mkdir(parents=True, exist_ok=True)
        path.write_text(_HEAD + to_toml(_config(root), only_set=True), encoding="utf-8")
    config = load(path, os.environ)
    specs = {spec.name: spec for spec in demo_specs()}
    for library in config.libraries:
        if library.driver == "simulator" and library.name in specs:
            SimulatedLibrary.create(config.resolve(library.path), specs[library.name])
    _publish_sample(config, now)
    create_archive(config, now)
    return config, path


def _config(root: Path) -> Config:
    config = demo_config(root)
    pools = tuple(
        pool.model_copy(update={"burn_after_s": BURN_AFTER_S}) if pool.kind == "disc" else pool
        for pool in config.volume_pools
    )
    return config.model_copy(update={"volume_pools": pools, "peers": (WORKSTATION,)})


def _publish_sample(config: Config, now: datetime) -> None:
    catalog = open_catalog(config, create=True)
    try:
        if catalog.policies.current() is None:
            publish(catalog, sample_policy(), "demo", volume_pools(config), now)
    finally:
        catalog.close()


def sample_policy() -> str:
    """The rules of the demo."""
    return resources.files("appliance").joinpath("sample.policy").read_text(encoding="utf-8")
