"""Prefetches follow their appointments: moved, taken back, joined by somebody who waits, or in vain."""

from datetime import timedelta
from pathlib import Path

from hsm.orders.model import OrderFields, changed
from hsm.orders.prefetching import look, prefetch
from hsm.states import Availability, JobKind, JobState, OrderState, RequestState
from tests.support.hospital import Hospital

EVERYTHING = 'rule "all":\n    prefetch the last 1 prior 12 hours before the appointment\n'


def test_prefetches_follow_their_appointments(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, patients=3, days=1)
    world, catalog = hospital.world, hospital.world.catalog
    now = world.clock.now()
    catalog.policies.publish(EVERYTHING, "test", now)
    at = now + timedelta(hours=6)

    def place(patient: str) -> int:
        return catalog.orders.place(OrderFields(patient, "CT", at), "test", now)

    moved, cancelled, joined = place("PAT000"), place("PAT001"), place("PAT002")
    assert prefetch(catalog, now) == 3
    assert prefetch(catalog, now) == 0
    of = catalog.prefetches.of_orders([moved, cancelled, joined])
    requests = {order: records[0].request_id or 0 for order, records in of.items()}
    jobs = {order: world.archive.recall_state(request).jobs[0] for order, request in requests.items()}
    assert {job.due_at for job in jobs.values()} == {at}
    assert jobs[moved].reason == f"prefetch for appointment {moved} at {at:%Y-%m-%d %H:%M} UTC"

    order = catalog.orders.get(moved)
    later = at + timedelta(hours=5)
    catalog.orders.change(moved, changed(order.fields, {"scheduled_at": later}), None, "test", now)
    catalog.orders.cancel(cancelled, "by mistake", "test", now)
    world.archive.request_recall(of[joined][0].study_instance_uid, requested_by="anna")
    assert prefetch(catalog, now) == 0
    due = {order: catalog.jobs.get(job.id).due_at for order, job in jobs.items()}
    assert (due[moved], due[joined]) == (later, None)
    assert catalog.jobs.get(jobs[cancelled].id).state == JobState.CANCELLED
    assert catalog.requests.get(requests[cancelled]).state is RequestState.CANCELLED
    study = catalog.studies.get(of[moved][0].study_instance_uid)
    assert study is not None and study.pinned_until == later + timedelta(minutes=30)

    world.engine.drain()
    assert world.availability(of[moved][0].study_instance_uid) is Availability.ONLINE
    world.clock.sleep(12 * 3600)
    prefetch(catalog, world.clock.now())
    figures = catalog.prefetches.figures(now)
    assert (figures.priors, figures.in_time, figures.late) == (2, 2, 0)
    assert catalog.prefetches.of_study(of[cancelled][0].study_instance_uid)[0].in_time is None
    world.close()


def test_a_prior_that_cannot_be_had_or_comes_late_is_said(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path, patients=1, days=1)
    world, catalog, now = hospital.world, hospital.world.catalog, hospital.world.clock.now()
    catalog.policies.publish(EVERYTHING, "test", now)
    order = catalog.orders.place(OrderFields("PAT000", "CT", now + timedelta(hours=1)), "test", now)
    (wish,) = look(catalog, now).ask
    assert wish.volumes[0].startswith("A")
    for volume in catalog.volumes.list():
        if volume.used_bytes:
            catalog.volumes.lose(volume.barcode, "burnt", now)
    assert prefetch(catalog, now) == 1
    (record,) = catalog.prefetches.of_orders([order])[order]
    assert record.request_id is None and "It cannot be had" in record.why
    assert [event.subject for event in catalog.events.list(name="prefetch_impossible")] == [wish.study_instance_uid]
    catalog.prefetches.give_up(wish, "again", now)
    world.clock.sleep(2 * 3600)
    prefetch(catalog, world.clock.now())
    assert [event.subject for event in catalog.events.list(name="prior_late")] == [wish.study_instance_uid]
    catalog.policies.publish('rule "keep":\n    keep online\n', "test", now)
    assert look(catalog, now).wanted == ()
    assert catalog.jobs.list(kinds=(JobKind.RECALL,)) == []
    assert catalog.orders.get(order).state is OrderState.SCHEDULED
    world.close()
