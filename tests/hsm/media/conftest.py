"""An archive with two labelled tapes in a library, in a file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm.access.actor import Actor, Via, begin, end
from hsm.catalog import Catalog
from tests.hsm.catalog.world import World

ANNA = Actor("anna", Via.WEB, "192.0.2.7")


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "catalog.db"
    Catalog.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def world(opened: Path, tmp_path: Path) -> Iterator[World]:
    """In which Anna acts."""
    copy = tmp_path / "catalog.db"
    copy.write_bytes(opened.read_bytes())
    token = begin(ANNA)
    with Catalog.open(f"sqlite:///{copy}") as catalog:
        yield World(catalog)
    end(token)
