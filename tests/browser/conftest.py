"""One appliance and one browser for all that is tried in front of a screen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser.appliance import Appliance, running

CHROMIUM = "/usr/bin/chromium"  # Debian's; the wheel's own browsers are never downloaded
PATIENCE_MS = 30_000  # how long a busy machine may take for one thing


@pytest.fixture(scope="package")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """A running appliance whose studies are on tape, but for one."""
    with running(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def states(appliance: Appliance, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each person, the cookies of a browser in which she is signed in; made once, signing in is dear on purpose."""
    folder = tmp_path_factory.mktemp("cookies")
    made = {}
    for name in ("staff", "archivist", "admin"):
        with chromium.new_context() as context:
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            sign_in(page, appliance, name)
            made[name] = folder / f"{name}.json"
            context.storage_state(path=made[name])
    return made


@pytest.fixture
def seated(appliance: Appliance, chromium: Browser, states: dict[str, Path]) -> Iterator[Callable[..., Page]]:
    """Put somebody who is signed in before a new browser; options are those of a browser context."""
    contexts: list[BrowserContext] = []

    def seat(name: str, **options: object) -> Page:
        context = chromium.new_context(
            base_url=appliance.address,
            storage_state=states[name],
            **options,  # type: ignore[arg-type]
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context.new_page()

    yield seat
    for context in contexts:
        context.close()


def sign_in(page: Page, appliance: Appliance, name: str) -> None:
    """Through the form, as everybody does."""
    page.goto(f"{appliance.address}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(appliance.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
