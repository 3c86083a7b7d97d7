"""The loop that runs for ever: stops when told, gives way to another engine, outlives a catalog that is away."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hsm.catalog.errors import CatalogUnavailable
from hsm.engine import Engine
from hsm.engine.engine import LEASE, EngineBusy
from hsm.engine.routines import LeaseLost, Routines
from hsm.policy import Plan
from hsm.states import JobKind, JobState
from tests.hsm.engine.support import submit
from tests.support.studies import small_ct
from tests.support.world import START, World

LIMIT_S = 30  # a test that hangs ends then; nothing depends on how long it is


class Watched(Engine):
    """A real engine that says what the loop called, and whose catalog can be away."""

    called: dict[str, threading.Event]
    lease_away: threading.Event
    closed: threading.Event
    away: int = 0  # so many rounds fail

    def step(self) -> bool:
        self._say("step")
        if self.away:
            self.away -= 1
            raise CatalogUnavailable("the database restarts")
        return super().step()

    def tick(self) -> Plan:
        try:
            return super().tick()
        finally:
            self._say("tick")

    def take_inventory(self) -> None:
        super().take_inventory()
        self._say("inventory")

    def tidy(self) -> None:
        super().tidy()
        self._say("tidy")

    def renew_lease(self) -> bool:
        if self.lease_away.is_set():
            self._say("renewal failed")
            raise CatalogUnavailable("the database restarts")
        return super().renew_lease()

    def close(self) -> None:
        super().close()
        self.closed.set()

    def _say(self, what: str) -> None:
        self.called[what].set()


def watched(world: World, **settings: float) -> Watched:
    engine = Watched(
        world.catalog, world.pool, {"test": world.library}, world.volume_pools,
        replace(world.settings, **settings), world.clock,  # type: ignore[arg-type]
    )  # fmt: skip
    engine.called = {what: threading.Event() for what in ("step", "tick", "inventory", "tidy", "renewal failed")}
    engine.lease_away, engine.closed = threading.Event(), threading.Event()
    return engine


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, discs=(), take_over=False)


def during(engine: Engine, then: Callable[[Routines], None]) -> None:
    """Run the loop, do something meanwhile, stop it; what the loop raised is raised here."""
    stop, raised, routines = threading.Event(), list[BaseException](), Routines(engine)

    def loop() -> None:
        try:
            routines.run(stop)
        except (LeaseLost, EngineBusy) as error:
            raised.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        then(routines)
    finally:
        stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def test_the_loop_ticks_at_once_works_and_gives_the_lease_back(world: World) -> None:
    engine = watched(world)
    uid = world.receive(small_ct(slices=1))
    world.later(30)

    def then(_: Routines) -> None:
        assert engine.called["tick"].wait(LIMIT_S)
        for _attempt in range(600):
            if world.verified_volumes(uid) or any(c.address is not None for c in world.copies(uid)):
                return
            engine.called["step"].clear()
            engine.called["step"].wait(1)

    during(engine, then)
    assert any(copy.address is not None for copy in world.copies(uid))
    assert world.catalog.leases.holder(LEASE, world.clock.now()) is None


def test_an_engine_that_lost_its_lease_stops_by_itself(world: World) -> None:
    engine = watched(world, lease_ttl_s=0.3)

    def then(_: Routines) -> None:
        assert engine.called["step"].wait(LIMIT_S)
        when_it_ran_out = world.clock.now() + timedelta(hours=1)  # in one step: between two it would renew
        assert world.catalog.leases.take(LEASE, "another", when_it_ran_out, 3600)
        assert engine.closed.wait(LIMIT_S), "nobody told it to stop; it must notice"

    with pytest.raises(LeaseLost, match="another engine took over"):
        during(engine, then)
    assert world.catalog.leases.holder(LEASE, world.clock.now()) == "another"


def test_the_lease_is_renewed_while_drives_are_looked_into(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = watched(world, lease_ttl_s=0.3)
    renewed = threading.Event()
    taken = world.catalog.leases.holder(LEASE, world.clock.now())
    assert taken is None

    def slow_clean_up() -> None:
        world.later(10)  # the lease ran out, and nobody else may have it
        assert renewed.wait(LIMIT_S)

    def renew() -> bool:
        kept = Watched.renew_lease(engine)
        if world.clock.now() > START:
            renewed.set()
        return kept

    monkeypatch.setattr(world.library, "clean_up", slow_clean_up)
    monkeypatch.setattr(engine, "renew_lease", renew)
    during(engine, lambda _: None)
    assert renewed.is_set()


def test_a_second_loop_does_not_begin(world: World) -> None:
    assert world.catalog.leases.take(LEASE, "elsewhere:1:1.00:1", world.clock.now(), 3600)
    with pytest.raises(EngineBusy):
        during(watched(world), lambda _: None)


def test_a_catalog_that_is_away_for_a_while_ends_nothing(world: World) -> None:
    engine = watched(world, tick_every_s=0.05)
    engine.away = 3

    def then(_: Routines) -> None:
        while engine.away:
            engine.called["step"].clear()
            assert engine.called["step"].wait(LIMIT_S)
        engine.called["tick"].clear()
        assert engine.called["tick"].wait(LIMIT_S)

    during(engine, then)
    assert engine.away == 0


def test_a_lease_that_cannot_be_renewed_for_a_moment_is_not_lost(world: World) -> None:
    engine = watched(world, lease_ttl_s=0.3, tick_every_s=0.05)

    def then(_: Routines) -> None:
        assert engine.called["step"].wait(LIMIT_S)
        engine.lease_away.set()
        assert engine.called["renewal failed"].wait(LIMIT_S)
        engine.lease_away.clear()
        engine.called["tick"].clear()
        assert engine.called["tick"].wait(LIMIT_S)

    during(engine, then)


def test_a_policy_nobody_understands_refuses_the_tick_and_the_loop_goes_on(world: World) -> None:
    world.catalog.policies.publish("this is no policy", "test", world.clock.now())
    engine = watched(world, tick_every_s=0.05)

    def then(_: Routines) -> None:
        for _time in range(2):
            engine.called["tick"].clear()
            assert engine.called["tick"].wait(LIMIT_S)

    during(engine, then)


def test_inventory_and_tidying_come_when_they_are_due(world: World) -> None:
    old = submit(world, JobKind.VERIFY)
    world.catalog.jobs.cancel(old.id, world.clock.now())
    world.later(91 * 86400)
    engine = watched(world, inventory_every_s=0.05)

    def then(routines: Routines) -> None:
        assert engine.called["inventory"].wait(LIMIT_S)
        routines.ask("tidy")
        assert engine.called["tidy"].wait(LIMIT_S)

    during(engine, then)
    assert not world.catalog.jobs.list(states=(JobState.CANCELLED,))
