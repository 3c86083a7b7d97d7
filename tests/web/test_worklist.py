"""The worklist page and the orders of the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hsm.access.roles import Role
from hsm.orders.hl7_answer import take
from hsm.orders.model import OrderFields
from hsm.orders.prefetching import prefetch
from hsm.states import OrderState
from tests.web.api.conftest import program
from tests.web.forms import form_with, send
from tests.web.reader import read
from tests.web.world import CHINESE, HOSTILE, NOW, RULES, World, browser

TOMORROW = NOW + timedelta(days=1)
PRIORS = RULES + '\nrule "priors":\n    prefetch the last 2 priors of the same modality 2 days before the appointment\n'


def test_staff_place_change_and_take_back_an_order(world: World) -> None:
    staff = browser(world.services(), Role.STAFF)
    page = staff.get("/worklist")
    assert "No appointment" in page.text and read(page.text).faults == []
    form = form_with(page.text, "patient_id")
    wrong = send(staff, form, patient_id="P1", modality="c-t", at="soon", minutes="0", birth_date="never")
    assert wrong.status_code == 422 and read(wrong.text).faults == []
    assert "Write a time as" in wrong.text and "1 to 1440" in wrong.text and "Write a day as" in wrong.text
    wrong = send(staff, form, patient_id="P1", modality="c-t", at="2026-03-06T09:00")
    assert wrong.status_code == 422 and "capital letters" in wrong.text
    placed = send(staff, form, patient_id="P1", modality="ct", at="2026-03-06T09:00", patient_name="Meyer^Anna")
    assert placed.request.path == "/worklist/1" and "Meyer, Anna" in placed.text
    change = form_with(placed.text, "seen")
    assert send(staff, change, body_part="head").status_code == 200
    stale = send(staff, change, body_part="knee")
    assert stale.status_code == 409 and "changed this order meanwhile" in stale.text
    assert send(staff, form_with(stale.text, "seen"), modality="").status_code == 422
    fields = world.catalog.orders.get(1).fields
    assert (fields.body_part, fields.scheduled_at) == ("HEAD", datetime(2026, 3, 6, 9, tzinfo=UTC))
    cancel = form_with(stale.text, "reason")
    assert send(staff, cancel).status_code == 422
    assert send(staff, cancel, reason="by mistake").status_code == 200
    assert world.catalog.orders.get(1).state is OrderState.CANCELLED
    assert send(staff, form_with(stale.text, "seen")).status_code == 409
    assert staff.get("/worklist/7").status_code == 404
    assert "by mistake" in staff.get("/worklist/1").text


def test_the_worklist_says_whether_the_priors_are_on_disk_and_why_they_come(world: World) -> None:
    world.receive("1.2.3.7", modality="CT")
    world.receive("1.2.3.8", modality="MR")
    world.catalog.policies.publish(PRIORS, "test", NOW)
    world.catalog.orders.place(OrderFields("P1", "CT", TOMORROW, patient_name=HOSTILE[:60]), "anna", NOW)
    world.catalog.orders.place(OrderFields("P2", "CT", TOMORROW, patient_name=CHINESE[:60]), "anna", NOW)
    take(b"PID", "192.0.2.7", world.catalog, UTC, NOW)
    assert prefetch(world.catalog, NOW) == 1
    viewer = browser(world.services(), Role.VIEWER)
    page = read(viewer.get("/worklist?day=2026-03-06").text)
    assert page.faults == []
    assert "all 2 on disk" in page.text and "1 HL7 message could not be understood" in page.text
    assert "2 appointments on 2026-03-06" in page.text and "may look at orders" in page.text
    order = read(viewer.get("/worklist/1").text)
    assert order.faults == [] and "this is prior 1" in order.text and "Not asked for by any rule" in order.text
    study = viewer.get("/studies/1.2.3.7").text
    assert "Appointments it is wanted for" in study and "Prefetch for appointment 1" in study


def test_programs_place_change_and_cancel_orders(world: World) -> None:
    boss = program(world)
    body = {"patient_id": "P1", "modality": "CT", "scheduled_at": "2026-03-06T09:00:00Z"}

    def said(method: str, path: str, given: dict[str, str], status: int) -> Any:
        answer = boss.ask(method, f"/api/v1/{path}", given)
        assert answer.status_code == status, answer.text
        return answer.json

    made = said("POST", "orders", body, 201)
    assert made["accession_number"] == "F1" and made["state"] == "scheduled"
    changed = said("PUT", "orders/1", body | {"body_part": "HEAD", "birth_date": "1970-02-03"}, 200)
    assert (changed["body_part"], changed["accession_number"]) == ("HEAD", "F1")
    said("PUT", "orders/1", body | {"station_aet": " "}, 422)
    assert boss.get("/api/v1/orders?since=2026-03-06T00:00:00Z&state=scheduled")["items"][0]["id"] == 1
    assert boss.get("/api/v1/orders?patient_id=P2")["items"] == []
    assert said("POST", "orders/1/cancel", {"reason": "by mistake"}, 200)["state"] == "cancelled"
    said("PUT", "orders/1", body, 409)
