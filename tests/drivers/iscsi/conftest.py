"""A running target and initiators that are put away after the test."""

from collections.abc import Iterator

import pytest

from drivers.iscsi import IscsiTarget
from tests.drivers.iscsi.units import Echo, Gate, MemoryDisk
from tests.support.initiator import Initiator

IQN = "iqn.2026-01.test.firn:target"


class World:
    """A target with a disk (0), a unit that waits (1) and one that echoes (2)."""

    def __init__(self, stall_limit_s: float = 20.0) -> None:
        """`stall_limit_s` is short where a test waits for it to pass; else a slow machine must not run into it."""
        self.disk, self.gate, self.echo = MemoryDisk(), Gate(), Echo()
        self.target = IscsiTarget(
            IQN,
            {0: self.disk, 1: self.gate, 2: self.echo},
            port=0,
            max_connections=6,
            login_limit_s=stall_limit_s,
            stall_limit_s=stall_limit_s,
        )
        self._opened: list[Initiator] = []

    def connect(self, number: int = 1) -> Initiator:
        """A connection that has not logged in; the number makes it a machine of its own."""
        made = Initiator(self.target.port, IQN, f"iqn.2024-01.test.firn:initiator{number}")
        self._opened.append(made)
        return made

    def login(self, number: int = 1, /, **keys: str) -> Initiator:
        """An initiator that is logged in."""
        return self.connect(number).login(**keys)

    def close(self) -> None:
        for initiator in self._opened:
            initiator.close()
        self.gate.let_through(100)
        self.target.close()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.target.start()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def impatient() -> Iterator[World]:
    """A world whose target soon lets go of who stalls."""
    made = World(stall_limit_s=0.5)
    made.target.start()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def initiator(world: World) -> Initiator:
    return world.login()
