"""What policies may know, in a number of statements that does not depend on the number of studies."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from sqlalchemy import event

from hsm.catalog import Catalog, JobRequest
from hsm.states import Availability, CopyState, JobKind
from tests.hsm.catalog.world import LATER, START, TAPES, World, arrival, study_uid


@contextmanager
def statements(catalog: Catalog) -> Iterator[list[str]]:
    """What is said to the database meanwhile."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        said.append(statement)

    event.listen(catalog.database.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(catalog.database.engine, "before_cursor_execute", note)


def test_facts_tell_all_of_a_study(world: World) -> None:
    came = arrival(
        birth_date=date(1960, 1, 2), study_description="Thorax", institution="Clinic", body_part="CHEST", modality="CT"
    )
    world.catalog.intake.record_many([came, arrival(1, 2, 1, body_part="ABDOMEN", modality="SR"), arrival(1, 2, 2)])
    pack = world.seal()
    world.labelled(*TAPES[:2])
    copies = [world.copy(pack, barcode) for barcode in TAPES[:2]]
    world.receive(1, range(7, 8), at=START + timedelta(minutes=1))
    world.catalog.holds.place(study_uid(1), "trial", "judge", START)
    world.catalog.holds.place(study_uid(1), "over", "judge", START, until=START)
    world.catalog.studies.touch(study_uid(1), LATER)
    world.catalog.studies.pin(study_uid(1), LATER)
    jobs = [
        JobRequest(JobKind.MIGRATE, "m", study_uid(1), pack_id=pack.id, pool="other"),
        JobRequest(JobKind.VERIFY, "v", study_uid(1), copy_id=copies[0]),
        JobRequest(JobKind.RELEASE, "r", study_uid(1)),
    ]
    world.catalog.jobs.submit_many(jobs, START)
    [facts] = world.catalog.facts.studies_for_policy(LATER)
    assert (facts.study_instance_uid, facts.patient_id, facts.patient_birth_date) == (
        study_uid(1),
        "P1",
        date(1960, 1, 2),
    )
    assert (facts.modalities, facts.study_date, facts.description) == (("CT", "SR"), date(2026, 2, 1), "Thorax")
    assert (facts.institution, facts.body_parts, facts.source_aet) == ("Clinic", ("ABDOMEN", "CHEST"), "CT1")
    assert (facts.instance_count, facts.size_bytes, facts.online_bytes, facts.online_instances) == (4, 4000, 4000, 4)
    assert facts.unpacked_instances == 1
    assert (facts.received_at, facts.changed_at) == (START, START + timedelta(minutes=1))
    assert (facts.accessed_at, facts.pinned_until, facts.holds) == (LATER, LATER, ("trial",))
    assert facts.availability is Availability.ONLINE
    assert facts.active_jobs == {
        (JobKind.MIGRATE, "other"),
        (JobKind.VERIFY, str(copies[0])),
        (JobKind.RELEASE, ""),
    }
    [packed] = facts.packs
    assert (packed.pack_id, packed.digest, packed.size_bytes, packed.online) == (
        pack.id,
        pack.digest,
        pack.size_bytes,
        True,
    )
    assert [(copy.id, copy.barcode, copy.state) for copy in packed.copies] == [
        (copies[0], TAPES[0], CopyState.VERIFIED),
        (copies[1], TAPES[1], CopyState.VERIFIED),
    ]


def test_what_is_on_tape_only_is_told(world: World) -> None:
    world.released()
    [facts] = world.catalog.facts.studies_for_policy(LATER)
    assert (facts.online_bytes, facts.online_instances, facts.availability) == (0, 0, Availability.NEARLINE)
    assert not facts.packs[0].online


def test_lost_copies_are_told_and_superseded_ones_are_not(world: World) -> None:
    pack = world.safe()
    first, second = world.catalog.copies.of_pack(pack.id)
    world.catalog.copies.supersede(first.id, START)
    world.catalog.volumes.lose(TAPES[1], "fire", START)
    [facts] = world.catalog.facts.studies_for_policy(LATER)
    assert [(copy.id, copy.state) for copy in facts.packs[0].copies] == [(second.id, CopyState.LOST)]


def test_a_planned_copy_is_told_only_while_a_job_works_on_it(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    world.begin(pack, TAPES[0])
    world.catalog.copies.unwrite()
    request = JobRequest(JobKind.MIGRATE, "m", study_uid(1), pack_id=pack.id, pool="lto")
    job, _ = world.catalog.jobs.submit(request, START)
    [facts] = world.catalog.facts.studies_for_policy(LATER)
    assert [copy.state for copy in facts.packs[0].copies] == [CopyState.PLANNED]
    world.catalog.jobs.cancel(job, START)
    [facts] = world.catalog.facts.studies_for_policy(LATER)
    assert facts.packs[0].copies == ()


def test_every_study_comes_once_whatever_the_batch(world: World) -> None:
    for study in range(1, 8):
        world.receive(study, 1)
    everything = [facts.study_instance_uid for facts in world.catalog.facts.studies_for_policy(LATER)]
    assert everything == [study_uid(n) for n in range(1, 8)]
    for batch in (1, 3, 7):
        told = [f.study_instance_uid for f in world.catalog.facts.studies_for_policy(LATER, batch=batch)]
        assert told == everything
    wanted = [study_uid(5), study_uid(2), study_uid(5), "9"]
    some = [f.study_instance_uid for f in world.catalog.facts.studies_for_policy(LATER, only=wanted, batch=2)]
    assert sorted(some) == [study_uid(2), study_uid(5)]


def test_the_number_of_statements_does_not_grow_with_the_studies(world: World) -> None:
    def asked() -> int:
        with statements(world.catalog) as said:
            assert list(world.catalog.facts.studies_for_policy(LATER))
            world.catalog.studies.summary()
        return len([s for s in said if not s.startswith("BEGIN")])

    world.safe(1)
    few = asked()
    for study in range(2, 6):
        world.safe(study)
    assert asked() == few < 20


def test_one_more_instance_of_a_known_series_costs_few_statements(world: World) -> None:
    world.receive()
    with statements(world.catalog) as said:
        world.catalog.intake.record(arrival(1, 1, 3))
    assert len([s for s in said if not s.startswith("BEGIN")]) <= 6
