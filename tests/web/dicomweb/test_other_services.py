"""WADO-URI, storage commitment, capabilities, and pages of other origins."""

import io
from dataclasses import replace
from xml.etree import ElementTree

import pydicom
import pytest
import requests
from PIL import Image
from pydicom.uid import ImplicitVRLittleEndian

from appliance.dimse.reporter import Reporter
from appliance.dimse.settings import DimseSettings
from hsm.access.roles import Role
from hsm.catalog.commitments import CommitmentState
from hsm.commitment.levels import Level
from tests.support.studies import small_ct
from tests.support.world import World
from tests.web.dicomweb.conftest import House
from tests.web.world import browser
from web.app import create_app
from web.dicomweb.crossing import resources
from web.services import Services, WebSettings

OTHER = "https://viewer.example"


def test_older_programs_get_objects_and_pictures_by_parameters(house: House) -> None:
    study = small_ct("older", slices=1)
    uid, one = house.world.receive(study), study.instances[0]
    session = house.session()
    where = {
        "requestType": "WADO",
        "studyUID": uid,
        "seriesUID": one.SeriesInstanceUID,
        "objectUID": one.SOPInstanceUID,
    }

    def ask(**more: str) -> requests.Response:
        return session.get(f"{house.url}/wado", params={**where, **more})

    whole = ask(contentType="application/dicom", transferSyntax=str(ImplicitVRLittleEndian))
    got = pydicom.dcmread(io.BytesIO(whole.content))
    assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian and got.PixelData == one.PixelData
    assert ask().headers["Content-Type"] == "image/jpeg"
    drawn = ask(contentType="image/png", rows="16", windowCenter="40", windowWidth="400", frameNumber="1")
    assert Image.open(io.BytesIO(drawn.content)).size == (16, 16)
    for more, status in (
        ({"requestType": "QIDO"}, 400),
        ({"objectUID": ""}, 400),
        ({"contentType": "image/tiff"}, 406),
        ({"anonymize": "yes"}, 406),
        ({"windowCenter": "1"}, 400),
        ({"frameNumber": "0"}, 400),
        ({"frameNumber": "2"}, 404),
        ({"rows": "99999", "columns": "99999"}, 400),
        ({"imageQuality": "101"}, 400),
        ({"contentType": "application/dicom", "frameNumber": "1"}, 400),
        ({"contentType": "application/dicom", "transferSyntax": "1.2.840.10008.1.2.4.90"}, 406),
        ({"objectUID": "1.2.3"}, 404),
    ):
        answer = ask(**more)
        assert answer.status_code == status and answer.json()["detail"], (more, answer.text)
    house.world.settle()
    assert ask().status_code == 503 and int(ask(contentType="application/dicom").headers["Retry-After"]) > 0


def wanted(study_uid: str, world: World) -> dict[str, object]:
    """The body of a request for commitment of all objects of a study, and of one that is not here."""
    found = [(one.sop_class_uid, one.sop_instance_uid) for one in world.catalog.studies.instances(study_uid)]
    items = [
        {"00081150": {"vr": "UI", "Value": [sop_class]}, "00081155": {"vr": "UI", "Value": [uid]}}
        for sop_class, uid in [*found, ("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4")]
    ]
    return {"00081199": {"vr": "SQ", "Value": items}}


def test_who_sent_objects_learns_whether_it_may_forget_its_own(house: House) -> None:
    uid = house.world.receive(small_ct("safe", slices=2))
    session, address = house.session(), f"{house.url}/commitment-requests/1.2.3.77"
    headers = {"Content-Type": "application/dicom+json", "Accept": "application/dicom+json"}
    answer = session.post(address, json=wanted(uid, house.world), headers=headers)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/dicom+json"
    said = answer.json()
    assert len(said["00081199"]["Value"]) == 2
    assert said["00081198"]["Value"][0]["00081197"]["Value"] == [0x0112]
    assert session.get(address).json() == said
    (kept,) = house.world.catalog.commitments.list()
    assert kept.state is CommitmentState.ANSWERED and kept.committed == 2
    assert house.session(Role.ADMINISTRATOR).get(address).status_code == 404, "only who asked is told"
    other = {"00081199": {"vr": "SQ", "Value": wanted(uid, house.world)["00081199"]["Value"][:1]}}  # type: ignore[index]
    assert session.post(address, json=other, headers=headers).status_code == 409
    for body, kind, status in (
        (b"{", "application/dicom+json", 400),
        (b"{}", "application/dicom+json", 400),
        (b'{"00081199": {"vr": "SQ", "Value": [{}]}}', "application/dicom+json", 400),
        (b'{"00081199": {"vr": "SQ", "Value": []}}', "application/dicom+json", 400),
        (b"{}", "text/plain", 415),
    ):
        assert session.post(address, data=body, headers={"Content-Type": kind}).status_code == status, body
    assert session.post(f"{house.url}/commitment-requests/x", json={}, headers=headers).status_code == 400
    assert session.get(address, headers={"Accept": "text/html"}).status_code == 406
    assert house.session(Role.VIEWER).get(address).status_code == 403


