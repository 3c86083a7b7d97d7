"""The demo: made once, told in calm lines, fed over DICOM without sending anything twice."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event

import pytest

from appliance.build import dimse_settings, open_archive, open_catalog, open_pool
from appliance.config import Config
from appliance.config.dicom import DicomSection
from appliance.demo.feed import SampleRefused, send_samples
from appliance.demo.narration import Narrator, by_uid, changes
from appliance.demo.setup import prepare
from appliance.dimse.server import DimseServer
from drivers.base import Barcode, MediumKind
from drivers.simulator import Hands
from hsm.catalog import Catalog
from hsm.catalog.records import StudyCopy, StudyRecord, StudySummary
from hsm.facts import StudyUid
from hsm.states import Availability, CopyState
from tests.support.studies import small_ct

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def summary(uid: str = "1.2.3", state: Availability = Availability.ONLINE, *copies: StudyCopy) -> StudySummary:
    study = StudyRecord(
        id=int(uid[-1]),
        study_instance_uid=StudyUid(uid),
        patient_id="P",
        issuer="",
        patient_name="",
        study_date=date(2024, 1, 1),
        study_time="",
        accession_number="",
        description="CT Thorax",
        institution="",
        modalities=("CT",),
        source_aet="",
        received_at=NOW,
        changed_at=NOW,
        accessed_at=None,
        pinned_until=None,
        series_count=1,
        instance_count=3,
        size_bytes=1_500_000,
    )
    return StudySummary(study, state, copies)


def copy(state: CopyState) -> StudyCopy:
    return StudyCopy(MediumKind.TAPE, "tape_a", Barcode("A00001L8"), state, 1, None)


def test_the_way_of_a_study_is_told_step_by_step() -> None:
    steps = [
        summary(),
        summary("1.2.3", Availability.ONLINE, copy(CopyState.WRITING)),
        summary("1.2.3", Availability.ONLINE, copy(CopyState.WRITTEN)),
        summary("1.2.3", Availability.ONLINE, copy(CopyState.VERIFIED)),
        summary("1.2.3", Availability.NEARLINE, copy(CopyState.VERIFIED)),
        summary("1.2.3", Availability.OFFLINE, copy(CopyState.VERIFIED)),
        summary("1.2.3", Availability.ONLINE, copy(CopyState.SUSPECT)),
        summary("1.2.3", Availability.ONLINE, copy(CopyState.LOST)),
    ]
    told = [changes(by_uid([before]), by_uid([after])) for before, after in itertools.pairwise(steps)]
    assert told == [
        [],
        ["study …1.2.3 (CT Thorax) copied to A00001L8"],
        ["study …1.2.3 (CT Thorax) verified on A00001L8: read back, digests agree"],
        ["study …1.2.3 (CT Thorax) no longer on disk: NEARLINE"],
        ["study …1.2.3 (CT Thorax) now OFFLINE"],
        [
            "study …1.2.3 (CT Thorax) could not be read back from A00001L8; another drive will try",
            "study …1.2.3 (CT Thorax) back on disk: ONLINE",
        ],
        ["study …1.2.3 (CT Thorax) lost its copy on A00001L8; a new one is made"],
    ]


def test_studies_of_which_the_same_is_to_be_said_share_a_line() -> None:
    before = [summary(f"1.2.{n}") for n in range(1, 5)]
    after = [replace(entry, copies=(copy(CopyState.WRITTEN),)) for entry in before]
    assert changes(by_uid(before), by_uid(after)) == [
        "studies …1.2.1 (CT Thorax), …1.2.2 (CT Thorax) and 2 more copied to A00001L8"
    ]


@pytest.fixture
def demo(tmp_path: Path) -> Config:
    return prepare(tmp_path / "var", NOW)[0]


@pytest.fixture
def catalog(demo: Config) -> Iterator[Catalog]:
    opened = open_catalog(demo, create=False)
    yield opened
    opened.close()


def test_the_demo_is_made_once_and_then_belongs_to_its_owner(tmp_path: Path, demo: Config, catalog: Catalog) -> None:
    path = tmp_path / "var" / "firn.toml"
    assert [peer.ae_title for peer in demo.peers] == ["WORKSTATION"]
    path.write_text(path.read_text().replace("port = 11113", "port = 4711"))
    catalog.policies.publish('rule "mine":\n    keep online\n', "me", NOW)
    again, _ = prepare(tmp_path / "var", NOW)
    assert [peer.port for peer in again.peers] == [4711]
    assert len(catalog.policies.history()) == 2
    assert Hands(again.resolve("libraries/tape")).shelf() == ()


def test_samples_are_sent_once_and_told_when_they_are_complete(demo: Config, catalog: Catalog) -> None:
    here = demo.model_copy(update={"dicom": DicomSection(host="127.0.0.1", port=1)})
    archive = open_archive(here, catalog, open_pool(here))
    server = DimseServer(archive, replace(dimse_settings(here), port=0))
    server.start()
    try:
        node = here.model_copy(update={"dicom": DicomSection(host="127.0.0.1", port=server.port)})
        samples = [small_ct("one"), small_ct("two")]
        narrator = Narrator(catalog)

        def have(uid: str) -> int:
            study = catalog.studies.get(uid)
            return study.instance_count if study else 0

        assert send_samples(node, have, Event(), 0, samples) == 2
        assert narrator.look() == []  # they may still grow
        told = narrator.look()
        assert len(told) == 1  # the same of both
        assert told[0].startswith("studies …")
        assert " arrived: 3 instances, " in told[0]
        assert narrator.look() == []
        assert send_samples(node, have, Event(), 0, samples) == 0
        stopped = Event()
        stopped.set()
        assert send_samples(node, lambda uid: 0, stopped, 0, samples) == 0
    finally:
        server.stop()
    with pytest.raises(SampleRefused, match="accepts no association"):
        send_samples(node, lambda uid: 0, Event(), 0, samples)
