"""The light viewer: opens what is on disk, shows what was kept of the rest and offers it back, and says who looked."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from flask.testing import FlaskClient

from hsm.access.roles import Role
from hsm.cards import CardMaker, CardShelf
from hsm.catalog.audit import AuditFilter
from hsm.rendering import Renderers
from hsm.states import Availability
from tests.support.pages import services_over
from tests.support.studies import PEOPLE, ct_study, one_of_each_kind, us_study
from tests.support.world import TAPES_ONLY, World
from tests.web.forms import form_with, send
from tests.web.reader import read
from tests.web.world import browser
from web.services import Services


@dataclass
class Room:
    """An archive with pixels, and a way into it."""

    world: World
    cards: CardMaker
    services: Services

    def seat(self, role: Role = Role.STAFF) -> FlaskClient:
        return browser(self.services, role)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    world = World(tmp_path_factory.mktemp("viewer"), TAPES_ONLY)
    cards = CardMaker(world.catalog, world.pool, CardShelf(world.root / "cards"))
    renderers = Renderers(1)
    services = services_over(world, cards=cards, renderers=renderers)
    yield Room(world, cards, services)
    renderers.close()
    cards.close()
    world.close()


def test_a_study_that_is_away_shows_what_was_kept_and_opens_when_it_is_back(room: Room) -> None:
    study = ct_study("away", PEOPLE[3], 3, 64)
    uid = room.world.receive(study)
    room.cards.make(uid)
    room.world.settle()
    assert room.world.availability(uid) is Availability.NEARLINE
    client = room.seat()
    answer = client.get(f"/studies/{uid}/view")
    page = read(answer.text)
    assert page.faults == [] and "Not on disk" in page.text and "stayed when the images left" in page.text
    assert any("card.jpg" in load for load in page.loads)
    gone = client.get(f"/studies/{uid}/view/{study.instances[0].SOPInstanceUID}/1.jpg")
    assert gone.status_code == 503
    only_looks = room.seat(Role.VIEWER).get(f"/studies/{uid}/view").text
    assert "disabled" in form_tag(only_looks)
    asked = send(client, form_with(answer.text, "series"))
    assert asked.status_code == 200 and "Coming back." in asked.text and "Not on disk" in asked.text
    assert client.get(f"/studies/{uid}/view", headers={"HX-Request": "true"}).status_code == 200
    room.world.engine.drain()
    ready = client.get(f"/studies/{uid}/view", headers={"HX-Request": "true"})
    assert ready.status_code == 204 and ready.headers["HX-Refresh"] == "true"
    assert "1 of 3" in client.get(f"/studies/{uid}/view?n=1").text


def test_a_study_on_disk_opens_at_once_and_works_without_scripts(room: Room) -> None:
    study = ct_study("open", PEOPLE[1], 5, 64)
    uid = room.world.receive(study)
    client = room.seat()
    assert f"/studies/{uid}/view" in client.get(f"/studies/{uid}").text
    page = read(client.get(f"/studies/{uid}/view?n=3&window=40,400").text)
    assert page.faults == [] and "Not for diagnosis" in page.text and "3 of 5" in page.text
    (picture,) = [load for load in page.loads if ".jpg?" in load and "card" not in load]
    answer = client.get(picture)
    assert answer.data.startswith(b"\xff\xd8") and answer.headers["Cache-Control"] == "private, no-cache"
    assert client.get(picture, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    links = page.links
    assert any("n=2" in link and "window=40,400" in link.replace("%2C", ",") for link in links), links
    assert any("n=4" in link for link in links) and any("window=-600" in link for link in links), "CT has presets"
    viewed = room.world.catalog.audit.list(AuditFilter(action="study_viewed", object=uid))
    assert [(entry.actor, entry.via) for entry in viewed] == [("a-staff", "web")]
    accessed = room.world.catalog.studies.get(uid)
    assert accessed is not None and accessed.accessed_at == room.world.clock.now()


def test_frames_come_in_order_and_values_mean_what_the_object_says(room: Room) -> None:
    study = ct_study("values", PEOPLE[0], 4, 32)
    uid, one = room.world.receive(study), study.instances[2]
    client = room.seat(Role.VIEWER)
    listed = client.get(f"/studies/{uid}/view/series/{one.SeriesInstanceUID}.json").json
    in_order = sorted(study.instances, key=lambda each: int(each.InstanceNumber))
    assert listed == {"frames": [[str(each.SOPInstanceUID), 1] for each in in_order]}
    answer = client.get(f"/studies/{uid}/view/{one.SOPInstanceUID}/1.values")
    about = json.loads(answer.headers["Firn-Values"])
    numbers = np.frombuffer(zlib.decompress(answer.data), "<u2").reshape(about["rows"], about["columns"])
    true = one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
    assert np.array_equal(numbers * about["slope"] + about["intercept"], true)
    clips = us_study("clip", PEOPLE[2], clips=1, frames=3)
    clip_uid = room.world.receive(clips)
    assert "of 3" in read(client.get(f"/studies/{clip_uid}/view").text).text
    for path, status in (
        (f"/studies/{uid}/view/{one.SOPInstanceUID}/2.jpg", 404),
        (f"/studies/{uid}/view/1.2.3/1.jpg", 404),
        (f"/studies/{uid}/view/not-a-uid/1.values", 404),
        (f"/studies/{uid}/view?series=1.2.3", 404),
        ("/studies/1.2.3/view", 404),
    ):
        assert client.get(path).status_code == status, path
    assert client.get(f"/studies/{uid}/view?n=99999&window=nan,x").status_code == 200


def test_every_kind_of_study_has_a_page_also_without_an_image(room: Room) -> None:
    client = room.seat(Role.VIEWER)
    for study in one_of_each_kind("kinds-seen"):
        uid = room.world.receive(study)
        for series in {str(each.SeriesInstanceUID) for each in study.instances}:
            page = read(client.get(f"/studies/{uid}/view?series={series}").text)
            assert page.faults == []


def form_tag(text: str) -> str:
    """The form that brings the study back."""
    return text[text.index("/view/recall") :].split("</form>", maxsplit=1)[0]


def test_a_study_on_disk_has_a_way_into_the_other_viewer_where_there_is_one(room: Room) -> None:
    uid = room.world.receive(ct_study("elsewhere", PEOPLE[0], 1, 32))
    assert "OHIF" not in room.seat().get(f"/studies/{uid}").text
    there = replace(room.services, settings=replace(room.services.settings, viewer_port=8090))
    page = read(browser(there, Role.STAFF).get(f"/studies/{uid}").text)
    assert page.labelled["Open in OHIF"] == f"http://localhost:8090/viewer?StudyInstanceUIDs={uid}"
