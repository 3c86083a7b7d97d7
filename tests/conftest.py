"""Fixtures for all rooms."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres import Server, running_server

# How fast the machine is must not decide a test; on a build machine every run tries the same examples.
settings.register_profile("firn", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("ci", settings.get_profile("firn"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "firn")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One PostgreSQL server a test process."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """SQLAlchemy address of an empty PostgreSQL database of this test's own."""
    with postgres_server.database() as url:
        yield url
