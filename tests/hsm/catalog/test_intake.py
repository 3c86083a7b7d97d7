"""What arrives is catalogued once, known already, or refused."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from hsm.catalog import Catalog, OutcomeKind
from hsm.catalog.text import MAX_TEXT
from hsm.facts import Arrival
from hsm.states import OnlineState
from tests.hsm.catalog.world import LATER, START, TAPES, World, arrival, digest, pool_file, series_uid, study_uid


def test_a_first_instance_makes_patient_study_and_series(catalog: Catalog) -> None:
    came = arrival(study_description="Thorax", accession_number="A1", institution="Clinic")
    assert catalog.intake.record(came).kind is OutcomeKind.ACCEPTED
    study = catalog.studies.get(study_uid(1))
    assert study is not None
    assert (study.patient_id, study.patient_name, study.description) == ("P1", "Doe^Person1", "Thorax")
    assert (study.series_count, study.instance_count, study.size_bytes, study.modalities) == (1, 1, 1000, ("CT",))
    assert (study.received_at, study.changed_at, study.source_aet) == (START, START, "CT1")
    found = catalog.intake.find(came.header.sop_instance_uid)
    assert found is not None
    assert (found.file, found.online_state, found.pack_id) == (came.file, OnlineState.ONLINE, None)
    assert (found.sha256, found.dataset_sha256, found.dataset_offset) == (came.sha256, came.dataset_sha256, 400)


def test_a_batch_counts_every_series_and_modality(catalog: Catalog) -> None:
    later = START + timedelta(seconds=7)
    batch = [arrival(1, 1, n) for n in (1, 2, 3)] + [arrival(1, 2, n, modality="SR", at=later) for n in (1, 2)]
    batch += [arrival(2, 1, 1)]
    outcomes = catalog.intake.record_many(batch[::-1])
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    one, two = catalog.studies.get(study_uid(1)), catalog.studies.get(study_uid(2))
    assert one is not None and two is not None
    assert (one.series_count, one.instance_count, one.size_bytes, one.modalities) == (2, 5, 5000, ("CT", "SR"))
    assert (one.received_at, one.changed_at) == (START, later)
    assert (two.series_count, two.instance_count) == (1, 1)


def test_an_old_instance_does_not_make_a_study_younger(catalog: Catalog) -> None:
    catalog.intake.record(arrival(number=1, at=LATER))
    catalog.intake.record(arrival(number=2, at=START))
    study = catalog.studies.get(study_uid(1))
    assert study is not None and study.changed_at == LATER


def test_the_same_content_again_changes_nothing(catalog: Catalog) -> None:
    first = arrival()
    catalog.intake.record(first)
    again = replace(arrival(), sha256=digest("another file meta"), received_at=LATER)
    outcome = catalog.intake.record(again)
    assert outcome.kind is OutcomeKind.ALREADY_STORED
    assert outcome.existing is not None and outcome.existing.file == first.file
    study = catalog.studies.get(study_uid(1))
    assert study is not None and (study.instance_count, study.changed_at) == (1, START)


def test_the_same_content_twice_in_one_batch_is_stored_once(catalog: Catalog) -> None:
    outcomes = catalog.intake.record_many([arrival(), arrival(), arrival(number=2)])
    kinds = [outcome.kind for outcome in outcomes]
    assert kinds == [OutcomeKind.ACCEPTED, OutcomeKind.ALREADY_STORED, OutcomeKind.ACCEPTED]


def test_content_that_is_only_on_tape_counts_as_stored(world: World) -> None:
    world.released()
    outcome = world.catalog.intake.record(arrival())
    assert outcome.kind is OutcomeKind.ALREADY_STORED
    assert outcome.existing is not None and outcome.existing.online_state is OnlineState.RELEASED


@pytest.mark.parametrize(
    "other",
    [
        arrival(content="changed"),
        arrival(transfer_syntax_uid="1.2.840.10008.1.2.4.70"),
        arrival(study_instance_uid="1.2.99", series_instance_uid="1.2.99.1"),
        arrival(series_instance_uid="1.2.1.77"),
    ],
    ids=["content", "transfer syntax", "study", "series"],
)
def test_another_object_under_a_known_uid_is_refused(catalog: Catalog, other: Arrival) -> None:
    first = arrival()
    catalog.intake.record(first)
    outcome = catalog.intake.record(other)
    assert outcome.kind is OutcomeKind.CONFLICT and outcome.why
    found = catalog.intake.find(first.header.sop_instance_uid)
    assert found is not None and found.file == first.file
    assert catalog.studies.get("1.2.99") is None
    assert [event.name for event in catalog.events.list()] == ["instance_refused"]


def test_replacing_an_unpacked_instance_hands_the_old_file_out(catalog: Catalog) -> None:
    first, second = arrival(), replace(arrival(content="better", size_bytes=1500), received_at=LATER)
    catalog.intake.record(first)
    outcome = catalog.intake.record(second, on_conflict="replace")
    assert outcome.kind is OutcomeKind.REPLACED
    assert outcome.existing is not None and outcome.existing.file == first.file
    found = catalog.intake.find(first.header.sop_instance_uid)
    assert found is not None and found.file == second.file
    study = catalog.studies.get(study_uid(1))
    assert study is not None and (study.instance_count, study.size_bytes, study.changed_at) == (1, 1500, LATER)


def test_an_instance_of_another_study_is_never_replaced(catalog: Catalog) -> None:
    catalog.intake.record(arrival())
    stranger = arrival(study_instance_uid="1.2.99")
    assert catalog.intake.record(stranger, on_conflict="replace").kind is OutcomeKind.CONFLICT


def test_a_new_and_a_replaced_instance_of_one_batch_are_both_counted(catalog: Catalog) -> None:
    catalog.intake.record(arrival())
    batch = [arrival(number=2), arrival(content="better", size_bytes=1200), arrival(number=3)]
    outcomes = catalog.intake.record_many(batch, on_conflict="replace")
    assert [o.kind for o in outcomes] == [OutcomeKind.ACCEPTED, OutcomeKind.REPLACED, OutcomeKind.ACCEPTED]
    study = catalog.studies.get(study_uid(1))
    assert study is not None and (study.instance_count, study.size_bytes) == (3, 3200)


def test_replacing_a_packed_instance_takes_a_pack_apart_that_lies_nowhere(world: World) -> None:
    pack = world.packed()
    assert world.catalog.intake.record(arrival(content="b"), on_conflict="replace").kind is OutcomeKind.REPLACED
    assert world.catalog.packs.of_study(study_uid(1)) == []
    assert len(world.catalog.packs.unpacked(study_uid(1)).instances) == 2
    assert world.seal().digest != pack.digest


def test_replacing_an_instance_that_has_copies_leaves_its_pack_as_it_lies_on_tape(world: World) -> None:
    pack = world.safe()
    assert world.catalog.intake.record(arrival(content="b"), on_conflict="replace").kind is OutcomeKind.REPLACED
    after = world.catalog.packs.get(pack.id)
    assert [m.offset_bytes for m in after.members] == [m.offset_bytes for m in pack.members]
    assert [m.sha256 for m in after.members] == [m.sha256 for m in pack.members]
    assert after.members[0].instance_id == 0
    [free] = world.catalog.packs.unpacked(study_uid(1)).instances
    assert free.packed.sha256 == arrival(content="b").sha256
    facts = next(world.catalog.facts.studies_for_policy(LATER))
    assert not facts.packs[0].online and facts.unpacked_instances == 1


def test_replacing_a_released_instance_brings_the_new_one_online(world: World) -> None:
    world.released()
    outcome = world.catalog.intake.record(arrival(content="b", at=LATER), on_conflict="replace")
    assert outcome.kind is OutcomeKind.REPLACED
    assert outcome.existing is not None and outcome.existing.file is None
    states = [instance.online_state for instance in world.instances()]
    assert states == [OnlineState.ONLINE, OnlineState.RELEASED]


def test_an_instance_is_not_replaced_while_its_pack_is_being_written(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    world.begin(pack, TAPES[0])
    outcome = world.catalog.intake.record(arrival(content="b"), on_conflict="replace")
    assert outcome.kind is OutcomeKind.CONFLICT and "being written" in outcome.why


def test_an_instance_is_not_replaced_while_its_file_is_being_released(world: World) -> None:
    world.safe()
    world.prove()
    outcome = world.catalog.intake.record(arrival(content="b"), on_conflict="replace")
    assert outcome.kind is OutcomeKind.CONFLICT and "released" in outcome.why


def test_an_instance_is_not_replaced_while_only_suspect_copies_hold_its_pack(world: World) -> None:
    pack = world.packed()
    world.labelled(TAPES[0])
    world.catalog.copies.doubt(world.copy(pack, TAPES[0]), "V1", "unreadable", START)
    outcome = world.catalog.intake.record(arrival(content="b"), on_conflict="replace")
    assert outcome.kind is OutcomeKind.CONFLICT and "suspect" in outcome.why


def test_a_patient_keeps_the_latest_name_and_each_study_its_own(world: World) -> None:
    catalog = world.catalog
    catalog.intake.record(arrival(1, patient_id="P", patient_name="Maier^Anna"))
    catalog.intake.record(arrival(2, patient_id="P", patient_name="Huber^Anna"))
    assert world.names() == ["patient_name_differs"]
    names = [catalog.studies.get(study_uid(n)) for n in (1, 2)]
    assert [study and study.patient_name for study in names] == ["Maier^Anna", "Huber^Anna"]
    catalog.intake.record(arrival(1, number=2, patient_id="P", patient_name="MAIER^ANNA"))
    assert world.names() == ["patient_name_differs"]  # an old study goes on under its own name


def test_objects_without_patient_id_do_not_quarrel_about_names(world: World) -> None:
    world.catalog.intake.record(arrival(1, patient_id="", patient_name="A"))
    world.catalog.intake.record(arrival(2, patient_id="", patient_name="B"))
    assert world.names() == []


def test_a_study_of_two_patients_stays_with_the_first_and_says_so_once_a_series(world: World) -> None:
    world.catalog.intake.record(arrival(1))
    for number in (2, 3):
        world.catalog.intake.record(arrival(1, 2, number, patient_id="Q"))
    study = world.catalog.studies.get(study_uid(1))
    assert study is not None and study.patient_id == "P1" and study.instance_count == 3
    assert world.names() == ["patient_id_differs"]


def test_a_later_instance_fills_what_the_first_left_empty(catalog: Catalog) -> None:
    catalog.intake.record(arrival(number=1, study_date=None))
    catalog.intake.record(arrival(number=2, study_description="Thorax", accession_number="A7"))
    catalog.intake.record(arrival(number=3, study_description="other", accession_number="A8"))
    study = catalog.studies.get(study_uid(1))
    assert study is not None
    assert (study.study_date, study.description, study.accession_number) == (date(2026, 2, 1), "Thorax", "A7")


def test_text_no_database_can_store_is_no_reason_to_refuse_an_object(catalog: Catalog) -> None:
    wild = arrival(
        patient_name="\x00D\ud800oe" + "x" * 3000,
        accession_number="9" * 5000,
        study_description="a\x00b",
        instance_number=10**30,
        series_number=-(10**20),
        study_attributes={"00081030": {"vr": "LO", "Value": ["\x00", "\udfff", float("nan"), {"k\x00": 1.5}]}},
    )
    assert catalog.intake.record(wild).kind is OutcomeKind.ACCEPTED
    study = catalog.studies.get(study_uid(1))
    assert study is not None and study.description == "a\ufffdb"
    assert study.patient_name.startswith("\ufffdD?oe") and len(study.patient_name) == MAX_TEXT
    [free] = catalog.packs.unpacked(study_uid(1)).instances
    header = free.packed.header
    assert (header.instance_number, header.series_number) == (None, None)
    assert header.study_attributes["00081030"]["Value"] == ["\ufffd", "?", None, {"k\ufffd": 1.5}]


def test_find_many_gives_what_is_there(world: World) -> None:
    world.receive(1, 3)
    wanted = [series_uid(1, 1) + f".{n}" for n in (1, 3, 9)]
    assert set(world.catalog.intake.find_many(wanted)) == set(wanted[:2])


def test_a_file_is_known_while_an_instance_lies_in_it(world: World) -> None:
    came = arrival()
    world.catalog.intake.record(came)
    assert world.catalog.intake.known(came.file)
    assert not world.catalog.intake.known(pool_file(came.header.sop_instance_uid))


def test_a_quarantined_file_is_listed_until_somebody_dealt_with_it(catalog: Catalog) -> None:
    number = catalog.intake.quarantined("/q/1.dcm", "no SOP Instance UID", START, "1.2.3", "CT1", 77)
    assert catalog.intake.quarantined("/q/1.dcm", "again", LATER) == number
    [noted] = catalog.intake.quarantine()
    assert (noted.path, noted.reason, noted.sop_instance_uid, noted.size_bytes) == (
        "/q/1.dcm",
        "no SOP Instance UID",
        "1.2.3",
        77,
    )
    assert [event.name for event in catalog.events.list()] == ["file_quarantined"]
    assert catalog.intake.unquarantined("/q/1.dcm")
    assert not catalog.intake.unquarantined("/q/1.dcm")
    assert catalog.intake.quarantine() == []
