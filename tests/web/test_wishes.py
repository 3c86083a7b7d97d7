"""Put studies aside, ask for all of them, follow each request to its end, take one back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from drivers.base import Barcode
from hsm.access.roles import Role
from hsm.catalog.carts import MOST
from hsm.facts import PoolFile, StudyUid
from hsm.states import JobKind, JobState, OnlineState, Place, RequestState
from tests.web.reader import Page, read
from tests.web.test_security import ORIGIN, token_of
from tests.web.world import CHINESE, HOSTILE, World, browser


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    """A browser in which somebody of the staff is signed in."""
    return browser(world.services(), Role.STAFF)


def press(client: FlaskClient, path: str, **form: str | list[str]) -> Page:
    """Send a form of a page, and read where it leads."""
    data = {"form_token": token_of(client, "/studies"), **form}
    answer = client.post(path, headers={"Origin": ORIGIN}, data=data, follow_redirects=True)
    assert answer.status_code == 200, answer.status
    return read(answer.text)


def page(client: FlaskClient, path: str) -> Page:
    answer = client.get(path)
    assert answer.status_code == 200
    found = read(answer.text)
    assert found.faults == []
    return found


def recall_job(world: World) -> int:
    (job,) = world.catalog.jobs.list(kinds=(JobKind.RECALL,), states=(JobState.QUEUED, JobState.RUNNING))
    return job.id


def bring_back(world: World, uid: StudyUid) -> None:
    """The engine does its part."""
    job, now = recall_job(world), world.clock.now()
    world.catalog.jobs.start(job, now, Barcode("A00001L8"))
    gone = [i for i in world.catalog.studies.instances(uid) if i.online_state is not OnlineState.ONLINE]
    files = {i.id: PoolFile(world.pool.directories[0], f"{uid}/{i.sop_instance_uid}.0badcafe.dcm") for i in gone}
    world.catalog.recalls.recalled(files, now + timedelta(days=7), now)
    world.catalog.jobs.finish(job, now)


# -- the cart ----------------------------------------------------------------------------------------------------


def test_ticked_studies_go_into_the_cart_and_stay_there(world: World, clerk: FlaskClient) -> None:
    gone, here = world.nearline(), world.receive("1.2.3.1")
    assert "Your cart is empty" in page(clerk, "/cart").text
    answer = press(clerk, "/cart/add", study=[gone, here, "9.9.9"], back="/studies?q=meyer")
    assert "2 studies put into your cart" in answer.text
    assert "in your cart" in answer.text
    again = browser(world.services(), Role.STAFF)  # another browser of the same account
    assert {f"/studies/{gone}", f"/studies/{here}"} <= set(page(again, "/cart").links)
    assert "Cart 2" in page(again, "/").text
    assert f"/studies/{gone}" not in page(browser(world.services()), "/cart").links, "it is somebody else's"


def test_one_button_means_its_own_study_whatever_is_ticked(world: World, clerk: FlaskClient) -> None:
    first, second = world.nearline("1.2.3.9"), world.nearline("1.2.3.10")
    press(clerk, "/cart/add", study=[first, second])
    assert "1 study taken out" in press(clerk, "/cart/remove", one=first, study=[second]).text
    assert world.catalog.carts.list(_account(world)) == (second,)
    assert "in your cart" in press(clerk, "/cart/add", one=second, back=f"/studies/{second}").text.lower()
    assert "1 study taken out" in press(clerk, "/cart/remove", everything="yes").text


def _account(world: World) -> int:
    found = world.catalog.accounts.find("a-staff")
    assert found is not None
    return found.id


def test_the_cart_says_what_bringing_all_of_it_back_takes(world: World, clerk: FlaskClient) -> None:
    near, far = world.nearline("1.2.3.9", objects=2), world.receive("1.2.3.10", HOSTILE, description=CHINESE)
    for pack in world.seal(far):
        world.write(pack, "tape_a", "A00002L8")
        world.write(pack, "tape_b", "B00002L8")
    world.release(far)
    for barcode in ("A00002L8", "B00002L8"):
        world.catalog.volumes.move(Barcode(barcode), Place.SHELF, "shelf 4", world.clock.now())
    lost = world.nearline("1.2.3.11")
    for copy in world.catalog.copies.of_study(lost):
        world.catalog.copies.doubt(copy.id, "TD0001", "unreadable", world.clock.now())
    press(clerk, "/cart/add", study=[near, far, lost, world.receive("1.2.3.1")])
    text = page(clerk, "/cart").text
    assert "Studies 4" in text
    assert "To bring back 2 240 MB" in text
    assert "Mounts 1 A00001L8" in text
    assert "To be fetched by a person 1 A00002L8" in text
    assert "shelf 4" in text
    assert "1 study cannot be brought back" in text
    assert "<script>" not in clerk.get("/cart").text.replace("<script src", "")

    answer = press(clerk, "/cart/recall")
    assert "Asked for 3 studies" in answer.text
    assert "1 study cannot be brought back now" in answer.text
    assert world.catalog.carts.list(_account(world)) == (lost,), "what cannot come stays, with its reason"
    assert len(world.catalog.requests.list("a-staff")) == 3
    assert "1 study cannot be brought back now" in press(clerk, "/cart/recall").text


def test_an_empty_cart_or_nothing_ticked_changes_nothing(world: World, clerk: FlaskClient) -> None:
    assert "Your cart is empty" in press(clerk, "/cart/recall").text
    assert "No study was ticked" in press(clerk, "/cart/add").text
    assert "No study was ticked" in press(clerk, "/cart/remove", study=[""]).text
    assert world.catalog.requests.list() == []


def test_a_full_cart_says_so(world: World, clerk: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsm.catalog.carts.MOST", 1)
    first, second = world.receive("1.1"), world.receive("1.2")
    press(clerk, "/cart/add", study=[first])
    assert f"A cart holds {MOST} studies" in press(clerk, "/cart/add", study=[second]).text
    assert world.catalog.carts.list(_account(world)) == (first,)


def test_a_form_leads_back_to_our_own_pages_only(world: World, clerk: FlaskClient) -> None:
    data = {"form_token": token_of(clerk, "/studies"), "one": world.receive("1.1"), "back": "https://evil.example/"}
    assert clerk.post("/cart/add", headers={"Origin": ORIGIN}, data=data).headers["Location"] == "/"


def test_hostile_names_in_a_form_are_just_unknown_studies(world: World, clerk: FlaskClient) -> None:
    assert "In your cart already" in press(clerk, "/cart/add", study=["\x00' OR 1=1--", HOSTILE, "x" * 5000]).text


# -- requests ----------------------------------------------------------------------------------------------------


def test_a_request_is_followed_from_the_queue_to_the_answer(world: World, clerk: FlaskClient) -> None:
    uid = world.nearline()
    text = press(clerk, f"/studies/{uid}/recall").text
    assert "You may close this page" in text
    assert "Place 1 in the queue; needs volume A00001L8" in text
    assert "Who else waits for it nobody" in text
    assert "not known yet" in text
    job, now = recall_job(world), world.clock.now()
    world.catalog.jobs.plan({job: (now + timedelta(minutes=6), "waits for drive TD0001")})
    text = page(clerk, "/requests").text
    assert "waits for drive TD0001" in text
    assert "in 6 min" in text
    assert "answer" not in page(clerk, "/").text

    bring_back(world, uid)
    head = page(clerk, "/")
    assert head.labelled["1 answer"] == "/requests#news"
    assert 'data-news="1"' in clerk.get("/news").text
    text = page(clerk, "/requests").text
    assert "Nothing is on its way" in text
    assert "ready" in text
    (event,) = world.catalog.events.list(name="recall_ready")
    assert (event.subject, event.fields["requester"]) == (uid, "a-staff")

    (request,) = world.catalog.requests.list("a-staff")
    assert "Open it at the workstation" in page(clerk, f"/requests/{request.id}").text
    press(clerk, "/requests/seen", request=str(request.id))
    assert 'data-news="0"' in clerk.get("/news").text
    world.release_again(uid)
    assert "left the disk again" in page(clerk, f"/requests/{request.id}").text


def test_what_was_on_disk_already_is_no_news(world: World, clerk: FlaskClient) -> None:
    world.catalog.recalls.request(world.receive("1.2.3.1"), requested_by="a-staff", now=world.clock.now())
    assert world.catalog.requests.list("a-staff")[0].state is RequestState.READY
    assert 'data-news="0"' in clerk.get("/news").text


def test_news_grow_old(world: World, clerk: FlaskClient) -> None:
    uid = world.nearline()
    press(clerk, f"/studies/{uid}/recall")
    bring_back(world, uid)
    press(clerk, "/requests/seen", request="nonsense")
    assert 'data-news="1"' in clerk.get("/news").text
    world.clock.sleep(8 * 86400)
    browser(world.services(), Role.STAFF)
    assert 'data-news="0"' in browser(world.services(), Role.STAFF).get("/news").text


def test_a_failed_recall_tells_its_requester_why(world: World, clerk: FlaskClient) -> None:
    uid = world.nearline()
    press(clerk, f"/studies/{uid}/recall")
    job = recall_job(world)
    world.catalog.jobs.start(job, world.clock.now())
    world.catalog.jobs.fail(job, f"the tape cannot be read {HOSTILE}", world.clock.now())
    text = page(clerk, "/requests").text
    assert "1 answer" in text
    assert "the tape cannot be read" in text
    world.catalog.jobs.requeue(job, world.clock.now())
    assert "Place 1 in the queue" in page(clerk, "/requests").text
    press(clerk, "/requests/seen", request="all")


def test_taking_a_wish_back_leaves_the_work_to_others(world: World, clerk: FlaskClient) -> None:
    uid = world.nearline()
    press(clerk, f"/studies/{uid}/recall")
    boss = browser(world.services(), Role.ARCHIVIST)
    assert "on its way for others" in page(boss, f"/studies/{uid}").text
    press(boss, f"/studies/{uid}/recall")
    mine, other = (one.id for one in reversed(world.catalog.requests.list()))
    text = page(clerk, f"/requests/{mine}").text
    assert "Who else waits for it a-archivist" in text
    assert "the work goes on for them" in text
    assert "somebody else waits for it" in press(clerk, f"/requests/{mine}/cancel").text
    assert world.catalog.jobs.get(recall_job(world)).state is JobState.QUEUED
    assert "taken back" in page(clerk, "/requests").text
    assert "It is over" in press(clerk, f"/requests/{mine}/cancel").text
    assert "Taken back." in press(boss, f"/requests/{other}/cancel").text
    assert world.catalog.jobs.list(kinds=(JobKind.RECALL,))[0].state is JobState.CANCELLED


def test_only_who_asked_or_an_administrator_takes_a_wish_back(world: World, clerk: FlaskClient) -> None:
    number = world.catalog.recalls.request(world.nearline(), requested_by="WS1", now=world.clock.now())
    assert "asked for by somebody else" in press(clerk, f"/requests/{number}/cancel").text
    assert "Request 1" not in page(clerk, "/requests").text
    assert "WS1" in page(clerk, "/requests?who=all").text
    assert "Taken back." in press(browser(world.services()), f"/requests/{number}/cancel").text
    viewer = browser(world.services(), Role.VIEWER)
    assert "Cart" not in page(viewer, "/requests?who=all").text


def test_requests_that_do_not_exist_say_so(world: World, clerk: FlaskClient) -> None:
    for number in ("99", str(2**70)):
        answer = clerk.get(f"/requests/{number}")
        assert (answer.status_code, "no request with this number" in answer.text) == (404, True)


def test_past_requests_are_paged(world: World) -> None:
    client = browser(world.services(page_size=2), Role.STAFF)
    uid = world.receive("1.1")
    for _ in range(3):
        world.catalog.recalls.request(uid, requested_by="a-staff", now=world.clock.now())
    first = page(client, "/requests")
    assert "/requests/1" not in first.links
    second = page(client, first.labelled["Older"])
    assert "/requests/1" in second.links
    assert second.labelled["Newer"] == "/requests"


# -- sending -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sender(world: World) -> FlaskClient:
    """Somebody of the staff where two workstations are configured."""
    return browser(replace(world.services(), destinations=lambda: ("WS1", "WS2")), Role.STAFF)


def test_a_study_is_sent_and_its_way_is_followed(world: World, sender: FlaskClient) -> None:
    uid = world.receive("1.2.3.1")
    text = press(sender, f"/studies/{uid}/send", destination="WS2", back=f"/studies/{uid}").text
    assert "It will be sent to WS2" in text
    assert "to WS2" in text and "to be sent" in text
    now = world.clock.now()
    taken = world.catalog.deliveries.claim("a", now, 60)
    assert taken is not None
    world.catalog.deliveries.progress(taken.id, "a", 4, 1, now, 60)
    assert "1 of 4 objects" in page(sender, "/deliveries").text
    world.catalog.deliveries.failed(taken.id, "a", [], 4, HOSTILE, now, None)
    text = page(sender, "/requests").text
    assert "1 answer" in text and "not sent" in text
    assert "It is tried again" in press(sender, f"/deliveries/{taken.id}/again").text
    assert "Only a delivery that failed" in press(sender, f"/deliveries/{taken.id}/again").text
    assert "Taken back." in press(sender, f"/deliveries/{taken.id}/cancel").text
    assert "it is over" in press(sender, f"/deliveries/{taken.id}/cancel").text


def test_an_answer_to_a_delivery_is_put_away(world: World, sender: FlaskClient) -> None:
    uid = world.receive("1.2.3.1")
    for number, destination in enumerate(("WS1", "WS2"), 1):
        press(sender, f"/studies/{uid}/send", destination=destination)
        assert world.catalog.deliveries.claim("a", world.clock.now(), 60) is not None
        world.catalog.deliveries.done(number, "a", 4, world.clock.now())
    assert 'data-news="2"' in sender.get("/news").text
    press(sender, "/requests/seen", delivery="1")
    assert 'data-news="1"' in sender.get("/news").text
    press(sender, "/requests/seen", request="all")
    assert 'data-news="0"' in sender.get("/news").text


def test_a_study_on_tape_is_sent_after_its_recall_with_one_answer(world: World, sender: FlaskClient) -> None:
    uid = world.nearline()
    assert "sent as soon as it is there" in page(sender, f"/studies/{uid}").text
    press(sender, f"/studies/{uid}/send", destination="WS1")
    assert "waits for its recall" in page(sender, "/deliveries").text
    bring_back(world, uid)
    assert "to be sent" in page(sender, "/deliveries").text
    assert 'data-news="0"' in sender.get("/news").text, "the answer is the delivery's"


def test_a_request_is_sent_on_from_its_page(world: World, sender: FlaskClient) -> None:
    uid = world.nearline()
    press(sender, f"/studies/{uid}/recall")
    (request,) = world.catalog.requests.list()
    text = press(sender, f"/studies/{uid}/send", destination="WS1", request=str(request.id), back="/requests/1").text
    assert "waits for its recall" in text
    assert len(world.catalog.requests.list()) == 1
    press(sender, f"/studies/{world.receive('1.1')}/send", destination="WS1", request="77")
    assert {delivery.request_id for delivery in world.catalog.deliveries.list()} == {request.id, None}


def test_all_of_the_cart_is_sent(world: World, sender: FlaskClient) -> None:
    here, lost = world.receive("1.2.3.1"), world.nearline("1.2.3.11")
    for copy in world.catalog.copies.of_study(lost):
        world.catalog.copies.doubt(copy.id, "TD0001", "unreadable", world.clock.now())
    press(sender, "/cart/add", study=[here, lost])
    assert "choose one of the workstations" in press(sender, "/cart/send", destination="ELSEWHERE").text
    text = press(sender, "/cart/send", destination="WS1").text
    assert "1 study will be sent to WS1" in text
    assert "1 study cannot be brought back now" in text
    assert world.catalog.carts.list(_account(world)) == (lost,)
    assert "1 study cannot" in press(sender, "/cart/send", destination="WS1").text


def test_bad_wishes_to_send_change_nothing(world: World, sender: FlaskClient, clerk: FlaskClient) -> None:
    lost = world.nearline("1.2.3.11")
    for copy in world.catalog.copies.of_study(lost):
        world.catalog.copies.doubt(copy.id, "TD0001", "unreadable", world.clock.now())
    assert "no copy that can be read" in press(sender, f"/studies/{lost}/send", destination="WS1").text
    assert "choose one of the workstations" in press(sender, f"/studies/{lost}/send", destination="\x00'").text
    assert world.catalog.deliveries.list() == []
    data = {"form_token": token_of(sender, "/studies"), "destination": "WS1"}
    for path in ("/studies/9.9/send", "/deliveries/99/cancel", f"/deliveries/{2**70}/again"):
        assert sender.post(path, headers={"Origin": ORIGIN}, data=data).status_code == 404
    assert "No workstation is configured" in page(clerk, f"/studies/{world.receive('1.1')}").text


def test_only_who_asked_or_an_administrator_changes_a_delivery(world: World, sender: FlaskClient) -> None:
    number = world.services().archive.deliver(world.receive("1.1"), "WS1", requested_by="WS9")
    assert "asked for by somebody else" in press(sender, f"/deliveries/{number}/cancel").text
    assert "WS9" not in page(sender, "/deliveries").text
    assert "WS9" in page(sender, "/deliveries?who=all").text
    assert "past its end" in page(sender, "/deliveries?before=1").text
    assert "Taken back." in press(browser(world.services()), f"/deliveries/{number}/cancel").text


def test_the_same_delivery_is_not_tried_twice_side_by_side(world: World, sender: FlaskClient) -> None:
    uid = world.receive("1.1")
    press(sender, f"/studies/{uid}/send", destination="WS1")
    taken = world.catalog.deliveries.claim("a", world.clock.now(), 60)
    assert taken is not None
    world.catalog.deliveries.failed(taken.id, "a", [], 4, "refused", world.clock.now(), None)
    press(sender, f"/studies/{uid}/send", destination="WS1")
    assert "on its way already" in press(sender, f"/deliveries/{taken.id}/again").text
