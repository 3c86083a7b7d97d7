"""Which event goes to whom, when, alone or in a digest: without a server."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hsm.notices.model import (
    BURST,
    DIGEST_LINES,
    Bundle,
    Calendar,
    Note,
    NoticeRefused,
    Pending,
    Rule,
    Told,
    bundles,
    checked_rule,
    checked_target,
    holds,
    matches,
    message,
    retry_at,
)

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)  # a Thursday
BERLIN = ZoneInfo("Europe/Berlin")


def note(name: str = "drive_failed", subject: str = "TD1", level: str = "error") -> Note:
    return Note(NOW, level, name, subject, {"reason": "three errors"})


def pending(number: int, age: timedelta = timedelta(0), **about: str) -> Pending:
    return Pending(number, note(**about), 0, None, NOW - age)


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        (Rule(1, "t", "warning", "*", "*", Calendar.ALWAYS), True),
        (Rule(1, "t", "error", "volume_* drive_*", "TD?", Calendar.WORKING_HOURS), True),
        (Rule(1, "t", "error", "volume_*", "*", Calendar.ALWAYS), False),
        (Rule(1, "t", "error", "*", "A*", Calendar.ALWAYS), False),
        (Rule(1, "t", "error", "*", "*", Calendar.NIGHT), False),
    ],
)
def test_a_rule_takes_what_it_says(rule: Rule, taken: bool) -> None:
    assert matches(rule, note(), UTC) is taken


def test_severity_counts_upwards_and_our_own_events_go_nowhere() -> None:
    rule = Rule(1, "t", "warning", "*", "*", Calendar.ALWAYS)
    assert [matches(rule, note(level=level), UTC) for level in ("info", "warning", "error")] == [False, True, True]
    assert not matches(rule, note("notice_given_up"), UTC)


def test_times_are_those_of_the_house() -> None:
    late = datetime(2026, 3, 5, 21, 30, tzinfo=UTC)  # 22:30 in Berlin
    assert holds(Calendar.NIGHT, late, BERLIN) and not holds(Calendar.NIGHT, late, UTC)
    saturday = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
    assert holds(Calendar.WEEKEND, saturday, UTC) and not holds(Calendar.WORKING_HOURS, saturday, UTC)


def test_a_few_events_go_one_by_one_and_a_storm_goes_as_one() -> None:
    few = [pending(n, subject=f"TD{n}") for n in range(3)]
    assert [len(bundle.items) for bundle in bundles(few, [], NOW)] == [1, 1, 1]
    storm = [pending(n, subject=f"TD{n}") for n in range(BURST + 1)]
    assert [len(bundle.items) for bundle in bundles(storm, [], NOW)] == [BURST + 1]
    just_told = [Told(NOW - timedelta(minutes=2), "x", "y")]
    assert bundles(storm, just_told, NOW) == []
    old_storm = [pending(n, timedelta(minutes=16), subject=f"TD{n}") for n in range(BURST + 1)]
    assert bundles(old_storm, just_told, NOW)[0].is_digest


def test_the_same_again_waits_for_a_digest() -> None:
    told = [Told(NOW - timedelta(minutes=20), "drive_failed", "TD1")]
    assert bundles([pending(1)], told, NOW) == []
    assert bundles([pending(1), pending(2, subject="TD2")], [], NOW)[1].items[0].id == 2
    waited = pending(1, timedelta(minutes=15))
    assert bundles([waited], told, NOW) == [Bundle((waited,))]
    assert bundles([pending(1), pending(2)], [], NOW) == [Bundle((pending(1),))]


def test_many_messages_in_an_hour_leave_no_room() -> None:
    told = [Told(NOW - timedelta(minutes=n), "other", str(n)) for n in range(1, BURST + 1)]
    assert bundles([pending(1)], told, NOW) == []


def test_what_is_to_be_tried_later_is_not_tried_now() -> None:
    later = Pending(1, note(), 3, NOW + timedelta(seconds=1), NOW)
    assert bundles([later], [], NOW) == []


def test_tries_come_ever_more_seldom_and_end() -> None:
    waits = [retry_at(tries, NOW, NOW) for tries in (0, 1, 20)]
    assert [at - NOW for at in waits if at] == [timedelta(seconds=s) for s in (60, 120, 3600)]
    assert retry_at(9, NOW - timedelta(days=3), NOW) is None


def test_a_message_reads_well_for_people_and_programs() -> None:
    one = message([note()], "St. Mary", "https://archive.example/")
    assert one.subject == "[St. Mary] error: drive failed (TD1)"
    assert "reason=three errors" in one.text and "https://archive.example/events" in one.text
    assert one.payload["events"][0]["fields"] == {"reason": "three errors"}
    many = message([note(level="info")] * (DIGEST_LINES + 5) + [note()], "St. Mary")
    assert many.subject == f"[St. Mary] error: {DIGEST_LINES + 6} events"
    assert "and 6 more" in many.text


def test_what_is_wrong_with_a_target_or_rule_is_said_field_by_field() -> None:
    for kind, address in (
        ("mail", "nobody"),
        ("webhook", "ftp://x"),
        ("webhook", "https://u:p@h/"),
        ("webhook", "http://["),
    ):
        with pytest.raises(NoticeRefused) as refused:
            checked_target("ops", kind, address)
        assert list(refused.value.faults) == ["address"]
    with pytest.raises(NoticeRefused) as refused:
        checked_target("", "pigeon", "x")
    assert set(refused.value.faults) == {"name", "kind"}
    with pytest.raises(NoticeRefused) as refused:
        checked_rule("nobody", "loud", "Über", "\x00", "tuesdays", ["ops"])
    assert set(refused.value.faults) == {"target", "level", "events", "subject", "calendar"}
    assert checked_rule("ops", "error", " ", "", "night", ["ops"]).events == "*"
