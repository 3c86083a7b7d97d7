"""pynetdicom's programs as clients and servers, and its library over TLS."""

import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from appliance.dimse.settings import Peer
from tests.peers.conftest import LIMIT_S, Firn, tool
from tests.support.ports import free_port
from tests.support.studies import encode, small_ct

pytestmark = pytest.mark.peer
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def app(name: str, *arguments: object) -> str:
    argv = [sys.executable, "-m", "pynetdicom", name, "-v", *map(str, arguments)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_programs_store_find_get_and_move(firn: Firn, running: Callable[..., None], tmp_path: Path) -> None:
    study, sent = small_ct("pynetdicom"), tmp_path / "sent"
    sent.mkdir()
    for number, instance in enumerate(study.instances):
        (sent / f"{number}.dcm").write_bytes(encode(instance))
    whole = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study.study_uid}")
    called = ("-aec", "FIRN", "127.0.0.1", firn.port(False))
    app("storescu", "-r", "-cx", *called, sent)
    assert study.study_uid in app("findscu", "-S", *called, *whole)
    got, moved, port = tmp_path / "got", tmp_path / "moved", free_port()
    app("getscu", "-S", "-od", got, *called, *whole)
    running(
        [sys.executable, "-m", "pynetdicom", "storescp", "-od", moved, port],
        lambda: "Received Echo Response" in tool("echoscu", "-v", "127.0.0.1", port, status=None),
    )
    firn.peers["STORESCP"] = Peer("127.0.0.1", port)
    app("movescu", "-S", "-aem", "STORESCP", *called, *whole)
    given = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, sent.iterdir())}
    for folder in (got, moved):
        there = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, folder.iterdir())}
        assert there == given


def test_the_library_finds_over_tls(firn: Firn) -> None:
    context = ssl.create_default_context(cafile=str(firn.authority.certificate))
    context.load_cert_chain(*firn.certificate("pynetdicom"))
    ae = AE("PYNETDICOM")
    ae.add_requested_context(FIND)
    association = ae.associate("127.0.0.1", firn.port(True), tls_args=(context, "localhost"))
    assert association.is_established
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", ""
    assert [status.Status for status, _ in association.send_c_find(wanted, FIND)][-1] == 0
    association.release()
