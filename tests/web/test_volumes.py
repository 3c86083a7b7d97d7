"""Volumes as a list and one by one: found, sorted, exported, labelled, carried, set aside; by whom is written down."""

import csv
import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from drivers.base import Barcode, VolumeStatistics
from hsm.access.roles import Role
from hsm.catalog.audit import AuditFilter
from hsm.states import JobKind, Place, VolumeState
from tests.web.reader import read
from tests.web.test_library import newest, press
from tests.web.world import World, browser
from web.reads import inventory

A1, B1 = Barcode("A00001L8"), Barcode("B00001L8")
PATH = f"/volumes/{A1}"


def listed(client: FlaskClient, path: str) -> list[str]:
    """The barcodes of a list in the order in which they stand there."""
    page = read(client.get(path).text)
    return [text for text, link in page.labelled.items() if link == f"/volumes/{text}"]


@pytest.fixture
def worn(world: World) -> Iterator[World]:
    """Volumes that differ in everything a list can be sorted by."""
    world.nearline()
    catalog, now = world.catalog, world.clock.now()
    for _ in range(3):
        catalog.volumes.count_mount(B1)
    catalog.volumes.told(A1, VolumeStatistics(written_bytes=5_000, read_bytes=1, corrected_write_errors=2), now)
    catalog.volumes.told(
        B1, VolumeStatistics(written_bytes=9_000, corrected_read_errors=1, uncorrected_read_errors=4), now
    )
    catalog.volumes.move(Barcode("D00001"), Place.VAULT, "=Bank", now)
    yield world


def test_a_list_is_confined_by_each_filter(worn: World, client: FlaskClient) -> None:
    assert listed(client, "/volumes?q=a0000") == ["A00001L8", "A00002L8", "A00003L8"]
    assert listed(client, "/volumes?q=bank") == ["D00001"]
    assert listed(client, "/volumes?q=%25") == []
    assert listed(client, "/volumes?place=vault") == ["D00001"]
    assert listed(client, "/volumes?pool=tape_b") == ["B00001L8", "B00002L8"]
    assert listed(client, "/volumes?kind=tape&state=filling") == ["A00001L8", "B00001L8"]
    assert listed(client, "/volumes?stale=30") == []
    worn.clock.sleep(timedelta(days=40).total_seconds())
    assert listed(browser(worn.services()), "/volumes?stale=30") == ["A00001L8", "B00001L8"]


def test_a_list_is_sorted_both_ways_and_says_so(worn: World, client: FlaskClient) -> None:
    assert listed(client, "/volumes?sort=-mounts")[0] == "B00001L8"
    assert listed(client, "/volumes?sort=written")[:2] == ["A00001L8", "B00001L8"]
    assert listed(client, "/volumes?sort=-corrected")[:2] == ["A00001L8", "B00001L8"]
    assert listed(client, "/volumes?sort=nonsense") == listed(client, "/volumes")
    html = client.get("/volumes?sort=mounts").text
    assert 'aria-sort="ascending"' in html
    assert read(html).labelled["Mounts"] == "/volumes?sort=-mounts"


