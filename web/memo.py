"""Keeps costly answers for a while, so that many open pages ask the catalog once, and works the longest out aside."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar, cast

from flask import current_app

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


def remembered(question: str, max_age_s: float, ask: Callable[[], T], now: datetime) -> Kept[T]:
    """The answer to a question of this application, asked again when the last answer is max_age_s old."""
    memo = cast("Memo[T]", current_app.extensions.setdefault(f"firn.{question}", Memo[T](max_age_s)))
    return memo.get(ask, now)
