"""What holds for any queue: nothing is given twice, nobody is forgotten, nobody starves."""

import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Barcode, MediumKind
from hsm.scheduler import (
    BusyDrive,
    Candidate,
    IdleDrive,
    MediaTiming,
    Purpose,
    QueuedWork,
    Schedule,
    Settings,
    VolumeFacts,
    assign,
)
from hsm.states import JobKind, Place, VolumeState
from tests.hsm.scheduler.worlds import GB, NOW, POOLS, TB, at_work, disc, drive, migrate, recall, recorder, tape

TAPES = [f"{letter}{n:05d}L8" for letter in "AB" for n in range(3)]
DISCS = [f"D{n:05d}" for n in range(2)]

volume_lists = st.tuples(
    *(
        st.builds(
            lambda barcode, state, place, free, busy: tape(barcode, state, place=place, free_bytes=free, busy=busy),
            st.just(barcode),
            st.sampled_from([VolumeState.FILLING, VolumeState.FILLING, *VolumeState]),
            st.sampled_from([Place.LIBRARY, Place.LIBRARY, Place.LIBRARY, *Place]),
            st.integers(0, 3 * TB),
            st.sampled_from([False, False, False, True]),
        )
        for barcode in TAPES
    ),
    *(
        st.builds(disc, st.just(barcode), st.sampled_from([VolumeState.BLANK, VolumeState.FULL, VolumeState.LABELLED]))
        for barcode in DISCS
    ),
)
candidates = st.lists(
    st.builds(
        Candidate,
        st.sampled_from([Barcode(b) for b in [*TAPES, *DISCS, "X00001"]]),
        st.integers(0, 40_000_000),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda c: c.barcode,
).map(tuple)
ages = st.integers(-60, 2 * 86400).map(lambda seconds: NOW - timedelta(seconds=seconds))
work_lists = st.lists(
    st.one_of(
        st.builds(
            lambda kind, age, size, places, avoid: QueuedWork(0, kind, age, size, places, avoid_drive=avoid),
            st.sampled_from([JobKind.RECALL, JobKind.VERIFY, JobKind.REPACK, JobKind.LABEL]),
            ages,
            st.integers(0, 300 * GB),
            candidates,
            st.none() | st.sampled_from(["S0", "S1", "R0"]),
        ),
        st.builds(
            lambda age, size, pool, not_on: QueuedWork(0, JobKind.MIGRATE, age, size, pool=pool, not_on=not_on),
            ages,
            st.integers(0, 300 * GB),
            st.sampled_from([*POOLS, "nowhere"]),
            st.frozensets(st.sampled_from([Barcode(b) for b in TAPES]), max_size=1),
        ),
    ),
    max_size=25,
).map(lambda works: [replace(work, job_id=n) for n, work in enumerate(works, 1)])


@st.composite
def drive_lists(draw: st.DrawFn) -> tuple[list[IdleDrive], list[BusyDrive]]:
    held: list[str | None] = draw(st.lists(st.sampled_from(TAPES), min_size=3, max_size=3, unique=True))
    idle = [drive(n, held[n] if draw(st.booleans()) else None) for n in range(draw(st.integers(0, 2)))]
    busy = (
        [at_work(2, str(held[2]), draw(st.sampled_from([JobKind.RECALL, JobKind.MIGRATE])))]
        if draw(st.booleans())
        else []
    )
    served = st.sampled_from([None, JobKind.RECALL, JobKind.MIGRATE])
    idle = [replace(one, served_last=draw(served)) for one in idle]
    return [*idle, *([recorder()] if draw(st.booleans()) else [])], busy


def placed(volumes: list[VolumeFacts], idle: list[IdleDrive], busy: list[BusyDrive]) -> list[VolumeFacts]:
    """Volumes that know the drive they are in, as an inventory would have it."""
    where = {d.loaded: d.serial for d in idle if d.loaded} | {d.barcode: d.serial for d in busy if d.barcode}
    return [
        replace(v, mounted_in=where.get(v.barcode), place=Place.LIBRARY if v.barcode in where else v.place)
        for v in volumes
    ]


def run(
    works: list[QueuedWork], volumes: list[VolumeFacts], idle: list[IdleDrive], busy: list[BusyDrive], reserve: int = 0
) -> Schedule:
    return assign(
        works, idle, volumes, POOLS, MediaTiming(), NOW, busy=busy, settings=Settings(reserve_recall_drives=reserve)
    )


@settings(deadline=None, max_examples=120)
@given(work_lists, volume_lists, drive_lists(), st.integers(0, 2))
def test_everybody_gets_one_answer_and_nothing_is_given_twice(
    works: list[QueuedWork],
    drawn: tuple[VolumeFacts, ...],
    drives: tuple[list[IdleDrive], list[BusyDrive]],
    reserve: int,
) -> None:
    idle, busy = drives
    volumes = {v.barcode: v for v in placed(list(drawn), idle, busy)}
    result = run(works, list(volumes.values()), idle, busy, reserve)
    given_works = [work.job_id for a in result.assignments for work in a.works]
    assert len(given_works) == len(set(given_works))
    assert len({a.barcode for a in result.assignments}) == len(result.assignments)
    assert len({a.drive.serial for a in result.assignments}) == len(result.assignments)
    stuck = [s.job_id for s in result.stuck]
    assert sorted([*result.etas, *stuck]) == [work.job_id for work in works]
    assert not set(stuck) & set(given_works)
    positions = sorted(eta.position for eta in result.etas.values())
    assert positions == list(range(1, len(positions) + 1))
    in_order = sorted(result.etas.values(), key=lambda eta: eta.position)
    assert all(a.ready_at <= b.ready_at for a, b in itertools.pairwise(in_order))
    busy_volumes = {d.barcode for d in busy} | {b for b, v in volumes.items() if v.busy}
    for a in result.assignments:
        volume = volumes[a.barcode]
        assert a.works
        assert a.duration_s >= 0
        assert a.drive in idle
        assert volume.place is Place.LIBRARY
        assert a.barcode not in busy_volumes
        assert (a.drive.library, a.drive.kind) == (volume.library, volume.kind)
        if a.purpose is Purpose.READ:
            assert all(a.barcode in {c.barcode for c in work.candidates} for work in a.works)
        elif a.works[0].kind is JobKind.MIGRATE:
            assert {work.pool for work in a.works} == {volume.pool}
            assert sum(work.size_bytes for work in a.works) <= volume.free_bytes
            assert all(a.barcode not in work.not_on for work in a.works)
            assert volume.state in (VolumeState.FILLING, VolumeState.LABELLED, VolumeState.BLANK, VolumeState.SCRATCH)
            assert volume.kind is MediumKind.TAPE or volume.state is not VolumeState.FILLING
    for s in result.stuck:
        assert s.reason
        asked = next(work for work in works if work.job_id == s.job_id)
        assert s.barcode is not None or not s.needs_operator or asked.kind is JobKind.MIGRATE


@settings(deadline=None, max_examples=60)
@given(work_lists, volume_lists, drive_lists())
def test_an_idle_drive_is_left_idle_only_when_no_recall_could_use_it(
    works: list[QueuedWork], drawn: tuple[VolumeFacts, ...], drives: tuple[list[IdleDrive], list[BusyDrive]]
) -> None:
    idle, busy = drives
    volumes = placed(list(drawn), idle, busy)
    recalls = [replace(work, avoid_drive=None) for work in works if work.kind is JobKind.RECALL]
    first = run(recalls, volumes, idle, busy)
    taken = {a.drive.serial for a in first.assignments}
    left = [one for one in idle if one.serial not in taken]
    done = {work.job_id for a in first.assignments for work in a.works}
    now_busy = [
        BusyDrive(a.drive.library, a.drive.index, a.drive.serial, a.drive.kind, "", a.barcode, JobKind.RECALL, NOW)
        for a in first.assignments
    ]
    rest = [work for work in recalls if work.job_id not in done]
    gone = {a.drive.loaded for a in first.assignments if a.drive.loaded and a.drive.loaded != a.barcode}
    still = [v for v in volumes if v.barcode not in gone]
    where = {a.barcode: a.drive.serial for a in first.assignments}
    still = [replace(v, mounted_in=where.get(v.barcode, v.mounted_in)) for v in still]
    again = run(rest, still, left, [*busy, *now_busy])
    assert not again.assignments


@dataclass
class Room:
    """A machine room in which every assignment succeeds and takes as long as was estimated."""

    idle: list[IdleDrive]
    volumes: list[VolumeFacts]
    now: datetime = NOW
    busy: list[tuple[datetime, IdleDrive, Barcode, JobKind]] = field(default_factory=list)
    done_at: dict[int, datetime] = field(default_factory=dict)

    def step(self, queue: list[QueuedWork], options: Settings) -> list[QueuedWork]:
        """Give out works, then go on to the moment at which the next drive is free; what is left of the queue."""
        for entry in [e for e in self.busy if e[0] <= self.now]:
            self.busy.remove(entry)
            self.idle.append(replace(entry[1], loaded=entry[2], served_last=entry[3]))
        busy = [BusyDrive(d.library, d.index, d.serial, d.kind, d.generation, b, k, t) for t, d, b, k in self.busy]
        volumes = placed(self.volumes, self.idle, busy)
        result = assign(
            queue,
            sorted(self.idle, key=lambda d: d.index),
            volumes,
            POOLS,
            MediaTiming(),
            self.now,
            busy=busy,
            settings=options,
        )
        assert not result.stuck
        for a in result.assignments:
            self.idle.remove(a.drive)
            end = self.now + timedelta(seconds=a.duration_s)
            most_urgent = min((work.kind for work in a.works), key=list(JobKind).index)
            self.busy.append((end, a.drive, a.barcode, most_urgent))
            self.done_at |= {work.job_id: end for work in a.works}
        self.now = min([t for t, *_ in self.busy], default=self.now + timedelta(minutes=1))
        return [work for work in queue if work.job_id not in self.done_at]


@settings(deadline=None, max_examples=15)
@given(st.data(), st.integers(1, 2))
def test_everything_is_served_in_the_end(data: st.DataObject, count: int) -> None:
    volumes = [tape(barcode) for barcode in TAPES]
    queue: list[QueuedWork] = []
    for n in range(1, data.draw(st.integers(1, 20)) + 1):
        barcode = Barcode(data.draw(st.sampled_from(TAPES)))
        kind = data.draw(st.sampled_from([JobKind.RECALL, JobKind.VERIFY, JobKind.MIGRATE]))
        avoid = data.draw(st.none() | st.sampled_from(["S0", "S1"]))
        if kind is JobKind.MIGRATE:
            queue.append(migrate(n, data.draw(st.sampled_from(["tape_a", "tape_b"]))))
        else:
            places = (Candidate(barcode, data.draw(st.integers(0, 40_000_000))),)
            queue.append(QueuedWork(n, kind, NOW, GB, places, avoid_drive=avoid))
    room = Room([drive(n) for n in range(count)], volumes)
    everything, rounds = {work.job_id for work in queue}, 0
    while queue or room.busy:
        queue = room.step(queue, Settings())
        rounds += 1
        assert rounds < 500
    assert set(room.done_at) == everything


def test_a_flood_of_recalls_does_not_starve_a_migration_nor_old_migrations_a_recall() -> None:
    volumes = [tape(barcode) for barcode in TAPES]
    room = Room([drive(0)], volumes)
    queue = [migrate(1, created_at=NOW)]
    number = 10
    while 1 not in room.done_at:
        # whenever the drive is free two more recalls on two volumes are waiting
        for barcode in ("B00001L8", "B00002L8"):
            number += 1
            queue.append(recall(number, (barcode, number), created_at=room.now))
        queue = room.step(queue, Settings())
        assert room.now < NOW + timedelta(hours=5)
    assert room.done_at[1] >= NOW + timedelta(hours=4)

    # the other way round: hours of aged migrations, one at a time, and a recall comes
    room = Room([drive(0, served_last=JobKind.MIGRATE)], volumes)
    queue = [migrate(n, size_bytes=100 * GB, created_at=NOW - timedelta(days=1)) for n in range(1, 50)]
    queue.append(recall(99, ("B00001L8", 5), created_at=NOW))
    queue = room.step(queue, Settings(most_works=5))
    assert room.done_at[99] < NOW + timedelta(minutes=5)
