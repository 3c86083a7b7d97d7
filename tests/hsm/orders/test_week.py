"""A week of a hospital: orders come as HL7 messages, and their priors are on disk before the appointments."""

from datetime import timedelta
from pathlib import Path

from hsm.states import JobKind
from tests.support.hospital import Hospital


def test_priors_are_on_disk_before_the_appointments_of_a_week(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, patients=6, days=2)
    try:
        figures = hospital.run(timedelta(hours=2), staff_recalls=1)
        reasons = {job.reason for job in hospital.world.catalog.jobs.list(kinds=(JobKind.RECALL,), limit=100)}
    finally:
        hospital.world.close()
    assert figures.appointments == 6
    assert figures.priors > 6
    assert (figures.hit_pct, figures.late) == (100.0, 0)
    assert 0 < figures.mounts < figures.recalls
    assert figures.early_hours > 0
    assert any(reason.startswith("prefetch for appointment ") for reason in reasons)
