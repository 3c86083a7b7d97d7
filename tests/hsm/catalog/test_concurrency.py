"""Several connections at once: counts stay right, identities stay single, proofs stay true."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from threading import Barrier, Thread
from typing import TypeVar

import pytest
from sqlalchemy import Connection, text

from hsm.catalog import Catalog, OutcomeKind, ReleaseRefused
from hsm.catalog.release import _prove, _Terms
from hsm.states import CopyState, JobKind, OnlineState
from tests.hsm.catalog.test_jobs import want
from tests.hsm.catalog.world import LATER, STABLE_S, START, TAPES, World, arrival, study_uid

T = TypeVar("T")
PROCESSES = 4


@pytest.fixture
def catalogs(catalog_url: str) -> Iterator[list[Catalog]]:
    """Four catalogs on one database, as four processes have them."""
    with ExitStack() as stack:
        yield [stack.enter_context(Catalog.open(catalog_url)) for _ in range(PROCESSES)]


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """Do several things at the same moment; their results in order."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        barrier.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(60) for future in [pool.submit(run, work) for work in works]]


def test_the_first_instances_of_a_study_arrive_everywhere_at_once(catalogs: list[Catalog]) -> None:
    def receive(number: int, catalog: Catalog) -> list[OutcomeKind]:
        mine = [arrival(s, series, number * 10 + n) for s in (1, 2) for series in (1, 2) for n in (1, 2)]
        if number % 2:
            mine.reverse()
        return [catalog.intake.record(one).kind for one in mine[:4]] + [
            outcome.kind for outcome in catalog.intake.record_many(mine[4:])
        ]

    kinds = at_once([partial(receive, n, c) for n, c in enumerate(catalogs, 1)])
    assert {kind for each in kinds for kind in each} == {OutcomeKind.ACCEPTED}
    for study in (1, 2):
        record = catalogs[0].studies.get(study_uid(study))
        assert record is not None
        assert (record.instance_count, record.series_count, record.size_bytes) == (16, 2, 16000)
        assert len(catalogs[0].studies.instances(study_uid(study))) == 16
    counts = catalogs[0].studies.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (2, 2, 4, 32)


def test_the_same_instance_from_everywhere_is_stored_once(catalogs: list[Catalog]) -> None:
    outcomes = at_once([partial(c.intake.record, arrival()) for c in catalogs])
    assert sorted(outcome.kind for outcome in outcomes) == ["accepted", *["already_stored"] * (PROCESSES - 1)]
    record = catalogs[0].studies.get(study_uid(1))
    assert record is not None and record.instance_count == 1


def test_one_uid_in_two_studies_at_once_is_refused_once_and_leaves_no_empty_study(catalogs: list[Catalog]) -> None:
    rivals = [
        arrival(n, 1, 1, sop_instance_uid="1.2.77", study_instance_uid=f"1.2.{n}") for n in range(1, PROCESSES + 1)
    ]
    works = [partial(c.intake.record, a) for c, a in zip(catalogs, rivals, strict=True)]
    kinds = sorted(outcome.kind for outcome in at_once(works))
    assert kinds == ["accepted", *["conflict"] * (PROCESSES - 1)]
    counts = catalogs[0].studies.counts()
    assert (counts.studies, counts.series, counts.instances) == (1, 1, 1)


def test_a_job_is_submitted_and_claimed_once(catalogs: list[Catalog]) -> None:
    submitted = at_once([partial(want, c, "same", JobKind.MIGRATE) for c in catalogs])
    assert len(set(submitted)) == 1
    started = at_once([partial(c.jobs.start, submitted[0], START) for c in catalogs])
    assert sorted(started) == [False] * (PROCESSES - 1) + [True]
    assert catalogs[0].jobs.get(submitted[0]).attempts == 1


def test_a_lease_goes_to_one(catalogs: list[Catalog]) -> None:
    works = [partial(c.leases.take, "library", f"engine-{n}", START, 60) for n, c in enumerate(catalogs)]
    assert sorted(at_once(works)) == [False] * (PROCESSES - 1) + [True]


def test_a_release_is_proved_once(catalogs: list[Catalog]) -> None:
    World(catalogs[0]).safe()

    def prove(catalog: Catalog) -> int:
        try:
            return len(catalog.release.prove(study_uid(1), 2, LATER, STABLE_S).files)
        except ReleaseRefused:
            return 0

    assert sorted(at_once([partial(prove, c) for c in catalogs])) == [0, 0, 0, 2]


def hold(catalog: Catalog) -> None:
    """A judge."""
    catalog.holds.place(study_uid(1), "trial", "judge", START)


def pin(catalog: Catalog) -> None:
    """A reader."""
    catalog.studies.pin(study_uid(1), LATER.replace(year=2030))


def doubt(catalog: Catalog) -> None:
    """A bad read."""
    catalog.copies.doubt(catalog.copies.of_study(study_uid(1))[0].id, "V", "CRC", LATER)


