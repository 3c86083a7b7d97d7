"""How fast packs are laid out and hashed, as a ratio to dd writing the same bytes to the same place."""

import hashlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from drivers.base import RECORD_BYTES, Barcode
from hsm.facts import Header, SeriesUid, SopInstanceUid, StudyUid
from hsm.format.header import KIND_PACK, PackHeader
from hsm.format.pack import PackInput, PackStream, layout
from hsm.format.study_json import PackedInstance, build
from tests.bench.figures import Figure, Section
from tests.bench.ground import Ground

INSTANCES = 500
INSTANCE_BYTES = 525_000


def measure(ground: Ground) -> Iterator[Section]:
    """Write a pack of 262 MB, and the same bytes with dd."""
    del ground  # no catalog is needed
    section = Section("Packs", "A pack of 500 objects written to a file, manifest and digests included.")
    content = b"\x5a" * INSTANCE_BYTES
    digest = hashlib.sha256(content).hexdigest()
    now = datetime.now(UTC)
    packed = [
        PackedInstance(
            Header(SopInstanceUid(f"1.2.{n}"), "1.2", "1.2.840.10008.1.2.1", StudyUid("1.1"), SeriesUid("1.1.1")),
            INSTANCE_BYTES,
            digest,
            digest,
            0,
            now,
        )
        for n in range(1000, 1000 + INSTANCES)
    ]
    inputs = [PackInput(p.header.sop_instance_uid, "1.1.1", INSTANCE_BYTES, digest) for p in packed]
    plan = layout(build(packed), inputs)
    header = PackHeader(KIND_PACK, plan.digest, plan.size_bytes, Barcode("BENCH"), "-", 1, None, None, None, "1.1", now)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "pack.tar"
        began = time.perf_counter()
        stream = PackStream(plan, header, lambda member: BytesIO(content))
        with target.open("wb") as file:
            while record := stream.read(RECORD_BYTES):
                file.write(record)
        pack_s = time.perf_counter() - began
        began = time.perf_counter()
        subprocess.run(
            ["dd", f"if={target}", f"of={folder}/copy", f"bs={RECORD_BYTES}", "status=none"], check=True, timeout=600
        )
        dd_s = time.perf_counter() - began
    mb = plan.size_bytes / 1e6
    section.add(Figure(f"a pack of {mb:.0f} MB", f"{pack_s:.2f} s, {mb / pack_s:.0f} MB/s"))
    section.add(Figure("the same bytes with dd", f"{dd_s:.2f} s, ratio {dd_s / pack_s:.2f}"))
    yield section
