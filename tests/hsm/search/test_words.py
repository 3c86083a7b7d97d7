"""Words, dates and texts."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.search.words import MAX_TERMS, dates, grams, place_in_list, searchable, split, words


@given(st.text(max_size=300))
def test_any_text_makes_a_search(text: str) -> None:
    assert len(split(text)) <= MAX_TERMS
    assert len(words(text)) == len(split(text))


@pytest.mark.parametrize(
    ("term", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-2", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("20240229", date(2024, 2, 29), date(2024, 2, 29)),
        ("29.2.2024", date(2024, 2, 29), date(2024, 2, 29)),
    ],
)
def test_dates_may_be_a_day_a_month_or_a_year(term: str, first: date, last: date) -> None:
    assert dates(term) == (first, last)


@pytest.mark.parametrize("term", ["0000", "2023-02-29", "20240230", "2024-00", "32.1.2024", "x", "٢٠٢٤"])
def test_what_is_no_date_is_not_taken_for_one(term: str) -> None:
    assert dates(term) is None


@given(st.dates(), st.dates())
def test_a_date_is_found_exactly_by_its_day_its_month_and_its_year(day: date, other: date) -> None:
    text = searchable("", "", "", "", [], day)
    for term in (f"{other:%Y-%m-%d}".zfill(10), f"{other:%Y-%m}".zfill(7), f"{other:%Y}".zfill(4)):
        first, last = dates(term) or (date.max, date.min)
        assert words(term)[0].fits(text, "") == (first <= day <= last)


def test_a_number_is_not_found_in_the_middle_of_a_date() -> None:
    text = searchable("doe^john", "4711", "A-9", "CT chest", ["CT"], date(2024, 3, 1))
    assert not any(words(term)[0].fits(text, "") for term in ("0301", "024", "2025", "\ue000"))
    assert all(words(term)[0].fits(text, "") for term in ("4711", "ct", "DOE", "a-9", "1.3.2024"))


@given(st.lists(st.tuples(st.none() | st.dates(), st.text(max_size=14), st.integers(1, 2**30 - 1)), unique=True))
def test_places_are_positive_and_in_the_order_of_date_minute_and_arrival(
    studies: list[tuple[date | None, str, int]],
) -> None:
    unique = {number: (day, time, number) for day, time, number in studies}.values()
    places = [place_in_list(*study) for study in unique]
    assert len(set(places)) == len(places)
    assert all(0 < place < 2**63 for place in places)
    by_place = [study for _, study in sorted(zip(places, unique, strict=True))]
    days = [day.toordinal() if day else 0 for day, _, _ in by_place]
    assert days == sorted(days)


def test_the_minute_decides_within_a_day_and_the_arrival_within_a_minute() -> None:
    day = date(2024, 3, 1)
    ordered = [(day, "", 9), (day, "0000", 2), (day, "0001", 1), (day, "2359", 1), (day, "235959.999999", 2)]
    assert sorted(ordered, key=lambda study: place_in_list(*study)) == ordered


@given(st.text(max_size=20))
def test_grams_are_all_runs_of_three_letters(text: str) -> None:
    assert all(gram in text for gram in grams(text))
    assert bool(grams(text)) == (len(text) >= 3)
