"""`make screenshots`: every page as each of three people sees it, light and dark, on a desk and on a phone.

All of them go into var/screenshots; a few small ones, which the README shows, into docs/screenshots. ARGS=chosen takes
only those.
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from appliance.web_server import pages as web_pages
from tests.browser.appliance import Appliance, running
from tests.browser.conftest import CHROMIUM, PATIENCE_MS, sign_in
from tests.browser.test_every_page import DESK, PHONE, examples_of, visited
from tests.support.routes import FOR_PROGRAMS
from tests.support.routes import pages as addresses

ROOT = Path(__file__).parents[2]
EVERYTHING, CHOSEN = ROOT / "var" / "screenshots", ROOT / "docs" / "screenshots"
MOST_BYTES = 150_000
# (who, scheme, desk or phone, endpoint) -> name of the picture in the README
BEST = {
    ("admin", "light", "desk", "dashboard.show"): "overview",
    ("staff", "light", "desk", "studies.index"): "studies",
    ("staff", "dark", "desk", "studies.show"): "study-dark",
    ("archivist", "light", "desk", "library.show"): "library",
    ("staff", "light", "phone", "studies.index"): "studies-phone",
}


def main(only_chosen: bool) -> None:
    """Take them all, or only those of the README."""
    with tempfile.TemporaryDirectory(prefix="firn-screenshots-") as folder, running(Path(folder)) as house:
        with house.catalog() as catalog:
            app = web_pages(house.config, catalog)
            found = addresses(app, examples_of(house, catalog), FOR_PROGRAMS)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for who in ("staff", "archivist", "admin"):
                _as(who, browser, house, found, only_chosen)
            browser.close()


def _as(who: str, browser: Browser, house: Appliance, found: dict[str, str], only_chosen: bool) -> None:
    endpoint_of = {address: endpoint for endpoint, address in found.items()}
    chosen = {endpoint for someone, _, _, endpoint in BEST if someone == who}
    for size, viewport in (("desk", DESK), ("phone", PHONE)):
        context = browser.new_context(base_url=house.address, viewport=viewport)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        sign_in(page, house, who)
        for address in visited(page, {e: a for e, a in found.items() if e in chosen or not only_chosen}):
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                _take(page, who, scheme, size, endpoint_of[address])
        context.close()


def _take(page: Page, who: str, scheme: str, size: str, endpoint: str) -> None:
    path = EVERYTHING / who / f"{endpoint}-{size}-{scheme}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True)
    name = BEST.get((who, scheme, size, endpoint))
    if name is None:
        return
    CHOSEN.mkdir(parents=True, exist_ok=True)
    picture = Image.open(BytesIO(page.screenshot()))
    for quality in (90, 80, 70, 60, 50):
        picture.save(CHOSEN / f"{name}.webp", quality=quality, method=6)
        if (CHOSEN / f"{name}.webp").stat().st_size <= MOST_BYTES:
            break
    print(CHOSEN / f"{name}.webp", (CHOSEN / f"{name}.webp").stat().st_size, "bytes", flush=True)


if __name__ == "__main__":
    main("chosen" in sys.argv[1:])
