"""A library with two drives, its first tape loaded, and a host that has heard of everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.scsi.wire import BLOCK, Wire
from tests.support.library import make_library, virtual_clock


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    with make_library(
        tmp_path, virtual_clock(), tapes=("A00001L8", "A00002L8", "CLN001L1"), tape_bytes=100 * len(BLOCK) * 64
    ) as library:
        wire = Wire(library)
        wire.settle()
        yield wire
        for unit in wire.units.values():
            unit.close()


@pytest.fixture
def loaded(wire: Wire) -> Wire:
    wire.load()
    return wire
