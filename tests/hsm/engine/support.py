"""Jobs for tests of the engine."""

from datetime import UTC, datetime
from typing import Any

from hsm.catalog.records import JobRequest
from hsm.facts import JobRecord
from hsm.states import JobKind
from tests.support.world import World

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def job_record(kind: JobKind, **values: Any) -> JobRecord:
    """A job that is in no catalog."""
    empty: dict[str, Any] = {
        "id": 1, "key": "k", "state": "queued", "study_instance_uid": None, "pack_id": None, "copy_id": None,
        "pool": None, "payload": {}, "reason": "", "size_bytes": 0, "done_bytes": 0, "phase": "", "message": "",
        "barcode": None, "attempts": 0, "requested_by": "test", "created_at": NOW, "not_before": None,
        "started_at": None, "ended_at": None, "eta_at": None,
    }  # fmt: skip
    return JobRecord(**{**empty, "kind": kind, **values})


def submit(world: World, kind: JobKind, **values: Any) -> JobRecord:
    """A job in the queue."""
    key = f"{kind.value}:{sorted(values.items())!r}"
    job_id, _ = world.catalog.jobs.submit(JobRequest(kind, key, **values), world.clock.now())
    return world.catalog.jobs.get(job_id)
