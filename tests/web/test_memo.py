"""Costly answers are found once, kept for a while, and worked out aside when they take long."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from drivers.clock import VirtualClock
from tests.web.reader import read
from tests.web.world import NOW, World, browser
from web.memo import Aside, Kept, Memo, Refreshed, Working

PATIENT_S = 30.0


def counting() -> Callable[[], int]:
    asked = 0

    def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    return ask


def test_an_answer_is_kept_until_it_is_old() -> None:
    memo, ask = Memo[int](60), counting()
    found = [memo.get(ask, NOW + timedelta(seconds=s)).value for s in (0, 59, 60, 61, 30)]
    assert found == [1, 1, 2, 2, 3]  # a clock that was put back does not keep an answer for ever


def test_a_question_that_failed_is_asked_again() -> None:
    memo = Memo[int](60)
    with pytest.raises(ZeroDivisionError):
        memo.get(lambda: 1 // 0, NOW)
    assert memo.get(lambda: 7, NOW) == Kept(7, NOW)


def test_a_long_answer_is_worked_out_once_while_everybody_asks() -> None:
    clock, go, ask = VirtualClock(NOW), threading.Event(), counting()
    aside = Aside[int](60, clock.now)

    def slow() -> int:
        go.wait(PATIENT_S)
        return ask()

    assert [aside.get("q", slow, 0) for _ in range(3)] == [Working(NOW)] * 3
    clock.sleep(600)  # longer than an answer is kept: it counts from its end
    go.set()
    assert aside.get("q", slow, PATIENT_S) == Kept(1, NOW)
    assert aside.get("q", slow, PATIENT_S) == Kept(1, NOW)
    clock.sleep(61)
    assert aside.get("q", slow, PATIENT_S) == Kept(2, clock.now())


def test_questions_wait_for_each_other() -> None:
    clock, go = VirtualClock(NOW), threading.Event()
    aside = Aside[str](60, clock.now)
    begun: list[str] = []

    def first() -> str:
        begun.append("first")
        go.wait(PATIENT_S)
        return "first"

    def second() -> str:
        begun.append("second")
        return "second"

    aside.get("a", first, 0)
    while not begun:
        threading.Event().wait(0.001)
    assert isinstance(aside.get("b", second, 0.05), Working)
    assert begun == ["first"]
    go.set()
    assert aside.get("b", second, PATIENT_S) == Kept("second", NOW)


def test_an_error_reaches_whoever_asks_and_is_not_kept() -> None:
    aside = Aside[int](60, VirtualClock(NOW).now)
    with pytest.raises(ZeroDivisionError):
        aside.get("q", lambda: 1 // 0, PATIENT_S)
    assert aside.get("q", lambda: 7, PATIENT_S) == Kept(7, NOW)


def test_a_long_dry_run_is_announced_and_appears_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.receive("1.2.3.1")
    go = threading.Event()
    real = world.catalog.facts.studies_for_policy

    def slow(*about: object, **more: object) -> object:
        go.wait(PATIENT_S)
        return real(*about, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.catalog.facts, "studies_for_policy", slow)
    impatient = browser(world.services(patience_s=0.0))
    answer = impatient.get("/policies/dry-run").text
    assert "Being worked out" in answer
    assert 'id="answer" data-poll' in answer
    go.set()
    page = ""
    while "Tonight: 1 study" not in page:
        page = impatient.get("/policies/dry-run").text
    assert 'id="answer" data-poll' not in page
    assert read(page).faults == []


def test_a_costly_answer_is_kept_longer_the_dearer_it_is_and_refreshed_beside_the_requests() -> None:
    clock, asked = VirtualClock(NOW), counting()
    refreshed = Refreshed[int](clock.now)
    again = threading.Event()

    def ask() -> int:
        answer = asked()
        clock.sleep(6.0)
        if answer > 1:
            again.set()
        return answer

    assert refreshed.get(ask).value == 1
    clock.sleep(50)
    assert refreshed.get(ask).value == 1  # ten times six seconds are not over
    clock.sleep(10)
    assert refreshed.get(ask) == Kept(1, NOW)  # old: somebody asks anew, and nobody waits
    assert again.wait(PATIENT_S)
    clock.sleep(10_000)
    assert refreshed.get(ask).value == 3  # much too old is waited for


def test_an_answer_that_took_no_time_is_asked_for_each_time() -> None:
    refreshed, ask = Refreshed[int](lambda: NOW), counting()
    assert [refreshed.get(ask).value for _ in range(3)] == [1, 2, 3]


def test_a_refresh_that_fails_leaves_the_old_answer() -> None:
    clock, tried = VirtualClock(NOW), threading.Event()
    refreshed = Refreshed[int](clock.now)

    def slow() -> int:
        clock.sleep(6.0)
        return 1

    def broken() -> int:
        tried.set()
        raise ZeroDivisionError

    refreshed.get(slow)
    clock.sleep(70)
    assert refreshed.get(broken).value == 1
    assert tried.wait(PATIENT_S)
    assert refreshed.get(slow).value == 1
