"""Sizes, times, names and states in words."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from hsm.states import Availability, CopyState, DriveState, JobKind, JobState, OnlineState, Place, VolumeState
from tests.web.reader import read
from web import bars, words

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (12_345_678, "12.3 MB"),
        (1_820_000_000_000, "1.82 TB"),
        (3 * 10**21, "3000 EB"),
        (-5000, "-5.00 kB"),
    ],
)
def test_sizes_have_one_unit_system(size_bytes: int, text: str) -> None:
    assert words.size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "2 h"),
        (36 * 3600, "2 days"),
        (10**8, "1\u202f157 days"),
    ],
)
def test_durations_use_their_largest_sensible_unit(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_relative_times_know_past_and_future() -> None:
    assert words.relative(NOW, NOW) == "now"
    assert words.relative(NOW - timedelta(minutes=5), NOW) == "5 min ago"
    assert words.relative(NOW + timedelta(hours=3), NOW) == "in 3 h"


def test_absolute_times_are_those_of_the_house() -> None:
    assert words.absolute(NOW, ZoneInfo("Europe/Berlin")) == "2026-03-05 15:30:00 CET"
    assert words.when(None, NOW, UTC, "not yet") == "not yet"


def test_counts_take_the_right_noun() -> None:
    assert words.count(1, "study", "studies") == "1 study"
    assert words.count(0, "study", "studies") == "0 studies"
    assert words.count(2, "volume") == "2 volumes"
    assert words.count(1234567) == "1\u202f234\u202f567"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Meyer^Anna", "Meyer, Anna"),
        ("Meyer^Anna^Maria^Dr.^MD", "Meyer, Dr. Anna Maria, MD"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎, やまだ, たろう)"),
        ("=山田^太郎", "山田, 太郎"),
        ("^Anna", "Anna"),
        ("", ""),
        ("^^^^^^^", ""),
    ],
)
def test_person_names_are_written_as_people_do(name: str, text: str) -> None:
    assert words.person(name) == text


@given(st.text())
def test_any_name_can_be_shown(name: str) -> None:
    shown = words.bidi(words.person(name), "no name")
    page = read(f"<p>{shown}</p>")
    assert page.faults == []
    assert page.tags <= {"p", "bdi", "span"}
    assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)
    assert not words.STEERING & set(shown)


def test_visible_leaves_markup_and_other_things_alone() -> None:
    markup = Markup("<b>\u202e</b>")
    assert words.visible(markup) is markup
    assert words.visible(7) == 7
    assert words.visible(Availability.ONLINE) == "ONLINE"
    assert words.visible("a\x00b\x7f\u2066\ud800") == "a␀b␡⟨U+2066⟩⟨U+D800⟩"
    assert words.visible("שלום नमस्ते\n") == "שלום नमस्ते\n"


@pytest.mark.parametrize("table", [Availability, CopyState, DriveState, JobState, OnlineState, Place, VolumeState])
def test_every_state_has_its_own_words(table: type[Availability]) -> None:
    found = [words.said(value) for value in table]
    assert len({it.word for it in found}) == len(found)
    assert all(
        it.icon and it.meaning.endswith(".") and it.tone in {"good", "warn", "bad", "busy", "idle"} for it in found
    )


def test_a_word_nobody_prepared_is_shown_as_it_is() -> None:
    assert words.said("strange").word == "strange"
    assert words.kind_words("strange") == "strange"
    assert {words.kind_words(kind) for kind in JobKind}.isdisjoint({"", "strange"})


def test_a_missing_day_is_said() -> None:
    assert words.day(None) == "no date"
    assert words.day(date(2026, 3, 1)) == "2026-03-01"
    assert words.bidi("") == ""


@pytest.mark.parametrize(("used", "capacity", "pct"), [(0, 0, 0), (5, 10, 50), (20, 10, 100), (-1, 10, 0)])
def test_fill_levels_stay_between_nothing_and_full(used: int, capacity: int, pct: float) -> None:
    assert bars.used_pct(used, capacity) == pct


def test_a_bar_says_in_its_label_what_it_draws() -> None:
    bar = bars.bar(72.5, 'pool "a"', (bars.Mark(85, "high"), bars.Mark(100, "end")), tone="warn")
    assert 'aria-label="pool &#34;a&#34;"' in bar
    assert 'width="72.50%"' in bar
    assert bar.count("<line") == 1
    assert read(bar).faults == []
