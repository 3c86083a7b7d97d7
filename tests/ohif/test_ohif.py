"""OHIF lists, opens and shows a study of this archive, in a real browser, from its own port."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import BaseWSGIServer, make_server

from appliance.viewer.package import install, installed
from appliance.viewer.serving import Backend, ViewerSite
from hsm.access.roles import Role
from tests.browser.conftest import CHROMIUM
from tests.support.pages import services_over
from tests.support.studies import PEOPLE, ct_study
from tests.support.world import TAPES_ONLY, World
from web.access.gate import TOKEN
from web.app import create_app

pytestmark = [pytest.mark.ohif, pytest.mark.timeout(600)]
LIMIT_MS = 90_000
# how bright the brightest point of any canvas is
BRIGHTEST = """() => Math.max(0, ...[...document.querySelectorAll('canvas')].map(c => {
    const k = document.createElement('canvas'); k.width = 64; k.height = 64;
    const p = k.getContext('2d'); p.drawImage(c, 0, 0, 64, 64);
    return Math.max(...p.getImageData(0, 0, 64, 64).data.filter((_, i) => i % 4 !== 3)); }))"""


@dataclass
class Room:
    """Where the viewer answers, and the study on disk."""

    address: str
    cookie: str
    uid: str
    faults: list[str]


def served(app: object) -> tuple[BaseWSGIServer, threading.Thread]:
    server = make_server("127.0.0.1", 0, app, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    return server, thread


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = Path(os.environ["FIRN_OHIF"]).resolve()
    viewer = installed(folder) or install(folder)
    world = World(tmp_path_factory.mktemp("ohif"), TAPES_ONLY)
    uid = world.receive(ct_study("ohif", PEOPLE[1], 12, 128))
    services = services_over(world)
    app = create_app(services)
    now = world.clock.now()
    world.catalog.accounts.add("viewer", "Somebody", Role.VIEWER, "no password fits this", False, "test", now)
    world.catalog.accounts.sign_in("viewer", "t" * 16, "127.0.0.1", now)
    cookie = app.session_interface.get_signing_serializer(app).dumps({TOKEN: "t" * 16})  # type: ignore[attr-defined]
    pages, first = served(app)
    site, second = served(ViewerSite(viewer, Backend("127.0.0.1", pages.server_port)))
    yield Room(f"http://127.0.0.1:{site.server_port}", str(cookie), uid, [])
    for server, thread in ((site, second), (pages, first)):
        server.shutdown()
        thread.join()
        server.server_close()
    world.close()


@pytest.fixture(scope="module")
def page(room: Room) -> Iterator[Page]:
    gl = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=gl)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": "firn_session", "value": room.cookie, "url": room.address}])
        made = context.new_page()
        made.set_default_timeout(LIMIT_MS)
        made.on("console", lambda said: room.faults.append(said.text) if said.type == "error" else None)
        yield made
        browser.close()


def test_the_list_shows_the_studies(room: Room, page: Page) -> None:
    page.goto(room.address)
    page.get_by_text("CT Thorax").first.wait_for()
    if shots := os.environ.get("FIRN_OHIF_SHOTS"):
        page.screenshot(path=f"{shots}/ohif-list.png")


def test_a_study_opens_and_shows_pixels(room: Room, page: Page) -> None:
    page.goto(f"{room.address}/viewer?StudyInstanceUIDs={room.uid}")
    page.wait_for_function(f"() => ({BRIGHTEST})() > 100")
    if shots := os.environ.get("FIRN_OHIF_SHOTS"):
        page.screenshot(path=f"{shots}/ohif-study.png")
    assert not [fault for fault in room.faults if "Content Security Policy" in fault], room.faults
