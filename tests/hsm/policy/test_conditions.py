"""Conditions at their edges, with unknown facts, and in the words that tell them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.facts import StudyFacts
from hsm.policy import parse
from hsm.policy.conditions import Moment, because, failing, is_online, judge, turning_points
from hsm.policy.model import Condition, Not
from hsm.policy.text import condition_text
from hsm.states import Availability
from tests.hsm.policy.test_language import conditions
from tests.hsm.policy.worlds import NOW, ago, moments, pack, study

BERLIN = ZoneInfo("Europe/Berlin")


def condition(text: str) -> Condition:
    found = parse(f'rule "r":\n when {text}\n keep online').rules[0].condition
    assert found is not None
    return found


def is_true(text: str, facts: StudyFacts | None = None, now: datetime = NOW) -> bool | None:
    return judge(condition(text), facts or study(), Moment(now))


# edges: one instant before, at, and after


@pytest.mark.parametrize(
    ("text", "before", "at", "after"),
    [
        ("received more than 1 hour ago", False, False, True),
        ("received less than 1 hour ago", True, False, False),
        ("stable for 1 hour", False, True, True),
        ("not accessed for 1 hour", False, True, True),
        ("accessed more than 1 hour ago", False, False, True),
        ("accessed less than 1 hour ago", True, False, False),
        ("age below 1 hour", True, False, False),
        ("age at most 1 hour", True, True, False),
        ("age at least 1 hour", False, True, True),
        ("age above 1 hour", False, False, True),
    ],
)
def test_a_time_condition_turns_at_its_instant(text: str, before: bool, at: bool, after: bool) -> None:
    instant = timedelta(microseconds=1)
    for moved, expected in ((-instant, before), (timedelta(0), at), (instant, after)):
        then = ago(hours=1) - moved
        facts = study(received_at=then, changed_at=then, accessed_at=then, study_date=None)
        assert is_true(text, facts) is expected, (text, moved)


@pytest.mark.parametrize(
    ("text", "below", "at", "above"),
    [
        ("below", True, False, False),
        ("at most", True, True, False),
        ("at least", False, True, True),
        ("above", False, False, True),
    ],
)
def test_sizes_and_counts_turn_at_their_limit(text: str, below: bool, at: bool, above: bool) -> None:
    for value, expected in ((999, below), (1000, at), (1001, above)):
        assert is_true(f"size {text} 1 KB", study(size_bytes=value)) is expected
        assert is_true(f"instances {text} 1000", study(instance_count=value)) is expected


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("7 seconds", 7), ("7 minutes", 420), ("7 hours", 25200), ("7 days", 604800), ("7 weeks", 4233600)],
)
def test_units_have_their_length(duration: str, seconds: int) -> None:
    just = study(changed_at=ago(seconds=seconds))
    assert is_true(f"stable for {duration}", just)
    assert not is_true(f"stable for {duration}", just, NOW - timedelta(seconds=1))


def test_months_and_years_follow_the_calendar() -> None:
    leap = study(study_date=date(2024, 2, 29))
    assert not is_true("age at least 1 year", leap, datetime(2025, 2, 27, 23, 59, 59, tzinfo=UTC))
    assert is_true("age at least 1 year", leap, datetime(2025, 2, 28, tzinfo=UTC))
    january = study(study_date=date(2025, 1, 31))
    assert not is_true("age at least 1 month", january, datetime(2025, 2, 27, 23, 59, 59, tzinfo=UTC))
    assert is_true("age at least 1 month", january, datetime(2025, 2, 28, tzinfo=UTC))
    december = study(study_date=date(2024, 12, 15))
    assert not is_true("age at least 1 month", december, datetime(2025, 1, 14, 23, tzinfo=UTC))
    assert is_true("age at least 1 month", december, datetime(2025, 1, 15, tzinfo=UTC))
    november = study(study_date=date(2024, 11, 15))
    assert not is_true("age at least 1 month", november, datetime(2024, 12, 14, 23, tzinfo=UTC))
    assert is_true("age at least 1 month", november, datetime(2024, 12, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    "text", ["age below 1000000000000 years", "age below 1000000000000 weeks", "age below 9000 years"]
)
def test_a_duration_beyond_all_calendars_is_never_over(text: str) -> None:
    assert is_true(text)


def test_the_age_of_a_study_without_a_date_counts_from_its_reception() -> None:
    facts = study(study_date=None, received_at=ago(days=3))
    assert is_true("age at least 3 days", facts)
    assert not is_true("age above 3 days", facts)


def test_days_begin_where_the_archive_is() -> None:
    facts = study(study_date=date(2026, 3, 1))
    text = condition("age at least 1 day")
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert judge(text, facts, Moment(late, BERLIN)) is True
    assert judge(text, facts, Moment(late)) is False


@pytest.mark.parametrize(
    "text",
    ["stable for 1 second", "received more than 0 seconds ago", "not accessed for 1 second", "age at least 1 second"],
)
def test_a_clock_that_jumped_back_makes_nothing_older_than_now(text: str) -> None:
    tomorrow = NOW + timedelta(days=1)
    facts = study(received_at=tomorrow, changed_at=tomorrow, accessed_at=tomorrow, study_date=date(2026, 3, 9))
    assert is_true(text, facts) is False
    assert is_true("age at most 0 seconds", facts) is True
    assert is_true("accessed less than 1 second ago", facts) is True


def test_what_was_never_accessed_was_accessed_neither_long_nor_shortly_ago() -> None:
    facts = study(accessed_at=None)
    assert is_true("accessed more than 1 second ago", facts) is False
    assert is_true("accessed less than 1 year ago", facts) is False
    assert is_true("never accessed", facts) is True
    assert is_true("never accessed", study(accessed_at=ago(days=1))) is False


def test_what_was_never_accessed_is_idle_since_its_reception() -> None:
    facts = study(accessed_at=None, received_at=ago(hours=2))
    assert is_true("not accessed for 2 hours", facts) is True
    assert is_true("not accessed for 3 hours", facts) is False
    assert is_true("not accessed for 2 hours", study(accessed_at=ago(hours=1), received_at=ago(hours=9))) is False


# texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modality is sr", True),
        ("modality is MG", False),
        ("modality is one of MG, ct", True),
        ("modality is one of MG, US", False),
        ("modality is not CT", False),
        ("body part is knee", True),
        ('body part is "kne"', False),
        ("source is ct_01", True),
        ("institution is Elsewhere", False),
        ("institution contains ELSE", True),
        ("institution contains nowhere", False),
        ('institution is "st. elsewhere"', True),
        ('description matches "KNEE*"', True),
        ("description matches knee", False),
        ('description matches "*r?utin?"', True),
        ('description matches "[k]nee*"', False),
    ],
)
def test_texts_are_compared_without_case(text: str, expected: bool) -> None:
    facts = study(modalities=("CT", "SR"), description="Knee routine", institution=" St. Elsewhere ")
    assert is_true(text, facts) is expected


def test_a_bracket_in_a_pattern_is_a_bracket() -> None:
    assert is_true('description matches "a[1]*"', study(description="A[1] b")) is True


def test_a_study_without_a_modality_is_of_none() -> None:
    assert is_true("modality is CT", study(modalities=())) is False
    assert is_true("modality is not CT", study(modalities=())) is True


def test_availability_and_being_online_are_facts() -> None:
    assert is_true("availability is nearline", study(availability=Availability.NEARLINE)) is True
    assert is_true("availability is nearline", study(availability=Availability.OFFLINE)) is False
    assert is_true("online", study(online_instances=34)) is True
    assert is_true("online", study(online_instances=33)) is False
    assert is_online(study(online_instances=34)) is True


# patients


def test_a_patients_age_counts_to_now_or_to_the_study() -> None:
    facts = study(patient_birth_date=date(2008, 3, 2), study_date=date(2026, 3, 1))
    assert is_true("patient age at least 18 years", facts) is True
    assert is_true("patient age at study at least 18 years", facts) is False
    assert is_true(
        "patient age at study at least 18 years",
        study(patient_birth_date=date(2008, 3, 1), study_date=date(2026, 3, 1)),
    )


def test_what_is_not_known_is_neither_true_nor_false() -> None:
    unborn = study(patient_birth_date=None)
    for text in ("patient age below 18 years", "not patient age below 18 years", "patient age at study above 1 day"):
        assert is_true(text, unborn) is None
    assert is_true("patient age below 18 years and online", unborn) is None
    assert is_true("online and patient age below 18 years", unborn) is None
    assert is_true("patient age below 18 years and not online", unborn) is False
    assert is_true("not online and patient age below 18 years", unborn) is False
    assert is_true("patient age below 18 years or online", unborn) is True
    assert is_true("online or patient age below 18 years", unborn) is True
    assert is_true("patient age below 18 years or not online", unborn) is None
    assert is_true("not online or not online or not online", unborn) is False


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_and_or_not_mean_what_they_mean(first: bool, second: bool) -> None:
    a, b = ("online" if first else "not online"), ("never accessed" if second else "not never accessed")
    assert is_true(f"{a} and {b}") is (first and second)
    assert is_true(f"{a} or {b}") is (first or second)
    assert is_true(f"not ({a} and {b})") is not (first and second)
    assert is_true(f"not ({a} or {b})") is not (first or second)


def test_a_rule_without_a_condition_is_true_of_every_study() -> None:
    assert judge(None, study(), Moment(NOW)) is True
    assert because(None, study(), Moment(NOW)) == []
    assert failing(None, study(), Moment(NOW)) is None
    assert turning_points(None, study(), Moment(NOW)) == set()


studies = st.builds(
    lambda birth, when, online, accessed: study(
        pack(), patient_birth_date=birth, study_date=when, online_instances=online, accessed_at=accessed
    ),
    st.none() | st.dates(date(1930, 1, 1), date(2030, 1, 1)),
    st.none() | st.dates(date(1990, 1, 1), date(2030, 1, 1)),
    st.integers(0, 34),
    st.none() | moments,
)


@given(conditions, studies)
def test_an_answer_can_always_be_told(asked: Condition, facts: StudyFacts) -> None:
    moment = Moment(NOW)
    answer = judge(asked, facts, moment)
    assert judge(Not(asked), facts, moment) is (None if answer is None else not answer)
    assert because(asked, facts, moment)
    part = failing(asked, facts, moment)
    assert (part is None) == (answer is True)
    if part is not None:
        assert judge(part, facts, moment) is answer
        assert condition_text(part)


@given(conditions, studies)
def test_time_alone_changes_an_answer_at_a_turning_point_only(asked: Condition, facts: StudyFacts) -> None:
    points = sorted(point for point in turning_points(asked, facts, Moment(NOW)) if point > NOW)
    edges = [NOW, *points]
    for begin, end in zip(edges, points, strict=False):
        middle = begin + (end - begin) / 2
        assert judge(asked, facts, Moment(middle)) is judge(asked, facts, Moment(begin))


def test_a_use_that_lies_ahead_is_counted_from_when_it_has_come() -> None:
    asked = condition("not accessed for 1 minute")
    ahead = study(accessed_at=NOW + timedelta(hours=1))
    due = NOW + timedelta(hours=1, minutes=1)
    assert turning_points(asked, ahead, Moment(NOW)) == {due, due + timedelta(microseconds=1)}
    assert judge(asked, ahead, Moment(due)) is True
    assert judge(asked, ahead, Moment(due - timedelta(seconds=1))) is False


# words


@pytest.mark.parametrize(
    ("text", "changes", "phrases"),
    [
        ("received more than 40 seconds ago", {"received_at": ago(seconds=52)}, ["received 52 seconds ago"]),
        ("not accessed for 30 seconds", {}, ["not accessed since"]),
        ("not accessed for 30 seconds", {"accessed_at": ago(minutes=3)}, ["last accessed 3 minutes ago"]),
        ("never accessed", {}, ["never accessed"]),
        ("accessed less than 1 day ago", {}, ["never accessed"]),
        (
            "accessed less than 1 day ago",
            {"accessed_at": ago(hours=3, minutes=5)},
            ["last accessed 3 hours 5 minutes ago"],
        ),
        ("stable for 1 minute", {"changed_at": ago(seconds=1)}, ["unchanged for 1 second"]),
        ("age below 5 years", {"study_date": date(2023, 3, 2)}, ["3 years old"]),
        ("age below 5 years", {"study_date": date(2021, 12, 20)}, ["4 years 2 months old"]),
        ("age below 5 years", {"study_date": None}, ["received 1 hour ago and without a study date"]),
        ("patient age below 5 years", {}, ["the patient is 45 years 9 months old"]),
        ("patient age below 5 years", {"patient_birth_date": None}, ["the patient's birth date is not known"]),
        (
            "patient age at study below 5 years",
            {"study_date": date(1990, 6, 17)},
            ["the patient was 10 years 1 month old at the study"],
        ),
        ("size above 1 MB", {}, ["size is 12.1 MB"]),
        ("instances above 3", {}, ["it has 34 instances"]),
        ("instances above 3", {"instance_count": 1}, ["it has 1 instance"]),
        ("availability is online", {}, ["availability is ONLINE"]),
        ("online", {}, ["all of it is on disk"]),
        ("online", {"online_instances": 3}, ["not all of it is on disk"]),
        ("modality is CT", {"modalities": ("CT", "SR")}, ["modality is CT and SR"]),
        ("modality is CT", {"modalities": ()}, ["no modality is known"]),
        ("description contains x", {"description": ""}, ["no description is known"]),
        ("online and modality is CT and online", {}, ["all of it is on disk", "modality is CT"]),
        ("modality is MG and online", {}, ["modality is CT"]),
        ("modality is CT or online", {}, ["modality is CT"]),
        (
            "modality is MG or never accessed",
            {"accessed_at": ago(days=2)},
            ["modality is CT", "last accessed 2 days ago"],
        ),
        (
            "not (modality is MG or never accessed)",
            {"accessed_at": ago(days=2)},
            ["modality is CT", "last accessed 2 days ago"],
        ),
        ("not modality is MG", {}, ["modality is CT"]),
    ],
)
def test_the_facts_behind_an_answer_are_told(text: str, changes: dict[str, object], phrases: list[str]) -> None:
    assert because(condition(text), study(**changes), Moment(NOW)) == phrases


def test_the_part_that_fails_is_named() -> None:
    asked = condition("online and modality is MG and size above 1 GB")
    part = failing(asked, study(), Moment(NOW))
    assert part is not None
    assert condition_text(part) == "modality is MG"
    assert failing(asked, study(modalities=("MG",), size_bytes=2 * 10**9), Moment(NOW)) is None
    unknown = failing(condition("online and patient age below 1 year"), study(patient_birth_date=None), Moment(NOW))
    assert unknown == condition("patient age below 1 year")
    false = failing(
        condition("patient age below 1 year and modality is MG"), study(patient_birth_date=None), Moment(NOW)
    )
    assert false == condition("modality is MG")
