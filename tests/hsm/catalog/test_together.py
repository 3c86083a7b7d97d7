"""Calls of several threads that are served together."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.catalog import Catalog, OutcomeKind
from hsm.catalog.together import Together
from tests.hsm.catalog.world import arrival, study_uid


class Away(Exception):
    """Nobody can be served."""


class Unfit(Exception):
    """This one cannot be served."""


def test_who_comes_while_others_are_served_is_served_with_the_next() -> None:
    batches: list[list[int]] = []
    first_in, go_on = threading.Event(), threading.Event()

    def serve(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        if len(batches) == 1:
            first_in.set()
            assert go_on.wait(20)
        return [-item for item in items]

    together = Together(serve, 64, Away)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(together.ask, 0)
        assert first_in.wait(20)
        others = [threads.submit(together.ask, n) for n in range(1, 9)]
        while len(together._waiting) < 8:
            threading.Event().wait(0.001)
        go_on.set()
        assert [each.result() for each in (first, *others)] == [-n for n in range(9)]
    assert batches[0] == [0] and sorted(batches[1]) == list(range(1, 9))


@given(st.lists(st.integers(-3, 9), max_size=30), st.integers(1, 5))
def test_each_gets_its_own_answer_or_its_own_error(items: list[int], most: int) -> None:
    def serve(batch: Sequence[int]) -> list[int]:
        assert 1 <= len(batch) <= most
        if any(item < 0 for item in batch):
            raise Unfit(str(min(batch)))
        return [item * 2 for item in batch]

    together = Together(serve, most, Away)

    def ask(item: int) -> int | str:
        try:
            return together.ask(item)
        except Unfit as error:
            return str(error)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, items)) == [item * 2 if item >= 0 else str(item) for item in items]


def test_what_meets_all_is_tried_once_and_raised_for_all() -> None:
    tries: list[int] = []

    def serve(items: Sequence[int]) -> list[int]:
        tries.append(len(items))
        raise Away("the catalog is away")

    together = Together(serve, 64, Away)
    for _ in range(2):
        with pytest.raises(Away):
            together.ask(1)
    assert tries == [1, 1]


def test_arrivals_of_many_threads_are_each_catalogued_once(catalog: Catalog) -> None:
    arrivals = [arrival(1, 1 + n % 3, n) for n in range(40)] * 2
    with ThreadPoolExecutor(8) as threads:
        kinds = [outcome.kind for outcome in threads.map(catalog.intake.record, arrivals)]
    assert kinds.count(OutcomeKind.ACCEPTED) == 40 and kinds.count(OutcomeKind.ALREADY_STORED) == 40
    study = catalog.studies.get(study_uid(1))
    assert study is not None and (study.instance_count, study.series_count) == (40, 3)
    assert study.size_bytes == sum(each.size_bytes for each in arrivals[:40])
