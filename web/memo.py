"""Keeps a costly answer for a while, so that many open pages ask the catalog once."""

import threading
from collections.abc import Callable
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


def remembered(question: str, max_age_s: float, ask: Callable[[], T], now: datetime) -> Kept[T]:
    """The answer to a question of this application, asked again when the last answer is max_age_s old."""
    memo = cast("Memo[T]", current_app.extensions.setdefault(f"firn.{question}", Memo[T](max_age_s)))
    return memo.get(ask, now)
