"""The way in and out, with a real catalog and a real pool."""

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import VirtualClock
from hsm.archive import Archive, ArchiveSettings, NotOnline
from hsm.catalog import Catalog, CatalogUnavailable, NotCatalogued, Outcome
from hsm.facts import Arrival, PoolFile, StoredInstance, StudyUid
from hsm.header import HeaderInvalid
from hsm.incoming import PoolFileMissing, PoolFull, PoolMissing
from hsm.pool import SENTINEL, OnlinePool
from hsm.receive import Announced, Receipt, ReceiptKind
from hsm.states import OnlineState
from tests.hsm.objects import CT, dataset, part10, stored_data_set

LITTLE = "1.2.840.10008.1.2.1"


@dataclass
class Place:
    root: Path
    catalog: Catalog
    pool: OnlinePool
    archive: Archive

    def files(self) -> list[Path]:
        return sorted(path for path in (self.root / "pool").rglob("*") if path.is_file() and path.name != SENTINEL)

    def quarantined(self) -> list[Path]:
        return sorted((self.root / "quarantine").iterdir())

    def receive(self, data: bytes, **options: Any) -> Receipt:
        return self.archive.receive_file(io.BytesIO(data), "CT1", **options)

    def stored(self, uid: str = "1.2.3.4") -> StoredInstance:
        found = self.catalog.intake.find(uid)
        assert found is not None
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    catalog = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}")
    pool = OnlinePool.create([tmp_path / "pool"], 0, tmp_path / "quarantine")
    yield Place(tmp_path, catalog, pool, Archive(catalog, pool, VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))))
    catalog.close()


def test_a_file_is_kept_byte_for_byte_with_its_digests(place: Place) -> None:
    data = part10(dataset())
    assert place.receive(data).kind is ReceiptKind.STORED
    stored = place.stored()
    with place.archive.open(stored) as stream:
        assert stream.read() == data
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert stored.dataset_sha256 == hashlib.sha256(stored_data_set(data)).hexdigest()
    assert data[stored.dataset_offset :] == stored_data_set(data)
    assert stored.size_bytes == len(data)


def test_a_data_set_from_the_network_gets_a_file_meta_and_keeps_its_bytes(place: Place) -> None:
    content = stored_data_set(part10(dataset()))
    with place.archive.arriving("MODALITY") as arriving:
        arriving.begin(CT, "1.2.3.4", LITTLE)
        for at in range(0, len(content), 7):
            arriving.write(memoryview(content)[at : at + 7])
        receipt = arriving.accept()
    assert receipt.kept
    stored = place.stored()
    with place.archive.open(stored) as stream:
        whole = stream.read()
    assert whole[stored.dataset_offset :] == content
    assert hashlib.sha256(whole).hexdigest() == stored.sha256
    assert len(whole) == stored.size_bytes == arriving.size_bytes


def test_the_same_content_again_is_a_success_that_changes_nothing(place: Place) -> None:
    data = part10(dataset())
    place.receive(data)
    before = place.files()
    receipt = place.receive(b"x" + data[1:])  # another preamble, the same data set
    assert receipt.kind is ReceiptKind.DUPLICATE
    assert receipt.kept
    assert place.files() == before
    assert place.quarantined() == []


@pytest.mark.parametrize(
    "change", [{"PatientName": "Other"}, {"SeriesInstanceUID": "1.2.9"}, {"StudyInstanceUID": "1.9"}]
)
def test_another_content_under_a_known_uid_is_refused_and_kept_aside(place: Place, change: dict[str, str]) -> None:
    first, second = part10(dataset()), part10(dataset(**change))
    place.receive(first)
    before = place.files()
    receipt = place.receive(second, keep_refused=True)
    assert receipt.kind is ReceiptKind.CONFLICT
    assert receipt.why
    assert place.files() == before
    assert [path.read_bytes() for path in place.quarantined()] == [second]
    noted = place.catalog.intake.quarantine()
    assert (noted[0].sop_instance_uid, noted[0].source_aet, noted[0].size_bytes) == ("1.2.3.4", "CT1", len(second))
    with place.archive.open(place.stored()) as stream:
        assert stream.read() == first


def test_a_refused_file_whose_source_keeps_it_is_dropped(place: Place) -> None:
    place.receive(part10(dataset()))
    before = place.files()
    assert place.receive(part10(dataset(PatientName="Other"))).kind is ReceiptKind.CONFLICT
    assert (place.files(), place.quarantined()) == (before, [])


