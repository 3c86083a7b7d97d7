"""Who runs the engine, and whether that process still lives."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from hsm.engine import Engine
from hsm.engine.engine import LEASE, EngineBusy
from hsm.engine.ownership import holder_name, is_dead
from tests.support.world import World

HERE = socket.gethostname()


def test_this_process_is_alive() -> None:
    assert not is_dead(holder_name(1))


def test_two_engines_of_one_process_have_two_names() -> None:
    assert holder_name(1) != holder_name(2)


def killed_holder() -> str:
    """The name of a process that was killed."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    return f"{HERE}:{child.pid}:{started:.2f}:1"


def test_a_process_that_was_killed_is_dead() -> None:
    assert is_dead(killed_holder())


def test_another_process_under_the_same_number_does_not_keep_a_dead_one_alive() -> None:
    assert is_dead(f"{HERE}:{os.getpid()}:1.00:1")


@pytest.mark.parametrize("holder", ["elsewhere:1:1.00:1", "", "tool", f"{HERE}:engine:1.00:1", f"{HERE}"])
def test_what_cannot_be_known_from_here_counts_as_alive(holder: str) -> None:
    assert not is_dead(holder)


def other_engine(world: World) -> Engine:
    return Engine(world.catalog, world.pool, {}, world.volume_pools, world.settings, world.clock)


def test_a_second_engine_is_refused_while_the_first_one_lives(tmp_path: Path) -> None:
    world = World(tmp_path, discs=())
    second = other_engine(world)
    with pytest.raises(EngineBusy, match=world.engine.holder):
        second.take_over()
    world.engine.close()
    second.take_over()
    assert world.catalog.leases.holder(LEASE, world.clock.now()) == second.holder


def test_the_lease_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, discs=(), take_over=False)
    assert world.catalog.leases.take(LEASE, killed_holder(), world.clock.now(), 3600)
    world.engine.take_over()
    assert world.catalog.leases.holder(LEASE, world.clock.now()) == world.engine.holder


def test_the_lease_of_another_machine_is_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, discs=(), take_over=False)
    assert world.catalog.leases.take(LEASE, "elsewhere:1:1.00:1", world.clock.now(), 3600)
    with pytest.raises(EngineBusy, match="elsewhere"):
        world.engine.take_over()
    world.later(3601)
    world.engine.take_over()


def test_an_engine_that_closes_takes_only_its_own_lease_along(tmp_path: Path) -> None:
    world = World(tmp_path, discs=())
    second = Engine(world.catalog, world.pool, {}, world.volume_pools, replace(world.settings), world.clock)
    second.close()
    assert world.catalog.leases.holder(LEASE, world.clock.now()) == world.engine.holder
