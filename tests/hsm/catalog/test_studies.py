"""Studies: how soon they can be had, and what a list of them says."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from hsm.catalog import Catalog, NotCatalogued
from hsm.states import Availability, CopyState, Place
from tests.hsm.catalog.world import (
    DISCS,
    LATER,
    START,
    TAPES,
    World,
    arrival,
    pool_file,
    series_uid,
    sop_uid,
    study_uid,
)


def test_availability_follows_the_best_copy(world: World) -> None:
    world.safe()
    studies, volumes = world.catalog.studies, world.catalog.volumes
    assert studies.availability(study_uid(1)) is Availability.ONLINE
    proof = world.prove()
    assert studies.availability(study_uid(1)) is Availability.NEARLINE  # releasing: no longer to be read from
    world.catalog.release.finish(proof, LATER)
    assert studies.availability(study_uid(1)) is Availability.NEARLINE
    volumes.move(TAPES[0], Place.SHELF, "vault", LATER)
    assert studies.availability(study_uid(1)) is Availability.NEARLINE
    volumes.move(TAPES[1], Place.MISSING, "", LATER)
    assert studies.availability(study_uid(1)) is Availability.OFFLINE
    volumes.doubt(TAPES[0], "noise", LATER)
    assert studies.availability(study_uid(1)) is Availability.OFFLINE
    volumes.lose(TAPES[0], "fire", LATER)
    assert studies.availability(study_uid(1)) is Availability.OFFLINE
    volumes.lose(TAPES[1], "fire", LATER)
    assert studies.availability(study_uid(1)) is Availability.UNAVAILABLE


def test_a_suspect_copy_makes_nothing_available(world: World) -> None:
    pack = world.released()
    for copy in world.catalog.copies.of_pack(pack.id):
        world.catalog.copies.doubt(copy.id, "V", "CRC", LATER)
    assert world.catalog.studies.availability(study_uid(1)) is Availability.UNAVAILABLE


def test_the_least_available_instance_decides_for_series_and_study(world: World) -> None:
    world.catalog.intake.record_many([arrival(1, s, n) for s in (1, 2) for n in (1, 2)])
    pack = world.seal()
    world.labelled(*TAPES[:2])
    for barcode in TAPES[:2]:
        world.copy(pack, barcode)
    world.catalog.release.finish(world.prove(), LATER)
    back = [i for i in world.instances() if i.sop_instance_uid != sop_uid(1, 2, 2)]
    world.catalog.recalls.recalled({i.id: pool_file(i.sop_instance_uid) for i in back}, LATER, LATER)
    studies = world.catalog.studies
    assert studies.availability(study_uid(1)) is Availability.NEARLINE
    assert studies.series_availabilities(study_uid(1)) == {
        series_uid(1, 1): Availability.ONLINE,
        series_uid(1, 2): Availability.NEARLINE,
    }
    instances = studies.instance_availabilities(study_uid(1))
    assert [uid for uid, availability in instances.items() if availability is not Availability.ONLINE] == [
        sop_uid(1, 2, 2)
    ]


def test_many_studies_are_asked_at_once(world: World) -> None:
    world.released(1)
    world.receive(2)
    world.safe(3)
    wanted = [study_uid(n) for n in (1, 2, 3, 9)]
    assert world.catalog.studies.availabilities(wanted) == {
        study_uid(1): Availability.NEARLINE,
        study_uid(2): Availability.ONLINE,
        study_uid(3): Availability.ONLINE,
    }
    assert list(world.catalog.studies.volumes_of(wanted)) == [study_uid(1)]


def test_an_offline_study_names_the_disc_to_bring(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0], *DISCS)
    world.copy(pack, TAPES[0])
    world.copy(pack, DISCS[0], pool="discs")
    world.catalog.release.finish(world.prove(kinds=2), LATER)
    world.catalog.volumes.move(DISCS[0], Place.SHELF, "cabinet 4", LATER)
    assert [v.barcode for v in world.catalog.studies.volumes_of([study_uid(1)])[study_uid(1)]] == [TAPES[0]]
    world.catalog.volumes.lose(TAPES[0], "fire", LATER)
    [volume] = world.catalog.studies.volumes_of([study_uid(1)])[study_uid(1)]
    assert (volume.barcode, volume.uuid, volume.location) == (DISCS[0], f"uuid-{DISCS[0]}", "cabinet 4")


def test_a_summary_says_where_everything_is(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0], DISCS[0])
    world.copy(pack, TAPES[0])
    world.copy(pack, DISCS[0], verified=False, pool="discs")
    [line] = world.catalog.studies.summary()
    assert line.as_json() == {
        "study_instance_uid": study_uid(1),
        "patient_id": "P1",
        "modalities": ["CT"],
        "instances": 2,
        "size_bytes": 2000,
        "availability": "ONLINE",
        "copies": [
            {"kind": "disc", "volume": DISCS[0], "state": "written", "verified_at": None},
            {"kind": "tape", "volume": TAPES[0], "state": "verified", "verified_at": START.isoformat()},
        ],
    }


def test_the_worst_pack_speaks_for_all_that_a_volume_holds_of_a_study(world: World) -> None:
    packs = [world.packed(numbers=2)]
    world.receive(1, range(3, 5))
    packs.append(world.seal())
    world.labelled(*TAPES[:2])
    for pack in packs:
        world.copy(pack, TAPES[0])
    world.copy(packs[0], TAPES[1])
    unread = world.copy(packs[1], TAPES[1], verified=False)
    one, two = world.catalog.studies.summary()[0].copies
    assert (one.volume, one.state, one.packs, one.verified_at) == (TAPES[0], CopyState.VERIFIED, 2, START)
    assert (two.volume, two.state, two.packs, two.verified_at) == (TAPES[1], CopyState.WRITTEN, 2, None)
    world.catalog.copies.doubt(unread, "V", "CRC", START)
    assert world.catalog.studies.summary()[0].copies[1].state is CopyState.SUSPECT
    world.catalog.copies.lose(unread, "CRC", START)
    assert world.catalog.studies.summary()[0].copies[1].state is CopyState.LOST


def test_a_copy_without_volume_is_listed_as_such(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    world.begin(pack, TAPES[0])
    world.catalog.copies.unwrite()
    [copy] = world.catalog.studies.summary()[0].copies
    assert (copy.volume, copy.state) == (None, CopyState.PLANNED)


def test_studies_are_searched(catalog: Catalog) -> None:
    catalog.intake.record_many(
        [
            arrival(1, patient_name="Müller^Änne", accession_number="A1", study_date=date(2026, 1, 1)),
            arrival(2, patient_name="Mueller^Bo", modality="MR", study_date=date(2026, 2, 2)),
            arrival(3, patient_name="100%_^X", study_date=None),
        ]
    )

    def found(**wanted: object) -> list[str]:
        return [line.study.study_instance_uid for line in catalog.studies.summary(**wanted)]  # type: ignore[arg-type]

    one, two, three = (study_uid(n) for n in (1, 2, 3))
    assert found() == [three, two, one]
    assert found(limit=1, after=1) == [two]
    assert found(patient_id="P2") == [two]
    assert found(patient_name="MULLER") == [one]
    assert found(patient_name="m*ller^b?") == [two]
    assert found(patient_name="100%_^") == [three]
    assert found(patient_name="100_") == []
    assert found(accession_number="A1") == [one]
    assert found(modality="MR") == [two]
    assert found(date_from=date(2026, 1, 2)) == [two]
    assert found(date_to=date(2026, 1, 2)) == [one]
    assert found(uids=[one, three, "9"]) == [three, one]
    assert found(uids=[]) == []


def test_using_and_pinning_only_move_forward(world: World) -> None:
    world.receive()
    studies = world.catalog.studies
    studies.touch(study_uid(1), LATER)
    studies.touch(study_uid(1), START)
    studies.touch("9", START)
    studies.pin(study_uid(1), LATER)
    studies.pin(study_uid(1), START)
    study = studies.get(study_uid(1))
    assert study is not None and (study.accessed_at, study.pinned_until) == (LATER, LATER)
    studies.pin(study_uid(1), LATER + timedelta(days=1))
    studies.unpin(study_uid(1))
    study = studies.get(study_uid(1))
    assert study is not None and study.pinned_until is None


def test_instances_are_chosen_by_series_and_uid(world: World) -> None:
    world.catalog.intake.record_many([arrival(1, s, n) for s in (1, 2) for n in (1, 2)])
    studies = world.catalog.studies

    def found(series: tuple[str, ...] = (), sops: tuple[str, ...] = ()) -> list[str]:
        return [i.sop_instance_uid for i in studies.instances(study_uid(1), series, sops)]

    assert len(found()) == 4
    assert found((series_uid(1, 2),)) == [sop_uid(1, 2, 1), sop_uid(1, 2, 2)]
    assert found((), (sop_uid(1, 2, 2), sop_uid(1, 1, 1))) == [sop_uid(1, 1, 1), sop_uid(1, 2, 2)]
    assert found((series_uid(1, 1),), (sop_uid(1, 2, 2),)) == []
    assert studies.instances("9") == []


def test_everything_is_counted(world: World) -> None:
    world.released(1, 2)
    world.receive(2, 3)
    counts = world.catalog.studies.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances, counts.packs) == (2, 2, 2, 5, 1)
    assert (counts.size_bytes, counts.online_instances, counts.online_bytes) == (5000, 3, 3000)
    assert counts.copies == {CopyState.VERIFIED: 2}


def test_an_empty_catalog_counts_nothing(catalog: Catalog) -> None:
    counts = catalog.studies.counts()
    assert replace(counts, copies={}) == replace(counts) and counts.studies == counts.size_bytes == 0


def test_unknown_studies_are_said_to_be(catalog: Catalog) -> None:
    assert catalog.studies.get("9") is None
    with pytest.raises(NotCatalogued, match="study 9"):
        catalog.studies.availability("9")
    with pytest.raises(NotCatalogued, match="study 9"):
        catalog.studies.pin("9", LATER)
