"""Jobs found, followed, taken back and tried again; events and who did what; each as a list and as CSV."""

import csv
import io

import pytest
from flask.testing import FlaskClient

from drivers.base import Barcode
from hsm.access.actor import Actor, Via
from hsm.access.roles import Role
from hsm.catalog.audit import AuditFilter, AuditOutcome, ObjectKind
from hsm.catalog.records import JobRequest
from hsm.states import JobKind, JobState
from tests.web.reader import read
from tests.web.test_library import press
from tests.web.world import World, browser
from web.views import jobs as view

A1 = Barcode("A00001L8")


def submit(world: World, kind: JobKind, by: str, key: str = "") -> int:
    request = JobRequest(kind, key or f"{kind}:{by}", barcode=A1, payload={"library": "tape"}, requested_by=by)
    return world.catalog.jobs.submit(request, world.clock.now())[0]


def shown(client: FlaskClient, path: str) -> list[str]:
    """The links to single jobs of a list."""
    links = read(client.get(path).text).links
    return list(dict.fromkeys(link for link in links if link.startswith("/jobs/")))


def table(client: FlaskClient, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(path).text.removeprefix("\ufeff"))))


def test_jobs_are_confined_by_who_asked_where_and_when(busy_world: World) -> None:
    catalog, now = busy_world.catalog, busy_world.clock.now()
    mine = submit(busy_world, JobKind.SCAN, "anna")
    catalog.jobs.start(mine, now, A1, "TD0002")
    client = browser(busy_world.services())
    assert shown(client, "/jobs?by=anna") == [f"/jobs/{mine}"]
    assert shown(client, "/jobs?drive=TD0002") == [f"/jobs/{mine}"]
    assert shown(client, "/jobs?from=2026-03-05&by=anna&to=2026-03-05") == [f"/jobs/{mine}"]
    assert shown(client, "/jobs?from=2026-03-06") == shown(client, "/jobs?to=2026-03-04") == []
    assert shown(client, "/jobs?from=yesterday") == shown(client, "/jobs")
    page = read(client.get("/jobs?by=anna").text)
    assert page.labelled["CSV of what fits"] == "/jobs.csv?by=anna"


def test_jobs_as_csv_are_whole(busy_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "READ_AT_ONCE", 2)
    submit(busy_world, JobKind.SCAN, "=cmd|' /C calc'!A0")
    rows = table(browser(busy_world.services()), "/jobs.csv")
    assert [int(row["job"]) for row in rows] == [job.id for job in busy_world.catalog.jobs.list(limit=1000)]
    assert rows[0]["requested_by"] == "'=cmd|' /C calc'!A0"


def test_a_job_shows_its_log_newest_first_and_what_went_wrong(world: World, client: FlaskClient) -> None:
    jobs, now = world.catalog.jobs, world.clock.now()
    number = submit(world, JobKind.VERIFY, "anna")
    assert "Nothing is written yet" in read(client.get(f"/jobs/{number}").text).text
    jobs.start(number, now, A1, "TD0001", "<b>because</b>")
    jobs.progress(number, 5_000_000, "reading pack 1 of 3", now=now)
    jobs.fail(number, "could not read block 812", now)
    page = read(client.get(f"/jobs/{number}").text)
    assert page.faults == []
    newest, oldest = page.text.index("Given up: could not read block 812"), page.text.index("in drive TD0001")
    assert newest < page.text.index("reading pack 1 of 3") < page.text.index("<b>because</b>") < oldest
    assert page.labelled["tape/0"] == "/library/tape/drives/0"


def test_what_a_person_asked_for_is_taken_back_and_what_failed_is_tried_again(
    world: World, client: FlaskClient
) -> None:
    jobs, now = world.catalog.jobs, world.clock.now()
    number = submit(world, JobKind.INVENTORY, "anna")
    assert "Only what was given up" in read(client.get(f"/jobs/{number}").text).text
    assert "Cancelled." in press(client, f"/jobs/{number}/cancel")[1].text
    assert jobs.get(number).state == JobState.CANCELLED
    policys = submit(world, JobKind.VERIFY, "policy")
    assert "The policy asked for it" in press(client, f"/jobs/{policys}/cancel")[1].text
    jobs.start(policys, now)
    jobs.fail(policys, "broken", now)
    assert "in the queue again" in press(client, f"/jobs/{policys}/retry")[1].text
    assert jobs.get(policys).state == JobState.QUEUED
    assert "Nothing was changed" in press(client, f"/jobs/{policys}/retry")[1].text
    actions = [entry.action for entry in world.catalog.audit.list(AuditFilter(actor="a-administrator", kind="job"))]
    assert actions == ["job_requeued", "job_cancelled"]


