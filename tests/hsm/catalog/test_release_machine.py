"""Whatever happens in whatever order: an instance leaves the disk only while enough verified copies hold it.

A model beside the catalog remembers what lies where, without asking it; after every step each instance that stopped
being online is checked against the model as it was at that moment.
"""

from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from drivers.base import Barcode
from hsm.catalog import Catalog, CopyRefused, NotRecallable, OutcomeKind, ReleaseRefused
from hsm.facts import PoolFile
from hsm.states import OnlineState, Place
from tests.hsm.catalog.conftest import empty
from tests.hsm.catalog.world import STABLE_S, START, World, arrival, layout_of, pool_file, study_uid

STUDIES = st.sampled_from((1, 2))
MANY_TAPES = tuple(Barcode(f"A{n:05}L8") for n in range(1, 7))
BARCODES = st.sampled_from(MANY_TAPES)
NEEDED = 2


class Copy:
    """What the model knows of one copy."""

    def __init__(self, pack: int, barcode: Barcode) -> None:
        self.pack = pack
        self.barcode = barcode
        self.verified = False


class Releases(RuleBasedStateMachine):
    """Arrivals, seals, writes, doubts, holds, losses, releases and recalls in any order."""

    shared: Catalog  # emptied for each example: a new engine would have to learn every statement again
    allowed: int = 0  # how often a release would have been right, in all examples together

    @initialize()
    def begin(self) -> None:
        """Two studies that could be released at once, and six tapes."""
        self.catalog = self.shared
        empty(self.catalog)
        self.world = World(self.catalog)
        self.world.labelled(*MANY_TAPES)
        self.now: datetime = START
        self.numbers = {1: 0, 2: 0}
        self.content = 0
        self.copies: dict[int, Copy] = {}
        self.writing: dict[int, tuple[int, Barcode]] = {}
        self.missing: set[Barcode] = set()
        self.lost: set[Barcode] = set()
        self.suspect: set[Barcode] = set()
        self.held: dict[int, int] = {}
        self.pinned: dict[int, datetime] = {}
        self.online: dict[str, OnlineState] = {}
        self.shelved: dict[Barcode, Place] = {}
        self.changed = {1: START, 2: START}
        self.wanted: dict[int, set[int]] = {1: set(), 2: set()}
        for study in (1, 2):
            self.archive(study, list(MANY_TAPES[study : study + 2]), release=False)

    @rule(study=STUDIES)
    def arrive(self, study: int) -> None:
        """One more instance."""
        self.numbers[study] += 1
        self.catalog.intake.record(arrival(study, 1, self.numbers[study], at=self.now))
        self.changed[study] = self.now

    @rule(study=STUDIES, number=st.integers(1, 3))
    def arrive_again_with_other_content(self, study: int, number: int) -> None:
        """Another version of an instance takes its place, where it may."""
        self.content += 1
        again = arrival(study, 1, number, content=str(self.content), at=self.now)
        if self.catalog.intake.record(again, on_conflict="replace").kind is not OutcomeKind.CONFLICT:
            self.numbers[study] = max(self.numbers[study], number)
            self.changed[study] = self.now
            self.online.pop(again.header.sop_instance_uid, None)
            packs = {pack.id for pack in self.catalog.packs.of_study(study_uid(study))}
            self.copies = {n: c for n, c in self.copies.items() if c.pack in packs or self.of_other(c.pack, study)}

    @rule(seconds=st.sampled_from((10.0, STABLE_S, 86400.0)))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    @rule(study=STUDIES)
    def seal(self, study: int) -> None:
        """What is unpacked becomes a pack."""
        if self.catalog.studies.get(study_uid(study)) and self.catalog.packs.unpacked(study_uid(study)).instances:
            plan, changed_at = layout_of(self.catalog, study)
            self.catalog.packs.seal(study_uid(study), [plan], changed_at, self.now)

    @rule(study=STUDIES, barcode=BARCODES, index=st.integers(0, 2))
    def write(self, study: int, barcode: Barcode, index: int) -> None:
        """Some pack begins to be written to some tape."""
        packs = self.catalog.packs.of_study(study_uid(study))
        if packs:
            pack = packs[index % len(packs)]
            try:
                self.writing[self.world.begin(pack, barcode, f"pool{index}")] = (pack.id, barcode)
            except CopyRefused:
                assert (
                    barcode in self.missing | self.lost | self.suspect
                    or any(there.barcode == barcode and there.pack == pack.id for there in self.copies.values())
                    or (pack.id, barcode) in self.writing.values()
                )

    @precondition(lambda self: self.writing)
    @rule(data=st.data())
    def flush(self, data: st.DataObject) -> None:
        """A copy becomes safe."""
        copy_id = data.draw(st.sampled_from(sorted(self.writing)))
        pack, barcode = self.writing[copy_id]
        if barcode not in self.suspect | self.lost:
            del self.writing[copy_id]
            self.world.flush(copy_id, self.catalog.packs.get(pack), barcode, self.now)
            self.copies[copy_id] = Copy(pack, barcode)

    @rule()
    def crash_and_start_again(self) -> None:
        """What was not flushed is not written; what was to go, goes."""
        self.catalog.copies.unwrite()
        self.writing.clear()
        for proof in self.catalog.release.unfinished():
            self.catalog.release.finish(proof, self.now)

    @rule(study=STUDIES, barcodes=st.lists(BARCODES, min_size=1, max_size=3, unique=True), release=st.booleans())
    def archive(self, study: int, barcodes: list[Barcode], release: bool) -> None:
        """A good day: all of a study is sealed, written and read back, time passes, and perhaps it may go."""
        self.arrive(study)
        self.seal(study)
        for pack in self.catalog.packs.of_study(study_uid(study)):
            for barcode in barcodes:
                try:
                    copy_id = self.world.begin(pack, barcode)
                except CopyRefused:
                    continue
                self.world.flush(copy_id, pack, barcode, self.now)
                self.catalog.copies.verified(copy_id, "V", self.now)
                self.copies[copy_id] = Copy(pack.id, barcode)
                self.copies[copy_id].verified = True
        self.wait(STABLE_S)
        if release:
            self.release(study, finish=True)

    @precondition(lambda self: self.copies)
    @rule(data=st.data(), good=st.booleans())
    def read_back(self, data: st.DataObject, good: bool) -> None:
        """A copy is read, well or not."""
        copy_id = data.draw(st.sampled_from(sorted(self.copies)))
        if self.copies[copy_id].barcode not in self.lost:
            if good:
                self.catalog.copies.verified(copy_id, "V", self.now)
            else:
                self.catalog.copies.doubt(copy_id, "V", "CRC", self.now)
            self.copies[copy_id].verified = good

    @rule(barcode=BARCODES, place=st.sampled_from((Place.MISSING, Place.SHELF, Place.LIBRARY, Place.LIBRARY)))
    def carry(self, barcode: Barcode, place: Place) -> None:
        """A tape is somewhere else."""
        self.catalog.volumes.move(barcode, place, "", self.now)
        self.missing.discard(barcode)
        if place is not Place.LIBRARY:
            self.missing.add(barcode)  # not writable; whether it counts is asked of `counts`
        self.shelved[barcode] = place

    @precondition(lambda self: len(self.suspect) < 2)
    @rule(barcode=BARCODES)
    def doubt_volume(self, barcode: Barcode) -> None:
        """A tape is set aside."""
        if barcode not in self.lost:
            self.catalog.volumes.doubt(barcode, "noise", self.now)
            self.suspect.add(barcode)

    @precondition(lambda self: len(self.lost) < 1)
    @rule(barcode=BARCODES)
    def lose_volume(self, barcode: Barcode) -> None:
        """A tape burns."""
        self.catalog.volumes.lose(barcode, "fire", self.now)
        self.lost.add(barcode)
        self.writing = {copy: where for copy, where in self.writing.items() if where[1] != barcode}

    @rule(study=STUDIES)
    def hold(self, study: int) -> None:
        """A study is held, or not any more."""
        if study in self.held:
            self.catalog.holds.lift(self.held.pop(study), self.now)
        elif self.numbers[study]:
            self.held[study] = self.catalog.holds.place(study_uid(study), "trial", "judge", self.now)

    @rule(study=STUDIES, seconds=st.sampled_from((5.0, 3 * STABLE_S)))
    def pin(self, study: int, seconds: float) -> None:
        """A study is to stay."""
        if self.numbers[study]:
            until = self.now + timedelta(seconds=seconds)
            self.catalog.studies.pin(study_uid(study), until)
            self.pinned[study] = max(until, self.pinned.get(study, until))

    @rule(study=STUDIES, finish=st.booleans())
    def release(self, study: int, finish: bool) -> None:
        """A policy wants the disk back."""
        if self.numbers[study]:
            allowed = self.may_go(study)
            try:
                proof = self.catalog.release.prove(study_uid(study), NEEDED, self.now, STABLE_S)
            except ReleaseRefused as refused:
                assert refused.reason and not allowed
            else:
                assert allowed
                if finish:
                    self.catalog.release.finish(proof, self.now)

    @rule(study=STUDIES)
    def recall(self, study: int) -> None:
        """Somebody wants it back."""
        if self.numbers[study]:
            try:
                request = self.catalog.recalls.request(study_uid(study), requested_by="WS", now=self.now)
            except NotRecallable:
                return
            self.wanted[study] |= {job.id for job in self.catalog.recalls.state(request).jobs}

    @rule(study=STUDIES)
    def bring_back(self, study: int) -> None:
        """What somebody wants comes back."""
        for job_id in sorted(self.wanted[study]):
            self.catalog.jobs.start(job_id, self.now)
            job = self.catalog.jobs.get(job_id)
            gone = self.catalog.packs.members_wanted(job.pack_id or 0)
            files: dict[int, PoolFile] = {m.instance_id: pool_file(m.sop_instance_uid) for m in gone}
            self.catalog.recalls.recalled(files, self.now, self.now)
            self.catalog.jobs.finish(job_id, self.now)
        self.wanted[study].clear()

    def may_go(self, study: int) -> bool:
        """Whether the model lets the online bytes of a study go."""
        there = self.world.instances(study)
        packs = {instance.pack_id for instance in there if instance.online_state is OnlineState.ONLINE}
        return (
            study not in self.held
            and self.pinned.get(study, START) <= self.now
            and self.changed[study] + timedelta(seconds=STABLE_S) <= self.now
            and not self.wanted[study]
            and all(instance.pack_id is not None for instance in there)
            and bool(packs)
            and all(len(self.holding(pack)) >= NEEDED for pack in packs)
        )

    def holding(self, pack: int | None) -> set[Barcode]:
        """The tapes that hold a pack for sure."""
        return {copy.barcode for copy in self.copies.values() if copy.pack == pack and self.counts(copy)}

    def of_other(self, pack: int, study: int) -> bool:
        """Whether a pack is one of the other study."""
        return any(p.id == pack for p in self.catalog.packs.of_study(study_uid(3 - study)))

    def counts(self, copy: Copy) -> bool:
        """Whether a copy is worth something in the model."""
        place = self.shelved.get(copy.barcode, Place.LIBRARY)
        aside = self.lost | self.suspect
        return copy.verified and copy.barcode not in aside and place is not Place.MISSING

    @invariant()
    def nothing_leaves_the_disk_without_enough_verified_copies(self) -> None:
        """The point of it all."""
        if not hasattr(self, "catalog"):
            return
        for study in (1, 2):
            for instance in self.world.instances(study):
                before = self.online.get(instance.sop_instance_uid, OnlineState.ONLINE)
                now = instance.online_state
                if before is OnlineState.ONLINE and now is not OnlineState.ONLINE:
                    assert len(self.holding(instance.pack_id)) >= NEEDED, instance
                assert (instance.file is None) == (now is OnlineState.RELEASED)
                self.online[instance.sop_instance_uid] = now

    @invariant()
    def the_catalog_allows_exactly_what_the_model_allows(self) -> None:
        """Also where nobody asks for a release."""
        if not hasattr(self, "catalog"):
            return
        for study in (1, 2):
            if self.numbers[study]:
                why_not = self.catalog.release.explain(study_uid(study), NEEDED, self.now, STABLE_S)
                assert (why_not == "") == self.may_go(study), why_not
                type(self).allowed += why_not == ""

    @invariant()
    def counts_are_right(self) -> None:
        """Studies know how much they hold."""
        if not hasattr(self, "catalog"):
            return
        for study in (1, 2):
            there = self.world.instances(study)
            record = self.catalog.studies.get(study_uid(study))
            if record is not None:
                assert record.instance_count == len(there)
                assert record.size_bytes == sum(instance.size_bytes for instance in there)


def test_nothing_leaves_the_disk_without_proof(sqlite_catalog: Catalog) -> None:
    class Machine(Releases):
        shared = sqlite_catalog
        allowed = 0

    run_state_machine_as_test(Machine, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))
    assert Machine.allowed > 20, "hardly anything could ever be released: the machine proves nothing"
