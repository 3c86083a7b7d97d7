"""No release without proof: every reason why online bytes must stay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hsm.catalog import Catalog, JobRequest, NotCatalogued, ReleaseRefused
from hsm.proof import ProofForged, ReleaseProof
from hsm.states import JobKind, OnlineState, Place
from tests.hsm.catalog.world import DISCS, LATER, STABLE_S, START, TAPES, World, arrival, pool_file, study_uid

ONLY_ONLINE = {OnlineState.ONLINE}


def states(world: World, study: int = 1) -> set[OnlineState]:
    """Which states the instances of a study are in."""
    return {instance.online_state for instance in world.instances(study)}


def test_a_release_goes_in_two_steps(world: World) -> None:
    pack = world.safe()
    before = {i.id: i for i in world.instances()}
    proof = world.prove()
    assert states(world) == {OnlineState.RELEASING}
    assert {(f.instance_id, f.file, f.size_bytes) for f in proof.files} == {
        (i.id, i.file, i.size_bytes) for i in before.values()
    }
    assert proof.study_instance_uid == study_uid(1) and proof.proved_at == LATER
    assert proof.copies == {pack.id: tuple(copy.id for copy in world.catalog.copies.of_pack(pack.id))}
    assert world.catalog.release.finish(proof, LATER) == 2
    assert {(i.online_state, i.file) for i in world.instances()} == {(OnlineState.RELEASED, None)}
    assert world.catalog.release.finish(proof, LATER) == 0
    assert world.names()[:2] == ["study_released", "release_proved"]
    said = world.catalog.events.list(limit=2)
    assert [(event.level, event.fields["instances"]) for event in said] == [("info", 2), ("info", 2)]


def test_after_a_crash_the_same_proof_can_be_had_again(world: World) -> None:
    world.safe(1)
    world.safe(2)
    proofs = [world.prove(1), world.prove(2)]
    assert world.catalog.release.unfinished() == proofs
    world.catalog.release.finish(proofs[0], LATER)
    assert world.catalog.release.unfinished() == proofs[1:]
    world.catalog.release.finish(world.catalog.release.unfinished()[0], LATER)
    assert world.catalog.release.unfinished() == []


def test_the_proof_that_is_had_again_is_the_newest_whatever_happened_since(world: World) -> None:
    world.released()
    back = world.instances()[0]
    world.catalog.recalls.recalled({back.id: pool_file(back.sop_instance_uid)}, LATER, LATER)
    later = LATER + timedelta(hours=1)
    proof = world.prove(now=later)
    world.catalog.events.record("info", "study_looked_at", study_uid(1), {}, later)
    assert world.catalog.release.unfinished() == [proof]
    assert proof.proved_at == later


def test_a_proof_whose_event_was_forgotten_can_still_be_finished(world: World) -> None:
    world.safe()
    proof = world.prove()
    world.catalog.database.write(lambda connection: connection.exec_driver_sql("DELETE FROM events"))
    [again] = world.catalog.release.unfinished()
    assert again.files == proof.files
    assert (again.proved_at, again.copies) == (datetime(1970, 1, 1, tzinfo=UTC), {})
    assert world.catalog.release.finish(again, LATER) == 2


def test_nobody_else_can_make_a_proof() -> None:
    with pytest.raises(ProofForged, match=r"^only the catalog can prove a release: ask catalog\.release\.prove$"):
        ReleaseProof(study_uid(1), (), START, {})


def hold(world: World) -> None:
    """A judge wants it."""
    world.catalog.holds.place(study_uid(1), "court order 7", "judge", START)


def hold_until(world: World) -> None:
    """For a while."""
    world.catalog.holds.place(study_uid(1), "court order 7", "judge", START, until=LATER + timedelta(seconds=1))


def pin(world: World) -> None:
    """Somebody reads it."""
    world.catalog.studies.pin(study_uid(1), LATER + timedelta(seconds=1))


def late_arrival(world: World) -> None:
    """Another instance, packed nowhere."""
    world.receive(1, range(9, 10))


def unfinished(world: World) -> None:
    """Another instance a moment ago, with verified copies already."""
    world.receive(1, range(9, 10), at=LATER - timedelta(seconds=STABLE_S - 1))
    pack = world.seal()
    for barcode in TAPES[:2]:
        world.copy(pack, barcode)


def second_pack_without_copies(world: World) -> None:
    """A late arrival that was sealed only."""
    late_arrival(world)
    world.seal()


def wanted_back(world: World) -> None:
    """A recall works on it."""
    world.catalog.jobs.submit(JobRequest(JobKind.RECALL, "recall:x", study_uid(1)), START)


def doubted(world: World) -> None:
    """One copy could not be read."""
    world.catalog.copies.doubt(world.catalog.copies.of_study(study_uid(1))[0].id, "V", "CRC", START)


def superseded(world: World) -> None:
    """One copy is not to be used any more."""
    world.catalog.copies.supersede(world.catalog.copies.of_study(study_uid(1))[0].id, START)


def volume_doubted(world: World) -> None:
    """One volume is suspect."""
    world.catalog.volumes.doubt(TAPES[0], "noise", START)


def volume_lost(world: World) -> None:
    """One volume burned."""
    world.catalog.volumes.lose(TAPES[0], "fire", START)


def volume_missing(world: World) -> None:
    """One volume is not where it should be."""
    world.library(TAPES[1])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (hold, "court order 7"),
        (hold_until, "court order 7"),
        (pin, "kept online until"),
        (late_arrival, "no pack"),
        (unfinished, "more may follow"),
        (second_pack_without_copies, "has 0 verified copies"),
        (wanted_back, "recalled by job"),
        (doubted, "has 1 verified copies"),
        (superseded, "has 1 verified copies"),
        (volume_doubted, "has 1 verified copies"),
        (volume_lost, "has 1 verified copies"),
        (volume_missing, "has 1 verified copies"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_online_bytes_stay(world: World, spoil: Callable[[World], None], reason: str) -> None:
    world.safe()
    spoil(world)
    said = world.catalog.release.explain(study_uid(1), 2, LATER, STABLE_S)
    with pytest.raises(ReleaseRefused, match=reason) as refused:
        world.prove()
    assert refused.value.reason == said
    assert states(world) == ONLY_ONLINE
    assert "release_proved" not in world.names()


def test_what_no_longer_stands_in_the_way_does_not(world: World) -> None:
    world.safe()
    lifted = world.catalog.holds.place(study_uid(1), "a", "judge", START)
    world.catalog.holds.lift(lifted, START)
    world.catalog.holds.place(study_uid(1), "b", "judge", START, until=LATER)
    world.catalog.studies.pin(study_uid(1), LATER)
    job, _ = world.catalog.jobs.submit(JobRequest(JobKind.RECALL, "recall:x", study_uid(1)), START)
    world.catalog.jobs.cancel(job, START)
    world.catalog.volumes.move(TAPES[0], Place.SHELF, "vault", START)
    assert world.catalog.release.explain(study_uid(1), 2, LATER, STABLE_S) == ""
    assert states(world) == ONLY_ONLINE
    world.prove()


def test_work_on_other_studies_and_other_work_on_this_one_do_not_stand_in_the_way(world: World) -> None:
    world.safe(1)
    world.safe(2)
    world.catalog.jobs.submit(JobRequest(JobKind.RECALL, "recall:other", study_uid(2)), START)
    world.catalog.jobs.submit(JobRequest(JobKind.VERIFY, "verify:this", study_uid(1)), START)
    assert world.catalog.release.explain(study_uid(1), 2, LATER, STABLE_S) == ""
    assert len(world.prove(1).files) == 2
    with pytest.raises(ReleaseRefused, match="recalled by job") as refused:
        world.prove(2)
    assert refused.value.study_instance_uid == study_uid(2)


def test_written_is_not_verified(world: World) -> None:
    pack = world.packed()
    world.labelled(*TAPES[:2])
    world.copy(pack, TAPES[0])
    world.copy(pack, TAPES[1], verified=False)
    with pytest.raises(ReleaseRefused, match="has 1 verified"):
        world.prove()
    world.prove(copies=1)


def test_two_copies_on_one_volume_would_count_once(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    first = world.copy(pack, TAPES[0])
    # `begin` refuses this; a catalog damaged by hand or an older version might still hold it.
    world.catalog.database.write(
        lambda connection: (
            connection.exec_driver_sql("DROP INDEX uq_copies_pack_volume"),
            connection.exec_driver_sql(
                "INSERT INTO copies (pack_fk, pool, kind, state, volume_fk, sequence, doubts)"
                f" SELECT pack_fk, pool, kind, state, volume_fk, 2, 0 FROM copies WHERE id = {first}"
            ),
        )
    )
    try:
        assert len(world.catalog.copies.of_pack(pack.id)) == 2
        with pytest.raises(ReleaseRefused, match="has 1 verified copies on distinct volumes"):
            world.prove()
    finally:
        world.catalog.database.write(
            lambda connection: (
                connection.exec_driver_sql(f"DELETE FROM copies WHERE id > {first}"),
                connection.exec_driver_sql(
                    "CREATE UNIQUE INDEX uq_copies_pack_volume ON copies (pack_fk, volume_fk)"
                    " WHERE state <> 'reclaimed'"
                ),
            )
        )


def test_two_kinds_of_medium_can_be_asked_for(world: World) -> None:
    pack = world.packed()
    world.labelled(*TAPES[:2], DISCS[0])
    for barcode in TAPES[:2]:
        world.copy(pack, barcode)
    with pytest.raises(ReleaseRefused, match="all on tape; needed are 2 kinds"):
        world.prove(kinds=2)
    world.copy(pack, DISCS[0], pool="discs")
    assert len(world.prove(copies=3, kinds=2).copies[pack.id]) == 3


def test_what_is_gone_already_is_not_released_again(world: World) -> None:
    world.safe()
    proof = world.prove()
    with pytest.raises(ReleaseRefused, match="none of it is online"):
        world.prove()
    world.catalog.release.finish(proof, LATER)
    with pytest.raises(ReleaseRefused, match="none of it is online"):
        world.prove()


def test_only_what_came_back_is_released_again(world: World) -> None:
    world.released(numbers=3)
    back = world.instances()[1]
    world.catalog.recalls.recalled({back.id: pool_file(back.sop_instance_uid)}, LATER, LATER)
    proof = world.prove()
    assert [file.instance_id for file in proof.files] == [back.id]
    # what was gone before stays gone, also for a restart in between
    assert sorted(i.online_state for i in world.instances()) == ["released", "released", "releasing"]
    assert world.catalog.release.finish(proof, LATER) == 1
    assert world.catalog.release.unfinished() == []


def test_a_late_arrival_of_a_released_study_is_not_covered_by_the_old_pack(world: World) -> None:
    world.released()
    world.receive(1, range(8, 9))
    with pytest.raises(ReleaseRefused, match="no pack"):
        world.prove()
    world.seal()
    with pytest.raises(ReleaseRefused, match="has 0 verified"):
        world.prove()


def test_a_replaced_version_on_tape_does_not_cover_the_new_one(world: World) -> None:
    world.safe()
    world.catalog.intake.record(arrival(content="new"), on_conflict="replace")
    with pytest.raises(ReleaseRefused, match="no pack"):
        world.prove()


def test_one_study_does_not_vouch_for_another(world: World) -> None:
    world.safe(1)
    world.packed(2)
    with pytest.raises(ReleaseRefused):
        world.prove(2)
    world.prove(1)
    assert states(world, 2) == ONLY_ONLINE


def test_a_release_needs_at_least_one_copy(catalog: Catalog) -> None:
    for copies, kinds in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="at least one"):
            catalog.release.prove(study_uid(1), copies, LATER, STABLE_S, kinds)


def test_an_unknown_study_is_said_to_be(catalog: Catalog) -> None:
    with pytest.raises(NotCatalogued):
        catalog.release.prove("9", 2, LATER, STABLE_S)
