"""Which priors are wanted for which appointments, and when they are asked for: pure, with the clock passed in."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from drivers.base import Barcode
from hsm.facts import StudyFacts, StudyUid
from hsm.orders.prefetch import Appointment, decide, words
from hsm.policy import parse, to_text
from hsm.states import Availability, Place
from tests.hsm.policy.worlds import NOW, copy, pack, study

NINE = NOW + timedelta(hours=20)


LAST_TWO = "prefetch the last 2 priors of the same modality or body part 12 hours before"


def rules(sentence: str = LAST_TWO.replace("2", "3", 1), **more: str) -> str:
    when = f"    when {more['when']}\n" if "when" in more else ""
    return f'rule "priors":\n{when}    {more.get("only", "")}\n    {sentence} the appointment\n'


def appointment(order: int = 1, at: datetime = NINE, modality: str = "CT", body_part: str = "KNEE") -> Appointment:
    return Appointment(order, "1.9", modality, body_part, at, at + timedelta(minutes=30))


def prior(uid: str, volume: str = "A00001L8", **changes: Any) -> StudyFacts:
    """A CT of a knee that lies on a cartridge in the library."""
    copies = [copy(barcode=Barcode(volume)), copy("tape_b")]
    away = pack(*copies, online=False)
    changes = {"online_instances": 0, "availability": Availability.NEARLINE, **changes}
    return study(away, study_instance_uid=StudyUid(uid), **changes)


def asked(
    text: str, *pairs: tuple[Appointment, list[StudyFacts]], now: datetime = NINE, **more: Any
) -> list[tuple[int, str]]:
    """(order, study) of what is asked for so long before the appointment of the first."""
    decision = decide(parse(text), pairs, more.pop("done", ()), now, **more)
    return [(wish.order_id, wish.study_instance_uid) for wish in decision.ask]


def test_the_last_so_many_relevant_studies_are_wanted_and_the_reason_says_why() -> None:
    studies = [
        prior("1.1", study_date=date(2019, 1, 1)),
        prior("1.2", study_date=date(2021, 1, 1)),
        prior("1.3", modalities=("MR",), body_parts=("HEAD",)),
        prior("1.4", modalities=("MR",), study_date=date(2020, 1, 1)),
        prior("1.9"),  # what the appointment itself will make
    ]
    decision = decide(parse(rules(LAST_TWO)), [(appointment(), studies)], (), NOW)
    assert [wish.study_instance_uid for wish in decision.wanted] == ["1.2", "1.4"]
    wish = decision.wanted[0]
    assert "appointment 1 (CT KNEE)" in wish.why and "this is prior 1 (CT and KNEE, 2021-01-01)" in wish.why
    assert f'says "{LAST_TWO} the appointment"' in wish.why
    assert words(wish, NOW).endswith("It comes from A00001L8; asked for in 8 hours.")
    assert decision.ask == ()


@pytest.mark.parametrize(
    ("same", "wanted"),
    [
        (" of the same modality", ["1.1", "1.2"]),
        (" of the same body part", ["1.1", "1.3"]),
        (" of the same modality and body part", ["1.1"]),
        (" of the same modality or body part", ["1.1", "1.2", "1.3"]),
        ("", ["1.1", "1.2", "1.3", "1.4"]),
    ],
)
def test_what_makes_a_study_relevant_is_said_in_the_sentence(same: str, wanted: list[str]) -> None:
    studies = [
        prior("1.1"),
        prior("1.2", body_parts=("HEAD",)),
        prior("1.3", modalities=("MR",)),
        prior("1.4", modalities=("MR",), body_parts=()),
    ]
    text = rules(f"prefetch the last 9 priors{same} 1 day before")
    assert parse(to_text(parse(text))) == parse(text)
    assert sorted(uid for _, uid in asked(text, (appointment(), studies), now=NOW)) == wanted


def test_a_prior_is_asked_for_when_its_time_has_come_once_and_not_after_the_appointment() -> None:
    pair = (appointment(), [prior("1.1")])
    assert asked(rules(), pair, now=NINE - timedelta(hours=13)) == []
    assert asked(rules(), pair, now=NINE - timedelta(hours=12)) == [(1, "1.1")]
    assert asked(rules(), pair, now=NINE, done={(1, "1.1")}) == []
    assert asked(rules(), pair, now=NINE + timedelta(minutes=30)) == []


def test_what_lies_on_a_volume_that_is_mounted_anyway_comes_along() -> None:
    soon = (appointment(1), [prior("1.1", "A00001L8")])
    later = (appointment(2, NINE + timedelta(hours=9)), [prior("1.2", "A00001L8"), prior("1.3", "A00002L8")])
    next_week = (appointment(3, NINE + timedelta(days=7)), [prior("1.4", "A00001L8")])
    now = NINE - timedelta(hours=12)
    assert asked(rules(), soon, later, next_week, now=now) == [(1, "1.1"), (2, "1.2")]
    assert asked(rules(), soon, later, now=now, ahead=timedelta(0)) == [(1, "1.1")]
    along = decide(parse(rules()), [soon, later], (), now).ask[1]
    assert along.why.endswith("because A00001L8 is mounted anyway.")


def test_what_is_on_disk_mounts_nothing_and_is_kept() -> None:
    on_disk = study(pack(copy()), study_instance_uid=StudyUid("1.1"))
    pair = (appointment(), [on_disk])
    later = (appointment(2, NINE + timedelta(hours=9)), [prior("1.2")])
    decision = decide(parse(rules()), [pair, later], (), NINE - timedelta(hours=12))
    (wish,) = decision.ask
    assert (wish.online, wish.volumes, wish.keep_until) == (True, (), NINE + timedelta(minutes=30))
    assert "is on disk and is kept" in words(wish, NINE)


def test_a_volume_on_a_shelf_is_asked_for_by_itself() -> None:
    away = pack(copy(volume_place=Place.SHELF), online=False)
    shelved = replace(prior("1.1"), packs=(away,))
    decision = decide(parse(rules()), [(appointment(), [shelved])], (), NINE)
    assert decision.ask[0].volumes == () and "comes from a shelf" in words(decision.ask[0], NINE)


def test_conditions_hours_and_the_order_of_rules_count() -> None:
    pair = (appointment(), [prior("1.1"), prior("1.2", description="Ankle")])
    assert asked(rules(when="description contains ankle"), pair) == [(1, "1.2")]
    assert asked(rules(only="only between 20:00 and 21:00"), pair, now=NINE.replace(hour=9)) == []
    both = rules("prefetch the last 1 prior 1 hour before") + rules().replace('"priors"', '"more"')
    decision = decide(parse(both), [pair], (), NINE - timedelta(hours=12), ahead=timedelta(0))
    assert {wish.rule for wish in decision.wanted} == {"priors", "more"}
    assert len(decision.wanted) == 2 and len(decision.ask) == 1
    far = decide(parse(rules("prefetch the last 3 priors 20 years before")), [pair], (), NOW)
    assert far.wanted[0].ask_from == NINE - timedelta(days=60)
