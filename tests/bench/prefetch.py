"""A week of a hospital on a virtual clock: mounts, hits, early and late, with and without batching by cartridge."""

import logging
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import structlog

from tests.bench.figures import Figure, Section
from tests.bench.ground import Ground
from tests.support.hospital import Figures, Hospital

PATIENTS, DAYS, SEED = 24, 5, 7
STEP = timedelta(minutes=30)  # appointments begin at whole and half hours


def measure(ground: Ground) -> Iterator[Section]:
    """Live through the same week twice."""
    del ground  # it has a house of its own
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    section = Section(
        "Prefetch",
        f"A simulated week: {PATIENTS} appointments on {DAYS} days, ordered by HL7 from 1.5 to 60 hours before, "
        f"4 priors a patient on small cartridges, 2 drives, 5 recalls of staff, seed {SEED}. "
        "`make bench ARGS=prefetch` repeats it.",
    )
    batched = _week(None)
    alone = _week(0.0)
    section.add(Figure("appointments, priors wanted", f"{batched.appointments}, {batched.priors}"))
    section.add(
        Figure(
            "priors on disk when the appointment began",
            f"{batched.hit_pct:.1f} % ({batched.late} late)",
            "100 %",
            batched.late == 0,
        )
    )
    section.add(Figure("of them on disk already when they were looked at", f"{batched.on_disk}"))
    section.add(Figure("a recalled prior was there before its time", f"{batched.early_hours:.1f} h on average"))
    fewer = batched.mounts < alone.mounts
    section.add(Figure("mounts for the week", f"{batched.mounts}", f"< {alone.mounts}, each alone", fewer))
    section.add(Figure("longest wait of staff for a recall", f"{batched.staff_longest_s:.0f} s"))
    yield section


def _week(ahead_s: float | None) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        hospital = Hospital(Path(folder), patients=PATIENTS, days=DAYS, seed=SEED, ahead_s=ahead_s)
        try:
            return hospital.run(STEP, staff_recalls=5)
        finally:
            hospital.world.close()
