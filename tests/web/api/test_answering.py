"""How the API takes what it is sent, and how it refuses."""

import json
from dataclasses import replace

import pytest

from hsm.access.roles import Right, Role
from tests.web.api.conftest import Program, program
from tests.web.reader import read
from tests.web.test_security import ORIGIN
from tests.web.world import World, browser, busy
from web.app import create_app
from web.security import MAX_FORM_BYTES

PROBLEM = "application/problem+json"
HOLD = {"study_instance_uid": "1.2.3.1", "reason": "trial"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**HOLD, "reason": " "}, "reason"),
        ({**HOLD, "reason": "a\x00b"}, "reason"),
        ({**HOLD, "reason": "x" * 201}, "reason"),
        ({**HOLD, "days": "3"}, "days"),
        ({**HOLD, "days": 0}, "days"),
        ({**HOLD, "mood": "bad"}, "mood"),
        ({"reason": "trial"}, "study_instance_uid"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_wrong_body_is_told_field_by_field_and_changes_nothing(
    world: World, boss: Program, body: object, field: str
) -> None:
    world.receive("1.2.3.1")
    answer = boss.ask(
        "POST",
        "/api/v1/holds",
        json.loads(json.dumps(body)) if body is not None else None,
        Content_Type="application/json",
    )
    assert answer.content_type == PROBLEM
    assert answer.json is not None
    assert answer.status_code == (422 if body is not None else 400)
    assert body is None or answer.json["errors"][0]["field"] == field
    assert world.catalog.holds.list() == []


def test_a_body_that_is_no_json_or_too_large_is_refused(world: World, boss: Program) -> None:
    headers = {"Authorization": f"Bearer {boss.token}"}
    for data, kind, status in (
        (b"reason=x", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b'{"reason": "\\ud800"}', "application/json", 400),
        (b'"' + b"x" * MAX_FORM_BYTES + b'"', "application/json", 413),
    ):
        answer = boss.client.post("/api/v1/holds", headers=headers, data=data, content_type=kind)
        assert (answer.status_code, answer.content_type) == (status, PROBLEM)


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=201",
        "?limit=x",
        "?limit=1_0",
        "?limit=1&limit=2",
        "?cursor=a",
        "?colour=red",
        "?state=tired",
        "?q=%00",
    ],
)
def test_a_wrong_query_is_refused_by_name(boss: Program, query: str) -> None:
    path = "/api/v1/studies" if query == "?q=%00" else "/api/v1/jobs"
    found = boss.get(path + query, 422)
    assert found["errors"][0]["field"] == query.partition("=")[0]


