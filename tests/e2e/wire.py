"""DCMTK at the other end of the wire, and what it saw there, byte for byte."""

import io
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.filereader import read_file_meta_info

from tests.e2e.house import LIMIT_S, POLL_S, House

# Without implicit VR: with +xi getscu 3.6.7 offers explicit VR all the same, and the data set has to be written anew.
GETSCU_PREFERS = {
    "1.2.840.10008.1.2.1": "+xe",
    "1.2.840.10008.1.2.2": "+xb",
    "1.2.840.10008.1.2.1.99": "+xd",
    "1.2.840.10008.1.2.4.50": "+xy",
    "1.2.840.10008.1.2.4.51": "+xx",
    "1.2.840.10008.1.2.4.70": "+xs",
    "1.2.840.10008.1.2.4.80": "+xt",
    "1.2.840.10008.1.2.4.81": "+xu",
    "1.2.840.10008.1.2.4.90": "+xv",
    "1.2.840.10008.1.2.4.91": "+xw",
    "1.2.840.10008.1.2.5": "+xr",
}


@dataclass(frozen=True)
class Seen:
    """One object without its file meta."""

    study: str
    series: str
    sop_class: str
    syntax: str
    data_set: bytes

    def __repr__(self) -> str:
        return f"Seen({self.study}, {self.syntax}, {len(self.data_set)} bytes)"

    @property
    def on_the_wire(self) -> "Seen":
        """The same with an even number of bytes, which a deflated data set gets by a NUL (PS3.5 A.5)."""
        return replace(self, data_set=self.data_set + bytes(len(self.data_set) % 2))


def seen(path: Path) -> tuple[str, Seen]:
    """The SOP Instance UID of a Part 10 file and what is in it, told by pydicom and not by our code."""
    meta = read_file_meta_info(str(path))
    content = path.read_bytes()
    stream = io.BytesIO(content)
    with pydicom.dcmread(stream, stop_before_pixels=True) as header:
        begin = 132 + 12 + int(meta.FileMetaInformationGroupLength)
        identity = str(header.StudyInstanceUID), str(header.SeriesInstanceUID), str(header.SOPClassUID)
        uid = str(header.SOPInstanceUID)
    return uid, Seen(*identity, str(meta.TransferSyntaxUID), content[begin:])


def all_seen(folder: Path) -> dict[str, Seen]:
    """Every object in a folder, by SOP Instance UID."""
    return dict(seen(path) for path in sorted(folder.iterdir()))


def tool(name: str, *arguments: object, status: int | None = 0) -> str:
    """Run a program of DCMTK; pynetdicom installs others under the same names, so the path is spelled out."""
    done = subprocess.run(
        [f"/usr/bin/{name}", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert status is None or done.returncode == status, f"{name}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@contextmanager
def workstation(folder: Path, port: int) -> Iterator[Path]:
    """storescp, which takes every transfer syntax and writes the bytes that it is sent; the folder it writes to."""
    folder.mkdir()
    command = ["/usr/bin/storescp", "+B", "+xa", "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + LIMIT_S
        while tool("echoscu", "-to", 1, "127.0.0.1", port, status=None):
            assert process.poll() is None, "storescp ended"
            assert time.monotonic() < deadline, "storescp does not answer"
            time.sleep(POLL_S)
        yield folder
    finally:
        process.kill()
        process.wait(LIMIT_S)


def send(port: int, *paths: Path) -> None:
    """Send files; every one must be answered with Success."""
    tool("dcmsend", "+sd", "+r", "-aec", "FIRN", "127.0.0.1", port, *paths)


def availability(house: House, study: str) -> str:
    """What C-FIND says of a study."""
    said = tool(
        "findscu", "-S", "-aec", "FIRN", "127.0.0.1", house.port, "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={study}", "-k", "InstanceAvailability",
    )  # fmt: skip
    answers = said[said.index("Find Response: 1") :].splitlines()
    (line,) = [line for line in answers if "InstanceAvailability" in line]
    return line[line.index("[") + 1 : line.index("]")].strip()


def move(house: House, folder: Path, studies: Iterable[str]) -> dict[str, Seen]:
    """C-MOVE a list of studies to the workstation; what arrived there."""
    with workstation(folder, house.peer_port):
        tool(
            "movescu", "-S", "-aec", "FIRN", "-aem", "WORKSTATION", "127.0.0.1", house.port,
            "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" + "\\".join(studies),
        )  # fmt: skip
    return all_seen(folder)


def get(house: House, folder: Path, wanted: Mapping[str, Seen]) -> dict[str, Seen]:
    """C-GET everything wanted. One getscu takes one compressed syntax, so images are asked for by syntax and series."""
    folder.mkdir()
    groups: dict[tuple[str, str, str], list[str]] = {}
    for uid, one in wanted.items():
        groups.setdefault((one.study, one.series, one.syntax), []).append(uid)
    for (study, series, syntax), uids in sorted(groups.items()):
        tool(
            "getscu", "-S", "+B", GETSCU_PREFERS[syntax], "-od", folder, "-aec", "FIRN", "127.0.0.1", house.port,
            "-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={study}", "-k", f"SeriesInstanceUID={series}",
            "-k", "SOPInstanceUID=" + "\\".join(uids),
        )  # fmt: skip
    return all_seen(folder)
