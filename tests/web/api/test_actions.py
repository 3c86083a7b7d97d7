"""What programs ask of media, drives, jobs and recalls."""

import pytest

from drivers.base import Barcode
from hsm.access.actor import Via
from hsm.access.roles import Right, Role
from hsm.catalog.audit import AuditFilter
from hsm.states import DriveState, JobKind, JobState, Place, VolumeState
from tests.web.api.conftest import Program, program
from tests.web.world import World, busy


@pytest.fixture
def busy_boss(world: World) -> Program:
    """A program that may do everything in a house where much goes on."""
    busy(world)
    return program(world)


def test_work_of_robots_and_drives_is_a_job_that_can_be_followed(world: World, busy_boss: Program) -> None:
    for path, body, kind in (
        ("volumes/A00003L8/label", {"pool": "tape_a"}, JobKind.LABEL),
        ("volumes/A00003L8/scan", None, JobKind.SCAN),
        ("volumes/B00002L8/export", {"location": "shelf 7"}, JobKind.EXPORT),
        ("volumes/B00002L8/move", {"slot": 9}, JobKind.MOVE),
        ("libraries/tape/inventory", None, JobKind.INVENTORY),
        ("libraries/tape/import", {"barcodes": ["A00009L8"]}, JobKind.IMPORT),
        ("drives/tape/0/clean", None, JobKind.CLEAN),
    ):
        answer = busy_boss.ask("POST", f"/api/v1/{path}", body)
        assert answer.status_code == 202, answer.text
        job = busy_boss.get(answer.headers["Location"])
        assert (job["kind"], job["state"], job["requested_by"]) == (kind, "queued", "a-administrator")
    (entry,) = world.catalog.audit.list(AuditFilter(action="export_wanted"))
    assert (entry.actor, entry.via, entry.object) == ("a-administrator", Via.API, "B00002L8")
    again = busy_boss.ask("POST", "/api/v1/volumes/A00003L8/scan")
    assert len(world.catalog.jobs.list(kinds=(JobKind.SCAN,))) == 1 and again.status_code == 202


def test_what_is_not_safe_or_not_possible_is_refused_in_words(world: World, busy_boss: Program) -> None:
    for path, body, words in (
        ("volumes/A00001L8/label", {}, "only a blank or scratch"),
        ("volumes/A00003L8/label", {"pool": "moon"}, "no volume pool moon"),
        ("volumes/B00001L8/retire", {"reason": "old", "barcode": "B00001L8"}, "repack them first"),
        ("volumes/A00003L8/verify", None, "holds no copy"),
        ("drives/tape/0/up", None, "not set aside"),
        ("drives/jukebox/0/clean", None, "recorder"),
    ):
        answer = busy_boss.ask("POST", f"/api/v1/{path}", body)
        assert answer.status_code == 409 and answer.json is not None and words in answer.json["detail"], answer.text
    assert busy_boss.ask("POST", "/api/v1/volumes/NOSUCH/scan").status_code == 404
    assert busy_boss.ask("POST", "/api/v1/drives/tape/9/up").status_code == 404
    assert busy_boss.ask("POST", "/api/v1/libraries/moon/inventory").status_code == 404


def test_a_person_decides_about_volumes_and_says_the_barcode_twice_where_it_is_for_good(
    world: World, busy_boss: Program
) -> None:
    volumes, base = world.catalog.volumes, "/api/v1/volumes/A00001L8"
    assert busy_boss.ask("POST", f"{base}/close").status_code == 200
    assert busy_boss.ask("POST", f"{base}/doubt", {"reason": "smells burnt"}).json is not None
    assert volumes.get(Barcode("A00001L8")).state is VolumeState.SUSPECT
    assert busy_boss.ask("POST", f"{base}/clear").status_code == 200
    wrong = busy_boss.ask("POST", f"{base}/lose", {"reason": "fire", "barcode": "A00002L8"})
    assert wrong.status_code == 422 and wrong.json is not None and wrong.json["errors"][0]["field"] == "barcode"
    assert volumes.get(Barcode("A00001L8")).state is VolumeState.FULL
    lost = busy_boss.ask("POST", f"{base}/lose", {"reason": "fire", "barcode": "A00001L8"})
    assert lost.json is not None and (lost.json["state"], lost.json["reason"]) == ("lost", "fire")
    verify = busy_boss.ask("POST", "/api/v1/volumes/B00001L8/verify")
    assert verify.status_code == 202 and verify.json is not None and verify.json["copies"] == 3
    blank = {"reason": "worn", "barcode": "A00003L8"}
    assert busy_boss.ask("POST", "/api/v1/volumes/A00003L8/retire", blank).status_code == 200


