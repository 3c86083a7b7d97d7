"""Every page there is, as the administrator sees it: accessible in light and dark, no wider than a phone, quiet."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

from appliance.web_server import pages as web_pages
from hsm.catalog import Catalog
from tests.browser.appliance import Appliance
from tests.support.routes import FOR_PROGRAMS
from tests.support.routes import pages as addresses

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
TOO_WIDE = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""


def examples_of(appliance: Appliance, catalog: Catalog) -> dict[str, str]:
    """What to put into the addresses of pages."""
    job = catalog.jobs.list(limit=1)[0]
    volume = next(volume for volume in catalog.volumes.list() if volume.last_sequence)
    return {
        "uid": appliance.nearline[0].study_uid,
        "barcode": volume.barcode,
        "job_id": str(job.id),
        "number": "1",
        "drives.show.name": volume.library or "",
        "index": "0",
        "ae_title": "WORKSTATION",
    }


@pytest.fixture(scope="module")
def all_pages(appliance: Appliance) -> dict[str, str]:
    """The addresses of all pages, by endpoint."""
    with appliance.catalog() as catalog:
        return addresses(web_pages(appliance.config, catalog), examples_of(appliance, catalog), FOR_PROGRAMS)


def visited(page: Page, found: dict[str, str]) -> Iterator[str]:
    """Go to one page after the other; files and parts of pages are left out."""
    for address in found.values():
        answer = page.request.get(address)
        if answer.ok and answer.text().lstrip().lower().startswith("<!doctype html"):
            page.goto(address)
            yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_accessibility(
    seated: Callable[..., Page], all_pages: dict[str, str], scheme: str
) -> None:
    page = seated("admin", color_scheme=scheme, viewport=DESK)
    broken: list[str] = []
    for address in visited(page, all_pages):
        result = Axe().run(page)
        for violation in result.response["violations"]:
            where = "; ".join(str(node["html"])[:160] for node in violation["nodes"][:2])
            broken.append(f"{address}: {violation['id']}: {where}")
    assert not broken, "\n".join(broken)


def test_no_page_is_wider_than_a_phone_and_none_says_anything_on_the_console(
    seated: Callable[..., Page], all_pages: dict[str, str]
) -> None:
    page = seated("admin", viewport=PHONE, has_touch=True)
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    wide = {address: over for address in visited(page, all_pages) if (over := page.evaluate(TOO_WIDE)) > 0}
    assert wide == {}
    assert said == []


WHERE = """() => {
    const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    const marked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
    return [e.outerHTML.slice(0, 120), marked && box.bottom > 0 && box.top < innerHeight];
}"""
REACHABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter(
    (e) => e.checkVisibility() && !e.disabled && e.type !== 'hidden' && e.tabIndex >= 0).length"""
STEPS = 30


@pytest.mark.parametrize("address", ["/", "/policies", "/library"])
def test_the_keyboard_alone_walks_through_a_page_and_one_sees_where_it_is(
    seated: Callable[..., Page], address: str
) -> None:
    page = seated("archivist", viewport=DESK)
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent").startswith("Skip to the content")
    wanted = min(page.evaluate(REACHABLE), STEPS)
    stops = [page.evaluate(WHERE)]
    for _ in range(wanted - 1):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement === document.body"):
            break  # behind the last stop, on the way out of the page
        stops.append(page.evaluate(WHERE))
    assert [html for html, visible in stops if not visible] == []
    assert len({html for html, _ in stops}) > wanted * 2 // 3  # it goes on, and is caught nowhere
