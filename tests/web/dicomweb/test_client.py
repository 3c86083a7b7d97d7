"""A DICOMweb client that is not ours finds, fetches and stores."""

import hashlib
import io

import pydicom
import pytest
import requests
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hsm.access.roles import Role
from hsm.catalog.audit import AuditFilter
from hsm.states import Availability
from tests.support.studies import PEOPLE, compress_rle, ct_study, encode, one_of_each_kind, small_ct, us_study
from tests.web.dicomweb.conftest import House


def test_studies_series_and_instances_are_found(house: House) -> None:
    uids = {house.world.receive(study) for study in one_of_each_kind()}
    client = house.client()
    assert {found["0020000D"]["Value"][0] for found in client.search_for_studies()} == uids
    ct = small_ct()
    uid = house.world.receive(ct)
    name = str(ct.instances[0].PatientName).split("^", 1)[0]
    (found,) = client.search_for_studies(
        search_filters={"PatientName": f"{name}*", "StudyInstanceUID": uid}, fields=["StudyDescription"]
    )
    assert found["00080056"]["Value"] == ["ONLINE"]
    assert found["00081190"]["Value"][0].endswith(f"/dicom-web/studies/{uid}")
    (series,) = client.search_for_series(uid)
    assert series["00201209"]["Value"] == [3]
    series_uid = series["0020000E"]["Value"][0]
    instances = client.search_for_instances(uid, series_uid)
    assert [each["00200013"]["Value"][0] for each in instances].count(1) == 1 and len(instances) == 3
    assert instances[0]["00280010"]["Value"] == [32]
    assert len(client.search_for_instances(study_instance_uid=uid, limit=2)) == 2
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_what_is_retrieved_is_what_was_sent_byte_for_byte(house: House) -> None:
    study = small_ct()
    uid = house.world.receive(study)
    sent = {str(each.SOPInstanceUID): hashlib.sha256(encode(each)).hexdigest() for each in study.instances}
    answer = house.session().get(
        f"{house.url}/studies/{uid}",
        headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
    )
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("multipart/related")
    boundary = answer.headers["Content-Type"].split("boundary=")[1].encode()
    parts = [part.split(b"\r\n\r\n", 1)[1][:-2] for part in answer.content.split(b"--" + boundary)[1:-1]]
    got = {str(pydicom.dcmread(io.BytesIO(part)).SOPInstanceUID): hashlib.sha256(part).hexdigest() for part in parts}
    assert got == sent
    datasets = house.client().retrieve_study(uid)
    assert {str(each.SOPInstanceUID) for each in datasets} == set(sent)
    viewed = house.world.catalog.audit.list(AuditFilter(action="study_viewed", object=uid))
    assert [entry.via for entry in viewed] == ["api"], "one look of one person, however many requests it is"


def test_metadata_lead_to_bulk_values_and_frames(house: House) -> None:
    study = us_study("ultra", PEOPLE[0])
    uid = house.world.receive(study)
    client = house.client()
    for said in client.retrieve_study_metadata(uid):
        series_uid, sop = said["0020000E"]["Value"][0], said["00080018"]["Value"][0]
        original = next(each for each in study.instances if each.SOPInstanceUID == sop)
        assert said["00100010"]["Value"][0]["Alphabetic"] == str(original.PatientName).split("=", maxsplit=1)[0]
        assert said["7FE00010"]["BulkDataURI"].endswith(f"/instances/{sop}/bulkdata/7FE00010")
        frames = client.retrieve_instance_frames(uid, series_uid, sop, [1, int(original.get("NumberOfFrames", 1))])
        assert len(frames) == 2 and all(len(frame) for frame in frames)


