"""What the clock works out: what it says, how long it is kept, and that a failing part stops nothing else."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable
from hsm.catalog.figures import Flow, Usage
from hsm.engine.beside import Beside, Chore
from hsm.facts import DiskFacts
from hsm.figures import machine
from hsm.figures.observer import Observer
from hsm.figures.questions import percentile
from hsm.figures.thinning import superfluous
from hsm.pool import PoolMissing
from hsm.states import JobKind, JobState
from tests.web.world import NOW, World, busy, new_catalog, new_world, stock, world_over

LIMIT_S = 30


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A busy archive on either database."""
    if request.param == "sqlite":
        made = new_world(tmp_path, new_catalog(tmp_path))
    else:
        catalog = Catalog.open(str(request.getfixturevalue("postgres_url")))
        stock(catalog)
        made = world_over(tmp_path, catalog)
    busy(made)
    yield made
    made.catalog.close()


def observer(world: World) -> Observer:
    return Observer(world.catalog, lambda: world.disk, [world.pool.directories[0]], world.clock)


def done_recall(world: World, took: timedelta) -> None:
    jobs = world.catalog.jobs.list(kinds=(JobKind.RECALL,), states=(JobState.QUEUED,))
    now = jobs[0].created_at + took
    assert world.catalog.jobs.start(jobs[0].id, now)
    world.catalog.jobs.finish(jobs[0].id, now)


def test_a_round_publishes_what_pages_ask(world: World) -> None:
    done_recall(world, timedelta(minutes=9))
    observer(world).observe()
    found = world.catalog.figures.latest(("safety", "holdings", "recalls", "machine", "devices", "jobs", "nothing"))
    assert sorted(found) == ["devices", "holdings", "jobs", "machine", "recalls", "safety"]
    assert found["recalls"].value == {"recalls": 1, "median_s": 540.0, "p95_s": 540.0}
    assert found["safety"].value["studies"] == 4
    assert found["safety"].value["oldest_uid"] == "1.2.3.1"
    assert found["holdings"].value["studies"] == 6
    assert ["verify", "failed", 1] in found["jobs"].value["ended"]
    assert not [row for row in found["jobs"].value["ended"] if row[1] in ("running", "queued")]
    assert found["machine"].value["memory_bytes"] > 0
    assert found["safety"].at == NOW


def test_days_are_counted_and_counted_again_while_they_last(world: World) -> None:
    watch = observer(world)
    watch.observe()
    flows = world.catalog.figures.flows("intake", NOW.date(), 4)
    assert [flow.number for flow in flows] == [0, 3, 1, 2]
    assert flows[-1].size_bytes == 320_000_000
    world.receive("1.2.3.77", age=timedelta(hours=1))
    watch.observe()
    assert world.catalog.figures.flows("intake", NOW.date(), 1)[0].number == 3
    done_recall(world, timedelta(minutes=1))
    world.clock.sleep(86400)
    watch.observe()
    assert [flow.number for flow in world.catalog.figures.flows("recall", date(2026, 3, 6), 2)] == [1, 0]


def test_samples_are_taken_now_and_then_and_of_what_is_there(world: World) -> None:
    watch = observer(world)
    watch.observe()
    world.clock.sleep(60)
    watch.observe()
    since = NOW - timedelta(days=1)
    assert [sample.used_bytes for sample in world.catalog.figures.samples("online", since)] == [world.disk.used_bytes]
    assert world.catalog.figures.samples("pool:tape_a", since)[0].used_bytes > 0

    def away() -> DiskFacts:
        raise PoolMissing("not mounted")

    world.clock.sleep(600)
    Observer(world.catalog, away, [], world.clock).observe()
    assert len(world.catalog.figures.samples("online", since)) == 1
    assert len(world.catalog.figures.samples("pool:tape_a", since)) == 2


