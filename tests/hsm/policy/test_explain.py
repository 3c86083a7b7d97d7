"""Why a study is where it is, in the words a person reads."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hsm.facts import CopyRecord, DiskFacts, StudyFacts
from hsm.policy import Done, explain, parse
from hsm.states import Availability, CopyState, JobKind, Place, VolumeState
from tests.hsm.policy.worlds import GB, HALF_FULL, NOW, POOLS, ago, copy, pack, study

THREE = 'rule "three":\n when stable for 10 seconds\n copy to tape_a, tape_b, disc\n'
SETTLE = 'rule "settle":\n when received more than 2 hours ago\n release after 2 verified copies\n'
ROOM = 'rule "room":\n release when space is needed\n'


def told(text: str, facts: StudyFacts, disk: DiskFacts = HALF_FULL, **options: Any) -> list[str]:
    return explain(parse(text), facts, disk, POOLS, NOW, **options)


def two_copies(**changes: Any) -> StudyFacts:
    return study(pack(copy("tape_a"), copy("tape_b")), **changes)


def test_a_fresh_study_is_explained_from_top_to_bottom() -> None:
    facts = study(received_at=ago(seconds=4), changed_at=ago(seconds=4))
    assert told(THREE + SETTLE, facts) == [
        "The study is ONLINE: 12.1 MB in 34 instances, all of it is on disk.",
        "It has no copy yet.",
        (
            'Rule "three" (line 1) does not apply: it asks for "stable for 10 seconds", but unchanged for 4 seconds. '
            "It would say: copy to tape_a, tape_b, disc."
        ),
        (
            'Rule "settle" (line 4) does not apply: it asks for "received more than 2 hours ago", '
            "but received 4 seconds ago. It would say: release after 2 verified copies."
        ),
        "No rule says now that it is kept or released, so it stays on disk.",
        'Rule "three" (line 1) applies from 2026-03-02 12:00:06 UTC on, in 6 seconds, if nothing happens.',
        'Rule "settle" (line 4) applies from 2026-03-02 13:59:56 UTC on, in 1 hour 59 minutes, if nothing happens.',
    ]


def test_what_comes_next_is_told_with_its_reason() -> None:
    sentences = told(SETTLE, two_copies(received_at=ago(hours=3)))
    assert sentences == [
        "The study is ONLINE: 12.1 MB in 34 instances, all of it is on disk.",
        (
            "It has a verified copy on A00001L8 (library) in tape_a, read back 10 days ago and "
            "a verified copy on B00001L8 (library) in tape_b, read back 10 days ago."
        ),
        "2 copies count before a release: on A00001L8 and B00001L8, read back whole.",
        'Rule "settle" (line 1) applies: received 3 hours ago. It says: release after 2 verified copies.',
        (
            'Next: Rule "settle" (line 1): received 3 hours ago and 2 verified copies on A00001L8 and B00001L8, '
            "so its 12.1 MB leave the disk."
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"holds": ("court case 12", "research")},
            "a hold is in force: court case 12 and a hold is in force: research",
        ),
        ({"pinned_until": NOW + timedelta(hours=1)}, "it is pinned until 2026-03-02 13:00:00 UTC"),
        ({"unpacked_instances": 2}, "2 instances of it are in no pack yet"),
        ({"packs": ()}, "it has never been copied"),
        ({"active_jobs": frozenset({(JobKind.RECALL, "")})}, "it is being recalled"),
        ({"active_jobs": frozenset({(JobKind.RELEASE, "")})}, "its release is on the way already"),
        (
            {"packs": (pack(copy()),)},
            "2 verified copies are asked for and its pack has been read back on A00001L8 only",
        ),
        (
            {"packs": (pack(copy("tape_a", CopyState.WRITTEN)), pack(copy(), copy("tape_b"), pack_id=2))},
            "2 verified copies are asked for and 1 of its 2 packs has been read back on no volume only",
        ),
    ],
)
def test_what_holds_a_study_is_told(changes: dict[str, Any], words: str) -> None:
    facts = replace(two_copies(received_at=ago(hours=3)), **changes)
    assert f'Rule "settle" (line 1) would release it, but it stays on disk: {words}.' in told(SETTLE, facts)


def test_kinds_that_lack_are_told() -> None:
    text = 'rule "r":\n release after 2 verified copies on 2 kinds of media'
    asked, have = "2 verified copies on 2 kinds of media are asked for", "its pack has been read back"
    need = f"{asked} and {have} on A00001L8 and B00001L8 only"
    assert f'Rule "r" (line 1) would release it, but it stays on disk: {need}.' in told(text, two_copies())


@pytest.mark.parametrize(
    ("pools", "words"),
    [
        ("disc", "the copy for disc must be made first"),
        ("tape_a, disc", "the copies for tape_a and disc must be made first"),
    ],
)
def test_copies_a_release_waits_for_are_told(pools: str, words: str) -> None:
    jobs = frozenset({(JobKind.MIGRATE, "tape_a")}) if "tape_a" in pools else frozenset[tuple[JobKind, str]]()
    text = f'rule "c":\n copy to {pools}\nrule "r":\n release'
    assert f'Rule "r" (line 3) would release it, but it stays on disk: {words}.' in told(
        text, two_copies(active_jobs=jobs)
    )


def test_a_kept_study_is_told_who_keeps_it_and_until_when() -> None:
    text = 'rule "mg":\n when modality is CT and age below 5 years\n keep online\n' + ROOM
    sentences = told(text, two_copies(study_date=date(2024, 3, 2)))
    assert 'Rule "mg" (line 1) is the first to decide: it stays on disk.' in sentences
    assert (
        'Rule "mg" (line 1) stops applying from 2029-03-02 00:00:00 UTC on, in 3 years, if nothing happens.'
        in sentences
    )


def test_a_study_that_waits_for_space_is_told_so() -> None:
    assert (
        'Rule "room" (line 1) lets it go when space is needed: the disk is 50.0 % full, and space is needed above 85 %.'
        in told(ROOM, two_copies())
    )
    full = told(ROOM, two_copies(), DiskFacts(1000 * GB, 900 * GB, 85.0, 70.0))
    assert not any("lets it go" in sentence for sentence in full)
    assert any(sentence.startswith('Next: Rule "room"') for sentence in full)


def test_a_rule_at_its_limit_is_told() -> None:
    text = 'rule "r":\n at most 1 studies per day\n release'
    sentences = told(text, two_copies(), done_today={"r": Done(1, 1)})
    assert sentences[-1] == 'Rule "r" (line 1) releases it later: the rule has reached its limit.'
    assert "later" not in told(text, two_copies())[-1]


def test_a_silent_rule_says_when_it_speaks_again() -> None:
    text = 'rule "night":\n only between 20:00 and 06:00\n only on weekdays\n copy to disc\n' + ROOM
    sentences = told(text, two_copies())
    assert (
        'Rule "night" (line 1) is silent now (only between 20:00 and 06:00 and only on weekdays); '
        "it speaks again at 2026-03-02 20:00:00 UTC." in sentences
    )
    assert 'Rule "night" (line 1) applies from 2026-03-02 20:00:00 UTC on, in 8 hours, if nothing happens.' in sentences
    never = told('rule "n":\n only between 08:00 and 09:00\n only between 10:00 and 11:00\n release', two_copies())
    assert any("never speaks: its hours and days do not meet" in sentence for sentence in never)


def test_a_rule_that_begins_to_match_while_it_is_silent_waits_for_its_hours() -> None:
    text = 'rule "night":\n when received more than 10 hours ago\n only between 20:00 and 06:00\n release\n'
    sentences = told(text, two_copies(received_at=ago(hours=1)))
    assert sentences[-1].startswith('Rule "night" (line 1) applies from 2026-03-02 21:00:00 UTC on')
    sentences = told(text, two_copies(received_at=ago(hours=3)))
    assert sentences[-1].startswith('Rule "night" (line 1) applies from 2026-03-02 20:00:00 UTC on')


def test_times_are_told_where_the_archive_is() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    sentences = told('rule "night":\n only between 20:00 and 06:00\n release', two_copies(), zone=berlin)
    assert any("2026-03-02 20:00:00 CET" in sentence for sentence in sentences)
    pinned = told(ROOM, two_copies(pinned_until=NOW + timedelta(hours=1)), zone=berlin)
    assert any("pinned until 2026-03-02 14:00:00 CET" in sentence for sentence in pinned)


def test_what_cannot_be_judged_is_told() -> None:
    text = 'rule "child":\n when online and patient age below 18 years\n keep online\n'
    assert (
        'Rule "child" (line 1) cannot be judged: it asks for "patient age below 18 years" and '
        "the patient's birth date is not known. In doubt it copies and keeps, but does not release. "
        "It says: keep online." in told(text, two_copies(patient_birth_date=None))
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The study is ONLINE: 12.1 MB in 34 instances, all of it is on disk."),
        (
            {"online_instances": 4, "online_bytes": 1_000_000},
            "The study is ONLINE: 12.1 MB in 34 instances, 4 of them are on disk (1.0 MB).",
        ),
        (
            {"online_instances": 0, "availability": Availability.NEARLINE},
            "The study is NEARLINE: 12.1 MB in 34 instances, nothing of it is on disk.",
        ),
    ],
)
def test_where_a_study_lies_comes_first(changes: dict[str, Any], sentence: str) -> None:
    assert told("", two_copies(**changes))[0] == sentence


def test_a_study_that_left_is_not_told_about_leaving() -> None:
    sentences = told(SETTLE, two_copies(online_instances=0, online_bytes=0, availability=Availability.NEARLINE))
    assert not any(
        "stays on disk" in sentence or "Next" in sentence or "applies from" in sentence for sentence in sentences
    )


def test_packs_copies_and_work_are_told() -> None:
    facts = study(
        pack(copy("tape_a"), copy("disc", CopyState.PLANNED)),
        pack(pack_id=2),
        unpacked_instances=1,
        active_jobs=frozenset({(JobKind.MIGRATE, "disc"), (JobKind.VERIFY, "7"), (JobKind.RECALL, "")}),
    )
    assert told("", facts)[1:9] == [
        (
            "Pack 1 of 2 has a verified copy on A00001L8 (library) in tape_a, read back 10 days ago and "
            "a planned copy on a volume yet to be chosen in disc."
        ),
        "Pack 2 of 2 has no copy.",
        "1 instance of it is in no pack yet.",
        "1 copy of pack 1 counts before a release: on A00001L8, read back whole.",
        "The copy of pack 1 on a volume yet to be chosen does not count: it is not written yet.",
        "No copy of pack 2 counts before a release yet.",
        "At work: a copy to disc is on its way, a recall is on its way and copy 7 is being read back.",
        "No rule says now that it is kept or released, so it stays on disk.",
    ]
    assert "a verified copy on A00001L8 (library) in tape_a." in told("", study(pack(copy(verified_at=None))))[1]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (copy("disc", CopyState.WRITTEN), "it was not read back yet"),
        (copy("disc", CopyState.SUSPECT), "it could not be read back"),
        (copy("disc", volume_state=VolumeState.SUSPECT), "its volume is suspect"),
        (copy("disc", volume_place=Place.MISSING), "nobody knows where its volume is"),
        (copy("disc", volume_state=VolumeState.RETIRED), "its volume cannot be relied on"),
    ],
)
def test_a_copy_that_does_not_count_says_why(made: CopyRecord, why: str) -> None:
    sentences = told("", study(pack(copy(), made)))
    assert "1 copy counts before a release: on A00001L8, read back whole." in sentences
    assert f"The copy on D00001 does not count: {why}." in sentences


def test_problems_and_the_next_reading_back_are_told() -> None:
    text = 'rule "again":\n verify every 30 days\nrule "c":\n copy to nowhere'
    sentences = told(text, two_copies())
    assert 'Rule "c" (line 3) copies to "nowhere", and there is no such pool.' in sentences
    assert sentences[-1] == 'Rule "again" (line 1) has a copy of it read back again from 2026-03-22 12:00:00 UTC on.'
    due = told('rule "again":\n verify every 10 days', two_copies())
    assert not any("read back again from" in sentence for sentence in due)


def test_an_expiring_pin_rule_is_no_change_of_a_rule() -> None:
    assert not any("applies" in s and "from" in s for s in told('rule "p":\n pin for 1 year', two_copies()))
