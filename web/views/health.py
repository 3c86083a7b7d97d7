"""Whether the process lives, and whether the house can work: for supervisors, plain text and without names."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response

from hsm.catalog.errors import CatalogUnavailable
from hsm.pool import PoolError
from web.access.gate import public
from web.services import ENGINE_LEASE, Services, services

pages = Blueprint("health", __name__)
log = structlog.get_logger()
OK = "ok"


@pages.get("/healthz")
@public
def alive() -> Response:
    """This process answers; it asks nobody else, so a lame database does not get it restarted."""
    return Response(f"{OK}\n", mimetype="text/plain")


@pages.get("/readyz")
@public
def ready() -> Response:
    """One line for each thing the house needs; 503 when one is missing."""
    found = {name: check(services()) for name, check in CHECKS.items()}
    text = "".join(f"{name}: {answer}\n" for name, answer in found.items())
    return Response(text, status=200 if set(found.values()) == {OK} else 503, mimetype="text/plain")


def catalog_answers(house: Services) -> str:
    """Whether the database can be asked."""
    try:
        house.catalog.jobs.version()
    except CatalogUnavailable as error:
        log.warning("catalog_not_answering", page="health.ready", error=type(error).__name__)
        return "does not answer"
    return OK


def pool_is_there(house: Services) -> str:
    """Whether the sentinel files are there and the reserve is free."""
    try:
        house.pool_check()
    except (OSError, PoolError) as error:
        log.warning("pool_not_ready", page="health.ready", error=type(error).__name__)
        return "not mounted, or full"
    return OK


def engine_is_alive(house: Services) -> str:
    """Whether somebody holds the lease of the engine."""
    try:
        holder = house.catalog.leases.holder(ENGINE_LEASE, house.clock.now())
    except CatalogUnavailable:
        return "not known: the catalog does not answer"
    return OK if holder else "not running"


CHECKS: dict[str, Callable[[Services], str]] = {
    "catalog": catalog_answers,
    "pool": pool_is_there,
    "engine": engine_is_alive,
}