def test_staff_take_back_recalls_and_leave_the_machines_alone(world: World) -> None:
    client = browser(world.services(), Role.STAFF)
    number = submit(world, JobKind.INVENTORY, "anna")
    assert "not change it" in client.get(f"/jobs/{number}").text
    for action in ("cancel", "retry"):
        assert press(client, f"/jobs/{number}/{action}")[0] == 403
    assert world.catalog.jobs.get(number).state == JobState.QUEUED


def test_staff_take_their_own_wish_back_and_leave_the_job_to_whoever_else_waits(world: World) -> None:
    client, now = browser(world.services(), Role.STAFF), world.clock.now()
    uid = world.nearline()
    mine = world.catalog.recalls.request(uid, requested_by="a-staff", now=now)
    world.catalog.recalls.request(uid, requested_by="<b>PACS</b>", now=now)
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,))
    page = read(client.get(f"/jobs/{job.id}").text).text
    assert "<b>PACS</b>" in page and "Cancel for all 2 who wait" in page
    assert "end for everybody" in page and "goes on for the 1 other request" in page
    assert press(client, f"/jobs/{job.id}/cancel")[0] == 403
    press(client, f"/requests/{mine}/cancel")
    assert world.catalog.jobs.get(job.id).state == JobState.QUEUED
    page = read(client.get(f"/jobs/{job.id}").text).text
    assert "Take my wish back" not in page and "for all" not in page


def test_events_are_confined_by_person_and_time_and_read_as_csv(world: World, client: FlaskClient) -> None:
    now = world.clock.now()
    for by in ("anna", "bob"):
        world.catalog.events.record("info", "thing_done", "@subject", {"by": by, "note": "=1"}, now)
    text = read(client.get("/events?by=anna").text).text
    assert "by=anna" in text
    assert "by=bob" not in text
    rows = table(client, "/events.csv?name=thing_done&from=2026-03-05&to=2026-03-05")
    assert [(row["subject"], row["details"]) for row in rows] == [
        ("'@subject", "by=bob; note==1"),
        ("'@subject", "by=anna; note==1"),
    ]
    assert table(client, "/events.csv?name=thing_done&to=2026-03-04") == []


def test_who_did_what_is_for_administrators_and_is_found_by_everything(world: World, client: FlaskClient) -> None:
    now, audit = world.clock.now(), world.catalog.audit
    audit.record(Actor("anna", Via.DICOM, "192.0.2.9"), "study_looked_at", ObjectKind.STUDY, "1.2.3", now)
    audit.record(
        Actor("<i>eve</i>", Via.API), "access_refused", ObjectKind.PAGE, "people.index", now, AuditOutcome.REFUSED
    )
    page = read(client.get("/audit").text)
    assert page.faults == []
    for words in ("anna", "DICOM, 192.0.2.9", "study looked at", "<i>eve</i>", "refused", "2026-03-05 14:30:00 UTC"):
        assert words in page.text
    assert "/studies/1.2.3" in page.links
    for path in ("actor=anna", "action=study_looked_at", "kind=study", "object=1.2.3"):
        assert [row["actor"] for row in table(client, f"/audit.csv?{path}")] == ["anna"]
    assert [row["actor"] for row in table(client, "/audit.csv?outcome=refused")] == ["<i>eve</i>"]
    assert "No entry fits" in client.get("/audit?actor=nobody").text
    archivist = browser(world.services(), Role.ARCHIVIST)
    assert archivist.get("/audit").status_code == archivist.get("/audit.csv").status_code == 403
    assert "/audit" not in read(archivist.get("/events").text).links
    assert read(client.get("/events").text).labelled["Who did what"] == "/audit"
