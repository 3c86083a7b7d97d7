"""Drives that a person feeds: the whole life of a study with discs from a drawer and tapes from a shelf."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from drivers.base import Barcode, MediumKind
from drivers.simulator import VolumeSpec
from hsm.models import Volume
from hsm.states import Availability, CopyState, DriveState, JobKind, JobState, Place, VolumeState
from tests.hsm.life.desk import POLICY, RECORDER, STUDY, TAPE_DRIVE, Desk, pools
from tests.support.studies import small_ct

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

    desk.libraries["test"].clean_up()
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
    changer, hands = desk.robot.changer, desk.robot.hands
    storage = changer.inventory().storage()
    slot = next(e.index for e in storage if e.barcode == barcode)
    mail = next(e.index for e in storage if e.kind == "mail_slot")
    changer.transfer(slot, mail)
    hands.remove(barcode)
    desk.catalog.volumes.move(barcode, Place.SHELF, location, desk.clock.now())
    desk.engine.take_inventory()


def test_a_wrong_disc_is_named_and_given_back_and_the_right_one_is_read(desk: Desk) -> None:
    before = settled(desk)
    second = desk.receive(small_ct("two"))
    desk.work()
    desk.put_in(D2)
    desk.libraries["test"].clean_up()
    take_out_of_robot(desk, A1)
    desk.catalog.volumes.move(A1, Place.MISSING, "", desk.clock.now())
    request = desk.recall(STUDY.study_uid)
    (line, *_) = desk.wanted()
    assert (line.barcode, line.requesters) == (D1, ("test",))
    assert "which is on the shelf (drawer 2)" in line.reason

    desk.put_in(D2)
    assert desk.said("wrong_medium") == ["asked for D00001, this is D00002"]
    desk.put_in(D3)
    assert desk.said("wrong_medium")[1:] == ["asked for D00001, this is a blank disc"]
    assert desk.catalog.volumes.get(D3).place is Place.SHELF
    assert drive_states(desk)[RECORDER] == (DriveState.EMPTY, None)
    assert not desk.catalog.recalls.state(request).done

    desk.put_in(D1)
    assert desk.catalog.recalls.state(request).done
    assert desk.online_bytes(STUDY.study_uid) == before
    assert desk.catalog.studies.get(second) is not None


def test_a_tape_that_left_its_robot_is_read_in_a_drive_on_the_desk(desk: Desk) -> None:
    before = settled(desk)
    desk.libraries["test"].clean_up()
    take_out_of_robot(desk, A1)
    # The same cartridge, carried to the desk: it is the label that says which one it is.
    request = desk.recall(STUDY.study_uid)
    carry_to_desk(desk, A1)
    desk.write_foreign(b"somebody's backup" * 1000)
    desk.put_in("X00001L8", TAPE_DRIVE)
    assert desk.said("wrong_medium") == ["this is a tape with data that are not ours"]
    desk.put_in(A1, TAPE_DRIVE)
    assert desk.catalog.recalls.state(request).done
    assert desk.online_bytes(STUDY.study_uid) == before
    volume = desk.catalog.volumes.get(A1)
    assert (volume.place, volume.location, volume.library) == (Place.SHELF, "vault 3", "desk")


def carry_to_desk(desk: Desk, barcode: Barcode) -> None:
    """Put what lies beside the robot beside the desk."""
    source, target = desk.robot.root / "volumes" / barcode, desk.desk.root / "volumes" / barcode
    desk.hands.buy(VolumeSpec(barcode, "LTO-8", 40_000_000))
    shutil.rmtree(target)
    shutil.copytree(source, target)


def test_a_blank_that_nobody_asked_for_stays_and_is_used_when_somebody_does(desk: Desk) -> None:
    desk.put_in(D3)
    assert desk.said("blank_unasked") == ["this is a blank disc, and nothing was asked for"]
    desk.engine.take_inventory()
    assert len(desk.said("blank_unasked")) == 1
    desk.receive(STUDY)
    desk.work()
    assert desk.said("blank_named") == ["this is a blank disc; it is D00001 from now on: write that on it"]
    assert D1 in {copy.barcode for copy in desk.copies(STUDY.study_uid)}


def test_without_a_named_blank_a_name_is_asked_for(tmp_path: Path) -> None:
    with Desk(tmp_path, barcodes=("N*",)) as desk:
        desk.receive(STUDY)
        desk.work()
        (line,) = desk.wanted()
        assert (line.barcode, line.pool) == (None, "disc")
        assert "name a new blank one (N*) with `firn volumes add BARCODE --pool disc`" in line.reason
        desk.put_in(D1)
        assert desk.said("blank_unasked")
        desk.catalog.shelf.declare([Barcode("N00001")], MediumKind.DISC, "desk", "drawer 1", desk.clock.now())
        desk.engine.drain()
        assert "N00001" in {copy.barcode for copy in desk.copies(STUDY.study_uid)}


def test_media_that_cannot_be_used_are_named_and_given_back(desk: Desk, tmp_path: Path) -> None:
    image = tmp_path / "holiday.iso"
    image.write_bytes(b"holiday pictures" * 10_000)
    desk.burn_foreign(image)
    desk.put_in("F1")
    assert desk.said("foreign_medium") == ["this is a foreign disc without a name"]
    assert desk.desk.changer.inventory().drives()[RECORDER].full, "it can be imported"
    desk.hands.take(RECORDER)
    desk.put_in("CLN001L8", TAPE_DRIVE)
    assert "cannot be used here" in desk.said("unreadable_medium")[0]
    assert not desk.desk.changer.inventory().drives()[TAPE_DRIVE].full


def test_a_disc_that_ends_too_early_is_known_by_its_name_and_another_one_burnt(desk: Desk) -> None:
    """Its label cannot be read; what it is called is enough to set it aside, and to wait for it no longer."""
    desk.receive(STUDY)
    desk.work()
    desk.put_in(D1)
    desk.work()
    assert [line.barcode for line in desk.wanted()] == [D1], "to be read back"
    image = next(path for path in (desk.desk.root / "volumes").glob("D00001*/image"))
    os.truncate(image, 20 * 2048)
    desk.put_in(D1)
    assert desk.said("unreadable_medium") == ["this is a disc named D00001 that cannot be read to its end"]
    assert desk.catalog.volumes.get(D1).state is VolumeState.SUSPECT
    desk.settle(2)
    for _ in range(12):
        if wanted := desk.wanted():
            desk.put_in(wanted[0].barcode or D3)
        desk.work()
    assert desk.verified_volumes(STUDY.study_uid) == {A1, D2}
    assert desk.availability(STUDY.study_uid) is not Availability.ONLINE
    assert not desk.wanted(), "a disc that is lost is not asked for again"
    assert {copy.state for copy in desk.copies(STUDY.study_uid) if copy.barcode == D1} == {CopyState.LOST}


def test_a_disc_the_catalog_does_not_know_is_named_and_given_back(desk: Desk) -> None:
    settled(desk)
    desk.catalog.database.write(
        lambda connection: connection.execute(update(Volume).where(Volume.barcode == D1).values(uuid="another"))
    )
    desk.put_in(D1)
    assert "one of the two is a duplicate" in desk.said("wrong_medium")[0]
    assert desk.catalog.volumes.get(D1).state is VolumeState.FULL, "it may be well where it lies"


def test_what_a_person_takes_out_by_the_button_goes_back_to_its_place(desk: Desk) -> None:
    settled(desk)
    desk.hands.feed(RECORDER, D1)
    desk.engine.take_inventory()
    assert desk.catalog.volumes.get(D1).place is Place.LIBRARY
    desk.hands.take(RECORDER)
    desk.engine.take_inventory()
    assert (desk.catalog.volumes.get(D1).place, desk.catalog.volumes.get(D1).location) == (Place.SHELF, "drawer 2")


def test_a_tape_that_is_fed_is_noticed_without_being_announced(desk: Desk) -> None:
    desk.hands.feed(TAPE_DRIVE, Barcode("X00002L8"))
    desk.engine.look_for_tapes()
    assert desk.said("blank_unasked") == ["this is a blank tape, and nothing was asked for"]


def test_a_volume_in_the_mail_slot_of_a_robot_is_taken_in_when_it_is_expected(desk: Desk) -> None:
    settled(desk)
    hands = desk.robot.hands
    desk.libraries["test"].clean_up()
    take_out_of_robot(desk, A1)
    mail = hands.insert(A1)
    desk.engine.take_inventory()
    place = desk.robot.changer.inventory().find(A1)
    assert place is not None and place.kind == "slot"
    assert desk.said("volume_taken_in") == [f"moved to slot {place.index}"]
    hands.buy(VolumeSpec(Barcode("Z00001L8"), "LTO-8", 40_000_000))
    assert hands.insert(Barcode("Z00001L8")) == mail
    desk.engine.take_inventory()
    desk.engine.take_inventory()
    assert desk.said("unexpected_volume") == ["no pool names it; it is left there"]


def test_a_volume_whose_label_is_another_is_named_and_laid_into_the_mail_slot(desk: Desk) -> None:
    settled(desk)
    desk.libraries["test"].clean_up()
    hands = desk.robot.hands
    hands.relabel(A1, Barcode("X"))
    hands.relabel(Barcode("A00002L8"), A1)
    hands.relabel(Barcode("X"), Barcode("A00002L8"))
    desk.receive(small_ct("another"))
    desk.settle(2)
    suspected = {event.subject: event.fields for event in desk.catalog.events.list(name="volume_suspected")}
    assert "carries the label of A00001L8" in suspected["A00002L8"]["reason"]
    mail = next(e for e in desk.robot.changer.inventory().storage() if e.kind == "mail_slot")
    assert mail.barcode == "A00002L8"
    assert [event.subject for event in desk.catalog.events.list(name="volume_set_out")] == ["A00002L8"]


def test_blank_media_are_asked_for_one_at_a_time(tmp_path: Path) -> None:
    both = POLICY.replace("copy to tape_a, disc", "copy to disc, disc_b")
    wanted = {"disc": pools(barcodes=("D00001",))["disc"], "disc_b": pools(name="disc_b", barcodes=("D00002",))["disc"]}
    with Desk(tmp_path, policy=both, wanted=wanted) as desk:
        desk.receive(STUDY)
        desk.work()
        assert [line.barcode for line in desk.wanted()] == [D1]
        (other,) = desk.catalog.jobs.list(states=(JobState.QUEUED,), pool="disc_b")
        assert other.phase.startswith("waits until D00001 was put in, so that blank ones are not confused; then: ")
        desk.put_in(D1)
        assert D2 in [line.barcode for line in desk.wanted()]


def test_a_disc_whose_burn_was_interrupted_is_set_aside_and_the_next_one_asked_for(desk: Desk) -> None:
    desk.receive(STUDY)
    desk.desk.faults.add("lose power on drive 1")
    desk.work()
    desk.put_in(D1)
    desk.settle(3)
    desk.put_in(D1) if D1 in [line.barcode for line in desk.wanted()] else None
    assert desk.catalog.volumes.get(D1).state is VolumeState.SUSPECT
    desk.settle(3)
    assert D2 in [line.barcode for line in desk.wanted()]
