"""One archive that has taken in and settled everything; each test gets a copy of its folder to do with as it likes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.errors import InvalidDicomError

from hsm.format.text import is_uid
from tests.e2e.house import House, free_port
from tests.e2e.wire import Seen, all_seen, seen, send, workstation
from tests.hsm.objects import files_of_pydicom
from tests.support.studies import one_of_each_kind, write_study


@dataclass(frozen=True)
class Settled:
    """An archive at rest with all studies on two tapes and a disc and none on disk, and what was given to it."""

    house: House
    given: dict[str, Seen]  # by SOP Instance UID

    @property
    def wired(self) -> dict[str, Seen]:
        """What a peer must get."""
        return {uid: one.on_the_wire for uid, one in self.given.items()}

    @property
    def studies(self) -> set[str]:
        return {one.study for one in self.given.values()}


def foreign_files() -> Iterator[tuple[str, Path, Seen]]:
    """Objects pydicom brings along, every one that is valid Part 10 with all UIDs; of one UID the first."""
    known: set[str] = set()
    for path in files_of_pydicom():
        try:
            uid, content = seen(path)
        except (InvalidDicomError, AttributeError, KeyError, EOFError):
            continue  # not Part 10, no file meta, or without one of the UIDs
        if uid not in known and all(is_uid(one) for one in (uid, content.study, content.series)):
            known.add(uid)
            yield uid, path, content


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    """Send, import, wait, stop."""
    root = tmp_path_factory.mktemp("settled")
    house = House(root / "archive")
    try:
        house.build()
        house.start("pacs")
        for study in one_of_each_kind("e2e"):
            write_study(root / "sent", study)
        witness = free_port()
        with workstation(root / "witness", witness):
            send(witness, root / "sent")
        send(house.port, root / "sent")
        given = all_seen(root / "witness")
        foreign = list(foreign_files())
        answer = house.json("import", *(str(path) for _, path, _ in foreign))
        assert answer == {"accepted": len(foreign), "already_stored": 0, "rejected": []}
        given |= {uid: content for uid, _, content in foreign}
        result = Settled(house, given)
        house.start("engine")
        house.wait_settled(result.studies)
        house.stop("pacs", "engine")
        yield result
    finally:
        house.close()


@pytest.fixture
def moved_in(settled: Settled, tmp_path: Path) -> Iterator[Callable[[], Settled]]:
    """Copies of the settled archive, for one test each."""
    with ExitStack() as stack:

        def make() -> Settled:
            house = settled.house.copy_to(tmp_path / "archive")
            stack.callback(house.close)
            return Settled(house, settled.given)

        yield make
