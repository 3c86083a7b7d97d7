"""Orders on a tape: exact where that can be, near it otherwise, and never worse than ascending."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import RECORD_BYTES
from drivers.timing import LTO8, LTO9, locate_s
from hsm.scheduler import route
from hsm.scheduler.route import EXACT_STOPS, Stop, best_order, route_cost

LAST_BLOCK = LTO8.capacity_bytes // RECORD_BYTES


def going(start: int, end: int) -> float:
    return locate_s(LTO8, start * RECORD_BYTES, end * RECORD_BYTES)


def random_stops(count: int, seed: int) -> list[Stop]:
    random = Random(seed)
    begins = [random.randrange(LAST_BLOCK) for _ in range(count)]
    return [Stop(begin, begin + random.randint(1, 4000)) for begin in begins]


def ascending(stops: list[Stop]) -> list[int]:
    return sorted(range(len(stops)), key=lambda i: stops[i].begin)


def optimum(start: int, stops: list[Stop]) -> float:
    return min(route_cost(start, stops, order, going) for order in permutations(range(len(stops))))


stops = st.lists(
    st.builds(lambda begin, size: Stop(begin, begin + size), st.integers(0, LAST_BLOCK), st.integers(1, 100_000)),
    max_size=24,
)


def test_nothing_and_one_stop_are_in_order() -> None:
    assert best_order(5, [], going) == []
    assert best_order(5, [Stop(3, 4)], going) == [0]
    assert route_cost(5, [], [], going) == 0.0


def test_the_way_is_from_the_end_of_a_stop_to_the_begin_of_the_next() -> None:
    places = [Stop(10, 19), Stop(30, 35)]
    assert route_cost(3, places, [0, 1], lambda a, b: abs(b - a)) == 7 + 11
    assert route_cost(3, places, [1, 0], lambda a, b: abs(b - a)) == 27 + 25


@settings(deadline=None, max_examples=60)
@given(st.integers(0, LAST_BLOCK), stops)
def test_every_stop_is_visited_once_and_never_slower_than_ascending(start: int, places: list[Stop]) -> None:
    order = best_order(start, places, going)
    assert sorted(order) == list(range(len(places)))
    assert route_cost(start, places, order, going) <= route_cost(start, places, ascending(places), going) + 1e-6


@pytest.mark.parametrize("seed", range(12))
def test_few_stops_are_in_the_best_order(seed: int) -> None:
    places = random_stops(6, seed)
    assert route_cost(0, places, best_order(0, places, going), going) == pytest.approx(optimum(0, places))


def test_the_search_for_many_stops_is_within_a_tenth_of_the_best_on_average() -> None:
    ratios = []
    for seed in range(25):
        places = random_stops(EXACT_STOPS, seed)
        table = route._costs(0, places, going)
        found = route_cost(0, places, route._heuristic(table, places), going)
        best = route_cost(0, places, route._exact(table), going)
        assert found >= best - 1e-6
        ratios.append(found / best)
    assert sum(ratios) / len(ratios) <= 1.1


@pytest.mark.parametrize("count", [9, 20, 39, 45, 101])
def test_a_good_order_takes_far_less_than_ascending_addresses(count: int) -> None:
    places = random_stops(count, count)
    found = route_cost(0, places, best_order(0, places, going), going)
    assert found < 0.6 * route_cost(0, places, ascending(places), going)


def test_the_order_follows_the_drive() -> None:
    places = random_stops(12, 3)

    def faster(start: int, end: int) -> float:
        return locate_s(LTO9, start * RECORD_BYTES, end * RECORD_BYTES)

    order = best_order(0, places, faster)
    assert route_cost(0, places, order, faster) <= route_cost(0, places, best_order(0, places, going), faster)


def test_ways_back_may_cost_something_else_than_ways_there() -> None:
    # going up is dear, going down is cheap: from the start up once, then down all the way
    places = [Stop(10 * n, 10 * n + 1) for n in range(1, 16)]
    order = best_order(0, places, lambda a, b: 100.0 + b - a if b >= a else 1.0)
    assert order == list(range(14, -1, -1))


def test_runs_are_moved_and_turned_where_that_saves() -> None:
    places = [Stop(n, n) for n in range(10)]
    table = route._costs(0, places, lambda a, b: float(abs(a - b)))
    misplaced = [0, 4, 5, 1, 2, 3, 6, 7, 8, 9]
    assert route._moved_run(table, misplaced) == list(range(10))
    turned = [0, 1, 7, 6, 5, 4, 3, 2, 8, 9]
    assert route._turned_run(table, turned) == list(range(10))
    assert route._moved_run(table, list(range(10))) is None
    assert route._turned_run(table, list(range(10))) is None
    assert route._improved(table, [9, 0, 8, 1, 7, 2, 6, 3, 5, 4]) == list(range(10))
