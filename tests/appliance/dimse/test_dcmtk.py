"""The node against the tools of DCMTK, as a hospital would use them."""

import io
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from appliance.dimse.settings import Peer
from tests.appliance.dimse.conftest import Node, small_study
from tests.hsm.objects import TEST_DATA, dataset, part10
from tests.support.studies import encode, one_of_each_kind

pytestmark = pytest.mark.peer
FILES = TEST_DATA / "test_files"
Started = Callable[..., Node]


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's programs; pynetdicom installs others under the same names, so the path is spelled out."""
    command = [f"/usr/bin/{name}", *map(str, arguments)]
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", timeout=60, env=environment
    )


def to(node: Node) -> list[object]:
    return ["-aec", "FIRN", "127.0.0.1", node.server.port]


def by_uid(folder: Path) -> dict[str, Dataset]:
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    return {str(one.SOPInstanceUID): one for one in found}


@pytest.fixture
def free_port() -> Iterator[int]:
    with socket.socket() as unused:
        unused.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        unused.bind(("127.0.0.1", 0))
        port = int(unused.getsockname()[1])
    yield port


def test_echoscu_is_answered(node: Node) -> None:
    assert tool("echoscu", *to(node)).returncode == 0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["-xi"], "CT_small.dcm"),
        (["-xe"], "MR_small.dcm"),
        (["-xb"], "MR_small_bigendian.dcm"),
        (["-xd"], "image_dfl.dcm"),
        (["-xs"], "SC_rgb_jpeg_gdcm.dcm"),
        (["-xr"], "MR_small_RLE.dcm"),
        (["-xv"], "MR_small_jp2klossless.dcm"),
        (["-xw"], "JPEG2000.dcm"),
        (["-xt"], "MR_small_jpeg_ls_lossless.dcm"),
        (["-xx"], "JPEG-lossy.dcm"),
    ],
)
def test_storescu_sends_in_every_syntax(node: Node, options: list[str], name: str) -> None:
    path = FILES / name
    done = tool("storescu", "-R", *options, *to(node), path)
    assert done.returncode == 0, done.stderr
    sent = pydicom.dcmread(path)
    data, syntax = node.stored(sent.SOPInstanceUID)
    if "-xi" not in options:
        assert syntax == sent.file_meta.TransferSyntaxUID
    assert len(data) > 0
    found = node.archive.catalog.intake.find(sent.SOPInstanceUID)
    assert found is not None
    with node.archive.open(found) as stream:
        kept = pydicom.dcmread(io.BytesIO(stream.read()))
    assert kept.file_meta.SourceApplicationEntityTitle == "STORESCU"
    if "PixelData" in sent and "-xb" not in options:
        assert kept.PixelData == sent.PixelData


