"""The appliance that `make run` starts: two simulated libraries in one folder, and times that a visitor can watch."""

import json
from pathlib import Path

from appliance.config.base import GIB
from appliance.config.schema import Config

# Simulated devices run this much faster than real ones: a cold recall takes about two seconds instead of ninety.
DEMO_TIME_SCALE = 40.0
# Packs stay well below the demo's small cartridges, so that several fit on one and a full one can be seen.
DEMO_PACK_BYTES = GIB // 8


def demo_config(root: Path) -> Config:
    """A whole appliance below `root`, which need not exist yet: two tape pools and one of discs."""
    root = root.resolve()
    libraries = [
        {"name": name, "driver": "simulator", "path": f"libraries/{name}", "options": {"time_scale": DEMO_TIME_SCALE}}
        for name in ("tape", "disc")
    ]
    tape = {"kind": "tape", "library": "tape", "auto_label": True}
    disc = {"kind": "disc", "library": "disc", "auto_label": True, "burn_after_s": 60}
    settings = {
        "archive": {"data_dir": str(root)},
        "online": {"reserve_bytes": GIB // 4, "keep_online_s": 300},
        "pack": {"stable_after_s": 15, "max_bytes": DEMO_PACK_BYTES},
        "dicom": {"max_object_bytes": DEMO_PACK_BYTES, "recall_patience_s": 120},
        "library": libraries,
        "volume_pool": [
            {"name": "tape_a", "barcodes": ["A?????L8"], **tape},
            {"name": "tape_b", "barcodes": ["B?????L8"], **tape},
            {"name": "disc", "barcodes": ["D?????"], **disc},
        ],
        "policy": {"tick_every_s": 5},
        "engine": {"retry_first_s": 5, "retry_max_s": 300},
    }
    return Config.model_validate_json(json.dumps(settings), strict=True)
