"""Figures for Prometheus, in its text format."""

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from hsm.access.roles import Right
from web.access.gate import needs
from web.metrics.families import families
from web.metrics.readings import Readings, readings
from web.problems import METRICS
from web.services import services

pages = Blueprint("metrics", __name__)


class _Once(Collector):
    """The readings of one scrape."""

    def __init__(self, made: tuple[Metric, ...]) -> None:
        self._made = made

    def collect(self) -> Iterator[Metric]:
        return iter(self._made)


def exposition(made: tuple[Metric, ...]) -> bytes:
    """Families in the text format 0.0.4, which every Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(made))
    return generate_latest(registry)


@pages.get(METRICS)
@needs(Right.METRICS)
def show() -> Response:
    """How full, how busy and how safe the house is. No label names a patient or a study."""
    house = services()
    now = house.clock.now()
    found: Readings = readings(house, now)
    return Response(exposition(tuple(families(now, found))), content_type=CONTENT_TYPE_PLAIN_0_0_4)
