"""What lossless compression takes of one core: compressing, proving, and restoring on the way back."""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from appliance.demo.studies import ct_study
from hsm.facts import Pressed
from hsm.header import read_file_meta
from hsm.lossless.press import compress
from hsm.lossless.presses import PressTask, RestoreTask, press, put_together
from tests.bench.figures import Figure, Section
from tests.bench.ground import Ground
from tests.support.studies import PEOPLE, encode

SLICES = 20
SIZE_PX = 512
NOISE = 12.0  # of a CT, in its own units: what decides how far it can be compressed


def measure(ground: Ground) -> Iterator[Section]:
    """CT slices of 512 by 512 with the noise of real ones, one after the other."""
    del ground  # no catalog is needed
    section = Section("Lossless compression", "CT slices of 512 x 512 pixels in JPEG-LS, on one core.")
    chance = np.random.default_rng(1)
    contents = []
    for instance in ct_study("bench", PEOPLE[0], SLICES, SIZE_PX).instances:
        pixels = instance.pixel_array + chance.normal(0, NOISE, instance.pixel_array.shape)
        low, high = (-(1 << (instance.BitsStored - 1)), (1 << (instance.BitsStored - 1)) - 1)
        if not instance.PixelRepresentation:
            low, high = 0, (1 << instance.BitsStored) - 1
        instance.PixelData = np.clip(np.rint(pixels), low, high).astype(instance.pixel_array.dtype).tobytes()
        contents.append(encode(instance))
    mb = sum(map(len, contents)) / 1e6
    spent = dict.fromkeys(("compressed", "compressed and proved", "restored"), 0.0)
    to_bytes = 0
    with tempfile.TemporaryDirectory() as folder:
        source, target, back = (Path(folder) / name for name in ("received", "pressed", "restored"))
        for content in contents:
            source.write_bytes(content)
            meta = read_file_meta(BytesIO(content))
            digest = hashlib.sha256(content).hexdigest()
            began = time.perf_counter()
            compress(source, meta.dataset_offset, target)
            spent["compressed"] += time.perf_counter() - began
            began = time.perf_counter()
            made = press(PressTask(source, target, meta.dataset_offset, digest, meta.transfer_syntax_uid))
            spent["compressed and proved"] += time.perf_counter() - began
            if not isinstance(made, Pressed):
                raise SystemExit(f"not compressed: {made}")
            to_bytes += made.size_bytes
            task = RestoreTask(target, back, made.dataset_offset, meta.transfer_syntax_uid, made.pixel_vr, digest)
            began = time.perf_counter()
            put_together(task)
            spent["restored"] += time.perf_counter() - began
    for what, seconds in spent.items():
        section.add(Figure(what, f"{mb / seconds:.0f} MB/s"))
    section.add(Figure("ratio", f"{mb * 1e6 / to_bytes:.2f} : 1"))
    yield section