def test_a_list_as_csv_has_every_volume_that_fits_and_no_formula(
    worn: World, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "READ_AT_ONCE", 3)
    answer = client.get("/volumes.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["barcode"] for row in rows] == sorted(v.barcode for v in worn.catalog.volumes.list())
    by_barcode = {row["barcode"]: row for row in rows}
    assert by_barcode["D00001"]["location"] == "'=Bank"
    assert (by_barcode[A1]["written_bytes"], by_barcode[A1]["corrected_errors"]) == ("5000", "2")
    assert by_barcode[B1]["uncorrected_errors"] == "4"
    assert client.get("/volumes.csv?pool=tape_b").text.count("\r\n") == 3
    assert read(client.get("/volumes?pool=tape_b").text).labelled["CSV of what fits"] == "/volumes.csv?pool=tape_b"


def test_labels_are_printed_for_chosen_volumes_and_for_all_that_fit(world: World, client: FlaskClient) -> None:
    one = client.get(f"/volume-labels.pdf?barcode={A1}")
    assert one.data.startswith(b"%PDF")
    assert "firn-label-A00001L8.pdf" in one.headers["Content-Disposition"]
    several = client.get("/volume-labels.pdf?kind=disc&paper=letter&plain=yes")
    assert several.data.count(b"/Type /Page\n") == 5
    assert client.get("/volume-labels.pdf?pool=nobody").status_code == 400
    assert client.get("/volume-labels.pdf?barcode=unknown").status_code == 400
    world.catalog.shelf.declare(
        [Barcode("lower case")], world.catalog.volumes.get(A1).kind, "tape", "", world.clock.now()
    )
    refused = client.get("/volume-labels.pdf?barcode=lower%20case")
    assert refused.status_code == 400
    assert "Nothing was printed" in refused.text


def test_a_blank_tape_is_labelled_after_its_barcode_was_typed(world: World, client: FlaskClient) -> None:
    path = "/volumes/A00003L8/label"
    status, page = press(client, path, pool="tape_a", typed="A00001L8")
    assert (status, page.faults) == (422, [])
    assert "Type the barcode of this volume exactly: A00003L8" in page.text
    assert world.catalog.jobs.list() == []
    press(client, path, pool="tape_a", typed="A00003L8")
    job = newest(world)
    assert (job.kind, job.barcode, job.pool) == (JobKind.LABEL, "A00003L8", "tape_a")
    assert job.requested_by == "a-administrator"
    [entry] = world.catalog.audit.list(AuditFilter(action="label_wanted"))
    assert (entry.actor, entry.object) == ("a-administrator", "A00003L8")
    assert "there is no volume pool" in press(client, path, pool="nonsense", typed="A00003L8")[1].text


def test_a_labelled_tape_and_a_disc_are_never_labelled(world: World, client: FlaskClient) -> None:
    for barcode, words in ((A1, "it is labelled; only a blank"), ("D00001", "a disc gets its label when it is burnt")):
        status, page = press(client, f"/volumes/{barcode}/label", pool="tape_a", typed=barcode)
        assert status == 422
        assert words in page.text
    assert world.catalog.jobs.list() == []


def test_a_volume_is_read_back_now(worn: World, client: FlaskClient) -> None:
    page = press(client, f"{PATH}/verify")[1]
    assert "1 copy, 160 MB, will be read back." in page.text
    assert (newest(worn).kind, newest(worn).requested_by) == (JobKind.VERIFY, "a-administrator")
    assert "holds no copy" in press(client, "/volumes/A00003L8/verify")[1].text
    press(client, f"{PATH}/scan")
    assert newest(worn).kind is JobKind.SCAN
    press(client, f"{PATH}/unload")
    assert newest(worn).payload["slot"] is None


def test_a_volume_goes_to_a_vault_and_keeps_its_place_right_when_it_comes_back(
    world: World, client: FlaskClient
) -> None:
    volumes, now = world.catalog.volumes, world.clock.now()
    assert "Say where it lies" in press(client, f"{PATH}/export", place="vault")[1].text
    press(client, f"{PATH}/export", place="vault", location="Bank")
    assert newest(world).payload["location"] == "Bank"
    volumes.move(A1, Place.VAULT, "Bank", now, leaving=True)  # as the engine does
    press(client, f"{PATH}/place", place="vault", location="Other bank", was="vault Bank")
    assert (volumes.get(A1).location, volumes.get(A1).leaving) == ("Other bank", True)
    assert "Somebody else said" in press(client, f"{PATH}/place", location="Cellar", was="vault Bank")[1].text
    assert volumes.get(A1).location == "Other bank"
    assert "in a vault (Other bank)" in press(client, f"{PATH}/unload")[1].text
    press(client, f"{PATH}/bring-back")
    assert newest(world).payload == {"library": "tape", "barcodes": [A1], "scan": True}


def test_a_volume_is_set_aside_trusted_again_and_closed(worn: World, client: FlaskClient) -> None:
    volumes = worn.catalog.volumes
    press(client, f"{PATH}/close")
    assert volumes.get(A1).state is VolumeState.FULL
    assert press(client, f"{PATH}/doubt", reason=" ")[0] == 422
    press(client, f"{PATH}/doubt", reason="it rattles")
    assert (volumes.get(A1).state, volumes.get(A1).reason) == (VolumeState.SUSPECT, "it rattles")
    press(client, f"{PATH}/clear")
    assert volumes.get(A1).state is VolumeState.FULL
    assert "does not allow" in press(client, f"{PATH}/clear")[1].text
    actions = [entry.action for entry in worn.catalog.audit.list(AuditFilter(actor="a-administrator"))]
    assert actions[:3] == ["volume_cleared", "volume_doubted", "volume_closed"]


@pytest.mark.parametrize(("action", "state"), [("lost", VolumeState.LOST), ("retire", VolumeState.RETIRED)])
def test_what_cannot_be_taken_back_wants_a_reason_and_the_barcode(
    world: World, client: FlaskClient, action: str, state: VolumeState
) -> None:
    status, page = press(client, f"{PATH}/{action}", reason="", typed="")
    assert status == 422
    assert "Say why" in page.text
    assert "Type the barcode" in page.text
    press(client, f"{PATH}/{action}", reason="burnt", typed="A00002L8")
    assert world.catalog.volumes.get(A1).state is VolumeState.LABELLED
    press(client, f"{PATH}/{action}", reason="burnt", typed=A1)
    assert world.catalog.volumes.get(A1).state is state


def test_a_volume_whose_copies_are_wanted_is_not_retired(worn: World, client: FlaskClient) -> None:
    worn.catalog.volumes.doubt(A1, "old", worn.clock.now())
    page = press(client, f"{PATH}/retire", reason="old", typed=A1)[1]
    assert "Nothing was changed" in page.text
    assert worn.catalog.volumes.get(A1).state is VolumeState.SUSPECT


def test_who_only_looks_presses_nothing(world: World) -> None:
    html = browser(world.services(), Role.STAFF).get(PATH).text
    assert "Your account may look at media, not handle them." in html
    assert html.count("<button") - html.count("disabled") <= 1  # signing out


def test_a_volume_says_how_much_it_is_to_be_feared_for(worn: World, client: FlaskClient) -> None:
    text = read(client.get(f"/volumes/{B1}").text).text
    assert "its drive told of 4 uncorrected errors" in text
    assert "of 100" in text


def test_a_volume_is_repacked_paused_given_up_and_given_free_when_drained(worn: World, client: FlaskClient) -> None:
    volumes, repacks, now = worn.catalog.volumes, worn.catalog.repacks, worn.clock.now()
    assert press(client, f"{PATH}/repack", reason="")[0] == 422
    page = press(client, f"{PATH}/repack", reason="old <b>generation</b>")[1]
    assert page.faults == []
    assert "1 copy, 160 MB, will be made again elsewhere." in page.text
    assert "0 of 1 copy done" in page.text
    assert "old <b>generation</b>" in page.text
    assert "is paused" in press(client, f"{PATH}/repack/pause")[1].text
    assert "It goes on." in press(client, f"{PATH}/repack/resume")[1].text
    assert "given up" in press(client, f"{PATH}/repack/cancel")[1].text
    assert volumes.get(A1).state is VolumeState.FILLING
    assert "Nothing was changed" in press(client, f"{PATH}/repack/cancel")[1].text
    assert press(client, f"{PATH}/repack/nonsense")[0] == 404
    assert press(client, f"{PATH}/erase", typed=A1)[0] == 422
    empty = Barcode("A00002L8")
    volumes.close(empty, now)
    press(client, f"/volumes/{empty}/repack", reason="to be used anew")
    repacks.finish(empty, now)
    assert "Give it free" in client.get(f"/volumes/{empty}").text
    assert press(client, f"/volumes/{empty}/erase", typed="A00001L8")[0] == 422
    press(client, f"/volumes/{empty}/erase", typed=empty)
    assert volumes.get(empty).state is VolumeState.SCRATCH
    assert "Label it again" in client.get(f"/volumes/{empty}").text
