"""The language: what it says, what it refuses, and that text and model say the same."""

from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.policy import Fault, PolicyInvalid, parse, to_text
from hsm.policy.model import (
    Action,
    All,
    Any,
    AvailabilityCondition,
    BetweenTimes,
    Codec,
    Comparison,
    Compress,
    Condition,
    Copy,
    Duration,
    InstancesCondition,
    Keep,
    Limit,
    NeverAccessed,
    Not,
    OnDays,
    OnlineCondition,
    Period,
    Pin,
    Policy,
    Release,
    Rule,
    SizeCondition,
    TextCondition,
    TextField,
    TextTest,
    TimeCondition,
    TimeSubject,
    Unit,
    Verify,
    Weekday,
)
from hsm.policy.tokens import KEYWORDS
from hsm.states import Availability


def condition_of(text: str) -> Condition | None:
    return parse(f'rule "r":\n when {text}\n keep online').rules[0].condition


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(PolicyInvalid) as caught:
        parse(text, "test.policy")
    return caught.value.faults


def messages(text: str) -> list[str]:
    return [str(fault) for fault in faults_of(text)]


# one sentence each


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modality is MG", TextCondition(TextField.MODALITY, TextTest.IS, ("MG",))),
        ("modality is one of MG, US", TextCondition(TextField.MODALITY, TextTest.IS, ("MG", "US"))),
        ("modality is not MG", Not(TextCondition(TextField.MODALITY, TextTest.IS, ("MG",)))),
        ("source is not one of A, B", Not(TextCondition(TextField.SOURCE, TextTest.IS, ("A", "B")))),
        ('description contains "knee joint"', TextCondition(TextField.DESCRIPTION, TextTest.CONTAINS, ("knee joint",))),
        ('institution matches "*Elsewhere"', TextCondition(TextField.INSTITUTION, TextTest.MATCHES, ("*Elsewhere",))),
        ("body part is KNEE", TextCondition(TextField.BODY_PART, TextTest.IS, ("KNEE",))),
        ("age below 5 years", TimeCondition(TimeSubject.STUDY_AGE, Comparison.BELOW, Duration(5, Unit.YEAR))),
        ("age less than 5 years", TimeCondition(TimeSubject.STUDY_AGE, Comparison.BELOW, Duration(5, Unit.YEAR))),
        ("age at most 1 week", TimeCondition(TimeSubject.STUDY_AGE, Comparison.AT_MOST, Duration(1, Unit.WEEK))),
        ("age at least 2 months", TimeCondition(TimeSubject.STUDY_AGE, Comparison.AT_LEAST, Duration(2, Unit.MONTH))),
        ("age above 3 hours", TimeCondition(TimeSubject.STUDY_AGE, Comparison.ABOVE, Duration(3, Unit.HOUR))),
        ("age more than 3 days", TimeCondition(TimeSubject.STUDY_AGE, Comparison.ABOVE, Duration(3, Unit.DAY))),
        (
            "patient age below 18 years",
            TimeCondition(TimeSubject.PATIENT_AGE, Comparison.BELOW, Duration(18, Unit.YEAR)),
        ),
        (
            "patient age at study at least 18 years",
            TimeCondition(TimeSubject.PATIENT_AGE_AT_STUDY, Comparison.AT_LEAST, Duration(18, Unit.YEAR)),
        ),
        (
            "received more than 40 seconds ago",
            TimeCondition(TimeSubject.RECEIVED, Comparison.ABOVE, Duration(40, Unit.SECOND)),
        ),
        (
            "accessed less than 1 minute ago",
            TimeCondition(TimeSubject.ACCESSED, Comparison.BELOW, Duration(1, Unit.MINUTE)),
        ),
        (
            "not accessed for 30 seconds",
            TimeCondition(TimeSubject.IDLE, Comparison.AT_LEAST, Duration(30, Unit.SECOND)),
        ),
        ("never accessed", NeverAccessed()),
        ("stable for 10 seconds", TimeCondition(TimeSubject.STABLE, Comparison.AT_LEAST, Duration(10, Unit.SECOND))),
        ("size above 500 MB", SizeCondition(Comparison.ABOVE, 500_000_000)),
        ("size at most 1 byte", SizeCondition(Comparison.AT_MOST, 1)),
        ("size below 2KB", SizeCondition(Comparison.BELOW, 2000)),
        ("size below 3 GB", SizeCondition(Comparison.BELOW, 3 * 10**9)),
        ("size below 3 TB", SizeCondition(Comparison.BELOW, 3 * 10**12)),
        ("size below 3 PB", SizeCondition(Comparison.BELOW, 3 * 10**15)),
        ("instances at least 1000", InstancesCondition(Comparison.AT_LEAST, 1000)),
        ("availability is nearline", AvailabilityCondition(Availability.NEARLINE)),
        ("availability is ONLINE", AvailabilityCondition(Availability.ONLINE)),
        ("online", OnlineCondition()),
        ("not online", Not(OnlineCondition())),
        ("online and never accessed", All((OnlineCondition(), NeverAccessed()))),
        ("online or never accessed", Any((OnlineCondition(), NeverAccessed()))),
        ("online and (never accessed or online)", All((OnlineCondition(), Any((NeverAccessed(), OnlineCondition()))))),
        ("not (online and never accessed)", Not(All((OnlineCondition(), NeverAccessed())))),
        ('description is "a \\"b\\" \\\\"', TextCondition(TextField.DESCRIPTION, TextTest.IS, ('a "b" \\',))),
    ],
)
def test_a_condition_means_what_it_says(text: str, expected: Condition) -> None:
    assert condition_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("copy to tape_a, tape_b", Copy(("tape_a", "tape_b"))),
        ('copy to "my pool"', Copy(("my pool",))),
        ("keep online", Keep()),
        ("release", Release(2, 1, False)),
        ("release after 3 verified copies", Release(3, 1, False)),
        ("release after 1 verified copy", Release(1, 1, False)),
        ("release after 2 verified copies on 2 kinds of media", Release(2, 2, False)),
        ("release after 2 verified copies on 1 kind of media", Release(2, 1, False)),
        ("release when space is needed", Release(2, 1, True)),
        ("release when space is needed after 3 verified copies", Release(3, 1, True)),
        ("release after 3 verified copies when space is needed", Release(3, 1, True)),
        ("pin for 2 weeks", Pin(Duration(2, Unit.WEEK))),
        ("verify every 2 years", Verify(Duration(2, Unit.YEAR))),
        ("compress losslessly with jpeg-ls", Compress(Codec.JPEG_LS)),
        ("compress losslessly", Compress(Codec.JPEG_LS)),
    ],
)
def test_an_action_means_what_it_says(text: str, expected: Action) -> None:
    assert parse(f'rule "r":\n {text}').rules[0].actions == (expected,)


