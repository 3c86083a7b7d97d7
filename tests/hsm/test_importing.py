"""Files, folders, media and ZIP archives on their way in."""

import io
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.importing import Imported, Rejected, import_paths
from hsm.incoming import PoolFull
from hsm.pool import OnlinePool
from tests.hsm.objects import TEST_DATA, dataset, part10

MEDIUM = TEST_DATA / "test_files" / "dicomdirtests"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    catalog = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}")
    pool = OnlinePool.create([tmp_path / "pool"], 0, tmp_path / "quarantine")
    yield Archive(catalog, pool, VirtualClock(datetime(2024, 1, 1, tzinfo=UTC)))
    catalog.close()


def reasons(results: list[Imported | Rejected]) -> dict[str, str]:
    return {Path(r.path).name: r.reason for r in results if isinstance(r, Rejected)}


def taken(results: list[Imported | Rejected]) -> list[str]:
    return [Path(r.path).name for r in results if isinstance(r, Imported)]


def bytes_of(archive: Archive, uid: str) -> bytes:
    stored = archive.catalog.intake.find(uid)
    assert stored is not None
    with archive.open(stored) as stream:
        return stream.read()


def test_a_folder_is_walked_whole_and_every_file_is_accounted_for(archive: Archive, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    first, second = part10(dataset()), part10(dataset(SOPInstanceUID="1.2.3.5"))
    (source / "one.dcm").write_bytes(first)
    (source / "a" / "b" / "two").write_bytes(second)
    (source / "again.dcm").write_bytes(first)
    (source / "other.dcm").write_bytes(part10(dataset(PatientName="Other")))
    (source / "cut.dcm").write_bytes(first[:-3])
    (source / "bare.dcm").write_bytes(first[400:])
    (source / "notes.txt").write_text("not an image")
    (source / "empty").write_bytes(b"")
    results = list(import_paths(archive, [source]))
    assert taken(results) == ["again.dcm", "one.dcm", "two"]
    assert set(reasons(results)) == {"other.dcm", "cut.dcm", "bare.dcm", "notes.txt", "empty"}
    assert "not a DICOM Part 10 file" in reasons(results)["bare.dcm"]
    assert "truncated" in reasons(results)["cut.dcm"]
    assert "another content" in reasons(results)["other.dcm"]
    assert bytes_of(archive, "1.2.3.4") == first
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert [r.receipt.kind.value for r in import_paths(archive, [source / "one.dcm"]) if isinstance(r, Imported)] == [
        "duplicate"
    ]


def test_a_medium_is_taken_by_what_its_dicomdir_names(archive: Archive) -> None:
    results = list(import_paths(archive, [MEDIUM / "DICOMDIR"]))
    assert len(taken(results)) == 31
    assert reasons(results) == {}
    for result in results:
        assert isinstance(result, Imported)
        header = result.receipt.header
        assert header is not None
        assert bytes_of(archive, header.sop_instance_uid) == Path(result.path).read_bytes()


def test_what_a_dicomdir_names_in_vain_is_reported(archive: Archive, tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    shutil.copytree(MEDIUM, medium, ignore=shutil.ignore_patterns("77654033", "DICOMDIR-*", "TINY_ALPHA", "*.py"))
    walked = list(import_paths(archive, [medium]))
    named = list(import_paths(archive, [medium / "DICOMDIR"]))
    for results in (walked, named):
        lost = [r for r in results if isinstance(r, Rejected) and "there is no such file" in r.reason]
        assert len(lost) == 7
        assert "77654033/" in lost[0].reason


def test_a_medium_mounted_in_lower_case_is_found_all_the_same(archive: Archive, tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    for path in MEDIUM.rglob("*"):
        relative = path.relative_to(MEDIUM).as_posix()
        if path.is_file() and relative.split("/")[0] in {"77654033", "98892001", "98892003"}:
            target = medium / relative.lower()
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copy(MEDIUM / "DICOMDIR", medium / "dicomdir")
    assert len(taken(list(import_paths(archive, [medium / "dicomdir"])))) == 31


def test_a_dicomdir_never_leads_out_of_its_folder(archive: Archive, tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    medium.mkdir()
    (tmp_path / "SECRET").write_bytes(part10(dataset()))
    raw = (MEDIUM / "DICOMDIR").read_bytes()
    (medium / "DICOMDIR").write_bytes(raw.replace(b"77654033\\CR1\\6154", b"..\\SECRET\\\\\\\\\\\\\\\\"))
    results = list(import_paths(archive, [medium / "DICOMDIR"]))
    assert taken(results) == []
    assert results


@pytest.mark.parametrize("content", [b"", b"rubbish", bytes(128) + b"DICM" + b"\xff" * 64])
def test_a_dicomdir_that_cannot_be_read_is_reported(archive: Archive, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").mkdir()
    dicomdir = tmp_path / "m" / "DICOMDIR"
    dicomdir.write_bytes(content)
    results = list(import_paths(archive, [dicomdir]))
    assert all("cannot be read" in reason for reason in reasons(results).values())
    assert list(import_paths(archive, [tmp_path / "m"])) == []


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_zip_archive_is_read_member_by_member(archive: Archive, tmp_path: Path) -> None:
    first, second = part10(dataset()), part10(dataset(SOPInstanceUID="1.2.3.5"))
    members = {"x/one": first, "x/DICOMDIR": b"", "../two": second, "x/readme": b"hello", "folder/": b""}
    path = zipped(tmp_path / "study.zip", members)
    results = list(import_paths(archive, [path]))
    assert [r.path for r in results if isinstance(r, Imported)] == [f"{path}:x/one", f"{path}:../two"]
    assert list(reasons(results)) == ["readme"]
    assert bytes_of(archive, "1.2.3.5") == second


def test_broken_zip_archives_and_members_are_reported(archive: Archive, tmp_path: Path) -> None:
    data = part10(dataset())
    whole = zipped(
        tmp_path / "study.zip", {"one": data, "two": part10(dataset(SOPInstanceUID="1.2.3.5"))}, 0
    ).read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[:500])
    flipped = tmp_path / "flipped.zip"
    at = whole.index(b"Doe^Jane")
    flipped.write_bytes(whole[:at] + b"X" + whole[at + 1 :])
    locked = tmp_path / "locked.zip"
    locked.write_bytes(
        whole.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
        )
    )
    inside = zipped(tmp_path / "inside.zip", {"study.zip": whole})
    results = list(import_paths(archive, [cut, flipped, locked, inside]))
    found = reasons(results)
    assert "broken ZIP" in found["cut.zip"]
    assert "broken member" in found["flipped.zip:one"]
    assert "cannot be read" in found["locked.zip:one"]
    assert "not a DICOM" in found["inside.zip:study.zip"]
    assert taken(results) == ["flipped.zip:two"]


def test_a_deflated_member_that_is_damaged_is_reported(archive: Archive, tmp_path: Path) -> None:
    path = zipped(tmp_path / "study.zip", {"one": part10(dataset(StudyDescription="x" * 60)) + bytes(5000)})
    raw = bytearray(path.read_bytes())
    raw[60:120] = b"\xff" * 60
    path.write_bytes(bytes(raw))
    assert len(reasons(list(import_paths(archive, [path])))) == 1


def test_an_object_whose_preamble_looks_like_a_zip_archive_is_an_object(archive: Archive, tmp_path: Path) -> None:
    data = b"PK\x03\x04" + part10(dataset())[4:]
    path = tmp_path / "odd.dcm"
    path.write_bytes(data)
    assert taken(list(import_paths(archive, [path]))) == ["odd.dcm"]


def test_what_cannot_be_opened_is_reported(archive: Archive, tmp_path: Path) -> None:
    results = list(import_paths(archive, [tmp_path / "nothing", Path("/dev/null")]))
    assert set(reasons(results)) == {"nothing", "null"}


def test_a_full_pool_stops_the_import(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(part10(dataset()))
    full = OnlinePool([tmp_path / "pool"], 1 << 60, tmp_path / "quarantine")
    with pytest.raises(PoolFull):
        list(import_paths(Archive(archive.catalog, full, archive.clock), [path]))


def test_the_same_stream_may_be_any_binary_file(archive: Archive) -> None:
    assert archive.receive_file(io.BytesIO(part10(dataset())), "WEB").kept
