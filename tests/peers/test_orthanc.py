"""Debian's Orthanc beside Firn, plain and over TLS: each stores to the other, asks, fetches, and wants commitment."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from appliance.dimse.echo import echo
from appliance.dimse.settings import Peer
from hsm.peers.model import PeerRecord
from tests.e2e.house import wait_until
from tests.peers.conftest import LIMIT_S, Firn
from tests.support.ports import free_port
from tests.support.studies import encode, small_ct

pytestmark = pytest.mark.peer


@dataclass
class Orthanc:
    """A running one, by its REST API."""

    title: str
    http: int
    tls: bool

    def get(self, path: str) -> Any:
        return requests.get(f"http://127.0.0.1:{self.http}{path}", timeout=LIMIT_S).json()

    def post(self, path: str, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        answer = requests.post(f"http://127.0.0.1:{self.http}{path}", data=data, timeout=LIMIT_S)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def empty(self) -> None:
        for study in self.get("/studies"):
            requests.delete(f"http://127.0.0.1:{self.http}/studies/{study}", timeout=LIMIT_S)
        assert self.get("/instances") == []

    def answers(self) -> bool:
        try:
            return "Version" in self.get("/system")
        except requests.ConnectionError:
            return False


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def orthanc(
    firn: Firn, running: Callable[..., None], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Orthanc]:
    """An Orthanc that knows Firn, and that Firn knows."""
    tls, port = bool(request.param), free_port()
    made = Orthanc("ORTHANCTLS" if tls else "ORTHANC", free_port(), tls)
    certificate, key = firn.certificate("orthanc")
    settings: dict[str, Any] = {
        "StorageDirectory": str(tmp_path),
        "IndexDirectory": str(tmp_path),
        "HttpPort": made.http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
        "DicomAet": made.title,
        "DicomPort": port,
        "DicomModalities": {
            "firn": {
                "AET": "FIRN",
                "Host": "localhost",
                "Port": firn.port(tls),
                "UseDicomTls": tls,
                "AllowStorageCommitment": True,
            }
        },
        "DicomTlsEnabled": tls,
        "DicomTlsCertificate": str(certificate),
        "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": str(firn.authority.certificate),
        "SyncStorageArea": False,
        "SaveJobs": False,
    }
    path = tmp_path / "orthanc.json"
    path.write_text(json.dumps(settings))
    running(["/usr/sbin/Orthanc", path], made.answers)
    firn.peers[made.title] = Peer("localhost", port, tls=tls)
    assert echo(firn.server._settings, PeerRecord(made.title, "localhost", port, tls=tls)).answered
    yield made


def test_orthanc_stores_wants_commitment_asks_fetches_and_is_sent(firn: Firn, orthanc: Orthanc) -> None:
    study = small_ct(f"orthanc {orthanc.title}")
    for instance in study.instances:
        orthanc.post("/instances", encode(instance))
    (kept,) = orthanc.get("/studies")
    count = len(study.instances)

    sent = orthanc.post("/modalities/firn/store", {"Resources": [kept]})
    assert (sent["InstancesCount"], sent["FailedInstancesCount"]) == (count, 0)
    assert len(firn.archive.catalog.studies.instances(study.study_uid)) == count

    transaction = orthanc.post("/modalities/firn/storage-commitment", {"Resources": [kept]})["Path"]
    wait_until(lambda: orthanc.get(transaction)["Status"] != "Pending", "Firn promises", LIMIT_S)
    promised = orthanc.get(transaction)
    assert promised["Status"] == "Success", promised

    orthanc.empty()
    asked = {"Level": "Study", "Query": {"StudyInstanceUID": study.study_uid, "PatientName": ""}}
    query = orthanc.post("/modalities/firn/query", asked)["Path"]
    assert orthanc.get(f"{query}/answers") == ["0"]
    orthanc.post(f"{query}/answers/0/retrieve", {"TargetAet": orthanc.title, "Synchronous": True})
    assert len(orthanc.get("/instances")) == count

    orthanc.empty()
    number = firn.archive.deliver(study.study_uid, orthanc.title, requested_by="test")
    wait_until(lambda: firn.archive.catalog.deliveries.get(number).state == "done", "Firn pushes", LIMIT_S)
    assert len(orthanc.get("/instances")) == count