def test_hours_days_and_limits_are_clauses_of_a_rule() -> None:
    (rule,) = parse(
        'rule "r":\n only between 20:00 and 6:30\n only on weekdays, sunday\n'
        " at most 500 studies per tick\n at most 2 TB per day\n release"
    ).rules
    assert rule.schedules == (
        BetweenTimes(time(20), time(6, 30)),
        OnDays((*tuple(Weekday)[:5], Weekday.SUNDAY)),
    )
    assert rule.limits == (Limit(500, None, Period.TICK), Limit(None, 2 * 10**12, Period.DAY))


def test_words_are_read_without_case_and_names_keep_theirs() -> None:
    assert parse('RULE "A":\n When MODALITY Is Mg\n Copy TO Tape_A') == parse(
        'rule "A":\n when modality is Mg\n copy to Tape_A'
    )
    assert parse('rule "A":\n copy to Tape_A').rules[0].actions == (Copy(("Tape_A",)),)


def test_comments_and_line_breaks_are_free() -> None:
    text = 'rule "a": # first\n when modality is MG\n   and online # still\n keep online\n\n# end'
    assert parse(text) == parse('rule "a": when modality is MG and online keep online')


def test_rules_know_their_line_and_it_does_not_count() -> None:
    one, two = parse('rule "a":\n keep online\n\nrule "b":\n release').rules
    assert (one.line, two.line) == (1, 4)
    assert parse('\n\nrule "a":\n keep online').rules[0] == one


def test_an_empty_text_is_a_policy_without_rules() -> None:
    assert parse(" # nothing\n").rules == ()


def test_a_policy_keeps_the_name_it_was_read_under() -> None:
    assert parse("", "night").name == "night"
    assert parse("").name == "policy"