@pytest.fixture
def careful(house: House) -> Services:
    """The same archive, which promises nothing below two copies, and lets another origin ask."""
    world = house.world
    settings = WebSettings(secret_key=b"s" * 32, commit=Level.TWO_COPIES, cors_origins=(OTHER,))
    return Services(
        catalog=world.catalog,
        archive=world.archive,
        pool_usage=lambda: None,  # type: ignore[arg-type, return-value]
        pool_check=world.pool.check,
        volume_pools=world.volume_pools,
        settings=settings,
        clock=world.clock,
    )


def test_what_is_not_safe_enough_yet_is_asked_about_again(house: House, careful: Services) -> None:
    uid = house.world.receive(small_ct("waits", slices=1))
    token = str(house.session().headers["Authorization"])
    client = create_app(careful).test_client()
    headers = {"Authorization": token, "Content-Type": "application/dicom+json"}
    address = "/dicom-web/commitment-requests/1.2.3.78"
    body = wanted(uid, house.world)
    answer = client.post(address, json=body, headers=headers)
    assert answer.status_code == 202 and int(answer.headers["Retry-After"]) > 0
    reporter = Reporter(house.world.archive, DimseSettings())
    assert reporter.look() == 0
    house.world.settle()
    assert reporter.look() == 1, "it is settled without somebody who asks again, and nobody is called"
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200 and answer.json is not None
    (item,) = answer.json["00081199"]["Value"]
    assert item["00880130"]["Value"] and len(answer.json["00081198"]["Value"]) == 1


def test_the_capabilities_name_every_address(house: House, careful: Services) -> None:
    app = create_app(careful)
    listed = {one["path"] for one in resources(app)}
    assert {"/studies", "/wado", "/studies/{study}/rendered", "/commitment-requests/{transaction}"} <= listed
    answer = requests.options(f"{house.url}/studies", timeout=10)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/vnd.sun.wadl+xml"
    space = "{http://wadl.dev.java.net/2009/02}"
    found = {one.get("path") for one in ElementTree.fromstring(answer.content).iter(f"{space}resource")}
    assert found == listed
    said = requests.options(f"{house.url}/", headers={"Accept": "application/json"}, timeout=10).json()
    assert {one["path"] for one in said["resources"]} == listed


def test_a_page_of_another_origin_asks_only_when_it_is_named(house: House, careful: Services) -> None:
    house.world.receive(small_ct("crossing", slices=1))
    token = {"Authorization": str(house.session().headers["Authorization"])}
    client = create_app(careful).test_client()
    first = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    may = client.options("/dicom-web/studies", headers={"Origin": OTHER, **first})
    assert may.status_code == 204 and may.headers["Access-Control-Allow-Origin"] == OTHER
    assert "Authorization" in may.headers["Access-Control-Allow-Headers"]
    for origin in ("https://viewer.example.evil", "http://viewer.example", "null", ""):
        no = client.options("/dicom-web/studies", headers={"Origin": origin, **first})
        assert "Access-Control-Allow-Origin" not in no.headers and "Access-Control-Allow-Methods" not in no.headers
    read = client.get("/dicom-web/studies", headers={"Origin": OTHER, **token})
    assert read.headers["Access-Control-Allow-Origin"] == OTHER and "Origin" in read.vary
    assert "Access-Control-Allow-Credentials" not in read.headers
    assert (
        "Access-Control-Allow-Origin" not in client.get("/api/v1/studies", headers={"Origin": OTHER, **token}).headers
    )
    seated = browser(careful)
    store = {"Origin": OTHER, "Content-Type": "application/dicom+json"}
    assert seated.post("/dicom-web/commitment-requests/1.2.3", data=b"{}", headers=store).status_code == 403
    trusting = replace(careful, settings=replace(careful.settings, cors_credentials=True))
    seated = browser(trusting, app=create_app(trusting))
    answer = seated.post("/dicom-web/commitment-requests/1.2.3", data=b"{}", headers=store)
    assert answer.status_code == 400 and answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert seated.post("/studies/1.2.3/recall", headers={"Origin": OTHER}).status_code == 403
