"""A whole archive that answers over HTTP on this machine."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from werkzeug.serving import make_server

from hsm.access.roles import RIGHTS, Right, Role
from hsm.cards import CardMaker, CardShelf
from hsm.rendering import Renderers
from tests.support.pages import services_over
from tests.support.world import World
from web.access.tokens import new_token
from web.app import create_app


@dataclass
class House:
    """The archive and where it answers."""

    world: World
    url: str
    cards: CardMaker

    def session(self, role: Role = Role.ARCHIVIST, *scopes: Right) -> requests.Session:
        """Requests with a token of somebody of this role."""
        catalog, now, name = self.world.catalog, self.world.clock.now(), f"a-{role.value}"
        if catalog.accounts.find(name) is None:
            catalog.accounts.add(name, "Somebody", role, "no password fits this", False, "test", now)
        token = new_token()
        catalog.tokens.add(name, f"test-{token[-6:]}", scopes or RIGHTS[role], token, None, name, now)
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def client(self, role: Role = Role.ARCHIVIST) -> DICOMwebClient:
        """A client that is not ours."""
        return DICOMwebClient(self.url, session=self.session(role))


@pytest.fixture(scope="session")
def renderers() -> Iterator[Renderers]:
    """One process that draws, for all tests."""
    made = Renderers(1)
    yield made
    made.close()


@pytest.fixture
def house(tmp_path: Path, renderers: Renderers) -> Iterator[House]:
    """An empty archive with two tape pools and a pool of discs."""
    world = World(tmp_path)
    services = services_over(
        world, cards=CardMaker(world.catalog, world.pool, CardShelf(tmp_path / "cards")), renderers=renderers
    )
    server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="test-http")
    thread.start()
    try:
        assert services.cards is not None
        yield House(world, f"http://127.0.0.1:{server.server_port}/dicom-web", services.cards)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        world.close()