def test_dcmsend_sends_every_kind_and_sends_it_again(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "studies"
    folder.mkdir()
    count = 0
    for study in one_of_each_kind():
        for instance in study.instances:
            (folder / f"{count}.dcm").write_bytes(encode(instance))
            count += 1
    for _ in range(2):
        done = tool("dcmsend", "+sd", *to(node), folder)
        assert done.returncode == 0, done.stderr
    assert node.archive.catalog.studies.counts().instances == count
    for path in folder.iterdir():  # the sender writes lengths in its own way, so elements are compared, not bytes
        sent = pydicom.dcmread(path)
        found = node.archive.catalog.intake.find(str(sent.SOPInstanceUID))
        assert found is not None
        with node.archive.open(found) as stream:
            assert pydicom.dcmread(io.BytesIO(stream.read())) == sent


def test_storescu_is_told_why_an_object_is_refused(node: Node, tmp_path: Path) -> None:
    node.receive(part10(dataset()))
    other = tmp_path / "other.dcm"
    other.write_bytes(part10(dataset(PatientName="Other")))
    done = tool("storescu", "-d", "-R", *to(node), other)
    assert "0xc111" in done.stderr + done.stdout


def test_findscu_finds(node: Node) -> None:
    node.receive(*small_study(3), part10(dataset(SOPInstanceUID="1.9.1", StudyInstanceUID="1.9", PatientName="Roe^R")))
    done = tool(
        "findscu", "-S", *to(node), "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=DOE*",
        "-k", "StudyInstanceUID", "-k", "NumberOfStudyRelatedInstances",
    )  # fmt: skip
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert re.findall(r"\(0020,000d\) UI \[([\d.]+)", said) == ["1.2.3"]
    assert re.findall(r"\(0020,1208\) IS \[(\d+)", said) == ["3"]
    assert "InstanceAvailability" in said


def test_movescu_receives_what_it_asked_for(start: Started, free_port: int, tmp_path: Path) -> None:
    folder = tmp_path / "got"
    folder.mkdir()
    node = start(peers={"MOVESCU": Peer("127.0.0.1", free_port)})
    contents = small_study(4)
    node.receive(*contents)
    done = tool(
        "movescu", "-S", "-aet", "MOVESCU", "-aem", "MOVESCU", "--port", free_port, "-od", folder, *to(node),
        "-k", "QueryRetrieveLevel=SERIES", "-k", "StudyInstanceUID=1.2.3", "-k", "SeriesInstanceUID=1.2.3.1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = by_uid(folder)
    assert sorted(got) == ["1.2.3.1.1", "1.2.3.1.3"]
    assert got["1.2.3.1.1"] == pydicom.dcmread(io.BytesIO(contents[0]))


def test_getscu_receives_what_it_asked_for(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "got"
    folder.mkdir()
    contents = small_study(2)
    node.receive(*contents, (FILES / "JPEG2000.dcm").read_bytes())
    done = tool(
        "getscu", "-S", "-od", folder, *to(node), "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3"
    )
    assert done.returncode == 0, done.stderr
    got = by_uid(folder)
    assert got == {
        "1.2.3.1.1": pydicom.dcmread(io.BytesIO(contents[0])),
        "1.2.3.2.2": pydicom.dcmread(io.BytesIO(contents[1])),
    }


def test_a_workstation_that_takes_one_uncompressed_syntax_only_gets_everything_in_it(
    start: Started, free_port: int, tmp_path: Path
) -> None:
    """movescu takes implicit VR and nothing else; what is stored compressed is decompressed for it."""
    folder = tmp_path / "got"
    folder.mkdir()
    node = start(peers={"MOVESCU": Peer("127.0.0.1", free_port)})
    lossless = tmp_path / "lossless.dcm"
    assert tool("dcmcjpeg", "+e1", FILES / "MR_small_implicit.dcm", lossless).returncode == 0
    paths = (FILES / "JPEG2000.dcm", FILES / "SC_rgb_rle.dcm", lossless, FILES / "JPEG-lossy.dcm")
    stored: dict[str, pydicom.FileDataset] = {}
    for path in paths:
        content = pydicom.dcmread(path)
        content.StudyInstanceUID, content.SeriesInstanceUID = "1.2.3", "1.2.3.1"
        content.SOPInstanceUID = f"1.2.3.1.{len(stored) + 1}"
        content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
        out = io.BytesIO()
        content.save_as(out)
        node.receive(out.getvalue())
        stored[str(content.SOPInstanceUID)] = content
    done = tool(
        "movescu", "+xi", "-S", "-aet", "MOVESCU", "-aem", "MOVESCU", "--port", free_port, "-od", folder, *to(node),
        "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3",
    )  # fmt: skip
    got = {str(each.SOPInstanceUID): each for each in map(pydicom.dcmread, folder.iterdir())}
    assert {each.file_meta.TransferSyntaxUID for each in got.values()} == {"1.2.840.10008.1.2"}
    refused = next(uid for uid, each in stored.items() if each.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.51")
    assert got.keys() == stored.keys() - {refused}  # 12-bit lossy JPEG: no decoder
    for uid, each in got.items():
        assert np.array_equal(each.pixel_array, stored[uid].pixel_array)
    assert "Warning: " in done.stdout + done.stderr
