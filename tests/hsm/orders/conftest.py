"""A catalog without orders."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hsm.catalog import Catalog


@pytest.fixture(scope="session")
def empty_orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog file that was brought up once, to be copied."""
    path = tmp_path_factory.mktemp("orders") / "catalog.db"
    Catalog.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def catalog(empty_orders: Path, tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog."""
    shutil.copy(empty_orders, tmp_path / "catalog.db")
    with Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}") as opened:
        yield opened
