"""Programs that ask the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hsm.access.roles import RIGHTS, Right, Role
from tests.web.world import World
from web.access.tokens import new_token
from web.app import create_app


class Program:
    """A program with a token."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.token = token

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """One request with the token."""
        given = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.client.open(path, method=method, headers=given, **({} if body is None else {"json": body}))

    def get(self, path: str, status: int = 200) -> Any:
        """The JSON of an answer that has this status."""
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json


def program(world: World, role: Role = Role.ADMINISTRATOR, *scopes: Right, **settings: object) -> Program:
    """A program that acts for somebody of a role, with all its rights or some."""
    accounts, now, name = world.catalog.accounts, world.clock.now(), f"a-{role.value}"
    if accounts.find(name) is None:
        accounts.add(name, "Somebody", role, "no password fits this", False, "test", now)
    token = new_token()
    world.catalog.tokens.add(name, "test", scopes or RIGHTS[role], token, None, name, now)
    return Program(create_app(world.services(**settings)).test_client(), token)


@pytest.fixture
def boss(world: World) -> Program:
    """A program that may do everything."""
    return program(world)
