"""Error pages help, and say nothing about the inside."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from hsm.catalog.errors import CatalogUnavailable
from hsm.facts import DiskFacts
from tests.web.reader import read
from tests.web.world import World, browser


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", "no page at this address"),
        ("/studies/9.9.9", "no study with this UID"),
        ("/studies/<script>", "no study with this UID"),
        ("/volumes/NOSUCH", "No volume with this barcode"),
        ("/jobs/999", "no job with this number"),
        ("/jobs/99999999999999999999", "no job with this number"),
        ("/jobs/x", "no page at this address"),
        ("/policies/77", "no version 77"),
    ],
)
def test_what_is_not_there_gets_a_page_that_leads_on(busy_client: FlaskClient, path: str, words: str) -> None:
    answer = busy_client.get(path)
    page = read(answer.text)
    assert answer.status_code == 404
    assert words in page.text
    assert page.faults == []
    assert "/studies" in page.links


def test_a_wrong_method_is_named(busy_client: FlaskClient) -> None:
    answer = busy_client.get("/studies/1.2.3.1/recall")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def failing(world: World, error: Exception) -> FlaskClient:
    def usage() -> DiskFacts:
        raise error

    return browser(replace(world.services(), pool_usage=usage))


def test_an_unexpected_error_leaks_nothing(world: World) -> None:
    with capture_logs() as logged:
        answer = failing(world, RuntimeError("Meyer^Anna at /srv/secret")).get("/")
    assert answer.status_code == 500
    (event,) = [line for line in logged if line["event"] == "page_failed"]
    assert event["error"] == "RuntimeError"
    assert event["reference"] in answer.text
    for secret in ("Meyer", "secret", "RuntimeError", "Traceback"):
        assert secret not in answer.text
    assert "Meyer" not in str(logged)
    assert any("usage" in where for where in event["where"])


def test_a_catalog_that_does_not_answer_is_a_matter_of_time(world: World) -> None:
    answer = failing(world, CatalogUnavailable("locked: secret")).get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "Nothing is lost" in answer.text
    assert "secret" not in answer.text


def test_health_says_what_is_missing(world: World, client: FlaskClient) -> None:
    assert client.get("/healthz").text == "ok\n"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "catalog: ok\npool: ok\nengine: not running\n")
    world.catalog.leases.take("engine", "somebody", world.clock.now(), 60)
    assert (client.get("/readyz").status_code, client.get("/readyz").text) == (
        200,
        "catalog: ok\npool: ok\nengine: ok\n",
    )
    (world.pool.directories[0] / ".firn-pool").unlink()
    assert "pool: not mounted, or full" in client.get("/readyz").text
    world.clock.sleep(61)
    assert "engine: not running" in client.get("/readyz").text


def test_health_survives_a_lame_catalog(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_work: Callable[..., Any]) -> Any:
        raise CatalogUnavailable("gone")

    client = browser(world.services())
    monkeypatch.setattr(world.catalog.database, "read", away)
    page = client.get("/studies")
    assert page.status_code == 503
    assert "Nothing is lost" in page.text
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "catalog: does not answer" in answer.text
    assert "engine: not known" in answer.text
