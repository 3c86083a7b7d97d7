"""The timing model has the shape of a serpentine tape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.timing import LTO8, LTO9, locate_s, mount_s, position, rewind_s, scaled, transfer_s, unmount_s

_OFFSETS = st.floats(0, LTO8.capacity_bytes)


def test_wraps_run_there_and_back() -> None:
    assert position(LTO8, 0).longitudinal == 0
    assert position(LTO8, LTO8.wrap_bytes * 0.25).longitudinal == pytest.approx(0.25)
    assert position(LTO8, LTO8.wrap_bytes * 1.25).longitudinal == pytest.approx(0.75)
    assert position(LTO8, LTO8.wrap_bytes * 1.25).backwards
    assert position(LTO8, 2 * LTO8.capacity_bytes).wrap == LTO8.wraps - 1


@given(_OFFSETS, _OFFSETS)
def test_a_locate_costs_what_the_published_fit_allows(here: float, there: float) -> None:
    cost_s = locate_s(LTO8, here, there)
    assert (cost_s == 0) == (here == there)
    assert cost_s <= 4.29 + 6.69 + 3.2 + 5.22 + 11.32 + 104.3
    if here != there:
        assert cost_s >= 1.5
    assert locate_s(LTO9, here, there) <= cost_s * (1 + 1e-6) or position(LTO8, here) != position(LTO9, here)


def test_neighbours_across_a_wrap_are_near_and_the_far_end_is_far() -> None:
    wrap = LTO8.wrap_bytes
    assert locate_s(LTO8, 0.01 * wrap, 1.99 * wrap) < 20  # back at the same place, one wrap up
    assert locate_s(LTO8, 0, 0.99 * wrap) > 95
    assert locate_s(LTO8, 0.5 * wrap, 0.4 * wrap) > locate_s(LTO8, 0.4 * wrap, 0.5 * wrap)  # a step back


@given(_OFFSETS, _OFFSETS)
def test_a_small_cartridge_has_the_same_proportions(here: float, there: float) -> None:
    small = scaled(LTO8, LTO8.capacity_bytes // 1000)
    assert locate_s(small, here / 1000, there / 1000) == pytest.approx(locate_s(LTO8, here, there), abs=30)
    assert rewind_s(small, LTO8.wrap_bytes / 1000 * 0.5) == pytest.approx(59, abs=0.1)


def test_a_cold_mount_and_a_rewind_take_what_was_measured() -> None:
    assert mount_s(LTO8) == 28
    assert unmount_s(LTO8, 0) == 37
    assert rewind_s(LTO8, LTO8.wrap_bytes) == pytest.approx(118)
    assert transfer_s(LTO8.rate_bytes_s, 360_000_000) == pytest.approx(1)
