"""The tables of states: closed, complete, reachable, and strict."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.states import (
    ACTIVE_JOBS,
    COPY_TABLE,
    DRIVE_TABLE,
    JOB_TABLE,
    ONLINE_TABLE,
    ORDER_TABLE,
    PERFORMED_TABLE,
    READABLE_COPIES,
    READABLE_VOLUMES,
    REPACK_TABLE,
    TRUSTED_VOLUMES,
    VOLUME_TABLE,
    WANTED_COPIES,
    WRITABLE_VOLUMES,
    CopyState,
    DriveState,
    IllegalTransition,
    JobKind,
    JobState,
    OnlineState,
    OrderState,
    PerformedState,
    RepackState,
    VolumeState,
    step,
)

Table = Mapping[tuple[Any, str], Any]

TABLES: dict[str, tuple[Table, type[StrEnum], StrEnum, set[StrEnum]]] = {
    # name: table, states, first state, states nothing leads out of
    "online": (ONLINE_TABLE, OnlineState, OnlineState.ONLINE, set()),
    "copy": (COPY_TABLE, CopyState, CopyState.PLANNED, {CopyState.RECLAIMED}),
    "volume": (VOLUME_TABLE, VolumeState, VolumeState.BLANK, {VolumeState.RETIRED, VolumeState.LOST}),
    "drive": (DRIVE_TABLE, DriveState, DriveState.EMPTY, set()),
    "repack": (REPACK_TABLE, RepackState, RepackState.RUNNING, {RepackState.DONE, RepackState.CANCELLED}),
    "order": (ORDER_TABLE, OrderState, OrderState.SCHEDULED, {OrderState.COMPLETED, OrderState.CANCELLED}),
    "performed": (
        PERFORMED_TABLE,
        PerformedState,
        PerformedState.IN_PROGRESS,
        {PerformedState.COMPLETED, PerformedState.DISCONTINUED},
    ),
    "job": (JOB_TABLE, JobState, JobState.QUEUED, {JobState.DONE, JobState.CANCELLED}),
}

moves = st.sampled_from(sorted(TABLES)).flatmap(
    lambda name: st.tuples(
        st.just(TABLES[name][0]),
        st.sampled_from(list(TABLES[name][1])),
        st.sampled_from(sorted({event for _, event in TABLES[name][0]})) | st.text(max_size=8),
    )
)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_leads_from_its_own_states_to_its_own_states(name: str) -> None:
    table, states, _, _ = TABLES[name]
    assert all(isinstance(state, states) and isinstance(after, states) for (state, _), after in table.items())


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached(name: str) -> None:
    table, states, first, _ = TABLES[name]
    reached, before = {first}, set[StrEnum]()
    while reached != before:
        before = set(reached)
        reached |= {after for (state, _), after in table.items() if state in before}
    assert reached == set(states)


@pytest.mark.parametrize("name", TABLES)
def test_only_the_final_states_have_no_way_out(name: str) -> None:
    table, states, _, final = TABLES[name]
    stays = {state for state in states if all(after is state for (begin, _), after in table.items() if begin is state)}
    assert stays == final


@given(moves)
def test_a_step_is_in_the_table_or_illegal(move: tuple[Table, StrEnum, str]) -> None:
    table, state, event = move
    if (state, event) in table:
        assert step(table, state, event) is table[(state, event)]
    else:
        with pytest.raises(IllegalTransition) as caught:
            step(table, state, event)
        assert str(caught.value) == f"{type(state).__name__} {state.value!r} does not allow {event!r}"


@given(st.data())
def test_any_walk_stays_in_the_table(data: st.DataObject) -> None:
    table, states, state, _ = TABLES[data.draw(st.sampled_from(sorted(TABLES)))]
    for _ in range(data.draw(st.integers(0, 20))):
        events = sorted(event for begin, event in table if begin is state)
        if not events:
            break
        state = step(table, state, data.draw(st.sampled_from(events)))
        assert state in states


# what must never become possible


def test_bytes_leave_the_disk_only_by_a_proof_and_a_deletion() -> None:
    into = {(state, event) for (state, event), after in ONLINE_TABLE.items() if after is OnlineState.RELEASED}
    assert into == {(OnlineState.RELEASING, "delete")}
    assert ONLINE_TABLE[(OnlineState.ONLINE, "prove")] is OnlineState.RELEASING
    assert {s for (s, _), after in ONLINE_TABLE.items() if after is OnlineState.ONLINE} == {OnlineState.RELEASED}


def test_a_copy_is_verified_by_a_verification_alone_and_written_by_a_flush_alone() -> None:
    assert {event for (_, event), after in COPY_TABLE.items() if after is CopyState.VERIFIED} == {"verify"}
    assert {key for key, after in COPY_TABLE.items() if after is CopyState.WRITTEN} == {(CopyState.WRITING, "flush")}
    verifiable = {state for (state, event) in COPY_TABLE if event == "verify"}
    assert verifiable == {CopyState.WRITTEN, CopyState.VERIFIED, CopyState.SUSPECT}


def test_a_copy_is_lost_only_after_a_doubt() -> None:
    assert {key for key, after in COPY_TABLE.items() if after is CopyState.LOST} == {(CopyState.SUSPECT, "lose")}


def test_a_copy_that_is_gone_never_comes_back() -> None:
    gone = {CopyState.LOST, CopyState.SUPERSEDED, CopyState.RECLAIMED}
    assert {after for (state, _), after in COPY_TABLE.items() if state in gone} <= gone


def test_a_volume_is_emptied_only_after_it_was_drained() -> None:
    assert {key for key, after in VOLUME_TABLE.items() if after is VolumeState.SCRATCH} == {
        (VolumeState.DRAINED, "erase")
    }
    assert {key for key, after in VOLUME_TABLE.items() if after is VolumeState.DRAINED} == {
        (VolumeState.REPACKING, "drain")
    }
    labelled = {state for (state, event) in VOLUME_TABLE if event == "label"}
    assert labelled == {VolumeState.BLANK, VolumeState.SCRATCH}


def test_a_volume_that_was_doubted_is_never_written_again() -> None:
    seen = {VolumeState.SUSPECT}
    for _ in VolumeState:
        seen |= {
            after
            for (state, event), after in VOLUME_TABLE.items()
            if state in seen and event not in ("repack", "drain", "erase")
        }
    assert not seen & WRITABLE_VOLUMES
    assert {state for (state, event) in VOLUME_TABLE if event == "fill"} == WRITABLE_VOLUMES


def test_a_volume_with_data_is_not_retired_before_it_is_drained() -> None:
    """A suspect one may hold data; there the catalog asks its copies as well."""
    retired = {state for (state, event) in VOLUME_TABLE if event == "retire"}
    empty = {VolumeState.DRAINED, VolumeState.BLANK, VolumeState.LABELLED, VolumeState.SCRATCH}
    assert retired == empty | {VolumeState.SUSPECT}


@pytest.mark.parametrize("state", DriveState)
def test_any_drive_can_be_taken_out_of_service(state: DriveState) -> None:
    assert DRIVE_TABLE[(state, "down")] is DriveState.DOWN


@pytest.mark.parametrize("state", [DriveState.DOWN, DriveState.FAILED])
def test_a_drive_out_of_service_comes_back_only_by_up(state: DriveState) -> None:
    ways = {
        event
        for (begin, event), after in DRIVE_TABLE.items()
        if begin is state and after not in (DriveState.DOWN, DriveState.FAILED)
    }
    assert ways == {"up"}
    assert DRIVE_TABLE[(state, "up")] is DriveState.EMPTY


def test_a_drive_reads_and_writes_only_what_is_mounted() -> None:
    at_work = (DriveState.READING, DriveState.WRITING)
    assert {state for (state, _), after in DRIVE_TABLE.items() if after in at_work} == {DriveState.MOUNTED}


def test_a_job_runs_only_from_the_queue_and_ends_only_from_running() -> None:
    assert {key for key, after in JOB_TABLE.items() if after is JobState.RUNNING} == {(JobState.QUEUED, "start")}
    assert {state for (state, _), after in JOB_TABLE.items() if after is JobState.DONE} == {JobState.RUNNING}
    assert {state for (state, _), after in JOB_TABLE.items() if after is JobState.FAILED} == {JobState.RUNNING}


def test_every_active_job_can_be_cancelled_and_no_other() -> None:
    assert {state for (state, event) in JOB_TABLE if event == "cancel"} == ACTIVE_JOBS
    assert set(JobState) - {JobState.DONE, JobState.FAILED, JobState.CANCELLED} == ACTIVE_JOBS


def test_the_sets_of_states_mean_what_they_say() -> None:
    assert {CopyState.WRITTEN, CopyState.VERIFIED} == READABLE_COPIES
    assert READABLE_COPIES < WANTED_COPIES
    assert not WANTED_COPIES & {CopyState.LOST, CopyState.SUPERSEDED, CopyState.RECLAIMED}
    assert set(CopyState) - {CopyState.LOST, CopyState.SUPERSEDED, CopyState.RECLAIMED} == WANTED_COPIES
    assert {VolumeState.LABELLED, VolumeState.FILLING} == WRITABLE_VOLUMES
    assert {
        VolumeState.FILLING,
        VolumeState.FULL,
        VolumeState.SUSPECT,
        VolumeState.REPACKING,
        VolumeState.WRITE_PROTECTED,
    } == READABLE_VOLUMES


def test_no_proof_leans_on_a_volume_that_is_or_may_have_been_suspect() -> None:
    assert {VolumeState.SUSPECT, VolumeState.REPACKING} == READABLE_VOLUMES - TRUSTED_VOLUMES


def test_recalls_are_the_most_urgent_kind_of_work() -> None:
    assert next(iter(JobKind)) is JobKind.RECALL
