"""Keeps costly answers for a while, so that many open pages ask the catalog once, and works the longest out aside."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar, cast

import structlog
from flask import current_app

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class Kept(Generic[T]):
    """An answer and when it was found."""

    value: T
    at: datetime


class Memo(Generic[T]):
    """The latest answer of one question; who comes while it is being worked out waits for the same one.

    A question that fails is asked again by the next one who comes.
    """

    def __init__(self, max_age_s: float) -> None:
        self._max_age = timedelta(seconds=max_age_s)
        self._kept: Kept[T] | None = None
        self._lock = threading.Lock()

    def get(self, ask: Callable[[], T], now: datetime) -> Kept[T]:
        """The kept answer if it is younger than max_age_s, otherwise a fresh one."""
        with self._lock:
            kept = self._kept
            if kept is None or not timedelta(0) <= now - kept.at < self._max_age:
                kept = self._kept = Kept(ask(), now)
            return kept


@dataclass(frozen=True)
class Working:
    """An answer that is still being worked out."""

    since: datetime


class _Task(Generic[T]):
    """One question that was put aside to be answered."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self.ended_at: datetime | None = None
        self.future: Future[T] = Future()


class Aside(Generic[T]):
    """Answers questions that take minutes in a thread beside the requests, one at a time.

    Whoever asks waits only for `patience_s`, and asks again later. An answer is kept for `max_age_s` after it was
    found; an error is raised once, for whoever asks next, and the question is then answered anew.
    """

    def __init__(self, max_age_s: float, clock: Callable[[], datetime]) -> None:
        self._max_age = timedelta(seconds=max_age_s)
        self._clock = clock
        self._tasks: dict[str, _Task[T]] = {}
        self._lock = threading.Lock()  # of the tasks
        self._turn = threading.Lock()  # held by the one that is being worked out

    def get(self, question: str, ask: Callable[[], T], patience_s: float) -> Kept[T] | Working:
        """The kept answer, a fresh one if it comes within `patience_s`, or since when it is being worked out.

        Raises: whatever `ask` raised.
        """
        now = self._clock()
        with self._lock:
            self._tasks = {name: task for name, task in self._tasks.items() if self._is_worth_keeping(task, now)}
            task = self._tasks.get(question)
            if task is None:
                task = self._tasks[question] = _Task(now)
                threading.Thread(target=self._work, args=(task, ask), name=f"aside-{question}", daemon=True).start()
        wait((task.future,), patience_s)
        if not task.future.done():
            return Working(task.since)
        if task.future.exception() is not None:
            with self._lock:
                if self._tasks.get(question) is task:
                    del self._tasks[question]
        return Kept(task.future.result(), task.since)

    def _is_worth_keeping(self, task: _Task[T], now: datetime) -> bool:
        return task.ended_at is None or timedelta(0) <= now - task.ended_at < self._max_age

    def _work(self, task: _Task[T], ask: Callable[[], T]) -> None:
        with self._turn:
            try:
                answer = ask()
            except Exception as error:  # noqa: BLE001 - raised again for whoever asks
                task.ended_at = self._clock()
                task.future.set_exception(error)
            else:
                task.ended_at = self._clock()
                task.future.set_result(answer)


class Refreshed(Generic[T]):
    """The latest answer of a costly question, given at once and asked again beside the requests when it is old.

    The dearer it is, the longer it is kept: for `TIMES` times as long as it took to find. One that took no time to
    speak of is asked for anew each time; one that is much too old is waited for.
    """

    TIMES = 10
    MUCH_TOO_OLD = 4  # times its age
    NO_TIME = timedelta(seconds=0.05)

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: Kept[T] | None = None
        self._took = timedelta(0)
        self._lock = threading.Lock()  # of the above
        self._turn = threading.Lock()  # held by the one who asks

    def get(self, ask: Callable[[], T]) -> Kept[T]:
        """The kept answer or a fresh one. Raises: whatever `ask` raised, unless it was asked beside the requests."""
        with self._lock:
            kept, max_age = self._kept, self._took * self.TIMES
        age = None if kept is None else self._clock() - kept.at
        if kept is not None and age is not None and timedelta(0) <= age < max_age * self.MUCH_TOO_OLD:
            if age >= max_age and self._turn.acquire(blocking=False):
                threading.Thread(target=self._beside, args=(ask,), name="refresh", daemon=True).start()
            return kept
        with self._turn:
            if self._kept is not kept and self._kept is not None:
                return self._kept  # somebody else asked while we waited
            return self._fresh(ask)

    def _beside(self, ask: Callable[[], T]) -> None:
        try:
            self._fresh(ask)
        except Exception as error:  # noqa: BLE001 - the old answer stays; who finds it much too old asks again
            log.warning("answer_not_refreshed", error=type(error).__name__)
        finally:
            self._turn.release()

    def _fresh(self, ask: Callable[[], T]) -> Kept[T]:
        began = self._clock()
        fresh = Kept(ask(), began)
        took = self._clock() - began
        with self._lock:
            self._kept, self._took = (fresh, took) if took >= self.NO_TIME else (None, timedelta(0))
        return fresh


def refreshed(question: str, ask: Callable[[], T], clock: Callable[[], datetime]) -> Kept[T]:
    """The answer to a costly question of this application, as Refreshed keeps it."""
    kept = cast("Refreshed[T]", current_app.extensions.setdefault(f"firn.{question}", Refreshed[T](clock)))
    return kept.get(ask)


def remembered(question: str, max_age_s: float, ask: Callable[[], T], now: datetime) -> Kept[T]:
    """The answer to a question of this application, asked again when the last answer is max_age_s old."""
    memo = cast("Memo[T]", current_app.extensions.setdefault(f"firn.{question}", Memo[T](max_age_s)))
    return memo.get(ask, now)