def test_the_newcomer_wins_where_that_was_decided(place: Place) -> None:
    archive = Archive(place.catalog, place.pool, place.archive.clock, ArchiveSettings(on_conflict="replace"))
    first, second = part10(dataset()), part10(dataset(PatientName="Corrected"))
    archive.receive_file(io.BytesIO(first), "CT1")
    assert archive.receive_file(io.BytesIO(second), "CT1").kind is ReceiptKind.REPLACED
    with archive.open(place.stored()) as stream:
        assert stream.read() == second
    assert [path.read_bytes() for path in place.quarantined()] == [first]


@pytest.mark.parametrize(
    ("announced", "kind"),
    [
        (Announced(CT, "1.2.3.4"), ReceiptKind.STORED),
        (Announced(CT, "1.2.3.5"), ReceiptKind.MISMATCH),
        (Announced("1.2.840.10008.5.1.4.1.1.4", "1.2.3.4"), ReceiptKind.MISMATCH),
    ],
)
def test_what_was_announced_must_be_what_came(place: Place, announced: Announced, kind: ReceiptKind) -> None:
    data = part10(dataset())
    receipt = place.receive(data, announced=announced, keep_refused=True)
    assert receipt.kind is kind
    assert len(place.quarantined()) == (0 if receipt.kept else 1)
    assert len(place.files()) == (1 if receipt.kept else 0)


def test_what_cannot_be_understood_is_kept_aside_under_its_announced_uid(place: Place) -> None:
    with place.archive.arriving("CT1") as arriving:
        arriving.begin(CT, "1.2.3.4", LITTLE)
        arriving.write(b"\x08\x00\x18\x00UI\x40\x001.2")
        receipt = arriving.accept()
    assert receipt.kind is ReceiptKind.INVALID
    assert "truncated" in receipt.why
    assert place.quarantined()[0].name.startswith("1.2.3.4.")
    assert place.files() == []
    assert receipt.header is None


def test_a_stream_that_is_no_dicom_file_leaves_nothing(place: Place) -> None:
    with pytest.raises(HeaderInvalid):
        place.receive(b"%PDF-1.7" + bytes(1000))
    with pytest.raises(HeaderInvalid), place.archive.arriving("CT1") as arriving:
        arriving.begin(CT, "../../x", LITTLE)
    assert (place.files(), place.quarantined()) == ([], [])


def test_leaving_without_accepting_leaves_nothing(place: Place) -> None:
    with place.archive.arriving("CT1") as arriving:
        arriving.begin(CT, "1.2.3.4", LITTLE)
        arriving.write(b"half")
    assert place.files() == []


def test_a_full_pool_refuses_and_stays_as_it_was(place: Place) -> None:
    full = OnlinePool([place.root / "pool"], 1 << 60, place.root / "quarantine")
    archive = Archive(place.catalog, full, place.archive.clock)
    with pytest.raises(PoolFull):
        archive.receive_file(io.BytesIO(part10(dataset())), "CT1")
    assert place.files() == []


def test_a_pool_that_is_not_mounted_refuses(place: Place) -> None:
    (place.root / "pool" / SENTINEL).unlink()
    with pytest.raises(PoolMissing):
        place.receive(part10(dataset()))


class _Failing:
    """The catalog's intake with a commit that goes wrong: before it, after it, or without anybody knowing."""

    def __init__(self, intake: Any, message: str, commits: bool, silent: bool = False) -> None:
        self._intake = intake
        self._message = message
        self._commits = commits
        self._silent = silent

    def record(self, arrival: Arrival, on_conflict: Any) -> Outcome:
        if self._commits:
            self._intake.record(arrival, on_conflict)
        raise CatalogUnavailable(self._message)

    def known(self, file: PoolFile) -> bool:
        if self._silent:
            raise CatalogUnavailable("still away")
        return bool(self._intake.known(file))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._intake, name)


UNKNOWN = "the connection broke during a commit, its outcome is unknown: eof"


@pytest.mark.parametrize(
    ("message", "commits", "silent", "stored", "files_left"),
    [
        ("locked", False, False, False, 0),
        (UNKNOWN, True, False, True, 1),
        (UNKNOWN, False, False, False, 1),  # it might still be committed: never delete it
        (UNKNOWN, True, True, False, 1),
        ("locked", False, True, False, 1),
    ],
)
def test_a_commit_that_fails_never_costs_a_committed_file(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    message: str,
    commits: bool,
    silent: bool,
    stored: bool,
    files_left: int,
) -> None:
    monkeypatch.setattr(place.catalog, "intake", _Failing(place.catalog.intake, message, commits, silent))
    if stored:
        assert place.receive(part10(dataset())).kind is ReceiptKind.STORED
    else:
        with pytest.raises(CatalogUnavailable):
            place.receive(part10(dataset()))
    assert len(place.files()) == files_left


