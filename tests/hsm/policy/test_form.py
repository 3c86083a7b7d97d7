"""A rule in a form and as text, both ways: nothing that was written is lost on the way."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.policy import parse, to_text
from hsm.policy.form import (
    COPY,
    DAYS,
    HOURS,
    PIN,
    RELEASE,
    VERIFY,
    ActionForm,
    FactForm,
    GroupForm,
    LimitForm,
    RuleForm,
    ScheduleForm,
    form_of,
)
from hsm.policy.model import Keep, Policy, Rule
from hsm.policy.notes import Noted, read_rule, rule_text
from hsm.policy.pieces import Piece, comment_of, lead_of, split
from hsm.policy.reading import comment_in, read_form
from hsm.policy.text import clauses_of
from tests.hsm.policy.test_language import policies, rules

POOLS = ("tape_a", "tape_b", "disc")
words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
note_lines = st.one_of(st.just(""), words, words.map(lambda word: word * 20))
scraps = st.lists(
    st.sampled_from(
        [
            'rule "a":',
            "keep online",
            "# a note",
            "\n",
            "\n\n",
            "    ",
            "when age",
            'rule "b":\n',
            "%",
            '"',
            "rule",
            "copy to x",
        ]
    ),
    max_size=14,
).map("".join)


@st.composite
def noted(draw: st.DrawFn) -> Noted:
    """A rule with notes at some of its clauses, some of several lines."""
    rule = draw(rules())
    clauses = tuple(
        "\n".join(line for line in draw(st.lists(note_lines, max_size=2)) if line) for _ in clauses_of(rule)
    )
    return Noted(rule, draw(note_lines), clauses)


@given(noted())
@settings(max_examples=80)
def test_a_rule_comes_back_from_its_form_with_its_notes(given_rule: Noted) -> None:
    read, faults = read_form(form_of(given_rule))
    assert faults == {}
    assert read == given_rule


@given(noted())
@settings(max_examples=80)
def test_a_rule_comes_back_from_its_text_with_its_notes(given_rule: Noted) -> None:
    assert read_rule(rule_text(given_rule)) == given_rule


@given(st.one_of(scraps, policies().map(to_text)))
@settings(max_examples=150)
def test_any_text_taken_apart_is_the_same_text(text: str) -> None:
    pieces = split(text)
    assert pieces.text() == text
    assert all(piece.body.startswith("rule") for piece in pieces.rules)
    assert [text.split("\n")[piece.line - 1].count("rule") > 0 for piece in pieces.rules] == [True] * len(pieces.rules)


@given(policies(), st.data())
@settings(max_examples=60)
def test_a_rule_that_is_moved_or_removed_leaves_the_others_as_they_are(policy: Policy, data: st.DataObject) -> None:
    pieces = split("# the house\n\n" + to_text(policy).replace("\n\n", "\n\n# about it\n"))
    count = len(pieces.rules)
    if not count:
        return
    at, to = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, count - 1))
    moved = list(policy.rules)
    moved.insert(to, moved.pop(at))
    assert parse(pieces.moved(at, to).text()).rules == tuple(moved)
    assert parse(pieces.put(at, instead=1).text()).rules == policy.rules[:at] + policy.rules[at + 1 :]
    assert pieces.moved(at, to).text().count("#") == pieces.text().count("#")


WRITTEN = """# Rules of the house.

# For children.
# Asked for by Dr. Roe.
rule "children":  # paediatrics
    # since 2019
    when patient age at study below 18 years  # at the study
        and not modality is US
    only on weekdays
    keep online   # until they are grown up

