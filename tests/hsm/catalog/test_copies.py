"""Copies: worth nothing until flushed, proved only when read back."""

import pytest

from drivers.base import Barcode, MediumKind
from hsm.catalog import CopyRefused, NotCatalogued, VolumeEnd, WrittenCopy
from hsm.states import CopyState, IllegalTransition, Place, VolumeState
from tests.hsm.catalog.world import DISCS, LATER, START, TAPES, World, digest, study_uid


def test_a_copy_is_written_only_by_the_flush(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    copy_id = world.begin(pack, TAPES[0])
    begun = world.catalog.copies.get(copy_id)
    assert (begun.state, begun.barcode, begun.sequence, begun.address) == (CopyState.WRITING, TAPES[0], 1, None)
    assert world.catalog.copies.readable(pack.id) == []
    world.flush(copy_id, pack, TAPES[0])
    written = world.catalog.copies.get(copy_id)
    assert (written.state, written.address, written.written_by) == (CopyState.WRITTEN, 3, "W1")
    assert written.stream_sha256 == digest(f"{TAPES[0]} {pack.digest}")
    volume = world.catalog.volumes.get(TAPES[0])
    assert (volume.state, volume.last_sequence, volume.end_address) == (VolumeState.FILLING, 1, 103)
    assert (volume.last_digest, volume.used_bytes, volume.first_filled_at) == (pack.digest, 10**6, START)


def test_a_flush_makes_a_whole_batch_true_or_nothing(world: World) -> None:
    packs = [world.packed(study) for study in (1, 2)]
    world.labelled(TAPES[0])
    copies = [world.catalog.copies.begin(p.id, "lto", MediumKind.TAPE, TAPES[0], n, START) for n, p in enumerate(packs)]
    world.catalog.copies.unwrite([copies[1]])
    batch = [WrittenCopy(copy, 3, "a" * 64) for copy in copies]
    with pytest.raises((IllegalTransition, CopyRefused)):
        world.catalog.copies.written(batch, VolumeEnd(1, 2), "W1", START)
    assert world.catalog.copies.get(copies[0]).state is CopyState.WRITING
    assert world.catalog.volumes.get(TAPES[0]).last_sequence == 0


def test_a_batch_lies_on_one_volume(world: World) -> None:
    pack = world.packed()
    world.labelled(*TAPES[:2])
    batch = [
        WrittenCopy(world.begin(pack, barcode, pool), 3, "a" * 64) for barcode, pool in zip(TAPES, "ab", strict=False)
    ]
    with pytest.raises(CopyRefused, match="one volume"):
        world.catalog.copies.written(batch, VolumeEnd(1, 1), "W1", START)


def test_what_was_not_flushed_is_planned_again_and_uses_its_row_again(world: World) -> None:
    pack = world.packed()
    world.labelled(*TAPES[:2])
    copy_id = world.begin(pack, TAPES[0])
    assert world.catalog.copies.unwrite() == [copy_id]
    planned = world.catalog.copies.get(copy_id)
    assert (planned.state, planned.barcode, planned.sequence) == (CopyState.PLANNED, None, None)
    assert world.begin(pack, TAPES[1], "other pool") != copy_id
    assert world.begin(pack, TAPES[0]) == copy_id
    assert world.catalog.copies.unwrite([]) == []


def test_unwriting_leaves_flushed_copies_alone(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    copy_id = world.copy(pack, TAPES[0])
    assert world.catalog.copies.unwrite([copy_id]) == []
    assert world.catalog.copies.get(copy_id).state is CopyState.VERIFIED


def test_a_pack_goes_on_a_volume_once(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    copy_id = world.copy(pack, TAPES[0])
    with pytest.raises(CopyRefused, match="already has a copy"):
        world.begin(pack, TAPES[0], "another pool")
    world.catalog.copies.doubt(copy_id, "V1", "unreadable", START)
    world.catalog.copies.lose(copy_id, "unreadable elsewhere, too", START)
    with pytest.raises(CopyRefused, match="already has a copy"):
        world.begin(pack, TAPES[0])


def test_a_volume_that_takes_no_more_is_refused(world: World) -> None:
    pack = world.packed()
    world.library(*TAPES, *DISCS)
    volumes = world.catalog.volumes
    with pytest.raises(CopyRefused, match="blank"):
        world.begin(pack, TAPES[0])
    volumes.labelled(TAPES[0], "u", "lto", "LTO-8", 1, 3, START)
    volumes.close(TAPES[0], START)
    with pytest.raises(CopyRefused, match="full"):
        world.begin(pack, TAPES[0])
    volumes.labelled(TAPES[1], "v", "lto", "LTO-8", 1, 3, START)
    volumes.move(TAPES[1], Place.SHELF, "vault", START)
    with pytest.raises(CopyRefused, match="shelf"):
        world.begin(pack, TAPES[1])
    with pytest.raises(CopyRefused, match="is a disc"):
        world.catalog.copies.begin(pack.id, "lto", MediumKind.TAPE, DISCS[0], 1, START)
    with pytest.raises(NotCatalogued, match="volume X"):
        world.begin(pack, Barcode("X"))
    with pytest.raises(NotCatalogued, match="pack 99999"):
        world.catalog.copies.begin(99999, "lto", MediumKind.TAPE, TAPES[0], 1, START)


def test_a_disc_takes_its_copies_while_it_is_blank_and_is_closed_by_the_burn(world: World) -> None:
    pack = world.packed()
    world.library(DISCS[0])
    copy_id = world.begin(pack, DISCS[0], "discs")
    world.catalog.volumes.labelled(DISCS[0], "uuid", "discs", "BD-R", 25 * 10**9, None, START)
    end = VolumeEnd(5 * 10**6, 1, last_digest=pack.digest, closed=True, image_sha256="b" * 64, image_bytes=6 * 10**6)
    world.catalog.copies.written([WrittenCopy(copy_id, 1, "a" * 64)], end, "R1", START)
    volume = world.catalog.volumes.get(DISCS[0])
    assert (volume.state, volume.image_sha256, volume.image_bytes) == (VolumeState.FULL, "b" * 64, 6 * 10**6)
    assert world.catalog.copies.get(copy_id).state is CopyState.WRITTEN


def test_reading_back_is_remembered_with_the_drive_that_did_it(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    copy_id = world.copy(pack, TAPES[0], verified=False)
    assert world.catalog.copies.doubt(copy_id, "V1", "CRC", START) == 1
    assert world.catalog.copies.doubt(copy_id, "V2", "CRC", START) == 2
    doubted = world.catalog.copies.get(copy_id)
    assert (doubted.state, doubted.doubts, doubted.doubted_by) == (CopyState.SUSPECT, 2, "V2")
    world.catalog.copies.verified(copy_id, "V3", LATER)
    verified = world.catalog.copies.get(copy_id)
    assert (verified.state, verified.verified_by, verified.verified_at) == (CopyState.VERIFIED, "V3", LATER)
    assert (verified.doubts, verified.doubted_by) == (0, None)
    assert world.catalog.volumes.get(TAPES[0]).verified_at == LATER
    assert world.names().count("copy_doubted") == 2


def test_a_copy_is_lost_only_after_a_doubt(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    copy_id = world.copy(pack, TAPES[0])
    with pytest.raises(IllegalTransition):
        world.catalog.copies.lose(copy_id, "no", START)
    world.catalog.copies.doubt(copy_id, "V1", "CRC", START)
    world.catalog.copies.lose(copy_id, "no drive reads it", START)
    assert world.catalog.copies.get(copy_id).state is CopyState.LOST
    assert world.names()[0] == "copy_lost"


def test_a_superseded_copy_can_be_reclaimed_and_its_place_used_again(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    copy_id = world.copy(pack, TAPES[0])
    with pytest.raises(IllegalTransition):
        world.catalog.copies.reclaim(copy_id, START)
    world.superseded(pack, copy_id)
    world.catalog.copies.reclaim(copy_id, START)
    assert world.catalog.copies.get(copy_id).state is CopyState.RECLAIMED
    assert world.begin(pack, TAPES[0]) != copy_id


def test_the_best_copy_to_read_comes_first(world: World) -> None:
    pack = world.packed()
    world.labelled(*TAPES, *DISCS)
    shelf, written, verified = (world.copy(pack, barcode, verified=n != 1) for n, barcode in enumerate(TAPES))
    suspect_volume = world.copy(pack, DISCS[0], pool="discs")
    lost = world.copy(pack, DISCS[1], pool="discs")
    world.catalog.volumes.move(TAPES[0], Place.SHELF, "vault", START)
    world.catalog.volumes.doubt(DISCS[0], "scratches", START)
    world.catalog.volumes.lose(DISCS[1], "broken", START)
    order = [copy.id for copy in world.catalog.copies.readable(pack.id)]
    assert order == [verified, written, suspect_volume, shelf]
    assert lost not in order
    assert len(world.catalog.copies.of_pack(pack.id)) == len(world.catalog.copies.of_study(study_uid(1))) == 5


def test_a_volume_lists_what_it_holds_in_the_order_it_was_written(world: World) -> None:
    packs = [world.packed(study) for study in (1, 2, 3)]
    world.labelled(TAPES[0])
    copies = [world.copy(pack, TAPES[0]) for pack in packs]
    assert [copy.id for copy in world.catalog.copies.of_volume(TAPES[0])] == copies


def test_what_is_due_for_verification_is_asked_worst_first(world: World) -> None:
    packs = [world.packed(study) for study in (1, 2, 3, 4)]
    world.labelled(*TAPES[:2])
    old = world.copy(packs[0], TAPES[0])
    unread = world.copy(packs[1], TAPES[0], verified=False)
    suspect = world.copy(packs[2], TAPES[0])
    world.catalog.copies.doubt(suspect, "V1", "CRC", START)
    world.copy(packs[3], TAPES[1])
    world.catalog.volumes.move(TAPES[1], Place.SHELF, "vault", START)
    due = [copy.id for copy in world.catalog.copies.due_for_verify(LATER, verified_before=LATER)]
    assert due == [suspect, unread, old]
    due = [copy.id for copy in world.catalog.copies.due_for_verify(LATER, verified_before=START, limit=1)]
    assert due == [suspect]


def test_an_unknown_copy_is_said_to_be(world: World) -> None:
    for act in (world.catalog.copies.get, lambda copy: world.catalog.copies.verified(copy, "V", START)):
        with pytest.raises(NotCatalogued, match="copy 4711"):
            act(4711)
