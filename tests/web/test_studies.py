"""Find a study, read why it is where it is, have it brought back."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from drivers.base import Barcode
from hsm.states import JobKind, JobState
from tests.web.reader import read
from tests.web.test_security import ORIGIN, token_of
from tests.web.world import World, browser, new_world


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[FlaskClient]:
    """A browser that looks at two studies."""
    world = new_world(tmp_path_factory.mktemp("searched"), stocked)
    world.receive("1.2.3.10", "Lindqvist^Åsa", "P10", "CT chest", "PT", date(2025, 11, 3), accession="ACC-77")
    world.receive("1.2.3.11")
    yield browser(world.services())
    world.catalog.close()


def found(client: FlaskClient, **query: str) -> set[str]:
    """The UIDs a search lists."""
    links = read(client.get("/studies", query_string=query).text).links
    return {link.removeprefix("/studies/") for link in links if link.startswith("/studies/") and "#" not in link}


@pytest.mark.parametrize(
    "query",
    [
        "lindq",
        "ASA LINDQVIST",
        "åsa",
        "Lindqvist, Åsa",
        "P10",
        "p10 chest",
        "acc-77",
        "2025-11-03",
        "20251103",
        "3.11.2025",
        "2025-11",
        "2025 pt",
        "PT chest",
        "1.2.3.10",
    ],
)
def test_a_search_looks_everywhere(searched: FlaskClient, query: str) -> None:
    assert found(searched, q=query) == {"1.2.3.10"}


@pytest.mark.parametrize("query", ["lindqvist ct-knee", "%", "_", "\\", "2025-13", "2025-02-30", "ACC-7700", "P10'--"])
def test_what_does_not_occur_is_not_found(searched: FlaskClient, query: str) -> None:
    assert found(searched, q=query) == set()
    assert "No study fits" in searched.get("/studies", query_string={"q": query}).text


def test_a_name_in_other_letters_is_found(world: World, client: FlaskClient) -> None:
    world.receive("1.2.3.2", "Yamada^Tarou=山田^太郎=やまだ^たろう", "P2")
    assert found(client, q="山田 太郎") == {"1.2.3.2"}


def test_lists_can_be_confined_by_availability_and_safety(world: World, client: FlaskClient) -> None:
    gone = world.nearline("1.2.3.9")
    fresh = world.receive("1.2.3.1")
    assert found(client, show="nearline") == {gone}
    assert found(client, show="online") == {fresh}
    assert found(client, show="unsafe") == {fresh}
    assert found(client, show="offline") == set()
    assert found(client, show="nonsense") == {gone, fresh}
    for pack in world.seal(fresh):
        world.write(pack, "tape_a", "A00001L8")
        world.write(pack, "tape_b", "B00001L8")
    assert "Every study is safe" in client.get("/studies?show=unsafe").text


def test_newest_study_comes_first_and_undated_last(world: World, client: FlaskClient) -> None:
    world.receive("1.1", day=date(2020, 1, 1))
    world.receive("1.2", day=None)
    world.receive("1.3", day=date(2026, 1, 1))
    links = [link for link in read(client.get("/studies").text).links if link.startswith("/studies/")]
    assert [link for link in links if "#" not in link] == ["/studies/1.3", "/studies/1.1", "/studies/1.2"]


def test_a_page_past_the_end_leads_back(world: World, client: FlaskClient) -> None:
    world.receive("1.1")
    text = client.get("/studies?page=99999999999999").text
    assert "past its end" in text
    assert client.get("/studies?page=x").status_code == 200
    assert client.get("/studies?page=0").status_code == 200


def test_a_study_says_where_it_is_and_why(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    page = read(client.get(f"/studies/{uid}").text)
    assert "Nearline" in page.text
    assert {"/volumes/A00001L8", "/volumes/B00001L8"} <= set(page.links)
    assert "The study is NEARLINE" in page.text
    assert "settle" in page.text
    assert "by drive TD0002" in page.text
    assert "No hold and no pin" in page.text


def test_a_hold_and_a_pin_are_named(world: World, client: FlaskClient) -> None:
    uid = world.receive("1.2.3.1")
    world.catalog.holds.place(uid, "court case 17", "L. Counsel", world.clock.now())
    world.catalog.studies.pin(uid, world.clock.now() + timedelta(days=3))
    text = read(client.get(f"/studies/{uid}").text).text
    assert "court case 17" in text
    assert "until it is lifted" in text
    assert "at least until in 3 days" in text


def test_without_rules_or_with_damaged_ones_the_page_says_so(world: World, client: FlaskClient) -> None:
    uid = world.receive("1.2.3.1")
    world.catalog.policies.publish("this is no rule", "somebody", world.clock.now())
    assert "cannot be read by this version" in client.get(f"/studies/{uid}").text
    assert "cannot be read by this version" in client.get("/policies/dry-run").text


def test_a_study_on_disk_cannot_be_brought_back_and_says_why(world: World, client: FlaskClient) -> None:
    uid = world.receive("1.2.3.1")
    html = client.get(f"/studies/{uid}").text
    assert '<button disabled aria-describedby="why-not">' in html
    assert "on disk already" in html


def ask(client: FlaskClient, uid: str) -> str:
    """Press the button and follow where it leads."""
    data = {"form_token": token_of(client, f"/studies/{uid}")}
    answer = client.post(f"/studies/{uid}/recall", headers={"Origin": ORIGIN}, data=data)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/requests/")
    return read(client.get(f"/studies/{uid}").text).text


def test_a_recall_is_asked_for_and_followed_to_its_end(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    text = ask(client, uid)
    assert "You may close this page" in text
    assert "Place 1 in the queue" in text
    assert "You have asked for it already" in text
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,))
    assert (job.state, job.study_instance_uid, job.requested_by) == (JobState.QUEUED, uid, "a-administrator")

    now = world.clock.now()
    world.catalog.jobs.start(job.id, now, Barcode("A00001L8"))
    world.catalog.jobs.progress(job.id, 80_000_000, "reading pack 1", now + timedelta(minutes=4), Barcode("A00001L8"))
    text = read(client.get(f"/studies/{uid}").text).text
    assert "reading pack 1" in text
    assert "Ready: in 4 min" in text

    world.clock.sleep(600)
    assert "any moment" in read(client.get(f"/studies/{uid}").text).text

    world.catalog.jobs.fail(job.id, "the tape cannot be read", world.clock.now())
    text = read(client.get(f"/studies/{uid}").text).text
    assert "Earlier requests" in text
    assert "the tape cannot be read" in text
    assert "closes" not in text


def test_waiting_for_a_person_or_another_try_is_said(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    ask(client, uid)
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,))
    world.catalog.jobs.want_operator(job.id, Barcode("A00001L8"), "bring it from shelf 4", world.clock.now())
    assert "must be brought to the library" in client.get(f"/studies/{uid}").text
    assert "Load these media now" in client.get("/library").text
    world.catalog.jobs.operator_answered(Barcode("A00001L8"), world.clock.now())
    world.catalog.jobs.start(job.id, world.clock.now())
    world.catalog.jobs.fail(job.id, "no drive", world.clock.now(), retry_at=world.clock.now() + timedelta(minutes=9))
    assert "the next one is" in client.get(f"/studies/{uid}").text


def test_a_study_without_a_readable_copy_says_so(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    token = token_of(client, f"/studies/{uid}")
    for copy in world.catalog.copies.of_study(uid):
        world.catalog.copies.doubt(copy.id, "TD0001", "unreadable", world.clock.now())
    assert "Unavailable" in client.get(f"/studies/{uid}").text
    answer = client.post(f"/studies/{uid}/recall", headers={"Origin": ORIGIN}, data={"form_token": token})
    assert answer.status_code == 303
    assert "no copy that can be read" in client.get(f"/studies/{uid}").text


def test_a_recall_of_an_unknown_study_is_refused(world: World, client: FlaskClient) -> None:
    token = token_of(client, f"/studies/{world.nearline()}")
    answer = client.post("/studies/9.9/recall", headers={"Origin": ORIGIN}, data={"form_token": token})
    assert answer.status_code == 404


def cancel(client: FlaskClient, job_id: int) -> str:
    """Press the button of a job and read the page after it."""
    data = {"form_token": token_of(client, f"/jobs/{job_id}")}
    answer = client.post(f"/jobs/{job_id}/cancel", headers={"Origin": ORIGIN}, data=data, follow_redirects=True)
    assert answer.status_code == 200
    return read(answer.text).text


def test_a_queued_recall_can_be_taken_back(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    ask(client, uid)
    world.catalog.recalls.request(uid, requested_by="PACS", now=world.clock.now())
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,))
    assert "2 requests wait for it" in client.get(f"/jobs/{job.id}").text
    assert "Cancelled." in cancel(client, job.id)
    assert world.catalog.jobs.get(job.id).state == JobState.CANCELLED
    assert "Bring back" in client.get(f"/studies/{uid}").text
    assert "/cancel" not in client.get(f"/jobs/{job.id}").text


def test_a_running_recall_and_other_jobs_are_not_cancelled_here(world: World, client: FlaskClient) -> None:
    uid = world.nearline()
    ask(client, uid)
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,))
    world.catalog.jobs.start(job.id, world.clock.now())
    assert "It is running" in cancel(client, job.id)
    assert world.catalog.jobs.get(job.id).state == JobState.RUNNING
