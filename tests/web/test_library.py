"""What can be asked of robots and drives at the pages, and by whom."""

from flask.testing import FlaskClient

from drivers.base import Barcode
from hsm.access.roles import Role
from hsm.facts import JobRecord
from hsm.states import DriveState, JobKind, Place
from tests.web.reader import Page, read
from tests.web.test_security import ORIGIN, token_of
from tests.web.world import World, browser


def press(client: FlaskClient, path: str, **fields: str) -> tuple[int, Page]:
    """Send a form from the page of the library and follow where it leads."""
    data = {"form_token": token_of(client, "/password"), **fields}
    answer = client.post(path, headers={"Origin": ORIGIN}, data=data, follow_redirects=True)
    return answer.status_code, read(answer.text)


def newest(world: World) -> JobRecord:
    return world.catalog.jobs.list(limit=1)[0]


def test_the_robot_is_asked_and_the_page_says_which_job_does_it(world: World, client: FlaskClient) -> None:
    _, page = press(client, "/library/tape/inventory")
    job = newest(world)
    assert (job.kind, job.requested_by) == (JobKind.INVENTORY, "a-administrator")
    assert page.labelled[f"Job {job.id}"] == f"/jobs/{job.id}"
    press(client, "/library/tape/import", scan="yes")
    assert newest(world).payload == {"library": "tape", "barcodes": [], "scan": True}
    assert press(client, "/library/nowhere/inventory")[0] == 404


def test_a_volume_is_taken_out_to_a_place_with_a_name(world: World, client: FlaskClient) -> None:
    status, page = press(client, "/library/tape/export", barcode="A00001L8", place="vault", location="")
    assert (status, page.faults) == (422, [])
    assert "Say where it is taken to" in page.text
    assert (
        "No volume of this barcode was seen in tape"
        in press(client, "/library/tape/export", barcode="X", location="Bank")[1].text
    )
    assert world.catalog.jobs.list() == []
    status, page = press(client, "/library/tape/export", barcode="A00001L8", place="vault", location="Bank")
    assert status == 200
    assert newest(world).payload["place"] == Place.VAULT
    assert "to be taken to Bank" in page.text


def test_the_only_copy_leaves_only_when_its_barcode_is_typed_again(world: World, client: FlaskClient) -> None:
    world.nearline()
    world.catalog.volumes.lose(Barcode("B00001L8"), "fell", world.clock.now())
    form = {"barcode": "A00001L8", "place": "shelf", "location": "Shelf 1"}
    status, page = press(client, "/library/tape/export", **form)
    assert status == 422
    assert "only verified copy of 1 study" in page.text
    assert "type its barcode again" in page.text
    assert press(client, "/library/tape/export", **form, insist="A00002L8")[0] == 422
    assert world.catalog.jobs.list(kinds=(JobKind.EXPORT,)) == []
    assert press(client, "/library/tape/export", **form, insist="A00001L8")[0] == 200
    assert newest(world).payload["force"] is True


def test_a_volume_is_moved_to_a_free_slot_only(world: World, client: FlaskClient) -> None:
    for slot, words in (("1", "Slot 1 is not a free slot"), ("x", "The number of a slot, or nothing.")):
        status, page = press(client, "/library/tape/move", barcode="A00001L8", slot=slot)
        assert status == 422
        assert words in page.text
    press(client, "/library/tape/move", barcode="A00001L8", slot="7")
    assert newest(world).payload["slot"] == 7
    press(client, "/library/tape/move", barcode="A00002L8", slot="")
    assert newest(world).payload["slot"] is None
    assert "Name the volume." in press(client, "/library/tape/move")[1].text


def test_a_drive_is_set_aside_used_again_kept_cleaned_and_unloaded(world: World, client: FlaskClient) -> None:
    drives, path = world.catalog.drives, "/library/tape/drives/0"
    status, page = press(client, f"{path}/down", reason=" ")
    assert status == 422
    assert "Say why" in page.text
    assert drives.get("tape", 0).state is DriveState.EMPTY
    press(client, f"{path}/down", reason="the technician <b>comes</b>")
    assert drives.get("tape", 0).state is DriveState.DOWN
    page = read(client.get(path).text)
    assert "the technician <b>comes</b>" in page.text
    press(client, f"{path}/up")
    assert drives.get("tape", 0).state is DriveState.EMPTY
    assert "not set aside" in press(client, f"{path}/up")[1].text
    press(client, f"{path}/reserve", recalls_only="yes")
    assert drives.get("tape", 0).recalls_only
    assert "recalls only" in read(client.get(path).text).text
    press(client, f"{path}/reserve", recalls_only="no")
    assert not drives.get("tape", 0).recalls_only
    press(client, f"{path}/clean")
    assert newest(world).kind is JobKind.CLEAN
    assert "it holds nothing" in press(client, f"{path}/unload")[1].text
    drives.change("tape", 0, "ready", world.clock.now(), Barcode("A00001L8"))
    press(client, f"{path}/unload")
    assert (newest(world).kind, newest(world).barcode) == (JobKind.MOVE, "A00001L8")
    assert "recorder" in press(client, "/library/jukebox/drives/0/clean")[1].text
    assert client.get("/library/tape/drives/9").status_code == 404
    assert client.get(f"/library/tape/drives/{10**30}").status_code == 404


def test_who_only_looks_sees_why_every_button_is_off(world: World) -> None:
    client = browser(world.services(), Role.VIEWER)
    for path in ("/library", "/library/tape/drives/0"):
        html = client.get(path).text
        assert "Your account may look at media, not handle them." in html
        assert html.count("<button") - html.count("disabled") <= 1  # signing out


def test_the_pick_list_says_what_where_why_who_and_since_when(busy_world: World) -> None:
    catalog, now = busy_world.catalog, busy_world.clock.now()
    catalog.volumes.move(Barcode("D00005"), Place.SHELF, "Shelf 3", now)
    job = catalog.jobs.list(kinds=(JobKind.RECALL,))[0].id
    catalog.jobs.want_operator(job, Barcode("D00005"), "bring D00005", now)
    page = read(browser(busy_world.services()).get("/library").text)
    for words in (
        "Load these media now",
        "File-set ID D00005",
        "Shelf 3",
        "bring D00005",
        "PACS VIEWER_1",
        "20 min ago",
    ):
        assert words in page.text
    assert "/jobs?state=waiting_operator&barcode=D00005" in page.links


def test_a_drive_at_work_leads_to_its_job(busy_client: FlaskClient) -> None:
    page = read(busy_client.get("/library").text)
    assert page.labelled["loading"] == "/jobs/1"
    assert page.labelled["drive 0, TD0001"] == "/library/tape/drives/0"
    assert "locating block 81234" in read(busy_client.get("/library/tape/drives/0").text).text


def test_one_library_is_refreshed_alone(busy_client: FlaskClient) -> None:
    html = busy_client.get("/library?library=tape", headers={"HX-Request": "true"}).text
    assert "jukebox" not in read(html).text
