"""The server that tests use is a real one, and each test has it for itself."""

import pytest
from sqlalchemy import create_engine, text

pytestmark = pytest.mark.postgres


def remember(url: str) -> list[str]:
    """Make a table and say which tables there are."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (id int)"))
        tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        return list(tables)


def test_a_test_gets_a_real_server(postgres_url: str) -> None:
    with create_engine(postgres_url).connect() as connection:
        assert str(connection.execute(text("SHOW server_version")).scalar_one()).split(".")[0].isdigit()
        assert connection.execute(text("SHOW listen_addresses")).scalar_one() == ""


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_begins_with_an_empty_database(postgres_url: str, turn: int) -> None:
    assert remember(postgres_url) == ["seen"]