rule "rest": release # the rest
# nothing below
"""


def test_comments_belong_to_what_they_stand_at() -> None:
    pieces = split(WRITTEN)
    assert pieces.head == "# Rules of the house.\n\n"
    assert [comment_of(piece.lead) for piece in pieces.rules] == ["For children.\nAsked for by Dr. Roe.", ""]
    assert pieces.tail == "# nothing below\n"
    child = read_rule(pieces.rules[0].body)
    assert (child.title, child.clauses) == ("paediatrics", ("since 2019\nat the study", "", "until they are grown up"))
    assert read_rule(pieces.rules[1].body).clauses == ("the rest",)


def test_a_form_that_changes_one_thing_keeps_every_comment() -> None:
    piece = split(WRITTEN).rules[0]
    form = form_of(read_rule(piece.body), comment_of(piece.lead))
    read, faults = read_form(replace(form, name="minors"), POOLS)
    assert faults == {}
    text = split(WRITTEN).put(0, Piece(lead_of(comment_in(form), piece.lead), rule_text(read)), instead=1).text()
    for comment in (
        "# For children.\n# Asked",
        "paediatrics",
        "# since 2019",
        "# at the study",
        "# until they",
        "# nothing",
    ):
        assert comment in text
    assert parse(text).rules[1:] == parse(WRITTEN).rules[1:] and parse(text).rules[0].name == "minors"


def test_the_note_of_a_condition_that_is_taken_away_moves_above_the_rule() -> None:
    form = RuleForm("x", comment="first", when_note="was for CT", do=(ActionForm(COPY, pools="disc"),))
    assert comment_in(form) == "first\nwas for CT"
    assert lead_of("first\nwas for CT", "\n# first\n") == "\n# first\n# was for CT\n"
    assert lead_of("", "\n# first\n") == "\n" and lead_of("a\n\nb") == "# a\n#\n# b\n"


def when(fact: FactForm | GroupForm) -> RuleForm:
    return RuleForm("x", when=GroupForm(parts=(fact,)), do=(ActionForm("keep"),))


def does(**fields: object) -> RuleForm:
    return RuleForm("x", do=(ActionForm(**fields),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        (RuleForm(" ", do=(ActionForm("keep"),)), "name", "tells what it is for"),
        (RuleForm("old", do=(ActionForm("keep"),)), "name", "already"),
        (RuleForm("a\nb", do=(ActionForm("keep"),)), "name", "one line"),
        (RuleForm("x"), "do", "nothing to do"),
        (RuleForm("x", do=(ActionForm("keep"), ActionForm(RELEASE, copies="2", kinds="1"))), "do", "both keeps"),
        (RuleForm("x", do=(ActionForm("keep"), ActionForm("keep"))), "do", '"keep online" more than once'),
        (does(kind="burn"), "do.0", "Choose what"),
        (does(kind=COPY), "do.0.pools", "pools to copy to"),
        (does(kind=COPY, pools="disc, disc"), "do.0.pools", "named twice"),
        (does(kind=COPY, pools="disk"), "do.0.pools", 'mean "disc"'),
        (does(kind=COPY, pools="nowhere"), "do.0.pools", "disc, tape_a, tape_b"),
        (does(kind=COPY, pools='a "b'), "do.0.pools", "in quotes"),
        (does(kind=RELEASE, copies="0", kinds="1"), "do.0.copies", "at least 1"),
        (does(kind=RELEASE, copies="3", kinds="3"), "do.0.kinds", "two"),
        (does(kind=RELEASE, copies="1", kinds="2"), "do.0.kinds", "cannot be on 2 kinds"),
        (does(kind=PIN, amount="1.5", unit="day"), "do.0.amount", "smaller unit"),
        (does(kind=PIN, amount="9" * 20, unit="day"), "do.0.amount", "at most"),
        (does(kind=VERIFY, amount="0", unit="day"), "do.0.amount", "at least 1"),
        (does(kind=VERIFY, amount="1", unit="moon"), "do.0.unit", "unit of time"),
        (when(FactForm("modality", "is", "")), "when.0.value", "what it is to be"),
        (when(FactForm("modality", "contains", " ")), "when.0.value", "what it is to be"),
        (when(FactForm("description", "contains", "a\nb")), "when.0.value", "one line"),
        (when(FactForm("modality", "below", "MG")), "when.0.test", "is, contains, matches"),
        (when(FactForm("weather", "is", "wet")), "when.0", "looks at"),
        (when(FactForm("age", "below", "x", "year")), "when.0.value", "whole number"),
        (when(FactForm("size", "below", "1", "year")), "when.0.unit", "unit of size"),
        (when(FactForm("availability", "", "SOON")), "when.0.value", "NEARLINE"),
        (when(GroupForm("any")), "when.0", "empty"),
        (replace(does(kind="keep"), only=(ScheduleForm(HOURS, "20:00", "24:00"),)), "only.0.end", "23:59"),
        (replace(does(kind="keep"), only=(ScheduleForm(DAYS),)), "only.0.days", "at least one day"),
        (replace(does(kind="keep"), limits=(LimitForm("0"),)), "limits.0.amount", "at least 1"),
    ],
)
def test_what_is_wrong_is_said_for_its_field(form: RuleForm, field: str, said: str) -> None:
    _, faults = read_form(form, POOLS, taken=["old"])
    assert said in faults[field], faults


def test_one_rule_is_asked_for() -> None:
    with pytest.raises(ValueError, match="2 rules"):
        read_rule('rule "a": keep online rule "b": release')
    assert read_rule('rule "a": keep online').rule == Rule("a", None, (), (), (Keep(),))