def test_a_list_is_read_page_by_page_without_missing_or_repeating_anything(world: World, boss: Program) -> None:
    busy(world)
    for path, key in (
        ("/api/v1/studies?", "study_instance_uid"),
        ("/api/v1/jobs?", "id"),
        ("/api/v1/events?", "id"),
        ("/api/v1/volumes?", "barcode"),
        ("/api/v1/volumes/A00001L8/packs?", "sequence"),
    ):
        whole = [item[key] for item in boss.get(f"{path}limit=200")["items"]]
        assert len(whole) == len(set(whole)) > 2
        found, cursor = [], ""
        while True:
            page = boss.get(f"{path}limit=2&cursor={cursor}")
            found += [item[key] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == whole, path
    assert boss.get("/api/v1/studies?cursor=99999", 404)


def test_a_search_finds_what_the_page_finds(world: World, boss: Program) -> None:
    busy(world)
    (found,) = boss.get("/api/v1/studies?q=okafor")["items"]
    assert (found["study_instance_uid"], found["availability"], found["size_bytes"]) == (
        "1.2.3.9",
        "NEARLINE",
        160_000_000,
    )
    assert found["patient_name"] == "Okafor^Chidi" and found["received_at"].endswith("Z")
    assert {item["availability"] for item in boss.get("/api/v1/studies?show=nearline")["items"]} == {"NEARLINE"}


def test_a_stale_write_is_refused_and_a_fresh_one_is_done(world: World, boss: Program) -> None:
    rules = {"text": 'rule "one":\n    copy to tape_a, tape_b\n'}
    assert boss.ask("POST", "/api/v1/policies", rules).status_code == 428
    seen = boss.ask("GET", "/api/v1/policies/current")
    tag = seen.headers["ETag"]
    assert boss.ask("GET", "/api/v1/policies/current", If_None_Match=tag).status_code == 304
    made = boss.ask("POST", "/api/v1/policies", rules, If_Match=tag)
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/policies/2")
    again = boss.ask("POST", "/api/v1/policies", rules, If_Match=tag)
    assert again.status_code == 412 and again.json is not None and "Read it again" in again.json["detail"]
    assert [version.author for version in world.catalog.policies.history()] == ["a-administrator", "A. Archivist"]
    assert boss.get("/api/v1/policies/2")["text"] == rules["text"]


def test_faulty_rules_are_not_put_in_force_and_every_fault_is_named(world: World, boss: Program) -> None:
    tag = boss.ask("GET", "/api/v1/policies/current").headers["ETag"]
    answer = boss.ask("POST", "/api/v1/policies", {"text": 'rule "x":\n    copy to moon\n'}, If_Match=tag)
    assert answer.status_code == 422 and answer.json is not None and "moon" in answer.json["errors"][0]["message"]
    found = boss.ask("POST", "/api/v1/policies/check", {"text": "copy everything"}).json
    assert found is not None and not found["valid"] and found["findings"][0]["line"] == 1
    assert len(world.catalog.policies.history()) == 1


def test_a_recall_is_asked_for_and_followed(world: World) -> None:
    uid = world.nearline()
    staff = program(world, Role.STAFF)
    made = staff.ask("POST", "/api/v1/recalls", {"study_instance_uid": uid})
    assert made.status_code == 201
    found = staff.get(made.headers["Location"])
    assert (found["requested_by"], found["missing_instances"], found["done"], found["place_in_queue"]) == (
        "a-staff",
        4,
        False,
        1,
    )
    job = staff.get(f"/api/v1/jobs/{found['jobs'][0]['id']}")
    assert (job["kind"], job["state"], job["size_bytes"]) == ("recall", "queued", 160_000_000)
    (entry,) = world.catalog.events.list(name="recall_requested")
    assert entry.fields["requested_by"] == "a-staff"
    assert staff.ask("POST", "/api/v1/recalls", {"study_instance_uid": "1.2.99"}).status_code == 404


def test_a_delivery_is_asked_for_followed_and_taken_back(world: World) -> None:
    uid = world.receive("1.2.3.1")
    services = replace(world.services(), destinations=lambda: ("WS1",))
    staff = Program(create_app(services).test_client(), program(world, Role.STAFF).token)
    refused = staff.ask("POST", "/api/v1/deliveries", {"study_instance_uid": uid, "destination": "WS2"})
    assert refused.status_code == 422 and refused.json is not None
    assert "destination" in str(refused.json["errors"])
    made = staff.ask("POST", "/api/v1/deliveries", {"study_instance_uid": uid, "destination": "WS1"})
    assert made.status_code == 201
    found = staff.get(made.headers["Location"])
    assert (found["state"], found["requested_by"], found["recall_id"]) == ("queued", "a-staff", None)
    assert [one["id"] for one in staff.get("/api/v1/deliveries?state=queued")["items"]] == [found["id"]]
    assert staff.ask("POST", f"/api/v1/deliveries/{found['id']}/again").status_code == 409
    assert program(world, Role.ARCHIVIST).ask("POST", f"/api/v1/deliveries/{found['id']}/cancel").status_code == 403
    cancelled = staff.ask("POST", f"/api/v1/deliveries/{found['id']}/cancel").json
    assert cancelled is not None and cancelled["state"] == "cancelled"


def test_what_a_study_has_is_told_in_parts(world: World, boss: Program) -> None:
    uid = world.nearline()
    base = f"/api/v1/studies/{uid}"
    assert boss.get(base)["instance_count"] == 4
    assert [series["number"] for series in boss.get(f"{base}/series")["items"]] == [1, 2]
    assert {copy["barcode"] for copy in boss.get(f"{base}/copies")["items"]} == {"A00001L8", "B00001L8"}
    assert boss.get(f"{base}/availability")["volumes"][0]["barcode"] == "A00001L8"
    assert boss.get(f"{base}/why")["sentences"]
    for part in ("", "/series", "/copies", "/availability", "/why"):
        assert boss.get(f"/api/v1/studies/1.2.99{part}", 404)
        assert boss.get(f"/api/v1/studies/1.2x{part}", 404)


def test_holds_are_placed_and_lifted(world: World, boss: Program) -> None:
    world.receive("1.2.3.1")
    made = boss.ask("POST", "/api/v1/holds", {**HOLD, "days": 30})
    assert made.status_code == 201 and made.json is not None
    assert made.json["until"] == "2026-04-04T14:30:00Z"
    assert boss.ask("POST", made.headers["Location"] + "/lift", {"reason": "settled"}).status_code == 200
    assert boss.get("/api/v1/holds")["items"] == []
    assert boss.get("/api/v1/holds?over=true")["items"][0]["lifted_at"]
    assert boss.get("/api/v1/holds/77", 404)


def test_accounts_are_looked_after(world: World, boss: Program) -> None:
    made = boss.ask("POST", "/api/v1/people", {"name": "bert", "role": "staff"})
    assert made.status_code == 201 and made.json is not None and len(made.json["password"]) == 19
    assert boss.ask("POST", "/api/v1/people", {"name": "bert", "role": "staff"}).status_code == 409
    tag = boss.ask("GET", "/api/v1/people/bert").headers["ETag"]
    changed = boss.ask("PUT", "/api/v1/people/bert/role", {"role": "viewer"}, If_Match=tag)
    assert changed.json is not None and changed.json["role"] == "viewer"
    assert boss.ask("PUT", "/api/v1/people/bert/role", {"role": "archivist"}, If_Match=tag).status_code == 412
    assert boss.ask("POST", "/api/v1/people/bert/close").status_code == 200
    assert boss.get("/api/v1/people/bert")["disabled"]
    assert boss.ask("POST", "/api/v1/people/bert/open").status_code == 200
    assert boss.ask("POST", "/api/v1/people/bert/password").status_code == 200
    assert boss.ask("POST", "/api/v1/people/a-administrator/close").status_code == 409
    assert boss.get("/api/v1/people/nobody", 404)


def test_ones_own_tokens_are_listed_and_taken_back(world: World, boss: Program) -> None:
    staff = program(world, Role.STAFF)
    (mine,) = staff.get("/api/v1/tokens")["items"]
    assert len(boss.get("/api/v1/tokens")["items"]) == 2
    (first,) = [token for token in boss.get("/api/v1/tokens")["items"] if token["owner"] == "a-administrator"]
    assert staff.ask("DELETE", f"/api/v1/tokens/{first['id']}").status_code == 404
    assert staff.ask("DELETE", f"/api/v1/tokens/{mine['id']}").status_code == 204
    assert staff.get("/api/v1/me", 401)


def test_the_house_as_a_whole(world: World, boss: Program) -> None:
    busy(world)
    found = boss.get("/api/v1/status")
    assert (found["engine"], found["studies"], found["unsafe_studies"]) == ("archive-1:engine:4711", 6, 4)
    assert found["disk"]["high_water_pct"] == 85
    assert [pool["name"] for pool in found["pools"]] == ["tape_a", "tape_b", "disc"]
    libraries = boss.get("/api/v1/libraries")["items"]
    assert [(library["name"], library["drives"]) for library in libraries] == [("jukebox", 1), ("tape", 2)]
    assert len(boss.get("/api/v1/libraries/tape")["items"]) == 16
    assert boss.get("/api/v1/libraries/moon", 404)
    assert boss.get("/api/v1/drives/tape/1")["state"] == "failed"
    assert len(boss.get("/api/v1/drives")["items"]) == 3
    assert boss.get("/api/v1/wanted-volumes")["items"] == []
    assert boss.get("/api/v1/volumes/A00001L8")["pool"] == "tape_a"


def test_a_session_of_another_site_can_do_nothing(world: World) -> None:
    uid = world.nearline()
    client = browser(world.services(), Role.STAFF)
    body = {"study_instance_uid": uid}
    for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        answer = client.post("/api/v1/recalls", headers=headers, json=body)
        assert (answer.status_code, answer.content_type) == (403, PROBLEM)
    assert world.catalog.recalls.list() == []
    assert client.post("/api/v1/recalls", headers={"Origin": ORIGIN}, json=body).status_code == 201


def test_the_document_names_every_route_with_its_scope(boss: Program) -> None:
    document = boss.get("/api/v1/openapi.json")
    assert document["openapi"].startswith("3.1")
    app = boss.client.application
    routes = {
        rule.endpoint.removeprefix("api.") for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")
    }
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert {one["operationId"] for one in operations} == routes - {"openapi_json", "docs"}
    assert {one["x-firn-scope"] for one in operations} <= set(Right)
    assert all(one["summary"] and "401" in one["responses"] and "403" in one["responses"] for one in operations)


def test_the_page_about_the_api_keeps_to_the_strict_policy(world: World) -> None:
    page = read(browser(world.services(), Role.VIEWER).get("/api/v1/docs").text)
    assert page.faults == []
    assert "/api/v1/recalls" in page.text and "NewRecall" in page.text
    targets = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert targets <= set(page.ids) | {"content"}
