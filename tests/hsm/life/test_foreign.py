"""A disc of somebody else is taken in from its recorder, without mounting it and by the rules of any import."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pycdlib import PyCdlib
from pydicom.fileset import FileSet

from drivers import isofs
from hsm.catalog.records import JobRequest
from hsm.facts import JobRecord
from hsm.format.errors import DiscDamaged
from hsm.format.foreign_disc import FileBytes, ForeignDisc, ForeignFile
from hsm.states import JobKind, JobState
from tests.hsm.life.desk import RECORDER, STUDY, Desk
from tests.support.studies import encode, small_ct
from tests.support.world import START

MORE = small_ct("more", slices=3, size_px=256)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path / "archive") as desk:
        yield desk


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir(exist_ok=True)


def plain_tree(root: Path) -> Path:
    """Images in folders, beside what else lies on such discs."""
    (root / "IMAGES").mkdir(parents=True)
    for number, instance in enumerate(MORE.instances):
        (root / "IMAGES" / f"IM{number}.dcm").write_bytes(encode(instance))
    (root / "README.TXT").write_text("for viewing only")
    return root


def wish(desk: Desk, drive: int | None = None, library: str = "desk") -> JobRecord:
    request = JobRequest(JobKind.READ_FOREIGN, f"read_foreign:{library}", payload={"library": library, "drive": drive})
    job_id, _ = desk.catalog.jobs.submit(request, desk.clock.now())
    desk.engine.drain()
    return desk.catalog.jobs.get(job_id)


def image(tree: Path, name: str = "HOSPITAL_7") -> Path:
    path = tree.parent / f"{name}.iso"
    isofs.make_image(tree, name, path, START)
    return path


def put_in_foreign(desk: Desk, made: Path) -> None:
    desk.burn_foreign(made)
    desk.hands.feed(RECORDER, desk.hands.shelf()[[str(b) for b in desk.hands.shelf()].index("F1")])
    desk.engine.take_inventory()


def told(desk: Desk) -> dict[str, Any]:
    (event,) = desk.catalog.events.list(name="foreign_disc_read")
    return dict(event.fields)


def test_a_plain_disc_is_taken_in_whole_and_what_is_no_image_is_named(desk: Desk, tmp_path: Path) -> None:
    put_in_foreign(desk, image(plain_tree(tmp_path / "tree")))
    assert desk.said("foreign_medium") == ["this is a foreign disc (HOSPITAL_7)"]
    job = wish(desk)
    assert job.state == JobState.DONE, job.message
    assert job.message == "disc HOSPITAL_7: 3 taken in, 1 not accepted"
    assert desk.online_bytes(MORE.study_uid) == {str(i.SOPInstanceUID): encode(i) for i in MORE.instances}
    found = told(desk)
    assert (found["source"], found["accepted"], found["not_accepted"]) == ("disc HOSPITAL_7", 3, 1)
    (rejected,) = found["rejected"]
    assert rejected["path"] == "README.TXT"
    assert not desk.desk.changer.inventory().drives()[RECORDER].full, "it is given back"
    facts = next(iter(desk.catalog.facts.studies_for_policy(desk.clock.now(), only=[MORE.study_uid])))
    assert facts.source_aet == "disc HOSPITAL_7"


def test_a_directory_says_what_is_taken_in_and_what_it_names_in_vain(desk: Desk, tmp_path: Path) -> None:
    fileset = FileSet()
    for instance in MORE.instances:
        fileset.add(instance)
    tree = tmp_path / "tree"
    fileset.write(tree)
    first = sorted(path for path in tree.rglob("*") if path.is_file() and path.name != "DICOMDIR")[0]
    first.unlink()
    (tree / "VIEWER.EXE").write_bytes(b"MZ")
    put_in_foreign(desk, image(tree))
    job = wish(desk, RECORDER)
    assert job.message == "disc HOSPITAL_7: 2 taken in, 1 not accepted"
    (rejected,) = told(desk)["rejected"]
    assert rejected["path"] == "DICOMDIR"
    assert "there is no such file" in rejected["reason"]


def test_unreadable_sectors_cost_the_files_they_are_in(desk: Desk, tmp_path: Path) -> None:
    made = image(plain_tree(tmp_path / "tree"))
    content = made.read_bytes()
    at = content.index(encode(MORE.instances[1])) + 50_000
    put_in_foreign(desk, made)
    desk.desk.faults.add(f"unreadable bytes {at}-{at + 10} on volume F1")
    job = wish(desk)
    assert job.message == "disc HOSPITAL_7: 2 taken in, 2 not accepted"
    reasons = {entry["path"]: entry["reason"] for entry in told(desk)["rejected"]}
    assert "cannot be read from the disc" in reasons["IMAGES/IM1.dcm"]
    assert len(desk.online_bytes(MORE.study_uid)) == 2


def test_an_unreadable_directory_does_not_keep_the_files_out(desk: Desk, tmp_path: Path) -> None:
    tree = plain_tree(tmp_path / "tree")
    (tree / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    put_in_foreign(desk, image(tree))
    assert wish(desk).message == "disc HOSPITAL_7: 3 taken in, 2 not accepted"


def test_a_disc_that_is_not_there_is_asked_for_and_read_when_it_is(desk: Desk, tmp_path: Path) -> None:
    job = wish(desk)
    assert job.state == JobState.WAITING_OPERATOR
    assert job.message == "needs a disc to take in: put it into drive 1 of library desk"
    put_in_foreign(desk, image(plain_tree(tmp_path / "tree")))
    desk.engine.drain()
    assert desk.catalog.jobs.get(job.id).state == JobState.DONE


def test_a_second_import_finds_everything_there(desk: Desk, tmp_path: Path) -> None:
    made = image(plain_tree(tmp_path / "tree"))
    put_in_foreign(desk, made)
    wish(desk)
    desk.hands.take(RECORDER)
    desk.hands.feed(RECORDER, next(b for b in desk.hands.shelf() if b == "F1"))
    desk.engine.take_inventory()
    assert wish(desk).message == "disc HOSPITAL_7: 0 taken in, 3 were here already, 1 not accepted"


@pytest.mark.parametrize(
    ("library", "said"), [("nowhere", "no recorder in a library nowhere"), ("test", "no recorder in a library test")]
)
def test_a_library_without_recorders_is_refused(desk: Desk, library: str, said: str) -> None:
    job = wish(desk, library=library)
    assert job.state == JobState.FAILED
    assert said in job.message


def test_a_blank_disc_is_nothing_to_take_in(desk: Desk) -> None:
    desk.put_in("D00004")
    job = wish(desk)
    assert job.state == JobState.FAILED
    assert "a blank disc: there is nothing to take in" in job.message


def test_data_without_a_file_system_fail_with_a_reason(desk: Desk, tmp_path: Path) -> None:
    made = tmp_path / "noise.iso"
    made.write_bytes(b"noise" * 100_000)
    put_in_foreign(desk, made)
    job = wish(desk)
    assert job.state == JobState.FAILED
    assert "no ISO 9660 file system" in job.message


@pytest.mark.parametrize("names", [{"joliet": 3}, {}])
def test_names_are_read_however_the_disc_spells_them(names: dict[str, Any]) -> None:
    iso = PyCdlib()
    iso.new(interchange_level=1, vol_ident="OLD", **names)
    more: dict[str, Any] = {"joliet_path": "/images"} if names else {}
    iso.add_directory("/IMAGES", **more)
    content = b"x" * 5000
    more = {"joliet_path": "/images/one file.dcm"} if names else {}
    iso.add_fp(io.BytesIO(content), len(content), "/IMAGES/ONE.DCM;1", **more)
    stream = io.BytesIO()
    iso.write_fp(stream)
    disc = ForeignDisc(stream)
    (file,) = disc.files()
    assert disc.volume_id == "OLD"
    assert file.path == ("images/one file.dcm" if names else "IMAGES/ONE.DCM;1")
    raw = stream.getvalue()
    assert FileBytes(file, lambda at, size: raw[at : at + size]).read() == content


def test_a_disc_that_ends_in_a_file_says_so() -> None:
    cut = FileBytes(ForeignFile("x", ((0, 10), (20, 10))), lambda at, size: b"0123456789"[at : at + size])
    with pytest.raises(DiscDamaged, match="ends at byte 20"):
        cut.read()


def test_own_discs_are_not_taken_for_foreign_ones(desk: Desk) -> None:
    desk.receive(STUDY)
    desk.work()
    desk.put_in("D00001")
    desk.hands.feed(RECORDER, next(b for b in desk.hands.shelf() if b == "D00002"))
    desk.engine.take_inventory()
    assert wish(desk).state == JobState.FAILED
