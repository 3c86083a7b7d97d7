"""Labels, reading back and places: what is asked, what is refused, and what a cartridge tells of its wear."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import Barcode, MediumKind, VolumeStatistics
from drivers.errors import DriverError
from drivers.simulator.tape import SimulatedTapeDrive
from hsm.catalog.audit import AuditFilter
from hsm.facts import VolumePool
from hsm.media import MediaRefused
from hsm.media.labelling import ask_label, fitting_pool, possible_pools, why_not_now
from hsm.media.places import set_location
from hsm.media.verifying import ask_verify_volume
from hsm.states import JobKind, Place
from tests.hsm.catalog.world import START, TAPES, World
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY
from tests.support.world import World as Archive

A1, A2 = TAPES[:2]
POOLS = {
    "other": VolumePool("other", MediumKind.TAPE, "lib", ("X*",)),
    "a": VolumePool("a", MediumKind.TAPE, "lib", ("A*",)),
    "far": VolumePool("far", MediumKind.TAPE, "elsewhere", ("A*",)),
    "disc": VolumePool("disc", MediumKind.DISC, "lib", ("D*",)),
}


def test_a_pool_fits_by_library_kind_and_pattern(world: World) -> None:
    world.library(A1, Barcode("D0001"), Barcode("Z00001L8"))
    volumes = world.catalog.volumes
    assert fitting_pool(POOLS, volumes.get(A1)) == "a"
    assert possible_pools(POOLS, volumes.get(A1)) == ["a", "other"]
    assert possible_pools(POOLS, volumes.get(Barcode("D0001"))) == ["disc"]
    assert fitting_pool(POOLS, volumes.get(Barcode("Z00001L8"))) is None
    shelved = replace(volumes.get(A1), place=Place.SHELF, location="row 3")
    assert (why_not_now(shelved), why_not_now(volumes.get(A1))) == ("it is shelf row 3", "")


def test_only_a_blank_tape_of_a_known_pool_is_labelled(world: World) -> None:
    world.labelled(A1)
    world.library(A1, A2, Barcode("D0001"), Barcode("Z00001L8"))
    for barcode, pool, words in (
        (A1, None, "it is labelled; only a blank or scratch volume"),
        (Barcode("D0001"), None, "when it is burnt"),
        (Barcode("Z00001L8"), None, "choose one with --pool"),
        (A2, "nobody", "there is no volume pool nobody"),
    ):
        with pytest.raises(MediaRefused, match=words):
            ask_label(world.catalog, POOLS, barcode, pool, "anna", START)
    assert world.catalog.jobs.list() == []
    job = world.catalog.jobs.get(ask_label(world.catalog, POOLS, A2, None, "anna", START))
    assert (job.kind, job.pool, job.requested_by) == (JobKind.LABEL, "a", "anna")


def test_everything_on_a_volume_is_read_back_by_jobs_that_equal_wishes_share(world: World) -> None:
    world.safe(1)
    world.safe(2)
    asked = ask_verify_volume(world.catalog, A1, "anna", START)
    assert len(asked.job_ids) == 2
    assert asked.size_bytes == sum(copy.size_bytes for copy in asked.copies)
    assert ask_verify_volume(world.catalog, A1, "bob", START).job_ids == asked.job_ids
    entries = world.catalog.audit.list(AuditFilter(action="volume_verify_wanted"))
    assert [(entry.object, entry.fields["copies"]) for entry in entries] == [(A1, 2)] * 2
    world.library(*TAPES)
    with pytest.raises(MediaRefused, match="no copy"):
        ask_verify_volume(world.catalog, TAPES[2], "anna", START)


def test_a_place_outside_is_named_and_one_on_its_way_out_stays_so(world: World) -> None:
    world.labelled(A1)
    with pytest.raises(MediaRefused, match="robot sees it"):
        set_location(world.catalog, A1, Place.LIBRARY, "x", START)
    with pytest.raises(MediaRefused, match="say where"):
        set_location(world.catalog, A1, Place.SHELF, "", START)
    world.catalog.volumes.move(A1, Place.VAULT, "Bank", START, leaving=True)
    set_location(world.catalog, A1, Place.VAULT, " Other bank ", START)
    volume = world.catalog.volumes.get(A1)
    assert (volume.place, volume.location, volume.leaving) == (Place.VAULT, "Other bank", True)
    world.library(A2)  # somebody took it: the robot sees it no more
    world.library(A1, A2)  # and it came back
    volume = world.catalog.volumes.get(A1)
    assert (volume.place, volume.location, volume.leaving) == (Place.LIBRARY, "", False)


def test_what_a_cartridge_does_not_tell_stays_as_it_was(world: World) -> None:
    world.labelled(A1)
    volumes = world.catalog.volumes
    volumes.told(A1, VolumeStatistics(), START)
    assert (volumes.get(A1).told_at, volumes.get(A1).written_bytes) == (None, None)
    volumes.told(A1, VolumeStatistics(written_bytes=7, corrected_write_errors=2, corrected_read_errors=3), START)
    volumes.told(A1, VolumeStatistics(read_bytes=9), START)
    told = volumes.get(A1)
    assert (told.written_bytes, told.read_bytes, told.corrected_errors, told.uncorrected_errors) == (7, 9, 5, None)
    assert told.told_at == START
    volumes.told(Barcode("nobody knows"), VolumeStatistics(mounts=1, written_bytes=1), START)


def test_the_engine_hears_of_a_cartridge_after_each_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Archive(tmp_path, TAPES_ONLY, discs=())) as archive:
        archive.receive(small_ct())
        archive.settle(4)
        used = [volume for volume in archive.catalog.volumes.list() if volume.used_bytes]
        assert used
        assert all(volume.written_bytes and volume.written_bytes >= volume.used_bytes for volume in used)

        def silent(self: SimulatedTapeDrive) -> VolumeStatistics:
            raise DriverError("no answer")

        monkeypatch.setattr(SimulatedTapeDrive, "statistics", silent)
        before = archive.catalog.volumes.get(used[0].barcode).told_at
        ask_verify_volume(archive.catalog, used[0].barcode, "anna", archive.clock.now())
        archive.engine.drain()  # and goes on without
        assert archive.catalog.volumes.get(used[0].barcode).told_at == before


def test_events_audit_and_logs_are_forgotten_only_as_the_house_says(tmp_path: Path) -> None:
    with closing(Archive(tmp_path, TAPES_ONLY, discs=())) as archive:
        archive.receive(small_ct())
        archive.settle(4)
        jobs = archive.catalog.jobs.list()
        assert any(archive.catalog.jobs.lines(job.id) for job in jobs)
        before = len(archive.catalog.audit.list(AuditFilter(), limit=1000))
        archive.later(20 * 86400)
        archive.engine.tidy()
        assert len(archive.catalog.audit.list(AuditFilter(), limit=1000)) == before
        assert not any(archive.catalog.jobs.lines(job.id) for job in jobs)
        archive.engine.settings = replace(archive.engine.settings, keep_events_s=86400.0, keep_audit_s=86400.0)
        archive.engine.tidy()
        assert [entry.action for entry in archive.catalog.audit.list(AuditFilter())] == ["audit_pruned"]
        assert [event.name for event in archive.catalog.events.list()] == ["events_pruned"]
