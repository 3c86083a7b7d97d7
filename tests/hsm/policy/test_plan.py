"""What is planned for one study: copies, verifications, pins and releases, each with its reason."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from drivers.base import Barcode, MediumKind
from hsm.facts import CopyRecord, DiskFacts, StudyFacts, StudyUid, VolumePool
from hsm.policy import CopyAction, Count, Done, PinAction, Plan, ReleaseAction, VerifyAction, parse, plan
from hsm.policy.need import MAX_DOUBTS
from hsm.states import CopyState, JobKind, Place, VolumeState
from tests.hsm.policy.worlds import GB, HALF_FULL, MB, NOW, POOLS, ago, copy, pack, study

SETTLE = 'rule "settle":\n release after 2 verified copies'
COPIES = 'rule "copies":\n copy to tape_a, tape_b'
ROOM = 'rule "room":\n release when space is needed'
UID = StudyUid("1.2.3")
FULL = DiskFacts(1000 * GB, 900 * GB, 85.0, 70.0)


def planned(
    text: str,
    *studies: StudyFacts,
    disk: DiskFacts = HALF_FULL,
    pools: Mapping[str, VolumePool] = POOLS,
    **options: Any,
) -> Plan:
    return plan(parse(text), studies, disk, pools, NOW, **options)


def two_copies(**changes: Any) -> StudyFacts:
    return study(pack(copy("tape_a"), copy("tape_b")), **changes)


def both(one: CopyRecord, other: CopyRecord | None = None) -> StudyFacts:
    return study(pack(one, other or copy("tape_b")))


# copies


def test_an_unpacked_study_is_copied_to_each_pool_with_a_reason() -> None:
    result = planned('rule "three":\n when stable for 10 seconds\n copy to tape_a, disc', study())
    assert result.copies == (
        CopyAction(
            UID,
            "tape_a",
            12_100_000,
            1,
            False,
            "three",
            1,
            'Rule "three" (line 1): unchanged for 59 minutes, so a copy of 12.1 MB is made in tape_a.',
        ),
        CopyAction(
            UID,
            "disc",
            12_100_000,
            1,
            False,
            "three",
            1,
            'Rule "three" (line 1): unchanged for 59 minutes, so a copy of 12.1 MB is made in disc.',
        ),
    )
    assert result.actions == result.copies


def test_copy_actions_of_all_matching_rules_add_up() -> None:
    text = (
        'rule "a":\n copy to tape_a\nrule "b":\n when modality is CT\n copy to tape_a, tape_b\n'
        'rule "c":\n when modality is MG\n copy to disc'
    )
    result = planned(text, study())
    assert [(c.pool, c.rule, c.line) for c in result.copies] == [("tape_a", "a", 1), ("tape_b", "b", 3)]
    assert result.copies[0].reason.startswith('Rule "a" (line 1): it speaks for every study, so')


def test_only_the_packs_that_lack_a_copy_are_counted() -> None:
    facts = study(
        pack(copy("tape_a")),
        pack(copy("tape_b"), pack_id=2, size_bytes=5 * MB),
        pack(copy("tape_b"), pack_id=3, size_bytes=7 * MB),
    )
    (action,) = planned('rule "r":\n copy to tape_a', facts).copies
    assert (action.size_bytes, action.packs_missing, action.needs_recall) == (12 * MB, 2, False)


def test_late_arrivals_are_estimated_and_count_as_one_pack() -> None:
    facts = study(pack(copy("tape_a")), pack(pack_id=2), unpacked_instances=17, instance_count=68, size_bytes=40 * MB)
    (action,) = planned('rule "r":\n copy to tape_a', facts).copies
    assert (action.size_bytes, action.packs_missing) == (12 * MB + 10 * MB, 2)


@pytest.mark.parametrize("state", [CopyState.WRITTEN, CopyState.VERIFIED, CopyState.SUSPECT])
def test_a_copy_that_exists_is_not_made_again(state: CopyState) -> None:
    assert not planned('rule "r":\n copy to tape_a', study(pack(copy("tape_a", state)))).copies


@pytest.mark.parametrize("state", [CopyState.LOST, CopyState.SUPERSEDED, CopyState.RECLAIMED])
def test_a_copy_that_is_gone_is_made_again(state: CopyState) -> None:
    (action,) = planned('rule "r":\n copy to tape_a', study(pack(copy("tape_a", state)))).copies
    assert "is made in tape_a again." in action.reason


@pytest.mark.parametrize("state", [VolumeState.SUSPECT, VolumeState.LOST, VolumeState.RETIRED, VolumeState.SCRATCH])
def test_a_copy_on_a_volume_that_is_gone_is_made_again(state: VolumeState) -> None:
    assert planned('rule "r":\n copy to tape_a', study(pack(copy("tape_a", volume_state=state)))).copies


def test_a_copy_elsewhere_does_not_count_for_a_pool() -> None:
    (action,) = planned('rule "r":\n copy to tape_a', study(pack(copy("tape_b")))).copies
    assert action.reason.endswith("is made in tape_a.")


def test_a_copy_is_set_aside_after_too_many_doubts_and_replaced() -> None:
    def plans(doubts: int) -> Plan:
        return planned('rule "r":\n copy to tape_a', study(pack(copy("tape_a", CopyState.SUSPECT, doubts=doubts))))

    assert not plans(MAX_DOUBTS - 1).copies
    assert plans(MAX_DOUBTS - 1).verifies
    assert plans(MAX_DOUBTS).copies
    assert not plans(MAX_DOUBTS).verifies
    assert [p.sentence for p in plans(MAX_DOUBTS).problems] == [
        "Copy 1 on A00001L8 could not be read back 3 times and is set aside."
    ]


@pytest.mark.parametrize("state", [CopyState.PLANNED, CopyState.WRITING])
def test_a_copy_is_on_its_way_only_with_a_job(state: CopyState) -> None:
    facts = study(pack(copy("tape_a", state)))
    assert planned('rule "r":\n copy to tape_a', facts).copies
    elsewhere = replace(facts, active_jobs=frozenset({(JobKind.MIGRATE, "tape_b"), (JobKind.VERIFY, "tape_a")}))
    assert planned('rule "r":\n copy to tape_a', elsewhere).copies
    working = replace(facts, active_jobs=frozenset({(JobKind.MIGRATE, "tape_a")}))
    assert not planned('rule "r":\n copy to tape_a', working).copies


def test_nothing_is_planned_beside_an_active_job() -> None:
    jobs = frozenset({(JobKind.MIGRATE, "tape_a")})
    assert [c.pool for c in planned(COPIES, study(active_jobs=jobs)).copies] == ["tape_b"]


def test_a_pack_that_is_not_on_disk_needs_a_recall_first() -> None:
    facts = study(pack(copy("tape_a"), online=False), online_instances=0)
    (action,) = planned('rule "r":\n copy to disc', facts).copies
    assert action.needs_recall
    assert action.reason.endswith("in disc, after a recall because not all of it is on disk.")


@pytest.mark.parametrize(
    "source",
    [
        copy("tape_a", CopyState.SUSPECT),
        copy("tape_a", CopyState.LOST),
        copy("tape_a", volume_place=Place.MISSING),
        copy("tape_a", volume_state=VolumeState.LOST),
    ],
)
def test_a_pack_without_any_source_is_a_problem_and_no_action(source: CopyRecord) -> None:
    facts = study(pack(source, online=False), online_instances=0)
    result = planned('rule "r":\n copy to disc', facts)
    assert not result.copies
    assert result.problems[0].study_instance_uid == UID
    assert result.problems[0].sentence == "1 pack cannot be copied to disc: not on disk, and no readable copy is known."


@pytest.mark.parametrize("place", [Place.LIBRARY, Place.SHELF])
def test_a_readable_copy_in_a_known_place_is_a_source(place: Place) -> None:
    facts = study(pack(copy("tape_a", CopyState.WRITTEN, volume_place=place), online=False), online_instances=0)
    assert planned('rule "r":\n copy to disc', facts).copies


def test_an_unknown_pool_is_a_problem_once_and_copies_nothing() -> None:
    result = planned('rule "r":\n copy to nowhere', study(), study(study_instance_uid=StudyUid("1.9")))
    assert not result.actions
    assert [p.sentence for p in result.problems] == [
        'Rule "r" (line 1) copies to "nowhere", and there is no such pool.'
    ]
    assert result.problems[0].study_instance_uid is None


def test_a_study_without_instances_is_nothing() -> None:
    assert not planned(
        COPIES + "\n" + SETTLE, study(instance_count=0, online_instances=0, unpacked_instances=0)
    ).actions


# verifications


def test_what_was_written_is_read_back_by_another_drive_without_any_rule() -> None:
    (action,) = planned("", study(pack(copy("tape_a", CopyState.WRITTEN)))).verifies
    assert action == VerifyAction(
        UID,
        1,
        Barcode("A00001L8"),
        "DRIVE0",
        12 * MB,
        "",
        0,
        "Copy 1 was written to A00001L8 and never read back, so its 12.0 MB are read back.",
    )


def test_what_could_not_be_read_is_read_again_by_another_drive() -> None:
    (action,) = planned("", study(pack(copy("tape_a", CopyState.SUSPECT)))).verifies
    assert action.avoid_drive == "DRIVE1"
    assert action.reason == (
        "Copy 1 on A00001L8 could not be read back once, last by drive DRIVE1, "
        "so its 12.0 MB are read again, by another drive if there is one."
    )
    twice = planned("", study(pack(copy("tape_a", CopyState.SUSPECT, doubts=2, doubted_by=None)))).verifies[0]
    assert "could not be read back 2 times, last, so" in twice.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"barcode": None},
        {"volume_place": Place.MISSING},
        {"volume_state": VolumeState.LOST},
        {"state": CopyState.VERIFIED},
        {"state": CopyState.PLANNED},
        {"state": CopyState.WRITING},
        {"state": CopyState.LOST},
    ],
)
def test_what_cannot_be_had_or_needs_no_reading_is_not_read(changes: dict[str, Any]) -> None:
    assert not planned(
        "",
        study(
            pack(
                copy("tape_a", CopyState.WRITTEN, **changes)
                if "state" not in changes
                else replace(copy("tape_a", CopyState.WRITTEN), **changes)
            )
        ),
    ).verifies


def test_a_written_copy_on_the_shelf_is_read_back_too() -> None:
    assert planned("", study(pack(copy("tape_a", CopyState.WRITTEN, volume_place=Place.SHELF)))).verifies


def test_a_verification_on_its_way_is_not_planned_again() -> None:
    facts = study(pack(copy("tape_a", CopyState.WRITTEN)), active_jobs=frozenset({(JobKind.VERIFY, "1")}))
    assert not planned("", facts).verifies
    assert planned("", replace(facts, active_jobs=frozenset({(JobKind.VERIFY, "2")}))).verifies
    assert planned("", replace(facts, active_jobs=frozenset({(JobKind.MIGRATE, "1")}))).verifies


def test_verified_copies_are_read_again_when_their_time_is_over() -> None:
    text = 'rule "again":\n when modality is CT\n verify every 10 days'
    assert planned(text, study(pack(copy(verified_at=ago(days=10))))).verifies
    assert not planned(text, study(pack(copy(verified_at=ago(days=10) + timedelta(seconds=1))))).verifies
    assert not planned(text, study(pack(copy(verified_at=ago(days=10), volume_place=Place.SHELF)))).verifies
    assert not planned(text, study(pack(copy(verified_at=ago(days=99))), modalities=("MG",))).verifies
    (action,) = planned(text, study(pack(copy(verified_at=ago(days=11))))).verifies
    assert (action.rule, action.line, action.avoid_drive) == ("again", 1, None)
    assert action.reason == (
        'Rule "again" (line 1): modality is CT and its copy on A00001L8 was last read back 11 days ago, '
        "so its 12.0 MB are read back again."
    )


def test_a_copy_verified_nobody_knows_when_is_read_again() -> None:
    (action,) = planned('rule "again":\n verify every 10 years', study(pack(copy(verified_at=None)))).verifies
    assert "nobody knows when its copy on A00001L8 was read back" in action.reason


def test_the_first_rule_that_names_a_period_decides_it() -> None:
    text = 'rule "a":\n verify every 1 year\nrule "b":\n verify every 1 day'
    assert not planned(text, study(pack(copy(verified_at=ago(days=10))))).verifies


# pins


def test_a_pin_counts_from_the_last_use() -> None:
    text = 'rule "fresh":\n when modality is CT\n pin for 2 hours'
    (action,) = planned(text, study(pack(copy()))).pins
    until = ago(minutes=59) + timedelta(hours=2)
    reason = 'Rule "fresh" (line 1): modality is CT, so it stays on disk until 2026-03-02 13:01:00 UTC.'
    assert action == PinAction(UID, until, 12_100_000, "fresh", 1, reason)
    (accessed,) = planned(text, study(pack(copy()), accessed_at=ago(minutes=1))).pins
    assert accessed.until == ago(minutes=1) + timedelta(hours=2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pinned_until": None}, True),
        ({"pinned_until": ago(minutes=59) + timedelta(minutes=119)}, True),
        ({"pinned_until": ago(minutes=59) + timedelta(hours=2)}, False),
        ({"pinned_until": NOW + timedelta(days=3)}, False),
        ({"online_instances": 0}, False),
        ({"received_at": ago(hours=3), "changed_at": ago(hours=2)}, False),
        ({"received_at": ago(hours=3), "changed_at": ago(hours=2) + timedelta(seconds=1)}, True),
    ],
)
def test_a_pin_is_planned_while_it_would_prolong(changes: dict[str, Any], expected: bool) -> None:
    assert bool(planned('rule "fresh":\n pin for 2 hours', study(pack(copy()), **changes)).pins) is expected


def test_the_first_rule_that_pins_decides() -> None:
    text = 'rule "a":\n pin for 1 second\nrule "b":\n pin for 2 hours\n' + SETTLE
    result = planned(text, two_copies())
    assert not result.pins
    assert result.releases


# releases


def test_two_verified_copies_let_a_study_go_with_a_reason() -> None:
    when = "received more than 40 seconds ago and not accessed for 30 seconds"
    text = f'rule "settle":\n when {when}\n release after 2 verified copies'
    (action,) = planned(text, two_copies(received_at=ago(seconds=52), changed_at=ago(seconds=52))).releases
    assert action == ReleaseAction(
        UID,
        2,
        1,
        12_100_000,
        "settle",
        1,
        'Rule "settle" (line 1): received 52 seconds ago, not accessed since and 2 verified copies on '
        "A00001L8 and B00001L8, so its 12.1 MB leave the disk.",
    )


def test_the_default_is_two_copies() -> None:
    assert not planned('rule "r":\n release', study(pack(copy()))).releases
    (action,) = planned('rule "r":\n release', two_copies()).releases
    assert (action.copies_needed, action.kinds_needed) == (2, 1)


@pytest.mark.parametrize(
    "weak",
    [
        copy("tape_a", CopyState.WRITTEN),
        copy("tape_a", CopyState.SUSPECT),
        copy("tape_a", CopyState.LOST),
        copy("tape_a", CopyState.WRITING),
        copy("tape_a", CopyState.PLANNED),
        copy("tape_a", barcode=None),
        copy("tape_a", barcode=Barcode("B00001L8")),
        copy("tape_a", volume_place=Place.MISSING),
        copy("tape_a", volume_place=None),
        copy("tape_a", volume_state=VolumeState.SUSPECT),
        copy("tape_a", volume_state=VolumeState.REPACKING),
        copy("tape_a", volume_state=VolumeState.LOST),
        copy("tape_a", volume_state=VolumeState.RETIRED),
        copy("tape_a", volume_state=VolumeState.BLANK),
        copy("tape_a", volume_state=None),
    ],
)
def test_a_copy_that_proves_nothing_does_not_count(weak: CopyRecord) -> None:
    assert not planned(SETTLE, both(weak)).releases


@pytest.mark.parametrize("place", [Place.LIBRARY, Place.SHELF])
@pytest.mark.parametrize("state", [VolumeState.FILLING, VolumeState.FULL, VolumeState.WRITE_PROTECTED])
def test_a_verified_copy_on_a_sound_volume_counts_wherever_it_is_known_to_be(place: Place, state: VolumeState) -> None:
    assert planned(SETTLE, both(copy("tape_a", volume_place=place, volume_state=state))).releases


def test_one_copy_is_enough_only_when_the_rule_says_so() -> None:
    facts = study(pack(copy()))
    assert planned('rule "r":\n release after 1 verified copy', facts).releases
    assert not planned(
        'rule "r":\n release after 1 verified copy', study(pack(copy("tape_a", CopyState.WRITTEN)))
    ).releases


def test_three_copies_are_three() -> None:
    text = 'rule "r":\n release after 3 verified copies'
    assert not planned(text, two_copies()).releases
    assert planned(text, study(pack(copy(), copy("tape_b"), copy("disc")))).releases


def test_two_kinds_are_two() -> None:
    text = 'rule "r":\n release after 2 verified copies on 2 kinds of media'
    assert not planned(text, two_copies()).releases
    (action,) = planned(text, study(pack(copy(), copy("disc")))).releases
    assert (action.copies_needed, action.kinds_needed) == (2, 2)


def test_every_pack_must_be_proved() -> None:
    good = pack(copy(), copy("tape_b"))
    weak = pack(copy(), copy("tape_b", CopyState.WRITTEN), pack_id=2)
    assert not planned(SETTLE, study(good, weak)).releases
    assert not planned(SETTLE, study(weak, good)).releases
    (action,) = planned(SETTLE, study(good, replace(good, pack_id=2))).releases
    assert "at least 2 verified copies of each of its 2 packs on A00001L8 and B00001L8" in action.reason


@pytest.mark.parametrize(
    ("changes", "goes"),
    [
        ({}, True),
        ({"holds": ("court case 12",)}, False),
        ({"pinned_until": NOW + timedelta(microseconds=1)}, False),
        ({"pinned_until": NOW}, True),
        ({"pinned_until": ago(days=1)}, True),
        ({"unpacked_instances": 1}, False),
        ({"packs": ()}, False),
        ({"online_instances": 0, "online_bytes": 0}, False),
        ({"online_instances": 1}, True),
        ({"active_jobs": frozenset({(JobKind.RECALL, "")})}, False),
        ({"active_jobs": frozenset({(JobKind.RELEASE, "")})}, False),
        ({"active_jobs": frozenset({(JobKind.VERIFY, "1")})}, True),
    ],
)
def test_a_study_stays_while_anything_holds_it(changes: dict[str, Any], goes: bool) -> None:
    assert bool(planned(SETTLE, replace(two_copies(), **changes)).releases) is goes
    assert bool(planned(ROOM, replace(two_copies(), **changes), disk=FULL).releases) is goes


def test_what_a_rule_pins_now_is_not_released_now() -> None:
    assert not planned('rule "fresh":\n pin for 2 hours\n' + SETTLE, two_copies()).releases
    assert planned('rule "fresh":\n pin for 59 minutes\n' + SETTLE, two_copies()).releases


def test_a_release_waits_for_the_copies_the_rules_ask_for() -> None:
    text = 'rule "c":\n copy to tape_a, tape_b, disc\n' + SETTLE
    assert not planned(text, two_copies()).releases
    assert planned(text, study(pack(copy(), copy("tape_b"), copy("disc", CopyState.WRITTEN)))).releases
    making = study(pack(copy(), copy("tape_b"), copy("disc")), active_jobs=frozenset({(JobKind.MIGRATE, "disc")}))
    assert not planned(text, making).releases


def test_a_full_disk_does_not_wait_for_further_copies() -> None:
    text = 'rule "c":\n copy to tape_a, tape_b, disc\n' + SETTLE
    assert planned(text, two_copies(), disk=FULL).releases
    assert not planned(text, study(pack(copy())), disk=FULL).releases


def test_the_first_rule_that_keeps_or_releases_decides() -> None:
    keep = 'rule "keep":\n when modality is CT\n keep online\n'
    assert not planned(keep + SETTLE, two_copies()).releases
    assert planned(keep + SETTLE, two_copies(modalities=("MG",))).releases
    assert planned(SETTLE + "\n" + keep, two_copies()).releases
    strict = 'rule "strict":\n release after 3 verified copies\n'
    assert not planned(strict + SETTLE, two_copies()).releases


def test_in_doubt_firn_keeps_copies_and_does_not_release() -> None:
    facts = two_copies(patient_birth_date=None)
    child = 'rule "child":\n when patient age below 18 years\n '
    assert not planned(child + "release\n", facts).releases
    assert not planned(child + "keep online\n" + SETTLE, facts).releases
    assert planned(child + "release after 3 verified copies\n" + SETTLE, facts).releases
    assert planned(child + "copy to disc", facts).copies
    assert planned(child + "pin for 2 hours", facts).pins
    assert planned(child + "verify every 1 day", facts).verifies


def test_a_rule_that_does_not_match_says_nothing() -> None:
    other = 'rule "other":\n when modality is MG\n '
    for action in ("copy to disc", "pin for 2 hours", "verify every 1 day", "release"):
        assert not planned(other + action, two_copies()).actions


def test_outside_its_hours_a_rule_says_nothing() -> None:
    night = 'rule "night":\n only between 20:00 and 06:00\n keep online\n'
    noon = 'rule "noon":\n only between 12:00 and 13:00\n keep online\n'
    assert planned(night + SETTLE, two_copies()).releases
    assert not planned(noon + SETTLE, two_copies()).releases
    assert not planned('rule "weekend":\n only on weekends\n copy to tape_a', study()).copies
    assert planned('rule "monday":\n only on monday\n copy to tape_a', study()).copies


def test_what_cannot_leave_is_no_action_and_the_plan_says_whether_space_is_needed() -> None:
    assert planned(ROOM, two_copies(), disk=FULL).space_needed
    assert not planned(ROOM, two_copies()).space_needed


# totals


def test_totals_add_up() -> None:
    first = study()
    second = study(
        pack(copy("tape_a", CopyState.WRITTEN)), study_instance_uid=StudyUid("1.4"), received_at=ago(hours=2)
    )
    third = two_copies(study_instance_uid=StudyUid("1.5"), received_at=ago(hours=3))
    text = COPIES + '\nrule "pin":\n when size below 1 MB\n pin for 1 year\n' + SETTLE
    result = planned(text, first, second, third, volume_bytes={"tape_a": 12_000_000, "tape_b": 8_000_000})
    assert [c.study_instance_uid for c in result.copies] == ["1.4", "1.2.3", "1.2.3"]
    totals = result.totals
    assert totals.studies == 3
    assert totals.copy == Count(3, 36_200_000)
    assert totals.verify == Count(1, 12_000_000)
    assert totals.release == Count(1, 12_100_000)
    assert totals.pin == Count(0, 0)
    assert totals.size_bytes == 36_200_000 + 12_000_000 + 12_100_000
    assert (totals.pools["tape_a"].studies, totals.pools["tape_a"].packs, totals.pools["tape_a"].size_bytes) == (
        1,
        1,
        12_100_000,
    )
    assert (totals.pools["tape_a"].volumes, totals.pools["tape_b"].volumes) == (2, 4)
    assert (totals.pools["tape_b"].studies, totals.pools["tape_b"].packs) == (2, 2)


def test_volumes_are_estimated_by_kind_without_the_reserve() -> None:
    pools = {**POOLS, "disc": VolumePool("disc", MediumKind.DISC, "disc", ("D*",), reserve_bytes=5 * GB + 25_314_816)}
    exact = planned('rule "r":\n copy to disc', study(size_bytes=40 * GB), pools=pools)
    assert exact.totals.pools["disc"].volumes == 2
    more = planned('rule "r":\n copy to disc', study(size_bytes=40 * GB + 1), pools=pools)
    assert more.totals.pools["disc"].volumes == 3
    tape = planned('rule "r":\n copy to tape_a', study(size_bytes=12_000 * GB + 1))
    assert tape.totals.pools["tape_a"].volumes == 2


def test_pinned_studies_count_and_move_nothing() -> None:
    totals = planned('rule "r":\n pin for 1 year', study()).totals
    assert (totals.studies, totals.size_bytes, totals.pin) == (1, 0, Count(1, 12_100_000))


def test_actions_come_in_the_order_in_which_they_protect() -> None:
    text = 'rule "p":\n when modality is MG\n pin for 1 year\n' + SETTLE
    one = two_copies(modalities=("MG",), study_instance_uid=StudyUid("1.9"))
    result = planned(
        text + '\nrule "c":\n when modality is MG\n copy to disc',
        one,
        both(copy(), copy("tape_b")),
        study(pack(copy("disc", CopyState.WRITTEN)), study_instance_uid=StudyUid("1.8")),
    )
    assert [type(action) for action in result.actions] == [PinAction, CopyAction, VerifyAction, ReleaseAction]


def test_done_today_is_not_asked_for_without_a_limit() -> None:
    done = {"settle": Done(10**6, 10**15)}
    assert planned(SETTLE, two_copies(), done_today=done).releases


def test_an_age_rule_uses_the_study_date() -> None:
    text = 'rule "old":\n when age at least 1 year\n release'
    assert planned(text, two_copies(study_date=date(2025, 3, 2))).releases
    assert not planned(text, two_copies(study_date=date(2025, 3, 3))).releases


def test_what_is_compressed_before_is_said_and_counted_at_what_it_is_expected_to_take() -> None:
    new = study(size_bytes=100 * MB, unpacked_instances=10, instance_count=10)
    text = 'rule "smaller":\n when modality is CT\n compress losslessly with JPEG-LS\n' + COPIES
    made = planned(text, new, pressed_share=0.4)
    assert [(c.compress, c.size_bytes, c.saves_bytes) for c in made.copies] == [("JPEG-LS", 40 * MB, 60 * MB)] * 2
    assert made.totals.saved_bytes == 120 * MB
    reason = made.copies[0].reason
    assert 'about 40.0 MB is made in tape_a, compressed losslessly with JPEG-LS before as Rule "smaller"' in reason
    assert planned(COPIES + "\n compress losslessly", new).copies[0].reason.endswith("with JPEG-LS before.")
    working = replace(new, active_jobs=frozenset({(JobKind.COMPRESS, "")}))
    assert planned(text, working).copies == ()
    packed = study(pack(), size_bytes=100 * MB)
    assert {(c.compress, c.saves_bytes) for c in planned(text, packed).copies} == {("", 0)}
    unknown = 'rule "smaller":\n when patient age below 3 years\n compress losslessly\n' + COPIES
    assert planned(unknown, replace(new, patient_birth_date=None)).copies[0].compress == ""
