"""In which order to visit places on a tape.

Blocks run to and fro along the tape, so ascending addresses can take three times as long as a good order. Few stops are
solved exactly; for more, the best of ascending order, nearest neighbour and cheapest insertion is improved by moving
short runs and turning long ones round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

EXACT_STOPS = 8
_IMPROVED_STOPS = 40  # above, a good start must do
_INSERTED_STOPS = 100
_LONGEST_RUN = 3
_MOST_IMPROVEMENTS = 400

Cost = Callable[[int, int], float]


@dataclass(frozen=True)
class Stop:
    """One stretch of tape to read: from begin to end, both addresses."""

    begin: int
    end: int


def best_order(start: int, stops: Sequence[Stop], cost: Cost) -> list[int]:
    """The indices of the stops in a good order, beginning from an address. Never worse than ascending addresses."""
    if len(stops) < 2:
        return list(range(len(stops)))
    table = _costs(start, stops, cost)
    if len(stops) <= EXACT_STOPS:
        return _exact(table)
    return _heuristic(table, stops)


def route_cost(start: int, stops: Sequence[Stop], order: Sequence[int], cost: Cost) -> float:
    """Seconds spent going between the stops, reading left out."""
    places = [start, *(stops[i].end for i in order)]
    return sum(cost(place, stops[i].begin) for place, i in zip(places, order, strict=False))


def _costs(start: int, stops: Sequence[Stop], cost: Cost) -> list[list[float]]:
    """table[i][j]: from the end of stop i to the begin of stop j; the last row is from the start."""
    rows = [[cost(stop.end, other.begin) for other in stops] for stop in stops]
    return [*rows, [cost(start, other.begin) for other in stops]]


def _length(table: list[list[float]], order: Sequence[int]) -> float:
    return table[-1][order[0]] + sum(table[i][j] for i, j in pairwise(order))


def _exact(table: list[list[float]]) -> list[int]:
    """Shortest path through all stops, by dynamic programming over sets of visited ones."""
    count = len(table) - 1
    best: dict[tuple[int, int], tuple[float, int]] = {(1 << j, j): (table[-1][j], -1) for j in range(count)}
    for visited in range(1, 1 << count):
        for last in range(count):
            if (visited, last) not in best:
                continue
            so_far = best[(visited, last)][0]
            for following in range(count):
                if visited & 1 << following:
                    continue
                key = (visited | 1 << following, following)
                length = so_far + table[last][following]
                if key not in best or length < best[key][0]:
                    best[key] = (length, last)
    visited = (1 << count) - 1
    last = min(range(count), key=lambda j: best[(visited, j)][0])
    order = []
    while last >= 0:
        order.append(last)
        visited, last = visited & ~(1 << last), best[(visited, last)][1]
    return order[::-1]


def _heuristic(table: list[list[float]], stops: Sequence[Stop]) -> list[int]:
    ascending = sorted(range(len(stops)), key=lambda i: stops[i].begin)
    starts = [ascending, _nearest(table)]
    if len(stops) <= _INSERTED_STOPS:
        starts.append(_inserted(table, ascending))
    if len(stops) > _IMPROVED_STOPS:
        return min(starts, key=lambda order: _length(table, order))
    return min((_improved(table, order) for order in starts), key=lambda order: _length(table, order))


def _nearest(table: list[list[float]]) -> list[int]:
    left = set(range(len(table) - 1))
    order: list[int] = []
    row = table[-1]
    while left:
        following = min(left, key=lambda j: (row[j], j))
        left.remove(following)
        order.append(following)
        row = table[following]
    return order


def _inserted(table: list[list[float]], ascending: Sequence[int]) -> list[int]:
    order: list[int] = []
    for stop in ascending:
        extra = [_extra(table, order, stop, place) for place in range(len(order) + 1)]
        order.insert(extra.index(min(extra)), stop)
    return order


def _extra(table: list[list[float]], order: Sequence[int], stop: int, place: int) -> float:
    row = table[order[place - 1]] if place else table[-1]
    if place == len(order):
        return row[stop]
    return row[stop] + table[stop][order[place]] - row[order[place]]


def _improved(table: list[list[float]], order: list[int]) -> list[int]:
    for _ in range(_MOST_IMPROVEMENTS):
        better = _moved_run(table, order) or _turned_run(table, order)
        if better is None:
            break
        order = better
    return order


def _arc(table: list[list[float]], order: Sequence[int], place: int) -> float:
    """The way into a place of the order; none leads behind its end."""
    if place >= len(order):
        return 0.0
    return (table[order[place - 1]] if place else table[-1])[order[place]]


def _step(table: list[list[float]], before: int | None, after: int | None) -> float:
    if after is None:
        return 0.0
    return (table[-1] if before is None else table[before])[after]


def _moved_run(table: list[list[float]], order: list[int]) -> list[int] | None:
    """The order with one short run moved to where it saves most, or None."""
    best_gain, best = 1e-9, None
    for size in range(1, min(_LONGEST_RUN, len(order) - 1) + 1):
        for i in range(len(order) - size + 1):
            run, rest = order[i : i + size], order[:i] + order[i + size :]
            before = rest[i - 1] if i else None
            after = rest[i] if i < len(rest) else None
            saved = _arc(table, order, i) + _arc(table, order, i + size) - _step(table, before, after)
            for place in range(len(rest) + 1):
                left = rest[place - 1] if place else None
                right = rest[place] if place < len(rest) else None
                spent = _step(table, left, run[0]) + _step(table, run[-1], right) - _step(table, left, right)
                if saved - spent > best_gain:
                    best_gain, best = saved - spent, rest[:place] + run + rest[place:]
    return best


def _turned_run(table: list[list[float]], order: list[int]) -> list[int] | None:
    """The order with one run turned round where it saves most, or None. Ways back cost other than ways there."""
    there, back = [0.0], [0.0]
    for i, j in pairwise(order):
        there.append(there[-1] + table[i][j])
        back.append(back[-1] + table[j][i])
    best_gain, best = 1e-9, None
    for i in range(len(order) - 1):
        left = order[i - 1] if i else None
        for j in range(i + 1, len(order)):
            right = order[j + 1] if j + 1 < len(order) else None
            old = _step(table, left, order[i]) + there[j] - there[i] + _step(table, order[j], right)
            new = _step(table, left, order[j]) + back[j] - back[i] + _step(table, order[i], right)
            if old - new > best_gain:
                best_gain, best = old - new, order[:i] + order[i : j + 1][::-1] + order[j + 1 :]
    return best
