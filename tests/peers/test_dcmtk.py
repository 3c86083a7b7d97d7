"""Every transfer syntax that DCMTK can propose: stored, and got back identical by push, C-MOVE and C-GET."""

import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from appliance.dimse.settings import Peer
from tests.e2e.house import wait_until
from tests.hsm.objects import dataset
from tests.peers.conftest import Firn, tool
from tests.support.ports import free_port

pytestmark = pytest.mark.peer
ROOT = "1.2.840.10008.1.2"
SYNTAXES = {
    "i": ROOT, "e": f"{ROOT}.1", "b": f"{ROOT}.2", "d": f"{ROOT}.1.99", "r": f"{ROOT}.5", "y": f"{ROOT}.4.50",
    "x": f"{ROOT}.4.51", "s": f"{ROOT}.4.70", "t": f"{ROOT}.4.80", "u": f"{ROOT}.4.81", "v": f"{ROOT}.4.90",
    "w": f"{ROOT}.4.91", "m": f"{ROOT}.4.100", "h": f"{ROOT}.4.101", "n": f"{ROOT}.4.102", "l": f"{ROOT}.4.103",
    "2": f"{ROOT}.4.104", "3": f"{ROOT}.4.105", "o": f"{ROOT}.4.106", "4": f"{ROOT}.4.107", "5": f"{ROOT}.4.108",
}  # fmt: skip
UNCOMPRESSED = "iebd"


def write(folder: Path, study: str) -> dict[str, FileDataset]:
    """One object of each syntax of one study as files, by the letter of DCMTK's option."""
    folder.mkdir()
    for number, (letter, syntax) in enumerate(SYNTAXES.items(), start=1):
        one = dataset(
            StudyInstanceUID=study,
            SeriesInstanceUID=f"{study}.1",
            SOPInstanceUID=f"{study}.1.{number}",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
            InstanceNumber=str(number),
        )
        one.Rows = one.Columns = 16
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        pixels = bytes(range(256)) * 2
        one.PixelData = pixels if letter in UNCOMPRESSED else encapsulate([pixels, pixels[:100]])
        one["PixelData"].is_undefined_length = letter not in UNCOMPRESSED
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = UID(syntax)
        pydicom.dcmwrite(folder / letter, one, enforce_file_format=True)
    return {letter: pydicom.dcmread(folder / letter) for letter in SYNTAXES}


def read(folder: Path) -> dict[str, FileDataset]:
    """By SOP Instance UID."""
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    return {str(one.SOPInstanceUID): one for one in found}


def same(sent: dict[str, FileDataset], got: dict[str, FileDataset]) -> None:
    """Nothing is missing, and each is in its syntax and equal in every element."""
    assert len(got) == len(sent)
    for letter, one in sent.items():
        there = got[str(one.SOPInstanceUID)]
        assert there.file_meta.TransferSyntaxUID == SYNTAXES[letter], letter
        assert there == one, letter


def test_the_table_is_all_that_dcmtk_can_propose() -> None:
    letters = set(re.findall(r"-x(.)\s+--propose-", tool("storescu", "--help")))
    assert letters == {*SYNTAXES, "="}, "= is e on this machine"


@pytest.mark.parametrize("tls", [False, True])
def test_objects_in_every_syntax_are_kept_and_pushed(
    firn: Firn, running: Callable[..., None], tmp_path: Path, tls: bool
) -> None:
    study = f"1.2.77.{int(tls)}"
    sent, secure, called = write(tmp_path / "sent", study), firn.dcmtk_tls(tls), ("-aec", "FIRN", "localhost")
    for letter in SYNTAXES:
        tool("storescu", "-R", f"-x{letter}", *secure, *called, firn.port(tls), tmp_path / "sent" / letter)
    found = tool(
        "findscu", "-S", *secure, *called, firn.port(tls), "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={study}", "-k", "NumberOfStudyRelatedInstances",
    )  # fmt: skip
    assert f"[{len(SYNTAXES)}" in found[found.index("Find Response: 1") :]
    port, got = free_port(), tmp_path / "got"
    got.mkdir()
    running(
        ["/usr/bin/storescp", "+B", "+xa", *secure, "-od", got, port],
        lambda: "Received Echo Response" in tool("echoscu", "-v", *secure, "localhost", port, status=None),
    )
    title = f"STORESCP{int(tls)}"
    firn.peers[title] = Peer("localhost", port, tls=tls)
    number = firn.archive.deliver(study, title, requested_by="test")
    wait_until(lambda: firn.archive.catalog.deliveries.get(number).state == "done", "all of it is pushed")
    same(sent, read(got))


def test_objects_in_every_syntax_come_back_by_move_and_by_get(firn: Firn, tmp_path: Path) -> None:
    sent, called = write(tmp_path / "sent", "1.2.78"), ("-aec", "FIRN", "localhost", firn.port(False))
    options = [f"-x{letter}" for letter in SYNTAXES]
    for option, letter in zip(options, SYNTAXES, strict=True):
        tool("storescu", "-R", option, *called, tmp_path / "sent" / letter)
    moved, got, port = tmp_path / "moved", tmp_path / "got", free_port()
    moved.mkdir()
    got.mkdir()
    firn.peers["MOVESCU"] = Peer("127.0.0.1", port)
    wanted = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.78")
    # with +B movescu 3.6.7 writes into the folder it was started in, whatever -od says
    tool("movescu", "-S", "+xa", "-aem", "MOVESCU", "--port", port, "-od", moved, *called, *wanted)
    same(sent, read(moved))
    del sent["i"]  # with +xi getscu 3.6.7 offers explicit VR all the same
    for letter, one in sent.items():
        image = ("-k", "QueryRetrieveLevel=IMAGE", "-k", "StudyInstanceUID=1.2.78", "-k", "SeriesInstanceUID=1.2.78.1")
        tool("getscu", "-S", "+B", f"+x{letter}", "-od", got, *called, *image, "-k",
             f"SOPInstanceUID={one.SOPInstanceUID}")  # fmt: skip
    same(sent, read(got))