def test_frames_are_the_pixels(house: House) -> None:
    study = small_ct()
    uid = house.world.receive(study)
    one = study.instances[0]
    (frame,) = house.client().retrieve_instance_frames(uid, str(one.SeriesInstanceUID), str(one.SOPInstanceUID), [1])
    assert bytes(frame) == one.PixelData


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_an_object_comes_in_the_transfer_syntax_that_was_asked_for(house: House, syntax: str) -> None:
    study = small_ct()
    uid = house.world.receive(study)
    one = study.instances[0]
    answer = house.session().get(
        f"{house.url}/studies/{uid}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}",
        headers={"Accept": f"application/dicom; transfer-syntax={syntax}"},
    )
    assert answer.status_code == 200
    got = pydicom.dcmread(io.BytesIO(answer.content))
    assert got.file_meta.TransferSyntaxUID == syntax and got.PixelData == one.PixelData
    packed = ct_study("packed", PEOPLE[1], 1, 32).instances[0]
    plain = packed.PixelData
    house.world.archive.receive_file(io.BytesIO(encode(compress_rle(packed))), "CT1")
    address = f"{house.url}/studies/{packed.StudyInstanceUID}/series/{packed.SeriesInstanceUID}/instances/"
    wanted = {"Accept": f"application/dicom; transfer-syntax={syntax}"}
    got = pydicom.dcmread(io.BytesIO(house.session().get(f"{address}{packed.SOPInstanceUID}", headers=wanted).content))
    assert got.file_meta.TransferSyntaxUID == syntax and got.PixelData == plain
    assert got.SOPInstanceUID == packed.SOPInstanceUID


def test_what_is_stored_is_durable_and_said_object_by_object(house: House) -> None:
    study = small_ct("stored")
    uid = str(study.instances[0].StudyInstanceUID)
    datasets = [pydicom.dcmread(io.BytesIO(encode(each))) for each in study.instances]
    answer = house.client().store_instances(datasets, study_instance_uid=uid)
    assert len(answer.ReferencedSOPSequence) == 3 and "FailedSOPSequence" not in answer
    assert house.world.availability(uid) is Availability.ONLINE
    assert {each.source_aet for each in [house.world.catalog.studies.get(uid)] if each} == {"WEB:a-archivist"}


def test_an_object_of_another_study_is_refused_and_the_others_are_kept(house: House) -> None:
    study = small_ct("mixed", slices=1)
    uid = str(study.instances[0].StudyInstanceUID)
    good, bad = encode(study.instances[0]), encode(ct_study("other", PEOPLE[1], 1, 32).instances[0])
    answer = post(house, [good, bad, b"rubbish"], f"/{uid}")
    assert answer.status_code == 202
    said = answer.json()
    assert len(said["00081199"]["Value"]) == 1
    assert [each["00081197"]["Value"][0] for each in said["00081198"]["Value"]] == [0xA900, 0xC000]
    assert post(house, [bad], f"/{uid}").status_code == 409


def test_the_same_object_again_is_a_success_and_another_content_is_not(house: House) -> None:
    (one,) = small_ct("twice", slices=1).instances
    assert post(house, [encode(one)]).status_code == 200
    assert post(house, [encode(one)]).status_code == 200
    one.PixelData = bytes(len(one.PixelData))
    answer = post(house, [encode(one)])
    assert answer.status_code == 409 and answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0111]


