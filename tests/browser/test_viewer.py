"""The light viewer in a real browser: wheel, keys, dragging, presets, a phone, a big series, what comes back."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
from werkzeug.serving import make_server

from hsm.access.roles import Role
from hsm.cards import CardMaker, CardShelf
from hsm.rendering import Renderers
from tests.support.pages import services_over
from tests.support.studies import PEOPLE, ct_study
from tests.support.world import TAPES_ONLY, World
from web.access.gate import TOKEN
from web.app import create_app
from web.services import WebSettings

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
BIG = 240
SHOWN = "n => document.getElementById('stage').dataset.shown === String(n)"


@dataclass
class Room:
    """An archive that answers on this machine, and the cookie of somebody who is signed in."""

    world: World
    address: str
    cookie: str
    big: str
    away: str


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    world = World(tmp_path_factory.mktemp("viewer"), TAPES_ONLY)
    cards = CardMaker(world.catalog, world.pool, CardShelf(world.root / "cards"))
    away = world.receive(ct_study("browser-away", PEOPLE[3], 3, 64))
    cards.make(away)
    world.settle(rounds=8)
    big = world.receive(ct_study("browser-big", PEOPLE[1], BIG, 32))
    renderers = Renderers(2)
    services = services_over(
        world, settings=WebSettings(secret_key=b"s" * 32, poll_s=1), cards=cards, renderers=renderers
    )
    app = create_app(services)
    now = world.clock.now()
    world.catalog.accounts.add("staff", "Somebody", Role.STAFF, "no password fits this", False, "test", now)
    world.catalog.accounts.sign_in("staff", "t" * 16, "127.0.0.1", now)
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="test-http")
    thread.start()
    cookie = str(serializer.dumps({TOKEN: "t" * 16}))
    yield Room(world, f"http://127.0.0.1:{server.server_port}", cookie, big, away)
    server.shutdown()
    thread.join()
    server.server_close()
    renderers.close()
    cards.close()
    world.close()


def seat(room: Room, chromium: Browser, **options: object) -> tuple[BrowserContext, Page]:
    context = chromium.new_context(base_url=room.address, **options)  # type: ignore[arg-type]
    context.add_cookies([{"name": "firn_session", "value": room.cookie, "url": room.address}])
    context.set_default_timeout(30_000)
    return context, context.new_page()


def brightness(page: Page) -> float:
    """The mean grey of what the canvas shows."""
    return float(
        page.evaluate(
            """() => { const c = document.querySelector('#stage canvas');
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let s = 0; for (let i = 0; i < d.length; i += 4) s += d[i]; return s / (d.length / 4); }"""
        )
    )


def test_wheel_keys_dragging_and_presets_do_what_they_say(room: Room, chromium: Browser) -> None:
    context, page = seat(room, chromium, viewport={"width": 1280, "height": 900})
    faults: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning") and "willReadFrequently" not in said.text:  # this test reads the canvas
            faults.append(said.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"/studies/{room.big}/view?n=120")
    page.wait_for_function(SHOWN, arg=120)
    assert brightness(page) > 1, "it shows pixels"
    stage = page.locator("#stage")
    stage.hover()
    for _ in range(5):
        page.mouse.wheel(0, 100)
    page.wait_for_function("() => Number(document.getElementById('stage').dataset.shown) >= 125")
    stage.focus()
    for key, n in (("Home", 1), ("ArrowDown", 2), ("PageDown", 12), ("End", BIG), ("ArrowUp", BIG - 1)):
        page.keyboard.press(key)
        page.wait_for_function(SHOWN, arg=n)
    assert page.locator("#place").inner_text() == f"{BIG - 1} of {BIG}"
    page.keyboard.press("Home")
    page.wait_for_function(SHOWN, arg=1)
    before = brightness(page)
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 300, steps=8)
    page.wait_for_function("() => document.getElementById('windowed').textContent.startsWith('centre')")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 340, steps=4)
    page.mouse.up()
    page.wait_for_function("() => new URL(location.href).searchParams.has('window')")
    assert abs(brightness(page) - before) > 0.5, "another window shows another picture"
    page.get_by_label("Window", exact=True).select_option(label="Bone")
    page.wait_for_function("() => document.getElementById('windowed').textContent === 'centre 480, width 2500'")
    page.keyboard.press("Tab")
    page.get_by_label("Window", exact=True).select_option(label="As the image says")
    assert page.locator("#windowed").inner_text() == "as the image says"
    page.get_by_role("button", name="Larger").click()
    assert not faults, faults
    assert Axe().run(page).response["violations"] == []
    context.close()


def test_a_big_series_is_scrolled_through_without_asking_for_all_of_it_nor_keeping_it(
    room: Room, chromium: Browser
) -> None:
    context, page = seat(room, chromium)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if one.url.endswith(".jpg") else None)
    page.goto(f"/studies/{room.big}/view?n=1")
    page.wait_for_function(SHOWN, arg=1)
    page.locator("#slice").fill(str(BIG))
    page.wait_for_function(SHOWN, arg=BIG)
    assert len(asked) < 90, "who jumps is not followed by all that lies between"
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_opens_nothing_that_is_away_until_it_is_back(
    room: Room, chromium: Browser, scheme: str
) -> None:
    context, page = seat(room, chromium, viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme)
    page.goto(f"/studies/{room.big}/view?n=1")
    page.wait_for_function(SHOWN, arg=1)
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    if scheme == "light":
        page.goto(f"/studies/{room.away}/view")
        assert page.evaluate(wide) <= 0 and "Not on disk" in page.inner_text("main")
        assert Axe().run(page).response["violations"] == []
        page.get_by_role("button", name="Bring back").click()
        page.get_by_text("Coming back.").wait_for()
        room.world.engine.drain()
        page.locator("#stage canvas").wait_for()
        page.wait_for_function("() => document.getElementById('stage').dataset.shown")
    context.close()


def test_without_scripts_links_lead_from_image_to_image(room: Room, chromium: Browser) -> None:
    context, page = seat(room, chromium, java_script_enabled=False)
    page.goto(f"/studies/{room.big}/view?n=7")
    page.get_by_role("link", name="Next", exact=True).click()
    assert "Image 8 of 240" in (page.locator("#stage img").get_attribute("alt") or "")
    page.get_by_role("link", name="Lung").click()
    assert "window=-600" in (page.locator("#stage img").get_attribute("src") or "")
    context.close()
