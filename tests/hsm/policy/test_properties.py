"""What holds for any policy and any facts: nothing unproved is released, and a plan that was carried out is empty."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Barcode
from hsm.facts import CopyRecord, DiskFacts, PackDigest, PackFacts, StudyFacts, StudyUid
from hsm.policy import Plan, Policy, explain, parse, plan
from hsm.policy.model import Copy, Rule
from hsm.policy.need import MAX_DOUBTS
from hsm.states import Availability, CopyState, JobKind, Place, VolumeState
from tests.hsm.policy.test_language import rules
from tests.hsm.policy.worlds import GB, KIND_OF, NOW, POOLS, copy, moments, pack, study

POOL_NAMES = sorted(POOLS)

# mostly sound, else nothing would ever be released
copy_states = st.sampled_from([CopyState.VERIFIED] * 8 + list(CopyState))
volume_states = st.sampled_from([VolumeState.FILLING] * 6 + [VolumeState.FULL, VolumeState.SUSPECT, VolumeState.LOST])
places = st.sampled_from([Place.LIBRARY] * 6 + [Place.SHELF, Place.MISSING])


@st.composite
def copy_records(draw: st.DrawFn, pool: str) -> CopyRecord:
    """One copy in a pool, now and then on the volume of another one."""
    made = copy(pool, draw(copy_states))
    barcode = draw(st.sampled_from([made.barcode] * 8 + [Barcode("A00001L8")])) if made.barcode else None
    return replace(
        made,
        barcode=barcode,
        volume_place=draw(places),
        volume_state=draw(volume_states),
        doubts=draw(st.integers(0, MAX_DOUBTS + 1)),
    )


several = st.sets(st.sampled_from(POOL_NAMES)).flatmap(lambda pools: st.tuples(*map(copy_records, sorted(pools))))
packs = st.builds(
    lambda copies, size, online: pack(*copies, size_bytes=size, online=online),
    st.one_of(several, st.tuples(*map(copy_records, POOL_NAMES))),
    st.integers(1, 5 * GB),
    st.booleans(),
)
jobs = st.frozensets(
    st.one_of(
        st.tuples(st.just(JobKind.MIGRATE), st.sampled_from(POOL_NAMES)),
        st.tuples(st.just(JobKind.VERIFY), st.sampled_from("1234")),
        st.sampled_from([(JobKind.RELEASE, ""), (JobKind.RECALL, "")]),
    ),
    max_size=1,
)
nothing: frozenset[tuple[JobKind, str]] = frozenset()
few_jobs = st.one_of(st.just(nothing), st.just(nothing), jobs)


@st.composite
def archives(draw: st.DrawFn) -> list[StudyFacts]:
    """Some studies in every state a catalog could tell of; copy ids are their own."""
    found: list[StudyFacts] = []
    next_id = 1
    for number in range(draw(st.integers(1, 4))):
        drawn: list[PackFacts] = []
        for pack_id, made in enumerate(
            draw(st.lists(packs, min_size=draw(st.sampled_from([0, 1, 1, 1])), max_size=2)), 1
        ):
            copies: list[CopyRecord] = []
            for record in made.copies:
                copies.append(replace(record, id=next_id, size_bytes=made.size_bytes))
                next_id += 1
            drawn.append(replace(made, pack_id=pack_id, copies=tuple(copies)))
        online = draw(st.integers(0, 34))
        found.append(
            study(
                *drawn,
                study_instance_uid=StudyUid(f"1.{number}"),
                study_date=draw(st.none() | st.just(date(2020, 2, 29))),
                patient_birth_date=draw(st.none() | st.just(date(1950, 2, 28))),
                modalities=draw(st.sampled_from([("CT",), ("MG", "SR"), ()])),
                received_at=draw(moments),
                changed_at=draw(moments),
                accessed_at=draw(st.none() | moments),
                pinned_until=draw(st.none() | moments),
                holds=draw(st.sampled_from([(), (), (), (), ("a reason",)])),
                online_instances=online,
                online_bytes=online * GB,
                size_bytes=34 * GB,
                unpacked_instances=draw(st.sampled_from([0, 0, 0, 0, 5])) if drawn else 34,
                availability=draw(st.sampled_from(Availability)),
                active_jobs=draw(few_jobs),
            )
        )
    return found


plain_conditions = st.sampled_from(
    [
        "modality is CT",
        "not modality is CT",
        "patient age above 18 years",
        "stable for 1 week",
        "received more than 1 day ago and not accessed for 2 days",
        "online or age below 1 year",
        "never accessed",
    ]
)
plain_actions = st.sampled_from(
    [
        "copy to tape_a, tape_b",
        "copy to disc",
        "keep online",
        "release",
        "release after 1 verified copy",
        "release after 2 verified copies on 2 kinds of media",
        "release after 3 verified copies",
        "release when space is needed",
        "pin for 1 month",
        "verify every 1 week",
        "only between 10:00 and 14:00\n release",
    ]
)


@st.composite
def plain_policies(draw: st.DrawFn) -> Policy:
    """Some plain rules, read from their text."""
    text = ""
    for number in range(draw(st.integers(1, 5))):
        when = draw(st.one_of(st.none(), plain_conditions))
        text += f'rule "{number}":\n' + (f" when {when}\n" if when else "") + f" {draw(plain_actions)}\n"
    return parse(text)


@st.composite
def wild_policies(draw: st.DrawFn) -> Policy:
    """Any rules over known pools, without limits, which would leave something for later."""

    def known(rule: Rule) -> Rule:
        actions = [
            replace(a, pools=tuple(POOL_NAMES[: len(a.pools)])) if isinstance(a, Copy) else a for a in rule.actions
        ]
        return replace(rule, limits=(), actions=tuple(actions))

    count = draw(st.integers(0, 3))
    return Policy(tuple(known(draw(rules(name=f"rule {number}"))) for number in range(count)))


policies = st.one_of(plain_policies(), plain_policies(), plain_policies(), wild_policies())
disks = st.builds(
    lambda used, low: DiskFacts(100 * GB, used * GB, 80.0, low), st.integers(0, 130), st.sampled_from([0.0, 70.0, 80.0])
)


@settings(max_examples=80, deadline=None)
@given(policies, archives(), disks)
def test_nothing_is_released_that_is_not_proved_and_free(
    policy: Policy, studies: list[StudyFacts], disk: DiskFacts
) -> None:
    by_uid = {facts.study_instance_uid: facts for facts in studies}
    result = plan(policy, studies, disk, POOLS, NOW)
    pinned = {action.study_instance_uid for action in result.pins}
    for action in result.releases:
        facts = by_uid[action.study_instance_uid]
        assert not facts.holds
        assert facts.pinned_until is None or facts.pinned_until <= NOW
        assert facts.unpacked_instances == 0
        assert facts.packs
        assert action.study_instance_uid not in pinned
        assert action.copies_needed >= 1
        for one in facts.packs:
            volumes = {
                record.barcode
                for record in one.copies
                if record.state is CopyState.VERIFIED
                and record.volume_place in (Place.LIBRARY, Place.SHELF)
                and record.volume_state in (VolumeState.FILLING, VolumeState.FULL)
            }
            kinds = {record.kind for record in one.copies if record.barcode in volumes}
            assert len(volumes - {None}) >= action.copies_needed
            assert len(kinds) >= action.kinds_needed


class Executor:
    """A model of the machine room that does at once what a plan says, and always succeeds."""

    def __init__(self, studies: Iterable[StudyFacts]) -> None:
        self.studies = {facts.study_instance_uid: facts for facts in studies}
        self.next_id = 1000

    def carry_out(self, result: Plan, disk: DiskFacts) -> DiskFacts:
        for pin in result.pins:
            self._change(pin.study_instance_uid, pinned_until=pin.until)
        for wanted in result.copies:
            self._make(wanted.study_instance_uid, wanted.pool)
        for reading in result.verifies:
            self._map_copies(reading.study_instance_uid, reading.copy_id)
        for release in result.releases:
            facts = self.studies[release.study_instance_uid]
            disk = replace(disk, used_bytes=max(disk.used_bytes - facts.online_bytes, 0))
            gone = tuple(replace(one, online=False) for one in facts.packs)
            self._change(release.study_instance_uid, online_instances=0, online_bytes=0, packs=gone)
        return disk

    def _change(self, uid: StudyUid, **changes: object) -> None:
        self.studies[uid] = replace(self.studies[uid], **changes)  # type: ignore[arg-type]

    def _make(self, uid: StudyUid, pool: str) -> None:
        facts = self.studies[uid]
        sealed = list(facts.packs)
        if facts.unpacked_instances:
            digest = PackDigest(f"{self.next_id:064d}")
            sealed.append(PackFacts(self.next_id, digest, GB, True, ()))
        done = []
        for one in sealed:
            there = any(
                c.pool == pool and c.state in (CopyState.WRITTEN, CopyState.VERIFIED, CopyState.SUSPECT)
                for c in one.copies
            )
            readable = one.online or any(c.state in (CopyState.WRITTEN, CopyState.VERIFIED) for c in one.copies)
            if readable or there:
                self.next_id += 1
                made = replace(copy(pool, CopyState.VERIFIED), id=self.next_id, verified_at=NOW, kind=KIND_OF[pool])
                one = replace(one, copies=(*one.copies, made))
            done.append(one)
        self._change(uid, packs=tuple(done), unpacked_instances=0)

    def _map_copies(self, uid: StudyUid, copy_id: int) -> None:
        def read(record: CopyRecord) -> CopyRecord:
            if record.id != copy_id:
                return record
            return replace(record, state=CopyState.VERIFIED, verified_at=NOW, doubts=0)

        done = [replace(one, copies=tuple(map(read, one.copies))) for one in self.studies[uid].packs]
        self._change(uid, packs=tuple(done))


@settings(max_examples=80, deadline=None)
@given(policies, archives(), disks)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    policy: Policy, studies: list[StudyFacts], disk: DiskFacts
) -> None:
    room = Executor(studies)
    for _ in range(4):  # copies are made, then nothing waits for them, then what is free leaves
        result = plan(policy, list(room.studies.values()), disk, POOLS, NOW)
        if not result.actions:
            break
        disk = room.carry_out(result, disk)
    result = plan(policy, list(room.studies.values()), disk, POOLS, NOW)
    assert not result.actions, [action.reason for action in result.actions]


@settings(max_examples=25, deadline=None)
@given(policies, archives(), disks)
def test_one_pass_copies_and_pins_everything_that_can_be_read(
    policy: Policy, studies: list[StudyFacts], disk: DiskFacts
) -> None:
    room = Executor(studies)
    first = plan(policy, studies, disk, POOLS, NOW)
    unreadable = {problem.study_instance_uid for problem in first.problems}  # perhaps until it was read back again
    disk = room.carry_out(first, disk)
    again = plan(policy, list(room.studies.values()), disk, POOLS, NOW)
    assert not again.pins
    assert {action.study_instance_uid for action in again.copies} <= unreadable


@settings(max_examples=25, deadline=None)
@given(policies, archives(), disks)
def test_jobs_on_their_way_are_not_planned_again(policy: Policy, studies: list[StudyFacts], disk: DiskFacts) -> None:
    first = plan(policy, studies, disk, POOLS, NOW)
    jobs_of: dict[StudyUid, set[tuple[JobKind, str]]] = {
        facts.study_instance_uid: set(facts.active_jobs) for facts in studies
    }
    for wanted in first.copies:
        jobs_of[wanted.study_instance_uid].add((JobKind.MIGRATE, wanted.pool))
    for reading in first.verifies:
        jobs_of[reading.study_instance_uid].add((JobKind.VERIFY, str(reading.copy_id)))
    for release in first.releases:
        jobs_of[release.study_instance_uid].add((JobKind.RELEASE, ""))
    working = [replace(facts, active_jobs=frozenset(jobs_of[facts.study_instance_uid])) for facts in studies]
    again = plan(policy, working, disk, POOLS, NOW)
    assert not again.copies
    assert not again.verifies
    assert not again.releases


@settings(max_examples=25, deadline=None)
@given(policies, archives(), disks)
def test_the_order_of_facts_does_not_matter(policy: Policy, studies: list[StudyFacts], disk: DiskFacts) -> None:
    forth, back = plan(policy, studies, disk, POOLS, NOW), plan(policy, studies[::-1], disk, POOLS, NOW)
    assert forth.releases == back.releases
    assert set(forth.actions) == set(back.actions)
    assert forth.totals == back.totals


@settings(max_examples=25, deadline=None)
@given(policies, archives(), disks)
def test_every_action_is_told_and_every_study_explained(
    policy: Policy, studies: list[StudyFacts], disk: DiskFacts
) -> None:
    result = plan(policy, studies, disk, POOLS, NOW)
    for action in result.actions:
        assert action.reason[0].isupper()
        assert action.reason.endswith(".")
        assert action.rule == "" or f'"{action.rule}"' in action.reason
    for facts in studies:
        sentences = explain(policy, facts, disk, POOLS, NOW)
        assert all(sentence.endswith(".") for sentence in sentences)
        told = {sentence.removeprefix("Next: ") for sentence in sentences}
        alone = plan(policy, [facts], disk, POOLS, NOW)
        assert {action.reason for action in alone.actions} <= told


def test_a_study_settles_as_time_goes_by() -> None:
    text = (
        'rule "three":\n when stable for 10 seconds\n copy to tape_a, tape_b, disc\n'
        'rule "settle":\n when received more than 40 seconds ago and not accessed for 30 seconds\n'
        " release after 2 verified copies on 2 kinds of media"
    )
    policy, disk = parse(text), DiskFacts(100 * GB, 10 * GB, 80.0, 70.0)
    room = Executor([study(received_at=NOW, changed_at=NOW)])
    seen = []
    for second in range(0, 60, 5):
        result = plan(policy, list(room.studies.values()), disk, POOLS, NOW + timedelta(seconds=second))
        disk = room.carry_out(result, disk)
        seen += [(second, type(action).__name__) for action in result.actions]
    assert seen == [(10, "CopyAction"), (10, "CopyAction"), (10, "CopyAction"), (45, "ReleaseAction")]
