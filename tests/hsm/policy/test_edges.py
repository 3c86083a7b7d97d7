"""The smallest studies, the first and last instant, and the zone of the archive, in whole plans."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from drivers.base import Barcode
from hsm.facts import StudyUid
from hsm.policy import explain, parse, plan
from hsm.policy.conditions import Moment, turning_points
from hsm.policy.model import Release
from hsm.policy.need import Intent, missing_packs, proofs
from hsm.policy.release import obstacles
from hsm.states import CopyState, JobKind
from tests.hsm.policy.test_conditions import condition
from tests.hsm.policy.test_plan import SETTLE, planned, two_copies
from tests.hsm.policy.worlds import HALF_FULL, NOW, POOLS, ago, copy, pack, study

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_study_of_one_instance_is_a_study() -> None:
    one = {"instance_count": 1, "online_instances": 1}
    assert planned('rule "c":\n copy to tape_a', study(**one, unpacked_instances=1)).copies[0].size_bytes == 12_100_000
    assert planned('rule "p":\n pin for 1 year', two_copies(**one)).pins
    assert planned(SETTLE, two_copies(**one)).releases


def test_one_late_instance_is_packed_copied_and_waited_for() -> None:
    late = two_copies(unpacked_instances=1)
    (action,) = planned('rule "c":\n copy to tape_a', late).copies
    assert (action.size_bytes, action.packs_missing) == (12_100_000 // 34, 1)
    assert isinstance(action.size_bytes, int)
    assert not planned(SETTLE, late).releases
    sentences = explain(parse('rule "c":\n copy to tape_a\n' + SETTLE), late, HALF_FULL, POOLS, NOW)
    assert any("it stays on disk: 1 instance of it is in no pack yet." in sentence for sentence in sentences)


def test_why_nothing_can_leave_is_told_when_nothing_is_there() -> None:
    gone = two_copies(online_instances=0, online_bytes=0)
    assert obstacles(gone, Intent(), Release(), HALF_FULL, Moment(NOW)) == ["nothing of it is on disk"]
    single = study(pack(copy("tape_a", CopyState.WRITTEN)))
    assert obstacles(single, Intent(), Release(1), HALF_FULL, Moment(NOW)) == [
        "1 verified copy is asked for and its pack has been read back on no volume only"
    ]


def test_the_hours_of_a_plan_are_those_of_the_archive() -> None:
    policy = parse('rule "noon":\n only between 12:00 and 13:00\n copy to tape_a')
    eleven = NOW - timedelta(minutes=30)
    assert plan(policy, [study()], HALF_FULL, POOLS, eleven, zone=BERLIN).copies
    assert not plan(policy, [study()], HALF_FULL, POOLS, eleven).copies


def test_the_dates_of_a_plan_are_those_of_the_archive() -> None:
    policy = parse('rule "old":\n when age at least 1 day\n copy to tape_a')
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    facts = study(study_date=date(2026, 3, 1), received_at=late, changed_at=late)
    assert plan(policy, [facts], HALF_FULL, POOLS, late, zone=BERLIN).copies
    assert not plan(policy, [facts], HALF_FULL, POOLS, late).copies


def test_a_rule_that_is_open_in_the_zone_of_the_archive_is_not_waited_for() -> None:
    text = 'rule "noon":\n only between 12:00 and 13:00\n copy to tape_a'
    sentences = explain(parse(text), study(), HALF_FULL, POOLS, NOW - timedelta(minutes=30), zone=BERLIN)
    assert not any("silent" in sentence for sentence in sentences)
    closed = explain(parse(text), study(), HALF_FULL, POOLS, NOW, zone=BERLIN)
    assert any("speaks again at 2026-03-03 12:00:00 CET" in sentence for sentence in closed)


def test_a_negated_condition_turns_when_its_part_does() -> None:
    moment, facts = Moment(NOW), study()
    part = turning_points(condition("stable for 2 hours"), facts, moment)
    assert part
    assert turning_points(condition("not stable for 2 hours"), facts, moment) == part


def test_a_problem_names_its_study_and_a_repeated_reading_its_copy() -> None:
    doubted = planned("", study(pack(copy("tape_a", CopyState.SUSPECT, doubts=9)))).problems
    assert [problem.study_instance_uid for problem in doubted] == ["1.2.3"]
    (again,) = planned('rule "v":\n verify every 1 day', study(pack(copy("tape_b")))).verifies
    assert (again.copy_id, again.barcode) == (2, Barcode("B00001L8"))


def test_the_longest_unverified_copy_is_read_first() -> None:
    text = 'rule "v":\n at most 1 studies per tick\n verify every 1 day'
    new = study(pack(copy(verified_at=ago(days=20))), received_at=ago(days=90), study_instance_uid=StudyUid("1.1"))
    old = study(pack(copy(verified_at=ago(days=30))), received_at=ago(days=60), study_instance_uid=StudyUid("1.2"))
    unknown = study(pack(copy(verified_at=None)), received_at=ago(days=25), study_instance_uid=StudyUid("1.3"))
    result = planned(text, new, old, unknown)
    assert [action.study_instance_uid for action in result.verifies] == ["1.2"]
    assert result.held_back == {"v": 2}


def test_whoever_makes_jobs_finds_the_packs_of_a_copy_action() -> None:
    facts = study(pack(copy("tape_a", CopyState.PLANNED)), pack(copy("tape_a"), pack_id=2))
    assert [one.pack_id for one in missing_packs(facts, "tape_a")] == [1]
    assert [one.pack_id for one in missing_packs(facts, "disc")] == [1, 2]
    working = study(*facts.packs, active_jobs=frozenset({(JobKind.MIGRATE, "tape_a")}))
    assert missing_packs(working, "tape_a") == []
    assert set(proofs(facts.packs[1])) == {"A00001L8"}
