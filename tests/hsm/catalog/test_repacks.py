"""Emptying a volume: what may become true, and what attacks the rule that nothing is superseded without proof."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from drivers.base import Barcode
from hsm.catalog import Catalog, CatalogError, CopyRefused, JobRequest, NotCatalogued, VolumeRefused
from hsm.facts import PackDigest, StudyUid
from hsm.repack.facts import Phase, Trouble
from hsm.states import CopyState, IllegalTransition, JobKind, JobState, Place, RepackState, VolumeState
from tests.hsm.catalog.conftest import empty
from tests.hsm.catalog.world import DISCS, LATER, START, TAPES, World, study_uid

OLD, NEW, THIRD = TAPES
TROUBLE = Trouble(PackDigest("a" * 64), StudyUid("1.2.1"), "no copy can be read")
PERSON_AND_ENGINE = ["begin", "pause", "resume", "cancel", "supersede", "finish"]
TO_VOLUMES = ["doubt", "clear", "close", "missing", "library", "lose"]


@pytest.fixture
def world(catalog: Catalog) -> World:
    made = World(catalog)
    made.labelled(*TAPES)
    return made


def begin(world: World, barcode: Barcode = OLD) -> None:
    world.catalog.repacks.begin(barcode, "worn", "anna", START)


def state(world: World, barcode: Barcode = OLD) -> VolumeState:
    return world.catalog.volumes.get(barcode).state


def test_a_volume_is_drained_only_when_a_verified_copy_of_everything_lies_elsewhere(world: World) -> None:
    pack = world.packed()
    old, repacks = world.copy(pack, OLD), world.catalog.repacks
    begin(world)
    assert repacks.supersede(OLD, LATER) == []
    with pytest.raises(VolumeRefused, match="still holds 1 copies"):
        repacks.finish(OLD, LATER)
    new = world.copy(pack, NEW, verified=False)
    assert repacks.supersede(OLD, LATER) == []
    with pytest.raises(CopyRefused, match="no verified copy"):
        world.catalog.copies.supersede(old, LATER)
    world.catalog.copies.verified(new, "V", LATER)
    assert repacks.supersede(OLD, LATER) == [old]
    repacks.finish(OLD, LATER)
    assert (state(world), world.catalog.copies.get(old).state) == (VolumeState.DRAINED, CopyState.SUPERSEDED)
    done = repacks.last(OLD)
    assert done is not None
    assert (done.state, done.copies, done.requested_by, done.ended_at) == (RepackState.DONE, 1, "anna", LATER)
    assert repacks.active() == []


@pytest.mark.parametrize("spoil", ["other pool", "suspect volume", "repacking volume", "missing", "suspect copy"])
def test_what_does_not_stand_in_supersedes_nothing(world: World, spoil: str) -> None:
    pack, catalog = world.packed(), world.catalog
    old = world.copy(pack, OLD)
    new = world.copy(pack, NEW, pool="vault" if spoil == "other pool" else "lto")
    if spoil == "suspect volume":
        catalog.volumes.doubt(NEW, "noise", START)
    elif spoil == "repacking volume":
        begin(world, NEW)
    elif spoil == "missing":
        catalog.volumes.move(NEW, Place.MISSING, "", START)
    elif spoil == "suspect copy":
        catalog.copies.doubt(new, "V", "CRC", START)
    begin(world)
    assert catalog.repacks.supersede(OLD, LATER) == []
    with pytest.raises(CopyRefused):
        catalog.copies.supersede(old, LATER)


def test_a_lost_copy_keeps_its_volume_until_there_is_another_verified_one(world: World) -> None:
    pack, catalog = world.packed(), world.catalog
    old = world.copy(pack, OLD)
    catalog.copies.doubt(old, "V", "CRC", START)
    catalog.copies.lose(old, "CRC", START)
    begin(world)
    assert [item.copy.id for item in catalog.repacks.items(OLD)] == [old]
    with pytest.raises(VolumeRefused, match="1 of them cannot be read"):
        catalog.repacks.finish(OLD, START)
    world.copy(pack, NEW)
    assert catalog.repacks.items(OLD) == []
    catalog.repacks.finish(OLD, START)
    assert state(world) is VolumeState.DRAINED


def test_what_is_being_written_or_holds_nothing_is_not_repacked(world: World) -> None:
    writing = world.begin(world.packed(), OLD)
    with pytest.raises(IllegalTransition):
        begin(world, NEW)  # labelled only
    world.flush(writing, world.catalog.packs.of_study(study_uid(1))[0], OLD)
    world.begin(world.packed(2), OLD)
    with pytest.raises(VolumeRefused, match="being written"):
        begin(world)
    with pytest.raises(NotCatalogued, match="not being repacked"):
        world.catalog.repacks.pause(OLD, "anna", START)
    with pytest.raises(NotCatalogued):
        world.catalog.repacks.items(Barcode("X1"))


def test_nothing_is_written_to_it_and_no_release_leans_on_it(world: World) -> None:
    world.safe()
    begin(world)
    with pytest.raises(CopyRefused, match="repacking"):
        world.begin(world.packed(2), OLD)
    assert "1 verified copies" in world.catalog.release.explain(study_uid(1), 2, LATER, 300)


@pytest.mark.parametrize("before", ["filling", "full", "suspect", "write_protected"])
def test_a_cancelled_repack_leaves_the_volume_as_it_was(world: World, before: str) -> None:
    world.copy(world.packed(), OLD)
    volumes, repacks = world.catalog.volumes, world.catalog.repacks
    if before == "full":
        volumes.close(OLD, START)
    elif before == "suspect":
        volumes.doubt(OLD, "noise", START)
    elif before == "write_protected":
        volumes.protect(OLD, "tab", START)
    begin(world)
    repacks.pause(OLD, "anna", START)
    assert repacks.cancel(OLD, "anna", LATER).value == before
    assert state(world).value == before
    with pytest.raises(NotCatalogued):
        repacks.cancel(OLD, "anna", LATER)


def test_a_volume_that_was_doubted_meanwhile_goes_back_as_suspect(world: World) -> None:
    world.copy(world.packed(), OLD)
    begin(world)
    world.catalog.volumes.doubt(OLD, "noise", START)
    assert state(world) is VolumeState.REPACKING
    assert world.catalog.repacks.cancel(OLD, "anna", LATER) is VolumeState.SUSPECT


def test_a_lost_volume_ends_its_repack(world: World) -> None:
    world.copy(world.packed(), OLD)
    begin(world)
    world.catalog.volumes.lose(OLD, "fire", LATER)
    ended = world.catalog.repacks.last(OLD)
    assert (state(world), ended and ended.state) == (VolumeState.LOST, RepackState.CANCELLED)


def test_pausing_takes_back_what_was_asked_for_and_nothing_else(world: World) -> None:
    pack, other = world.packed(), world.packed(2)
    for one in (pack, other):
        world.copy(one, OLD)
    begin(world)
    mine = {"repack": OLD}
    requests = [
        JobRequest(JobKind.REPACK, "repack:1", study_uid(1), pack_id=pack.id, payload=mine),
        JobRequest(JobKind.MIGRATE, "migrate:1:lto", study_uid(1), pack_id=pack.id, pool="lto", payload=mine),
        JobRequest(JobKind.MIGRATE, "migrate:2:lto", study_uid(2), pack_id=other.id, pool="lto"),
    ]
    jobs = world.catalog.jobs
    queued, running, of_policy = (job for job, _ in jobs.submit_many(requests, START))
    jobs.start(running, START)
    world.catalog.repacks.pause(OLD, "anna", START)
    assert [jobs.get(job).state for job in (queued, running, of_policy)] == [
        JobState.CANCELLED,
        JobState.RUNNING,
        JobState.QUEUED,
    ]
    assert jobs.cancel_requested(running)
    with pytest.raises(IllegalTransition):
        world.catalog.repacks.pause(OLD, "anna", START)
    world.catalog.repacks.resume(OLD, "anna", START)
    assert [repack.state for repack in world.catalog.repacks.active()] == [RepackState.RUNNING]
    assert world.catalog.repacks.working(["repack:1", "migrate:2:lto"]) == {"migrate:2:lto": of_policy}


def test_each_trouble_is_told_once(world: World) -> None:
    world.copy(world.packed(), OLD)
    begin(world)
    for _ in range(2):
        world.catalog.repacks.tell(OLD, Phase.BLOCKED, [TROUBLE], START)
    found = world.catalog.repacks.last(OLD)
    assert found is not None
    assert (found.phase, found.troubles) == (Phase.BLOCKED, (TROUBLE,))
    assert len(world.catalog.events.list(name="repack_blocked")) == 1


def test_new_copies_are_read_back_when_all_is_copied(world: World) -> None:
    packs = [world.packed(study) for study in (1, 2)]
    for pack in packs:
        world.copy(pack, OLD)
    begin(world)
    new = world.copy(packs[0], NEW, verified=False)
    assert world.catalog.repacks.to_be_read_back_later() == {new}
    world.catalog.repacks.tell(OLD, Phase.VERIFYING, [], START)
    assert world.catalog.repacks.to_be_read_back_later() == frozenset()


def test_a_drained_tape_is_given_free_and_remembers_the_label_that_may_be_written_over(world: World) -> None:
    pack = world.packed()
    old = world.copy(pack, OLD)
    with pytest.raises(IllegalTransition):
        world.catalog.volumes.erase(OLD, "anna", START)
    begin(world)
    world.copy(pack, NEW)
    world.catalog.repacks.supersede(OLD, START)
    world.catalog.repacks.finish(OLD, START)
    world.catalog.volumes.erase(OLD, "anna", LATER)
    erased = world.catalog.volumes.get(OLD)
    assert (erased.state, erased.uuid, erased.former_uuid) == (VolumeState.SCRATCH, None, f"uuid-{OLD}")
    assert (erased.used_bytes, world.catalog.copies.get(old).state) == (0, CopyState.RECLAIMED)
    world.catalog.volumes.labelled(OLD, "uuid-new", "lto", "LTO-8", 10**12, 3, LATER)
    again = world.catalog.volumes.get(OLD)
    assert (again.last_sequence, again.former_uuid) == (0, None)


def test_a_drained_volume_is_kept_when_what_stood_in_for_it_is_lost(world: World) -> None:
    pack, volumes = world.packed(), world.catalog.volumes
    world.copy(pack, OLD)
    begin(world)
    world.copy(pack, NEW)
    world.catalog.repacks.supersede(OLD, START)
    world.catalog.repacks.finish(OLD, START)
    volumes.lose(NEW, "fire", START)
    with pytest.raises(VolumeRefused, match="no verified copy elsewhere any more"):
        volumes.erase(OLD, "anna", START)
    with pytest.raises(VolumeRefused, match="1 packs"):
        volumes.retire(OLD, "old", START)
    assert state(world) is VolumeState.DRAINED
    world.copy(pack, THIRD)
    volumes.erase(OLD, "anna", START)


def test_what_can_be_written_only_once_is_not_given_free_but_retired(world: World) -> None:
    pack = world.packed()
    world.library(*TAPES, *DISCS)
    for disc in DISCS:
        world.catalog.volumes.labelled(disc, f"uuid-{disc}", "discs", "BD-R", 10**10, None, START)
    world.copy(pack, DISCS[0], pool="discs")
    begin(world, DISCS[0])
    world.copy(pack, DISCS[1], pool="discs")
    world.catalog.repacks.supersede(DISCS[0], START)
    world.catalog.repacks.finish(DISCS[0], START)
    with pytest.raises(VolumeRefused, match="written only once"):
        world.catalog.volumes.erase(DISCS[0], "anna", START)
    world.catalog.volumes.retire(DISCS[0], "old", START)
    assert state(world, DISCS[0]) is VolumeState.RETIRED


class Attack(RuleBasedStateMachine):
    """Whatever happens in whatever order: a superseded copy had a verified stand-in, and a drained volume is empty."""

    catalog: Catalog
    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        empty(self.catalog)
        self.world = World(self.catalog)
        self.world.labelled(*TAPES)
        self.packs = [self.world.packed(study, 1) for study in (1, 2)]
        self.gone: set[int] = set()
        self.at = START

    @rule(target=copies, pack=st.integers(0, 1), barcode=st.sampled_from(TAPES), verified=st.booleans())
    def write(self, pack: int, barcode: Barcode, verified: bool) -> int:
        try:
            return self.world.copy(self.packs[pack], barcode, verified)
        except (CatalogError, IllegalTransition):
            self.catalog.copies.unwrite()
            return 0

    @rule(copy=copies, what=st.sampled_from(["verified", "doubt", "lose", "supersede", "reclaim"]))
    def change(self, copy: int, what: str) -> None:
        copies = self.catalog.copies
        before = {c.id: c for pack in self.packs for c in copies.of_pack(pack.id)}
        try:
            if what == "verified":
                copies.verified(copy, "V", self.at)
            elif what == "doubt":
                copies.doubt(copy, "V", "CRC", self.at)
            elif what == "lose":
                copies.lose(copy, "CRC", self.at)
            elif what == "supersede":
                copies.supersede(copy, self.at)
                self._proved(copy, before)
            else:
                copies.reclaim(copy, self.at)
        except (CatalogError, IllegalTransition):
            return

    @rule(barcode=st.sampled_from(TAPES), what=st.sampled_from(PERSON_AND_ENGINE))
    def repack(self, barcode: Barcode, what: str) -> None:
        repacks = self.catalog.repacks
        before = {c.id: c for pack in self.packs for c in self.catalog.copies.of_pack(pack.id)}
        try:
            if what == "begin":
                repacks.begin(barcode, "worn", "anna", self.at)
            elif what == "supersede":
                for copy in repacks.supersede(barcode, self.at):
                    self._proved(copy, before)
            elif what == "finish":
                repacks.finish(barcode, self.at)
            else:
                getattr(repacks, what)(barcode, "anna", self.at)
        except (CatalogError, IllegalTransition):
            return

    @rule(barcode=st.sampled_from(TAPES), what=st.sampled_from(TO_VOLUMES))
    def volume(self, barcode: Barcode, what: str) -> None:
        volumes = self.catalog.volumes
        try:
            if what in ("missing", "library"):
                volumes.move(barcode, Place(what), "", self.at)
            elif what in ("doubt", "lose"):
                getattr(volumes, what)(barcode, "noise", self.at)
            else:
                getattr(volumes, what)(barcode, self.at)
        except (CatalogError, IllegalTransition):
            return

    def _proved(self, copy: int, before: dict) -> None:  # type: ignore[type-arg]
        old = before[copy]
        trusted = (VolumeState.FILLING, VolumeState.FULL, VolumeState.WRITE_PROTECTED)
        assert any(
            c.pack_id == old.pack_id
            and c.pool == old.pool
            and c.id != old.id
            and c.barcode != old.barcode
            and c.state is CopyState.VERIFIED
            and c.volume_state in trusted
            and c.volume_place is not Place.MISSING
            for c in before.values()
        )

    @invariant()
    def nothing_needed_lies_on_a_drained_volume(self) -> None:
        self.at += timedelta(seconds=1)
        for volume in self.catalog.volumes.list(state=VolumeState.DRAINED):
            states = {copy.state for copy in self.catalog.copies.of_volume(volume.barcode)}
            assert states <= {CopyState.SUPERSEDED, CopyState.RECLAIMED, CopyState.LOST}


def test_no_order_of_events_supersedes_a_copy_without_a_verified_stand_in(sqlite_catalog: Catalog) -> None:
    machine = type("Attack", (Attack,), {"catalog": sqlite_catalog})
    quick = settings(
        max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(machine, settings=quick)