def test_a_refusal_stays_one_when_it_cannot_be_noted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: Any) -> int:
        raise CatalogUnavailable("locked")

    place.receive(part10(dataset()))
    monkeypatch.setattr(place.catalog.intake, "quarantined", away)
    conflict = place.receive(part10(dataset(PatientName="Other")), keep_refused=True)
    assert conflict.kind is ReceiptKind.CONFLICT
    mismatch = place.receive(part10(dataset()), announced=Announced(CT, "1.9"), keep_refused=True)
    assert mismatch.kind is ReceiptKind.MISMATCH
    assert len(place.quarantined()) == 2


def test_success_is_said_only_after_file_folder_and_commit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    real_fsync, real_record = os.fsync, place.catalog.intake.record

    def fsync(handle: int) -> None:
        steps.append("file" if Path(f"/proc/self/fd/{handle}").is_file() else "folder")
        real_fsync(handle)

    def record(arrival: Arrival, on_conflict: Any = "refuse") -> Outcome:
        path = place.pool.locate(arrival.file)
        assert path.read_bytes() == data
        steps.append("commit")
        return real_record(arrival, on_conflict)

    data = part10(dataset())
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(place.catalog.intake, "record", record)
    assert place.receive(data).kept
    assert steps[0] == "file"
    assert steps[-2:] == ["folder", "commit"]


def test_an_instance_that_is_not_on_disk_cannot_be_opened(place: Place) -> None:
    place.receive(part10(dataset()))
    stored = place.stored()
    gone = replace(stored, online_state=OnlineState.RELEASED, file=None)
    with pytest.raises(NotOnline, match="recall"):
        place.archive.open(gone)
    elsewhere = replace(stored, file=PoolFile(stored.file.directory, "1.2.3/1.2.3.1/1.2.3.4.00000000.dcm"))  # type: ignore[union-attr]
    with place.archive.open(elsewhere) as stream:  # its name changed since the caller looked
        assert stream.read() == part10(dataset())
    for path in place.files():
        path.unlink()
    with pytest.raises(PoolFileMissing):
        place.archive.open(stored)
    with pytest.raises(NotOnline):
        place.archive.open(replace(elsewhere, sop_instance_uid="1.9"))  # type: ignore[arg-type]


def test_retrieving_counts_as_access(place: Place) -> None:
    place.receive(part10(dataset()))
    place.archive.touch("1.2.3")
    study = place.catalog.studies.get("1.2.3")
    assert study is not None
    assert study.accessed_at == place.archive.clock.now()


def test_a_recall_of_what_is_online_is_done_at_once(place: Place) -> None:
    place.receive(part10(dataset()))
    number = place.archive.request_recall("1.2.3", requested_by="WS1")
    assert place.archive.wait_recall(number, 0).done
    with pytest.raises(NotCatalogued):
        place.archive.request_recall("9.9", requested_by="WS1")


def test_waiting_for_a_recall_ends_when_it_is_done_given_up_or_too_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.receive(part10(dataset()))
    number = place.archive.request_recall("1.2.3", requested_by="WS1")
    status = replace(place.archive.recall_state(number), done=False, missing=1)
    states = iter([status, status, replace(status, done=True)])
    archive = Archive(place.catalog, place.pool, place.archive.clock, ArchiveSettings(recall_poll_s=0.001))
    monkeypatch.setattr(place.catalog.recalls, "state", lambda _number: next(states))
    assert archive.wait_recall(number, 60).done
    monkeypatch.setattr(place.catalog.recalls, "state", lambda _number: status)
    assert not archive.wait_recall(number, 0.003).done
    assert not archive.wait_recall(number, 60, given_up=lambda: True).done
    monkeypatch.setattr(place.catalog.recalls, "state", lambda _number: replace(status, failed=True))
    assert archive.wait_recall(number, 60).failed


def test_recalls_are_counted_in_the_archives_time(place: Place) -> None:
    place.receive(part10(dataset()))
    number = place.archive.request_recall(StudyUid("1.2.3"), requested_by="WS1")
    assert place.archive.recall_state(number).created_at - place.archive.clock.now() == timedelta(0)
