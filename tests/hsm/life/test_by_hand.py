"""Drives that a person feeds: the whole life of a study with discs from a drawer and tapes from a shelf."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import Barcode
from hsm.states import Availability, CopyState, DriveState, JobKind, Place, VolumeState
from tests.hsm.life.desk import RECORDER, STUDY, Desk

D1, D2, D3, A1 = Barcode("D00001"), Barcode("D00002"), Barcode("D00003"), Barcode("A00001L8")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path) as desk:
        yield desk


def drive_states(desk: Desk) -> list[tuple[DriveState, Barcode | None]]:
    return [(drive.state, drive.barcode) for drive in desk.catalog.drives.list("desk")]


def settled(desk: Desk) -> dict[str, bytes]:
    """A study on a tape and a verified disc, gone from the disk; its bytes."""
    desk.receive(STUDY)
    before = desk.online_bytes(STUDY.study_uid)
    desk.work()
    desk.put_in(D1)
    desk.work()
    desk.put_in(D1)
    desk.settle(4)
    assert desk.availability(STUDY.study_uid) is not Availability.ONLINE
    return before


def test_a_study_goes_to_a_disc_that_a_person_feeds_and_comes_back_from_it(desk: Desk) -> None:
    desk.receive(STUDY)
    before = desk.online_bytes(STUDY.study_uid)
    desk.work()
    (line,) = desk.wanted()
    assert (line.barcode, line.location, line.library, line.studies) == (D1, "drawer 2", "desk", 1)
    assert line.requesters == ("policy",)
    assert (
        "bring D00001 (blank), which is on the shelf (drawer 2), and put it into a drive of library desk" in line.reason
    )

    desk.put_in("D00001")
    assert desk.said("blank_named") == ["this is a blank disc; it is D00001 from now on: write that on it"]
    assert {copy.state for copy in desk.copies(STUDY.study_uid) if copy.barcode == D1} == {CopyState.WRITTEN}
    assert drive_states(desk)[RECORDER] == (DriveState.EMPTY, None), "it comes out to be labelled"
    volume = desk.catalog.volumes.get(D1)
    assert (volume.place, volume.location, volume.state) == (Place.SHELF, "drawer 2", VolumeState.FULL)

    desk.work()
    (job,) = desk.waiting()
    assert (job.kind, job.barcode) == (JobKind.VERIFY, D1)
    desk.put_in("D00001")
    assert D1 in desk.verified_volumes(STUDY.study_uid)
    assert not desk.waiting()
    desk.settle(4)
    assert desk.availability(STUDY.study_uid) is Availability.NEARLINE

    desk.library.clean_up()
    take_out_of_robot(desk, A1)
    assert desk.availability(STUDY.study_uid) is Availability.OFFLINE
    first = desk.recall(STUDY.study_uid)
    second = desk.archive.request_recall(STUDY.study_uid, requested_by="CT1")
    desk.engine.drain()
    (line,) = desk.wanted()
    assert line.requesters == ("test", "CT1")
    desk.put_in("D00001")
    assert desk.catalog.recalls.state(first).done
    assert desk.catalog.recalls.state(second).done
    assert desk.online_bytes(STUDY.study_uid) == before
    assert (desk.catalog.volumes.get(D1).place, desk.catalog.volumes.get(D1).location) == (Place.SHELF, "drawer 2")


def take_out_of_robot(desk: Desk, barcode: Barcode, location: str = "vault 3") -> None:
    changer, hands = desk.simulated.changer, desk.simulated.hands
    storage = changer.inventory().storage()
    slot = next(e.index for e in storage if e.barcode == barcode)
    mail = next(e.index for e in storage if e.kind == "mail_slot")
    changer.transfer(slot, mail)
    hands.remove(barcode)
    desk.catalog.volumes.move(barcode, Place.SHELF, location, desk.clock.now())
    desk.engine.take_inventory()