def test_costly_questions_rest_in_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = observer(world)
    watch.observe()
    monkeypatch.setattr("hsm.figures.observer.time.monotonic", lambda: 0.0)
    world.clock.sleep(60)
    watch.observe()
    found = world.catalog.figures.latest(("safety", "jobs"))
    assert found["jobs"].at - found["safety"].at == timedelta(seconds=60)


def test_thinning_forgets_only_what_is_superfluous(world: World) -> None:
    figures = world.catalog.figures
    for minutes in range(0, 600, 10):
        figures.sample({"online": Usage(minutes, 1000)}, NOW - timedelta(days=10) + timedelta(minutes=minutes))
    assert figures.thin(NOW) == 49
    assert len(figures.samples("online", NOW - timedelta(days=20))) == 11
    watch = observer(world)
    watch.tidy()
    assert len(figures.samples("online", NOW - timedelta(days=20))) == 11


def test_a_row_of_days_may_be_said_anew(world: World) -> None:
    figures, day = world.catalog.figures, date(2026, 3, 1)
    figures.flowed("intake", [Flow(day, 1, 10), Flow(day + timedelta(days=1), 2, 20)])
    figures.flowed("intake", [Flow(day + timedelta(days=1), 3, 30)])
    assert figures.flows("intake", day + timedelta(days=1), 2) == [
        Flow(day, 1, 10),
        Flow(day + timedelta(days=1), 3, 30),
    ]
    assert figures.last_flow("intake") == day + timedelta(days=1)
    figures.flowed("intake", [])
    assert figures.last_flow("other") is None


def test_the_old_are_kept_far_apart_and_the_oldest_not_at_all() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    minutes = [now - timedelta(minutes=n) for n in range(60)]
    days = [now - timedelta(days=100, hours=n) for n in range(48)]
    ancient = [now - timedelta(days=4000)]
    gone = superfluous([*minutes, *days, *ancient], now)
    assert ancient[0] in gone
    assert len(minutes) - len(set(minutes) & set(gone)) in (12, 13)
    assert len(days) - len(set(days) & set(gone)) in (2, 3)


def test_a_percentile_is_a_value_that_was_there() -> None:
    assert percentile([], 50) is None
    assert percentile([7.0], 95) == 7.0
    assert percentile([float(n) for n in range(1, 101)], 95) == 95.0


def test_sensors_that_talk_nonsense_are_not_believed() -> None:
    sensors = {
        "cpu": [SimpleNamespace(current=54.0), SimpleNamespace(current=None)],
        "x": [SimpleNamespace(current=255)],
    }
    assert machine.hottest(sensors) == 54.0
    assert machine.hottest({}) is None


def test_a_file_system_is_named_once_and_one_that_is_away_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = machine.disks([tmp_path / "a", tmp_path, tmp_path / "gone"])
    assert [disk["folder"] for disk in found] == [str(tmp_path / "a")]


def test_devices_are_told_as_the_kernel_shows_them() -> None:
    told = machine.devices()
    assert isinstance(told["udev"], bool)
    assert all(device["kind"] in ("changer", "tape", "recorder") for device in told["devices"])


def test_a_chore_that_fails_is_done_again_and_the_others_with_it() -> None:
    again, other = threading.Event(), threading.Event()
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise CatalogUnavailable("away")
        if len(calls) == 2:
            raise ValueError("a defect")
        again.set()

    with Beside([Chore("fails", 0.001, fails), Chore("other", 0.001, other.set)], lambda: True):
        assert again.wait(LIMIT_S)
        assert other.wait(LIMIT_S)


def test_chores_wait_until_the_lease_is_ours() -> None:
    asked, done, mine = threading.Event(), threading.Event(), threading.Event()

    def allowed() -> bool:
        asked.set()
        return mine.is_set()

    with Beside([Chore("only", 0.001, done.set)], allowed):
        assert asked.wait(LIMIT_S)
        assert not done.is_set()
        mine.set()
        assert done.wait(LIMIT_S)
