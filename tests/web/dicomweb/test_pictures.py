"""Pictures of what is stored, and what of a study still answers when it has left the disk."""

import io

import numpy as np
import pytest
from PIL import Image

from hsm.rendering.wish import Annotation, Form, Viewport, Window, WindowFunction, Wish, from_json, to_json
from hsm.states import Availability
from tests.support.studies import PEOPLE, ct_study, us_study
from tests.web.dicomweb.conftest import House
from web.dicomweb import accept, pictures


def test_a_released_study_still_tells_its_metadata_and_shows_what_was_kept(house: House) -> None:
    study = ct_study("kept", PEOPLE[1], 5, 64)
    uid = house.world.receive(study)
    client = house.client()
    before = {said["00080018"]["Value"][0]: said for said in client.retrieve_study_metadata(uid)}
    card = house.cards.make(uid)
    assert card is not None and house.cards.complete(uid)
    house.world.settle()
    assert house.world.availability(uid) is Availability.NEARLINE
    after = {said["00080018"]["Value"][0]: said for said in client.retrieve_study_metadata(uid)}
    assert after == before and len(after) == 5
    assert house.world.catalog.recalls.list() == [], "no mount was asked for"
    series = str(study.instances[0].SeriesInstanceUID)
    session, base = house.session(), f"{house.url}/studies/{uid}"
    for path in ("/thumbnail", f"/series/{series}/thumbnail"):
        answer = session.get(base + path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
        Image.open(io.BytesIO(answer.content)).verify()
    shown = card.shown["key"].sop_instance_uid
    kept = session.get(f"{base}/series/{series}/instances/{shown}/rendered")
    assert kept.status_code == 200 and "stayed on disk" in kept.headers["Warning"]
    other = next(sop for sop in after if sop != shown)
    assert session.get(f"{base}/series/{series}/instances/{other}/thumbnail").status_code == 503
    assert house.world.catalog.recalls.list() == []
    waits = session.get(f"{base}/series/{series}/instances/{other}/rendered")
    assert waits.status_code == 503 and int(waits.headers["Retry-After"]) > 0 and waits.json()["recall"]["id"]
    house.world.engine.drain()
    ready = session.get(f"{base}/series/{series}/instances/{other}/rendered")
    assert ready.status_code == 200 and "Warning" not in ready.headers


def test_frames_are_drawn_as_the_client_wishes(house: House) -> None:
    study = ct_study("drawn", PEOPLE[0], 2, 64)
    uid, one = house.world.receive(study), study.instances[0]
    client = house.client()
    where = (uid, str(one.SeriesInstanceUID), str(one.SOPInstanceUID))
    whole = Image.open(io.BytesIO(client.retrieve_instance_rendered(*where, media_types=("image/png",))))
    assert whole.size == (64, 64) and whole.format == "PNG"
    values = one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
    low, high = float(values.min()), float(values.max())
    wish = {"window": f"{(low + high) / 2},{high - low},linear-exact"}
    drawn = np.asarray(
        Image.open(
            io.BytesIO(client.retrieve_instance_frames_rendered(*where, [1], media_types=("image/png",), params=wish))
        )
    )
    assert np.abs(drawn - (values - low) / (high - low) * 255).max() <= 1
    steep = {"window": f"{(low + high) / 2},{(high - low) / 10},sigmoid", "viewport": "32,16", "quality": "50"}
    small = Image.open(io.BytesIO(client.retrieve_instance_rendered(*where, media_types=("image/jpeg",), params=steep)))
    assert small.size == (16, 16) and small.format == "JPEG", "the image keeps its shape"
    part = {"viewport": "40,40,0,0,-32,32"}
    mirrored = client.retrieve_instance_rendered(*where, media_types=("image/png",), params=part)
    assert Image.open(io.BytesIO(mirrored)).size == (40, 40)
    written = client.retrieve_instance_rendered(
        *where, params={"annotation": "patient,technique", "window": "0,9,linear"}
    )
    assert written.startswith(b"\xff\xd8")
    one_of_series = client.retrieve_series_rendered(*where[:2], media_types=("image/jpeg",))
    assert Image.open(io.BytesIO(one_of_series)).size == (64, 64)
    answer = house.session().get(f"{house.url}/studies/{uid}/rendered")
    assert answer.content.count(b"Content-Type: image/jpeg") == 2


def test_many_frames_are_parts_or_a_moving_picture(house: House) -> None:
    study = us_study("moving", PEOPLE[2], clips=1, frames=3)
    uid = house.world.receive(study)
    clip = next(each for each in study.instances if int(each.get("NumberOfFrames", 1)) > 1)
    base = f"{house.url}/studies/{uid}/series/{clip.SeriesInstanceUID}/instances/{clip.SOPInstanceUID}"
    session = house.session()
    moving = session.get(f"{base}/rendered", headers={"Accept": "image/gif"})
    assert Image.open(io.BytesIO(moving.content)).n_frames == 3  # type: ignore[attr-defined]
    parts = session.get(f"{base}/rendered", headers={"Accept": 'multipart/related; type="image/jpeg"'})
    assert parts.content.count(b"Content-Type: image/jpeg") == 3
    assert session.get(f"{base}/frames/1,3/rendered").content.count(b"/rendered\r\n") == 2
    assert session.get(f"{base}/frames/2/thumbnail").headers["Content-Type"] == "image/jpeg"
    for path, status in (
        ("/frames/4/rendered", 404),
        ("/frames/x/rendered", 400),
        ("/rendered?window=1,2", 400),
        ("/rendered?quality=0", 400),
        ("/rendered?annotation=name", 400),
        ("/rendered?iccprofile=maybe", 400),
        ("/rendered?viewport=10,10,900,900,5,5", 406),
        ("/thumbnail?viewport=10,10,1,1,5,5", 400),
        ("/rendered?accept=image/tiff", 406),
        ("/frames/1,2/rendered?accept=image/png", 406),
    ):
        answer = session.get(base + path)
        assert answer.status_code == status and answer.json()["detail"], (path, answer.text)


@pytest.mark.parametrize(
    "bad",
    [
        {"viewport": "0,5"},
        {"viewport": "5"},
        {"viewport": "99999,99999"},
        {"viewport": "5,5,-1,0,5,5"},
        {"viewport": "5,5,a,0,5,5"},
        {"viewport": "5,5,0,0,0,5"},
        {"window": "nan,5,linear"},
        {"window": "1,0.5,linear"},
        {"window": "1,5,cubic"},
        {"quality": "many"},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(bad: dict[str, str]) -> None:
    with pytest.raises(pictures.PictureInvalid):
        pictures.rendered(bad, Form.JPEG)


def test_a_wish_survives_its_way_to_the_process_that_draws() -> None:
    wish = Wish(
        Form.PNG,
        3,
        Window(40, 400, WindowFunction.SIGMOID),
        Viewport(100, 50, 1, 2, -30, None),
        70,
        frozenset(Annotation),
    )
    assert from_json(to_json(wish)) == wish and from_json(to_json(Wish())) == Wish()
    assert pictures.form_wanted(accept.ranges("image/png;q=0.5, image/gif")) == (Form.GIF, False)
    assert pictures.form_wanted(accept.ranges('multipart/related; type="image/png"'), multipart=False) is None
