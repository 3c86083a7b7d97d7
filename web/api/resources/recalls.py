"""Recalls: having studies brought back from the volumes."""

from typing import Annotated

from pydantic import Field

from hsm.access.roles import Right
from hsm.catalog.records import RecallStatus, RequestRecord
from hsm.states import RequestState
from web.access.gate import known_person, may
from web.api.operations import Operations
from web.api.resources.jobs import Job, job_shape
from web.api.shape import Number, Page, Paged, Shape, Time, Uid, Words, before
from web.problems import Refused
from web.reads.work import places
from web.services import services

operations = Operations("Recalls")
Uids = Annotated[tuple[Uid, ...], Field(max_length=500)]


class NewRecall(Shape):
    """What is to be brought back: a study, some of its series, or some of its instances."""

    study_instance_uid: Uid
    series_instance_uids: Uids = ()
    sop_instance_uids: Uids = ()


class RecallQuery(Paged):
    """Which requests."""

    requested_by: Words = ""
    study_instance_uid: Words = ""
    state: RequestState | None = None


class RecallLine(Shape):
    """One request in a list."""

    id: int
    study_instance_uid: str
    requested_by: str
    created_at: Time
    state: RequestState
    ended_at: Time | None
    why: str = Field(description="Why it failed.")


class Recall(Shape):
    """One request and how far it is."""

    id: int
    study_instance_uid: str
    requested_by: str
    created_at: Time
    state: RequestState
    ended_at: Time | None
    missing_instances: int = Field(description="Wanted instances that are not on disk now.")
    done: bool
    failed: bool = Field(description="Something is missing and no job works on it any more: ask again.")
    place_in_queue: int | None = Field(description="Of its first waiting job among all recalls, from 1.")
    barcodes: tuple[str, ...] = Field(description="The volumes that are waited for or read.")
    eta_at: Time | None
    message: str
    jobs: tuple[Job, ...]


@operations.post("/recalls", Right.RECALL, status=201, conflicts=True, located=lambda made: f"/recalls/{made.id}")
def ask_for_recall(body: NewRecall) -> Recall:
    """Ask for a study, some series or some instances to be brought back; equal wishes share their jobs."""
    number = services().archive.request_recall(
        body.study_instance_uid,
        body.series_instance_uids,
        body.sop_instance_uids,
        requested_by=known_person().name,
    )
    return get_recall(number)


@operations.get("/recalls", Right.LOOK)
def list_recalls(query: RecallQuery) -> Page[RecallLine]:
    """Requests that fit, newest first."""
    found = services().catalog.requests.list(
        query.requested_by or None,
        (query.state,) if query.state else (),
        query.study_instance_uid or None,
        limit=query.limit + 1,
        before=before(query),
    )
    shown = found[: query.limit]
    following = str(shown[-1].id) if len(found) > query.limit else None
    return Page(items=tuple(recall_line(one) for one in shown), next_cursor=following)


@operations.post("/recalls/{recall_id}/cancel", Right.RECALL, conflicts=True)
def cancel_recall(recall_id: Number) -> Recall:
    """Take one's own wish back; work that somebody else waits for goes on. An administrator may take any back."""
    house, me = services(), known_person()
    if house.catalog.requests.get(recall_id).requested_by != me.name and not may(Right.ADMINISTER):
        raise Refused(403, "It was asked for by somebody else; only they and an administrator can take it back.")
    house.archive.cancel_recall(recall_id, by=me.name)
    return get_recall(recall_id)


@operations.get("/recalls/{recall_id}", Right.LOOK)
def get_recall(recall_id: Number) -> Recall:
    """How far a request is."""
    house = services()
    status = house.archive.recall_state(recall_id)
    place = places(house.catalog.jobs.queue(house.clock.now())) if status.jobs and not status.done else {}
    return _recall(status, place)


def recall_line(one: RequestRecord) -> RecallLine:
    """One request as a list tells it."""
    return RecallLine(
        id=one.id,
        study_instance_uid=one.study_instance_uid,
        requested_by=one.requested_by,
        created_at=one.created_at,
        state=one.state,
        ended_at=one.ended_at,
        why=one.why,
    )


def _recall(status: RecallStatus, place: dict[int, int]) -> Recall:
    waiting = [place[job.id] for job in status.jobs if job.id in place]
    return Recall(
        id=status.request_id,
        study_instance_uid=status.study_instance_uid,
        requested_by=status.requested_by,
        created_at=status.created_at,
        state=status.state,
        ended_at=status.ended_at,
        missing_instances=status.missing,
        done=status.done,
        failed=status.failed,
        place_in_queue=min(waiting, default=None),
        barcodes=status.barcodes,
        eta_at=status.eta_at,
        message=status.message,
        jobs=tuple(job_shape(job) for job in status.jobs),
    )