# both ways


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\n", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12
)
names = st.one_of(st.sampled_from(["tape_a", "MG", "a.b-c", "_x", *sorted(KEYWORDS)]), texts)
durations = st.builds(Duration, st.integers(0, 10**12), st.sampled_from(Unit))
spans = st.builds(Duration, st.integers(1, 10**12), st.sampled_from(Unit))
comparisons = st.sampled_from(Comparison)
sizes = st.one_of(st.integers(0, 10**12), st.integers(0, 10**6).map(lambda n: n * 10**9))
facts: st.SearchStrategy[Condition] = st.one_of(
    st.builds(
        TextCondition,
        st.sampled_from(TextField),
        st.just(TextTest.IS),
        st.lists(names, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        TextCondition,
        st.sampled_from(TextField),
        st.sampled_from([TextTest.CONTAINS, TextTest.MATCHES]),
        names.map(lambda n: (n,)),
    ),
    st.builds(
        TimeCondition,
        st.sampled_from([TimeSubject.STUDY_AGE, TimeSubject.PATIENT_AGE, TimeSubject.PATIENT_AGE_AT_STUDY]),
        comparisons,
        durations,
    ),
    st.builds(
        TimeCondition,
        st.sampled_from([TimeSubject.RECEIVED, TimeSubject.ACCESSED]),
        st.sampled_from([Comparison.ABOVE, Comparison.BELOW]),
        durations,
    ),
    st.builds(
        TimeCondition,
        st.sampled_from([TimeSubject.IDLE, TimeSubject.STABLE]),
        st.just(Comparison.AT_LEAST),
        durations,
    ),
    st.just(NeverAccessed()),
    st.builds(SizeCondition, comparisons, sizes),
    st.builds(InstancesCondition, comparisons, st.integers(0, 10**12)),
    st.builds(AvailabilityCondition, st.sampled_from(Availability)),
    st.just(OnlineCondition()),
)
Parts = Callable[[st.SearchStrategy[Condition]], st.SearchStrategy[Condition]]


def _compound(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(several.map(All), several.map(Any), parts.map(Not))


conditions = st.recursive(facts, _compound, max_leaves=6)
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
days = st.sets(st.sampled_from(Weekday), min_size=1).map(
    lambda chosen: OnDays(tuple(d for d in Weekday if d in chosen))
)
schedules = st.one_of(st.builds(BetweenTimes, times, times), days)
limits = st.one_of(
    st.builds(Limit, st.integers(1, 10**12), st.none(), st.sampled_from(Period)),
    st.builds(Limit, st.none(), st.integers(1, 10**12), st.sampled_from(Period)),
)
releases = st.integers(1, 9).flatmap(lambda n: st.builds(Release, st.just(n), st.integers(1, min(n, 2)), st.booleans()))
copies = st.lists(names, min_size=1, max_size=3, unique=True).map(lambda pools: Copy(tuple(pools)))


@st.composite
def rules(draw: st.DrawFn, name: str = "r") -> Rule:
    once: list[Action] = draw(
        st.lists(
            st.one_of(
                st.one_of(st.just(Keep()), releases),
                st.builds(Pin, durations),
                st.builds(Verify, spans),
                st.just(Compress()),
            ),
            max_size=3,
            unique_by=lambda action: "fate" if isinstance(action, Keep | Release) else type(action).__name__,
        )
    )
    copying: list[Action] = list(draw(st.lists(copies, max_size=2)))
    actions = copying + once or [Keep()]
    return Rule(
        name,
        draw(st.none() | conditions),
        tuple(draw(st.lists(schedules, max_size=2))),
        tuple(draw(st.lists(limits, max_size=2))),
        tuple(actions),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    titles = draw(st.lists(texts.filter(lambda text: bool(text.strip())), max_size=3, unique=True))
    return Policy(tuple(draw(rules(name=title)) for title in titles))


@given(policies())
def test_what_is_written_is_what_is_read_and_has_one_spelling(policy: Policy) -> None:
    text = to_text(policy)
    assert parse(text) == policy
    assert to_text(parse(text)) == text


@given(st.text(alphabet=st.sampled_from([*'\n "\\:,()#%.5', "ä"]) | st.characters(codec="ascii"), max_size=60))
def test_any_text_is_a_policy_or_has_faults_within_it(text: str) -> None:
    _policy_or_faults(text)


@given(
    st.lists(st.sampled_from([*sorted(KEYWORDS), '"a"', "5", "20:00", ":", ",", "(", ")", "\n", "bogus"]), max_size=25)
)
def test_any_words_are_a_policy_or_have_faults_within_them(words: list[str]) -> None:
    _policy_or_faults(" ".join(words))


@settings(max_examples=50)
@given(policies(), st.data())
def test_a_policy_with_a_word_lost_is_read_or_refused_with_its_place(policy: Policy, data: st.DataObject) -> None:
    words = to_text(policy).split(" ")
    del words[data.draw(st.integers(0, len(words) - 1))]
    _policy_or_faults(" ".join(words))


def _policy_or_faults(text: str) -> None:
    lines = text.split("\n")
    try:
        policy = parse(text)
    except PolicyInvalid as refused:
        assert refused.faults
        for fault in refused.faults:
            assert 1 <= fault.line <= len(lines)
            assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1
            assert fault.message
    else:
        assert parse(to_text(policy)) == policy


# faults


def test_every_misspelt_word_is_named_with_the_nearest_known_one() -> None:
    faults = faults_of('rule "a":\n when modalty is MG and age belw 5 yeers\n keep onlin\nruel "b":\n release')
    assert [(f.line, f.column, f.nearest) for f in faults] == [
        (2, 7, "modality"),
        (2, 29, "below"),
        (2, 36, "years"),
        (3, 7, "online"),
        (4, 1, "rule"),
    ]
    assert str(faults[0]) == 'line 2, column 7: "modalty" is not understood here. Did you mean "modality"?'


def test_a_misspelt_action_does_not_hide_the_rest() -> None:
    assert messages('rule "a":\n relaese after 0 verified copies') == [
        'line 2, column 2: "relaese" is not understood here. Did you mean "release"?',
        "line 2, column 16: 0 is too small here. Write at least 1",
    ]


def test_the_error_says_which_policy_and_every_fault() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse('rule "a":\n keep onlin\n\nrule "a":\n release after 0 verified copies', "night.policy")
    assert caught.value.name == "night.policy"
    lines = str(caught.value).split("\n")
    assert [line.split(":")[0] for line in lines] == [
        "night.policy, line 2, column 7",
        "night.policy, line 4, column 6",
        "night.policy, line 5, column 16",
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("copy to x", (1, 1), ['"copy" is not understood here', '"rule"']),
        ('rule "a":', (1, 10), ["says nothing to do", "copy to"]),
        ('rule "a":\nrule "b":\n keep online', (2, 1), ["says nothing to do"]),
        ('rule "a":\n when online', (2, 13), ["says nothing to do"]),
        ("rule a:\n keep online", (1, 6), ["stands without quotes", '"a" in quotes']),
        ('rule "a"\n keep online', (2, 2), ['":" is missing before "keep"']),
        ('rule "":\n keep online', (1, 6), ["empty name"]),
        ('rule "a:\n keep online', (1, 6), ["does not end on its line"]),
        ('rule "a":\n copy tape_a', (2, 7), ['"to" is missing before "tape_a"']),
        ('rule "a":\n when stable 10 seconds\n keep online', (2, 14), ['"for" is missing before "10"']),
        ('rule "a":\n when modality is and online\n keep online', (2, 19), ["is a word of the language", "quotes"]),
        ('rule "a":\n copy to online', (2, 10), ["is a word of the language", "quotes"]),
        ('rule "a":\n when online and online or online\n keep online', (2, 25), ["mixed without parentheses"]),
        ('rule "a":\n when online or online and online\n keep online', (2, 24), ["mixed without parentheses"]),
        ('rule "a":\n keep online\n when online', (3, 2), ["too late in its rule"]),
        ('rule "a":\n when online\n when online\n keep online', (3, 2), ["too late in its rule"]),
        ('rule "a":\n keep online\n only on sunday', (3, 2), ["too late in its rule"]),
        ('rule "a":\n when size below 1.5 TB\n keep online', (2, 18), ["not a whole number", "1500 GB"]),
        ('rule "a":\n when age below 5\n keep online', (3, 2), ["is not understood here", '"years"']),
        ('rule "a":\n copy to a, b, a', (2, 16), ['"a" is named twice']),
        ('rule "a":\n release after 0 verified copies', (2, 16), ["at least 1"]),
        ('rule "a":\n release after 3 verified copies on 3 kinds of media', (2, 37), ["no 3 kinds"]),
        ('rule "a":\n release after 2 verified copies on 0 kinds of media', (2, 37), ["at least 1"]),
        ('rule "a":\n release after 1 verified copy on 2 kinds of media', (2, 35), ["1 copy cannot be on 2 kinds"]),
        ('rule "a":\n release after 2 verified copies after 3 verified copies', (2, 40), ['"after" twice']),
        ('rule "a":\n release when space is needed when space is needed after 2 verified copies', (2, 45), ["needed"]),
        ('rule "a":\n keep online\n release', (1, 6), ["both keeps and releases"]),
        ('rule "a":\n release\n release', (1, 6), ['"release" more than once']),
        ('rule "a":\n pin for 1 day\n pin for 2 days', (1, 6), ['"pin" more than once']),
        ('rule "a":\n verify every 1 day\n verify every 2 days', (1, 6), ['"verify" more than once']),
        ('rule "a":\n compress losslessly\n compress losslessly', (1, 6), ['"compress" more than once']),
        ('rule "a":\n compress losslessly with JPEG-LX', (2, 27), ["no way to compress", '"JPEG-LS"']),
        ('rule "a":\n compress losslessly with zip', (2, 27), ["Write JPEG-LS"]),
        ('rule "a":\n compres losslessly', (2, 2), ['"compress"']),
        ('rule "a":\n verify every 0 days', (2, 15), ["at least 1"]),
        ('rule "a":\n at most 0 studies per tick\n release', (2, 10), ["at least 1"]),
        ('rule "a":\n at most 0 GB per tick\n release', (2, 10), ["at least 1"]),
        ('rule "a":\n only between 20:00 and 24:00\n release', (2, 25), ["24:00 is no time of day"]),
        ('rule "a":\n when size below 1000000000001 GB\n keep online', (2, 18), ["too large"]),
        ('rule "a":\n when availability is nearlin\n keep online', (2, 23), ["no availability", '"NEARLINE"']),
        ('rule "a":\n when availability is xyz\n keep online', (2, 23), ["ONLINE, NEARLINE, OFFLINE, UNAVAILABLE"]),
        ('rule "a":\n keep online\nrule "a":\n release', (3, 6), ['"a" is used already in line 1']),
        ('rule "a":\n keep online\n%%%', (3, 1), ['"%" is not understood here']),
        ('rule "a":\n copy to a\n bogus stuff here\n keep online', (3, 2), ['"bogus" is not understood']),
    ],
)
def test_a_fault_is_named_where_it_stands_with_what_to_do(text: str, place: tuple[int, int], words: list[str]) -> None:
    fault = faults_of(text)[0]
    assert (fault.line, fault.column) == place
    assert all(word in str(fault) for word in words), str(fault)


@pytest.mark.parametrize(
    "text",
    [
        'rule "a":\n when availability is xyz\n keep online',
        'rule "a":\n copy to a\n bogus stuff here\n keep online',
        'rule "a":\n keep online\n when online\n release after 2 verified copies on 2 kinds of media'.replace(
            "keep", "copy to x\n keep"
        ),
        'rule "a"\n keep online',
        "rule a:\n keep online",
        'nonsense\nmore nonsense\ncopy to x\nrule "b":\n keep online',
        'rule "a":\n when %% online\nrule "b":\n keep online',
    ],
)
def test_one_fault_is_named_once(text: str) -> None:
    assert len(faults_of(text)) <= 2


def test_after_a_clause_that_cannot_be_read_the_next_ones_are() -> None:
    text = 'rule "a":\n when %\n keep onlin\nrule "b":\n copy to a, a\n'
    assert [(f.line, f.column) for f in faults_of(text)] == [(2, 7), (3, 7), (5, 13)]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('rule "a":\n when age\n bogus 5 years\n keep onlin', [(3, 2), (4, 7)]),
        ('rule "a":\n when age\n keep onlin', [(3, 2), (3, 7)]),
        ('rule "a":\n when %\nrule "b":\n keep onlin', [(2, 7), (4, 7)]),
        ('rule "a":\n when size below %\n copy to a, a\n keep onlin', [(2, 18), (3, 13), (4, 7)]),
        ('rule "a":\n copy to (\n keep onlin', [(2, 10), (3, 7)]),
        ('rule "a":\n keep online )\n relese', [(2, 14), (3, 2)]),
    ],
)
def test_what_follows_a_broken_clause_is_read_with_care(text: str, places: list[tuple[int, int]]) -> None:
    assert [(fault.line, fault.column) for fault in faults_of(text)] == places


def test_a_rule_that_cannot_be_read_does_not_hide_the_next() -> None:
    text = 'rule 20:00 20:00\n keep online\nrule "b":\n keep onlin\n'
    assert faults_of(text)[-1].nearest == "online"
    assert all(fault.line in (1, 4) for fault in faults_of(text))


def test_the_sample_policy_is_one() -> None:
    sample = Path(__file__).parents[3] / "appliance" / "sample.policy"
    assert [rule.name for rule in parse(sample.read_text("utf-8")).rules] == [
        "two tapes and a disc for everything",
        "mammography stays",
        "settle",
        "make room",
        "read again",
    ]