def test_a_body_that_is_cut_keeps_what_came_whole(house: House) -> None:
    parts = [encode(each) for each in small_ct("cut", slices=2).instances]
    whole = body_of(parts)
    answer = post_body(house, whole[: len(whole) - len(parts[1]) // 2])
    assert answer.status_code == 202 and "cut or broken" in answer.headers["Warning"]
    assert len(answer.json()["00081199"]["Value"]) == 1
    assert post_body(house, whole[:60]).status_code == 400


def test_a_study_on_tape_says_when_and_comes_back(house: House) -> None:
    study = small_ct("cold")
    uid = house.world.receive(study)
    house.world.settle()
    assert house.world.availability(uid) is Availability.NEARLINE
    one = study.instances[0]
    address = f"{house.url}/studies/{uid}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}/frames/1"
    found = house.client().search_for_studies(search_filters={"StudyInstanceUID": uid})
    assert found[0]["00080056"]["Value"] == ["NEARLINE"]
    looks = house.session(Role.VIEWER).get(address)
    assert looks.status_code == 503 and "may not have studies brought back" in looks.json()["detail"]
    assert house.world.catalog.recalls.list() == []
    wants = house.session().get(address)
    assert wants.status_code == 503 and int(wants.headers["Retry-After"]) > 0
    assert wants.json()["availability"] == "NEARLINE"
    number = wants.json()["recall"]["id"]
    assert house.session().get(address).json()["recall"]["id"] >= number
    house.world.engine.drain()
    assert house.session().get(address).status_code == 200
    assert house.client().retrieve_instance_frames(uid, str(one.SeriesInstanceUID), str(one.SOPInstanceUID), [1]) == [
        one.PixelData
    ]


RUBBISH = (
    ("/studies?PatientBirthDate=yesterday", 400),
    ("/studies?NoSuchKeyword=1", 400),
    ("/studies?limit=-1", 400),
    ("/studies?limit=many", 400),
    ("/studies?fuzzymatching=perhaps", 400),
    ("/studies?includefield=all&fuzzymatching=true", 204),
    ("/studies?RequestAttributesSequence=1", 400),
    ("/studies?PatientName.PatientID=1", 400),
    ("/studies?00400275.00400009=1", 204),
    ("/studies/1.2.3/series", 204),
    ("/studies/1.2.3", 404),
    ("/studies/not-a-uid", 400),
    ("/studies/1.2.3/metadata", 404),
    ("/studies/%00", 400),
    ("/nothing", 404),
)


def test_rubbish_gets_a_clear_answer(house: House) -> None:
    session = house.session()
    for path, status in RUBBISH:
        answer = session.get(f"{house.url}{path}")
        assert answer.status_code == status, (path, answer.text)
        if status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["detail"]


def test_who_does_not_sign_in_gets_nothing(house: House) -> None:
    assert requests.get(f"{house.url}/studies", timeout=10).status_code == 401
    assert house.session(Role.VIEWER).post(f"{house.url}/studies", data=b"x").status_code == 403


def test_what_cannot_be_given_is_said(house: House) -> None:
    study = small_ct("formats", slices=1)
    uid, one = house.world.receive(study), study.instances[0]
    base = f"{house.url}/studies/{uid}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"
    session = house.session()
    for path, wanted in (
        ("", "image/tiff"),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90'),
        ("/metadata", "text/csv"),
        ("/frames/1", 'multipart/related; type="image/jp2"'),
        ("/bulkdata/7FE00010", "image/png"),
    ):
        assert session.get(f"{base}{path}", headers={"Accept": wanted}).status_code == 406, (path, wanted)
    assert session.get(f"{base}/frames/2").status_code == 404
    assert session.get(f"{base}/frames/0").status_code == 404
    assert session.get(f"{base}/frames/a").status_code == 400
    assert session.get(f"{base}/bulkdata/00420011").status_code == 404
    assert session.get(f"{base}/bulkdata/7FE00010").content.count(one.PixelData) == 1
    assert session.get(f"{house.url}/studies", headers={"Accept": "text/html"}).status_code == 406


def body_of(parts: list[bytes]) -> bytes:
    """The body of a request to store."""
    return (
        b"".join(b"--mark\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts) + b"--mark--"
    )


def post(house: House, parts: list[bytes], path: str = "") -> requests.Response:
    """Store objects."""
    return post_body(house, body_of(parts), path)


def post_body(house: House, body: bytes, path: str = "") -> requests.Response:
    """Store whatever is in a body."""
    return house.session().post(
        f"{house.url}/studies{path}",
        data=body,
        headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=mark'},
    )
