"""Names as PS3.5 writes them, byte for byte: stored by storescu, found in the asker's character set and by QIDO, shown.

Source: PS3.5 annexes H (Japanese), I (Korean), J (Unicode, GB18030), K (GB 2312); PS3.3 C.12.1.1.2 (Arabic, Greek).
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from flask.testing import FlaskClient
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from drivers.clock import VirtualClock
from hsm.facts import DiskFacts
from tests.hsm.objects import dataset
from tests.peers.conftest import Firn, tool
from tests.web.world import World, browser

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Name:
    """One name of the standard."""

    character_set: str
    written: bytes
    text: str
    asked: tuple[bytes, ...]  # keys that find it, in its own character set


NAMES = {
    "japanese": Name(
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        (b"YAMADA*", b"=\x1b$B;3ED\x1b(B*", b"\x1b$B;3ED\x1b(B*", b"==\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    ),
    "japanese_katakana": Name(
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        (b"\xd4\xcf\xc0\xde*", b"=\x1b$B;3ED\x1b(J*"),
    ),
    "korean": Name(
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
        (b"Hong^*", b"=\x1b$)C\xfb\xf3^*", b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"),
    ),
    "chinese_unicode": Name(
        "ISO_IR 192",
        "Wang^XiaoDong=王^小東=".encode(),
        "Wang^XiaoDong=王^小東",
        (b"wang^*", "=王^小東".encode(), "王*".encode()),
    ),
    "chinese_gb18030": Name(
        "GB18030",
        "Wang^XiaoDong=王^小东=".encode("gb18030"),
        "Wang^XiaoDong=王^小东",
        ("=王^小东".encode("gb18030"), "*小东".encode("gb18030")),
    ),
    "chinese_58": Name(
        "\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东",
        (b"Zhang*", b"=\x1b$)A\xd5\xc5^*"),
    ),
    "arabic": Name(
        "ISO_IR 127",
        b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1",
        "قباني^لنزار",
        (b"\xe2\xc8\xc7\xe6\xea*", b"*\xe4\xe6\xd2\xc7\xd1"),
    ),
    "greek": Name(
        "ISO_IR 126",
        b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2",
        "Διονυσιος",
        (b"\xc4\xe9\xef\xed*", b"\xe4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2"),
    ),
}  # fmt: skip


def write(path: Path, given: Dataset, name: Name, written: bytes) -> Path:
    """A data set with a name in these bytes, whatever pydicom thinks of them."""
    given["SpecificCharacterSet"] = RawDataElement(
        Tag(0x00080005), "CS", len(name.character_set), name.character_set.encode(), 0, False, True
    )
    given["PatientName"] = RawDataElement(Tag(0x00100010), "PN", len(written), written, 0, False, True)
    given.file_meta = FileMetaDataset()
    given.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    given.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    given.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    pydicom.dcmwrite(path, given, enforce_file_format=True)
    return path


@pytest.fixture(scope="module")
def stored(firn: Firn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Study UIDs by the name that is in the study."""
    folder, studies = tmp_path_factory.mktemp("names"), {}
    for number, (key, name) in enumerate(NAMES.items(), start=1):
        study = f"1.2.55.{number}"
        one = dataset(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", SOPInstanceUID=f"{study}.1.1")
        write(folder / key, one, name, name.written)
        studies[key] = study
    tool("storescu", "-aec", "FIRN", "localhost", firn.port(False), *(folder / key for key in NAMES))
    return studies


@pytest.fixture(scope="module")
def pages(firn: Firn) -> Iterator[FlaskClient]:
    """The pages and DICOMweb over the same archive."""
    clock = VirtualClock(datetime.now(UTC))
    disk = DiskFacts(10, 1, 85.0, 75.0)
    yield browser(World(firn.archive.catalog, firn.archive.pool, clock, disk).services())


@pytest.mark.parametrize("key", list(NAMES))
def test_a_name_is_found_in_its_own_character_set_and_shown(
    firn: Firn, stored: dict[str, str], pages: FlaskClient, tmp_path: Path, key: str
) -> None:
    name, study = NAMES[key], stored[key]
    queries = []
    for number, written in enumerate(name.asked):
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""
        queries.append(write(tmp_path / f"query{number}", query, name, written))
    tool("findscu", "-S", "-X", "-od", tmp_path, "-aec", "FIRN", "localhost", firn.port(False), *queries)
    answers = [pydicom.dcmread(path, force=True) for path in sorted(tmp_path.glob("rsp*.dcm"))]
    found = [answer for answer in answers if answer.StudyInstanceUID == study]
    assert len(found) == len(name.asked)
    assert {str(answer.PatientName).rstrip("=") for answer in found} == {name.text}
    assert all(answer.get("SpecificCharacterSet") for answer in found)

    groups = name.text.split("=")
    wanted = {"PatientName": f"{groups[0].split('^')[0]}*", "StudyInstanceUID": study, "includefield": "PatientName"}
    (told,) = pages.get("/dicom-web/studies", query_string=wanted).get_json()
    kinds = ("Alphabetic", "Ideographic", "Phonetic")
    assert told["00100010"]["Value"] == [dict(zip(kinds, groups, strict=False))]
    if len(groups) > 1:
        wanted["PatientName"] = f"{groups[1].split('^')[0]}*"
        assert len(pages.get("/dicom-web/studies", query_string=wanted).get_json()) == 1

    page = html.unescape(pages.get(f"/studies/{study}").text)
    for part in name.text.replace("=", "^").split("^"):
        assert part in page
