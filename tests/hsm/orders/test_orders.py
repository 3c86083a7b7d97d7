"""Orders in the catalog: completed by the study that arrives, refused when stale."""

from datetime import UTC, datetime, timedelta

import pytest

from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued
from hsm.orders.model import OrderFields, OrderRefused, changed, made
from hsm.states import IllegalTransition, OrderState
from tests.web.world import World as Stock
from tests.web.world import world_over

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)


def test_the_study_that_arrives_completes_its_order(catalog: Catalog, tmp_path: object) -> None:
    stock: Stock = world_over(tmp_path, catalog)  # type: ignore[arg-type]
    fields = OrderFields("P1", "CT", NOW, accession_number="ACC1")
    number = catalog.orders.place(fields, "ris", NOW - timedelta(days=3))
    other = catalog.orders.place(OrderFields("P2", "CT", NOW), "ris", NOW - timedelta(days=3))
    uid = stock.receive("1.2.3.4", accession="ACC1")
    assert catalog.orders.arrived([number, other]) == {number: uid}
    assert [order.id for order in catalog.orders.of_study(uid)] == [number]
    assert catalog.orders.settle(timedelta(days=9), stock.clock.now()) == 0
    assert catalog.orders.settle(timedelta(hours=1), stock.clock.now()) == 1
    assert catalog.orders.get(number).state is OrderState.COMPLETED
    with pytest.raises(IllegalTransition):
        catalog.orders.cancel(number, "too late", "test", NOW)


def test_what_cannot_be_kept_is_refused_with_every_fault(catalog: Catalog) -> None:
    good = {"patient_id": "P1", "modality": "CT", "scheduled_at": NOW}
    with pytest.raises(OrderRefused) as missing:
        made({})
    assert set(missing.value.faults) == {"patient_id", "modality", "scheduled_at"}
    bad = {
        "accession_number": "x" * 17,
        "patient_name": "A=B=C=D",
        "procedure": "a\nb",
        "body_part": "knee",
        "station_aet": "a\\b",
        "study_instance_uid": "one",
        "duration_s": 0,
        "scheduled_at": NOW.replace(tzinfo=None),
    }
    with pytest.raises(OrderRefused) as wrong:
        made(good | bad)
    assert set(wrong.value.faults) == set(bad)
    number = catalog.orders.place(made(good), "test", NOW)
    with pytest.raises(OrderRefused, match="cannot be taken away"):
        changed(catalog.orders.get(number).fields, {"patient_id": ""})
    with pytest.raises(OrderRefused, match="meanwhile"):
        catalog.orders.change(number, made(good), 7, "test", NOW)
    for asked in (
        lambda: catalog.orders.get(9),
        lambda: catalog.orders.settle_patient_change(9, NOW),
        lambda: catalog.order_messages.get(9),
        lambda: catalog.order_messages.settle(9, "test", NOW),
    ):
        with pytest.raises(NotCatalogued):
            asked()
    assert catalog.performed.find("1.2.3") is None
