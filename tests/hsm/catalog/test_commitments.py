"""Requests for storage commitment in the catalog."""

from datetime import timedelta

import pytest
from sqlalchemy import String, cast, func, update

from hsm.catalog import Catalog
from hsm.catalog.commitments import GIVE_UP_AFTER, CommitmentState, TransactionKnown
from hsm.commitment.levels import Level, Reason, Reference
from hsm.models import Volume
from tests.hsm.catalog.world import START, World, arrival

CT = arrival().header.sop_class_uid
ONE = Reference(CT, arrival(number=1).header.sop_instance_uid)
OTHER = Reference(CT, "1.2.3.4.5.6")
PATIENCE = timedelta(days=30)


def test_the_same_request_again_is_the_same_and_another_under_its_name_is_refused(catalog: Catalog) -> None:
    number = catalog.commitments.ask("CT1", "1.9", [ONE, OTHER], Level.DISK, START)
    assert catalog.commitments.ask("CT1", "1.9", [OTHER, ONE], Level.DISK, START) == number
    assert catalog.commitments.ask("CT2", "1.9", [ONE], Level.DISK, START) != number
    with pytest.raises(TransactionKnown, match="other objects"):
        catalog.commitments.ask("CT1", "1.9", [ONE], Level.DISK, START)
    assert len(catalog.commitments.list()) == 2
    assert [event.name for event in catalog.events.list()] == ["commitment_asked"] * 2


def test_an_object_on_disk_is_promised_and_one_that_is_not_here_is_not(catalog: Catalog) -> None:
    catalog.intake.record(arrival(number=1))
    catalog.commitments.ask("CT1", "1.9", [ONE, OTHER], Level.DISK, START)
    (due,) = catalog.commitments.due(START)
    verdict = catalog.commitments.verdict(due, START, PATIENCE)
    assert [each.reference for each in verdict.committed] == [ONE]
    assert [(each.reference, each.reason) for each in verdict.refused] == [(OTHER, Reason.NO_SUCH_OBJECT)]
    catalog.commitments.answered(due, verdict, START)
    assert catalog.commitments.due(START + timedelta(days=1)) == []
    (kept,) = catalog.commitments.list()
    assert (kept.state, kept.committed, kept.refused) == (CommitmentState.ANSWERED, 1, 1)
    assert catalog.commitments.list(waiting_only=True) == []


def test_two_copies_are_promised_when_both_were_read_back(world: World) -> None:
    world.catalog.intake.record(arrival(number=1))
    world.catalog.commitments.ask("CT1", "1.9", [ONE], Level.TWO_COPIES, START)
    (due,) = world.catalog.commitments.due(START)
    assert not world.catalog.commitments.verdict(due, START, PATIENCE).final
    world.catalog.commitments.postpone(due.id, START)
    assert world.catalog.commitments.due(START) == []
    late = world.catalog.commitments.verdict(due, START + PATIENCE, PATIENCE)
    assert [each.reason for each in late.refused] == [Reason.RESOURCE_LIMITATION]


def test_what_lies_on_volumes_only_is_promised_with_the_name_on_the_volume(world: World) -> None:
    world.released()
    statement = update(Volume).values(
        uuid=func.replace("00000000-0000-4000-8000-00000000000?", "?", cast(Volume.id % 10, String))
    )
    world.catalog.database.write(lambda connection: connection.execute(statement))
    for level in (Level.DISK, Level.TWO_COPIES):
        world.catalog.commitments.ask("CT1", f"1.9.{len(level)}", [ONE], level, START)
    for due in world.catalog.commitments.due(START):
        (promised,) = world.catalog.commitments.verdict(due, START, PATIENCE).committed
        assert promised.file_set is not None and promised.file_set.file_set_uid.startswith("2.25.")
    world.catalog.commitments.ask("CT1", "1.9.7", [ONE], Level.TWO_SITES, START)
    due = next(each for each in world.catalog.commitments.due(START) if each.transaction_uid == "1.9.7")
    assert not world.catalog.commitments.verdict(due, START, PATIENCE).final


def test_a_peer_that_is_never_there_is_given_up_with_an_event(catalog: Catalog) -> None:
    catalog.commitments.ask("CT1", "1.9", [OTHER], Level.DISK, START)
    now = START
    for tries in range(1, 400):
        due = catalog.commitments.due(now)
        if not due:
            break
        assert due[0].tries == tries - 1
        catalog.commitments.not_told(due[0], "CT1 is not there", now)
        (kept,) = catalog.commitments.list()
        now = kept.look_at
    assert kept.state is CommitmentState.ABANDONED and now - START >= GIVE_UP_AFTER
    assert [event.name for event in catalog.events.list(level="error")] == ["commitment_abandoned"]
    again = catalog.commitments.ask("CT1", "1.9", [OTHER], Level.DISK, now)
    assert catalog.commitments.due(now)[0].id == again
