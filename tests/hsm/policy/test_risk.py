"""What is feared more is read back first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Barcode, MediumKind
from hsm.facts import VolumeRecord
from hsm.policy.risk import WORTH_A_REPACK, risk
from hsm.states import Place, VolumeState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOUND = VolumeRecord(
    barcode=Barcode("A00001L8"),
    uuid="u",
    kind=MediumKind.TAPE,
    generation="LTO-8",
    pool="a",
    library="l",
    place=Place.LIBRARY,
    location="",
    state=VolumeState.FULL,
    capacity_bytes=12 * 10**12,
    used_bytes=10**12,
    end_address=1,
    last_sequence=1,
    last_address=1,
    last_digest=None,
    last_stream_sha256=None,
    image_sha256=None,
    image_bytes=None,
    labelled_at=NOW,
    first_filled_at=NOW,
    verified_at=NOW,
    mounts=0,
    errors=0,
    reason="",
)
YEARS = timedelta(days=3653)

WORSE: list[tuple[dict[str, Any], str]] = [
    ({"state": VolumeState.SUSPECT}, "suspect"),
    ({"errors": 1}, "to blame for 1 error"),
    ({"uncorrected_errors": 2}, "2 uncorrected errors"),
    ({"corrected_errors": 10_000, "written_bytes": 10**12, "read_bytes": 10**12}, "5.0 corrected errors for each GB"),
    ({"labelled_at": NOW - YEARS}, "labelled 10.0 years ago"),
    ({"mounts": 3000}, "mounted 3000 times"),
    ({"verified_at": NOW - YEARS}, "last read back 10.0 years ago"),
    ({"verified_at": None, "first_filled_at": NOW - YEARS}, "never read back"),
]


def test_a_new_volume_that_was_just_read_is_not_feared_for() -> None:
    assert risk(SOUND, (), NOW).score == 0
    assert risk(replace(SOUND, labelled_at=None, first_filled_at=None), (), NOW).reasons == ()


@pytest.mark.parametrize(("change", "reason"), WORSE, ids=lambda value: value if isinstance(value, str) else "")
def test_what_speaks_against_a_volume_raises_its_risk_and_says_so(change: dict[str, Any], reason: str) -> None:
    found = risk(replace(SOUND, **change), (), NOW)
    assert found.score > 0
    assert reason in found.reasons[0]


def test_a_bad_writer_speaks_against_what_it_wrote() -> None:
    assert "drive S1, which wrote to it" in risk(SOUND, {"S2", "S1"}, NOW).reasons[0]


def test_a_suspect_volume_with_errors_is_worth_a_repack() -> None:
    bad = replace(SOUND, state=VolumeState.SUSPECT, errors=2, labelled_at=NOW - YEARS)
    assert risk(bad, (), NOW).score >= WORTH_A_REPACK


@given(
    st.lists(st.sampled_from([change for change, _ in WORSE])),
    st.sampled_from([change for change, _ in WORSE if "verified_at" not in change]),
)
def test_more_trouble_never_lowers_a_risk(before: list[dict[str, Any]], more: dict[str, Any]) -> None:
    volume = SOUND
    for change in before:
        volume = replace(volume, **change)
    score = risk(volume, (), NOW).score
    assert 0 <= score <= risk(replace(volume, **more), (), NOW).score <= 100
