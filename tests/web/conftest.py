"""Pages over a real catalog."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.web.world import World, browser, busy, new_catalog, new_world


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database every test begins with."""
    return new_catalog(tmp_path_factory.mktemp("stocked"))


@pytest.fixture
def world(tmp_path: Path, stocked: Path) -> Iterator[World]:
    """An archive without studies."""
    made = new_world(tmp_path, stocked)
    yield made
    made.catalog.close()


@pytest.fixture
def busy_world(world: World) -> World:
    """An archive where much goes on, for tests that change something."""
    busy(world)
    return world


@pytest.fixture
def client(world: World) -> FlaskClient:
    """A browser that looks at it."""
    return browser(world.services())


@pytest.fixture(scope="session")
def busy_client(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[FlaskClient]:
    """A browser that looks at an archive where much goes on; for tests that change nothing."""
    made = new_world(tmp_path_factory.mktemp("busy"), stocked)
    busy(made)
    yield browser(made.services())
    made.catalog.close()