def lose(catalog: Catalog) -> None:
    """A fire."""
    catalog.volumes.lose(TAPES[0], "fire", LATER)


def vanish(catalog: Catalog) -> None:
    """An empty slot."""
    World(catalog).library(TAPES[1], now=LATER)


def arrive(catalog: Catalog) -> None:
    """A late arrival."""
    catalog.intake.record(arrival(number=99))


def recall(catalog: Catalog) -> None:
    """A request."""
    catalog.recalls.request(study_uid(1), requested_by="WS", now=LATER)


@pytest.mark.postgres
@pytest.mark.parametrize("disturb", [hold, pin, doubt, lose, vanish, arrive, recall], ids=lambda f: f.__name__)
def test_whoever_disturbs_a_proof_waits_until_it_is_committed(
    postgres_catalog: Catalog, catalog_url_postgres: str, disturb: Callable[[Catalog], None]
) -> None:
    World(postgres_catalog).safe()
    done: list[str] = []
    with Catalog.open(catalog_url_postgres) as other:

        def disturbing() -> None:
            disturb(other)
            done.append("disturbed")

        thread = Thread(target=disturbing)

        def work(connection: Connection) -> None:
            _prove(connection, study_uid(1), _Terms(2, 1, LATER, STABLE_S))
            thread.start()
            wait_for_a_waiting_session(connection)
            done.append("proved")

        postgres_catalog.database.write(work)
        thread.join(30)
    assert done == ["proved", "disturbed"]


@pytest.mark.postgres
@pytest.mark.parametrize("disturb", [hold, pin, doubt, lose, vanish, arrive], ids=lambda f: f.__name__)
def test_a_proof_waits_for_whoever_came_first_and_sees_it(
    postgres_catalog: Catalog,
    catalog_url_postgres: str,
    disturb: Callable[[Catalog], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    World(postgres_catalog).safe()
    refused: list[str] = []
    with Catalog.open(catalog_url_postgres) as other:

        def proving() -> None:
            try:
                other.release.prove(study_uid(1), 2, LATER, STABLE_S)
            except ReleaseRefused as error:
                refused.append(error.reason)

        thread = Thread(target=proving)
        write = postgres_catalog.database.write

        def held_open(work: Callable[[Connection], T]) -> T:
            def longer(connection: Connection) -> T:
                result = work(connection)
                thread.start()
                wait_for_a_waiting_session(connection)
                return result

            return write(longer)

        monkeypatch.setattr(postgres_catalog.database, "write", held_open)
        disturb(postgres_catalog)
        thread.join(30)
    assert len(refused) == 1
    states = {i.online_state for i in postgres_catalog.studies.instances(study_uid(1))}
    assert states == {OnlineState.ONLINE}


def wait_for_a_waiting_session(connection: Connection) -> None:
    """Return when another session waits for a lock that this one holds."""
    blocked = text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")
    for _ in range(3000):
        if connection.execute(blocked).scalar_one():
            return
        connection.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nobody waits")


@pytest.fixture
def catalog_url_postgres(postgres_catalog: Catalog, postgres_catalog_url: str, request: pytest.FixtureRequest) -> str:
    """The address of the shared PostgreSQL catalog, emptied."""
    from tests.hsm.catalog.conftest import empty

    empty(postgres_catalog)
    return postgres_catalog_url


def test_readers_and_writers_do_not_stop_each_other(catalogs: list[Catalog]) -> None:
    def write(catalog: Catalog, study: int) -> int:
        for number in range(1, 8):
            catalog.intake.record(arrival(study, 1, number))
        return 7

    def read(catalog: Catalog) -> int:
        seen = 0
        for _ in range(8):
            for line in catalog.studies.summary():
                there = catalog.studies.instances(line.study.study_instance_uid)
                assert len(there) >= line.study.instance_count  # what was counted is there
                seen = max(seen, len(there))
        return seen

    works: list[Callable[[], int]] = [partial(write, c, n) for n, c in enumerate(catalogs[:2])]
    works += [partial(read, c) for c in catalogs[2:]]
    assert at_once(works)[:2] == [7, 7]
    assert {line.study.instance_count for line in catalogs[0].studies.summary()} == {7}


def test_a_lost_volume_and_a_verified_copy_leave_one_truth(catalogs: list[Catalog]) -> None:
    pack = World(catalogs[0]).safe()
    copy = catalogs[0].copies.of_pack(pack.id)[0]

    def verify() -> str:
        for _ in range(5):
            if catalogs[1].copies.get(copy.id).state is CopyState.VERIFIED:
                try:
                    catalogs[1].copies.verified(copy.id, "V", LATER)
                except Exception as error:  # noqa: BLE001 - the name is what is looked at
                    return type(error).__name__
        return "ok"

    def burn() -> str:
        catalogs[2].volumes.lose(TAPES[0], "fire", LATER)
        return "ok"

    assert set(at_once([verify, burn])) <= {"ok", "IllegalTransition"}
    assert catalogs[0].copies.get(copy.id).state is CopyState.LOST