def test_where_a_volume_lies_is_not_overwritten_by_who_saw_another_place(world: World, busy_boss: Program) -> None:
    base = "/api/v1/volumes/B00002L8"
    tag = busy_boss.ask("GET", base).headers["ETag"]
    put = busy_boss.ask("PUT", f"{base}/location", {"place": "vault", "location": "bank"}, If_Match=tag)
    assert put.status_code == 200 and put.json is not None and put.json["place"] == "vault"
    late = busy_boss.ask("PUT", f"{base}/location", {"place": "shelf", "location": "7"}, If_Match=tag)
    assert late.status_code == 412
    assert world.catalog.volumes.get(Barcode("B00002L8")).place is Place.VAULT


def test_drives_are_set_aside_used_again_and_kept_for_recalls(world: World, busy_boss: Program) -> None:
    base = "/api/v1/drives/tape/0"
    assert busy_boss.ask("POST", f"{base}/down", {"reason": "noisy"}).status_code == 200
    assert world.catalog.drives.get("tape", 0).state is DriveState.DOWN
    assert busy_boss.get(base)["reason"] == "noisy"
    assert busy_boss.ask("POST", f"{base}/up").status_code == 200
    kept = busy_boss.ask("PUT", f"{base}/reservation", {"recalls_only": True})
    assert kept.json is not None and kept.json["recalls_only"]
    archivist = program(world, Role.ARCHIVIST)
    assert archivist.ask("POST", f"{base}/down", {"reason": "x"}).status_code == 403


def test_jobs_are_taken_back_and_tried_again_by_who_may(world: World, busy_boss: Program) -> None:
    staff = program(world, Role.STAFF)
    recall = world.catalog.jobs.list(kinds=(JobKind.RECALL,))[0].id
    failed = world.catalog.jobs.list(states=(JobState.FAILED,))[0].id
    running = world.catalog.jobs.list(states=(JobState.RUNNING,))[0].id
    assert staff.ask("POST", f"/api/v1/jobs/{failed}/retry").status_code == 403
    assert busy_boss.ask("POST", f"/api/v1/jobs/{running}/cancel").status_code == 409
    assert busy_boss.ask("POST", f"/api/v1/jobs/{recall}/retry").status_code == 409
    retried = busy_boss.ask("POST", f"/api/v1/jobs/{failed}/retry")
    assert retried.json is not None and retried.json["state"] == "queued"
    assert staff.ask("POST", f"/api/v1/jobs/{recall}/cancel").status_code == 403  # it would end for everybody
    cancelled = busy_boss.ask("POST", f"/api/v1/jobs/{recall}/cancel")
    assert cancelled.json is not None and cancelled.json["state"] == "cancelled"
    assert isinstance(busy_boss.get(f"/api/v1/jobs/{failed}/log")["items"], list)
    assert busy_boss.get("/api/v1/jobs/9999/log", 404)


def test_a_wish_is_listed_and_taken_back_by_who_had_it(world: World) -> None:
    uid = world.nearline()
    staff, other = program(world, Role.STAFF), program(world, Role.ARCHIVIST)
    made = staff.ask("POST", "/api/v1/recalls", {"study_instance_uid": uid})
    where = made.headers["Location"]
    (line,) = staff.get("/api/v1/recalls?state=waiting&requested_by=a-staff")["items"]
    assert (line["study_instance_uid"], line["state"]) == (uid, "waiting")
    assert other.ask("POST", f"{where}/cancel").status_code == 403
    taken = staff.ask("POST", f"{where}/cancel")
    assert taken.json is not None and taken.json["state"] == "cancelled"
    assert staff.ask("POST", f"{where}/cancel").status_code == 409
    assert program(world, Role.ADMINISTRATOR, Right.LOOK).ask("POST", f"{where}/cancel").status_code == 403
