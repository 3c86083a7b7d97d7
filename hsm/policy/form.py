"""A rule as a form holds it: every value as it was typed, so that a wrong one can be shown again with what is wrong.

form_of(noted) fills a form from a rule; read_form(form) reads it again. read_form(form_of(noted)) gives the same rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hsm.policy.model import (
    Action,
    All,
    Any,
    AvailabilityCondition,
    BetweenTimes,
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
    OnlineCondition,
    Pin,
    Prefetch,
    Release,
    Same,
    Schedule,
    SizeCondition,
    TextCondition,
    TextField,
    TimeCondition,
    TimeSubject,
    Verify,
)
from hsm.policy.notes import Noted
from hsm.policy.text import quoted
from hsm.policy.words import exact_size


class Shape(StrEnum):
    """What stands behind a subject in a sentence."""

    TEXT = "text"  # a test and values
    AGE = "age"  # a comparison and a length of time
    AGO = "ago"  # more or less than a length of time ago
    SPAN = "span"  # a length of time
    SIZE = "size"  # a comparison and a size
    NUMBER = "number"  # a comparison and a number
    CHOICE = "choice"  # an availability
    NOTHING = "nothing"


NEVER, SIZE, INSTANCES, AVAILABILITY, ONLINE = "never accessed", "size", "instances", "availability", "online"
SUBJECTS: Mapping[str, Shape] = {
    **{field.value: Shape.TEXT for field in TextField},
    TimeSubject.RECEIVED.value: Shape.AGO,
    TimeSubject.STABLE.value: Shape.SPAN,
    TimeSubject.IDLE.value: Shape.SPAN,
    TimeSubject.ACCESSED.value: Shape.AGO,
    NEVER: Shape.NOTHING,
    TimeSubject.STUDY_AGE.value: Shape.AGE,
    TimeSubject.PATIENT_AGE.value: Shape.AGE,
    TimeSubject.PATIENT_AGE_AT_STUDY.value: Shape.AGE,
    SIZE: Shape.SIZE,
    INSTANCES: Shape.NUMBER,
    AVAILABILITY: Shape.CHOICE,
    ONLINE: Shape.NOTHING,
}
MORE_THAN, LESS_THAN = "more than", "less than"
_COMPARISONS = tuple(comparison.value for comparison in Comparison)
TESTS: Mapping[Shape, tuple[str, ...]] = {
    Shape.TEXT: ("is", "contains", "matches"),
    Shape.AGE: _COMPARISONS,
    Shape.AGO: (MORE_THAN, LESS_THAN),
    Shape.SIZE: _COMPARISONS,
    Shape.NUMBER: _COMPARISONS,
    Shape.SPAN: (),
    Shape.CHOICE: (),
    Shape.NOTHING: (),
}
HOURS, DAYS = "hours", "days"
COPY, KEEP, RELEASE, PIN, VERIFY, PREFETCH = "copy", "keep", "release", "pin", "verify", "prefetch"
SAMES = tuple(Same)
COMPRESS = "compress"
STUDIES = "studies"


@dataclass(frozen=True)
class FactForm:
    """One condition without parts."""

    subject: str = TextField.MODALITY.value
    test: str = ""
    value: str = ""
    unit: str = ""
    negated: bool = False


@dataclass(frozen=True)
class GroupForm:
    """Conditions of which all, or any, are asked for."""

    joined: str = "all"  # or "any"
    parts: "tuple[FactForm | GroupForm, ...]" = ()
    negated: bool = False


@dataclass(frozen=True)
class ScheduleForm:
    """Hours or days."""

    kind: str = HOURS
    begin: str = ""
    end: str = ""
    days: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class LimitForm:
    """At most so much in one period."""

    amount: str = ""
    unit: str = STUDIES  # or one of bytes
    period: str = "tick"
    note: str = ""


@dataclass(frozen=True)
class ActionForm:
    """What a rule does; the fields of other kinds of action stay empty."""

    kind: str = COPY
    pools: str = ""
    amount: str = ""
    unit: str = ""
    copies: str = ""
    kinds: str = ""
    when_needed: bool = False
    last: str = ""
    same: str = ""
    note: str = ""
    codec: str = ""


@dataclass(frozen=True)
class RuleForm:
    """A whole rule; no condition means every study."""

    name: str = ""
    comment: str = ""  # above it
    title_note: str = ""
    when: GroupForm = GroupForm()
    when_note: str = ""
    only: tuple[ScheduleForm, ...] = ()
    limits: tuple[LimitForm, ...] = ()
    do: tuple[ActionForm, ...] = ()


def form_of(noted: Noted, comment: str = "") -> RuleForm:
    """A form that says what a rule says."""
    rule, notes = noted.rule, iter((*noted.clauses, *[""] * 64))
    when_note = next(notes) if rule.condition is not None else ""
    return RuleForm(
        name=rule.name,
        comment=comment,
        title_note=noted.title,
        when=_top(rule.condition),
        when_note=when_note,
        only=tuple(_schedule(schedule, next(notes, "")) for schedule in rule.schedules),
        limits=tuple(_limit(limit, next(notes, "")) for limit in rule.limits),
        do=tuple(_action(action, next(notes, "")) for action in rule.actions),
    )


def _top(condition: Condition | None) -> GroupForm:
    match condition:
        case None:
            return GroupForm()
        case All() | Any():
            made = _part(condition)
            return made if isinstance(made, GroupForm) else GroupForm(parts=(made,))
        case _:
            return GroupForm(parts=(_part(condition),))


def _part(condition: Condition, negated: bool = False) -> FactForm | GroupForm:
    match condition:
        case All(parts):
            return GroupForm("all", tuple(_part(part) for part in parts), negated)
        case Any(parts):
            return GroupForm("any", tuple(_part(part) for part in parts), negated)
        case Not(part) if negated:
            return GroupForm("all", (_part(part, True),), True)
        case Not(part):
            return _part(part, True)
        case TextCondition(field, test, values):
            value = names_text(values) if test == "is" else one_text(values[0])
            return FactForm(field.value, test.value, value, "", negated)
        case TimeCondition(subject, comparison, duration):
            return FactForm(subject.value, _test(subject, comparison), *_duration(duration), negated)
        case NeverAccessed():
            return FactForm(NEVER, negated=negated)
        case SizeCondition(comparison, size_bytes):
            amount, unit = exact_size(size_bytes).split()
            return FactForm(SIZE, comparison.value, amount, unit, negated)
        case InstancesCondition(comparison, count):
            return FactForm(INSTANCES, comparison.value, str(count), "", negated)
        case AvailabilityCondition(availability):
            return FactForm(AVAILABILITY, "", availability.value, "", negated)
        case OnlineCondition():
            return FactForm(ONLINE, negated=negated)


def _test(subject: TimeSubject, comparison: Comparison) -> str:
    shape = SUBJECTS[subject.value]
    if shape is Shape.AGO:
        return MORE_THAN if comparison is Comparison.ABOVE else LESS_THAN
    return comparison.value if shape is Shape.AGE else ""


def _duration(duration: Duration) -> tuple[str, str]:
    return str(duration.amount), duration.unit.value


def _schedule(schedule: Schedule, note: str) -> ScheduleForm:
    if isinstance(schedule, BetweenTimes):
        return ScheduleForm(HOURS, f"{schedule.begin:%H:%M}", f"{schedule.end:%H:%M}", note=note)
    return ScheduleForm(DAYS, days=tuple(day.value for day in schedule.days), note=note)


def _limit(limit: Limit, note: str) -> LimitForm:
    if limit.studies is not None:
        return LimitForm(str(limit.studies), STUDIES, limit.period.value, note)
    amount, unit = exact_size(limit.size_bytes or 0).split()
    return LimitForm(amount, unit, limit.period.value, note)


def _action(action: Action, note: str) -> ActionForm:
    match action:
        case Copy(pools):
            return ActionForm(COPY, pools=names_text(pools), note=note)
        case Keep():
            return ActionForm(KEEP, note=note)
        case Release(copies, kinds, needed):
            return ActionForm(RELEASE, copies=str(copies), kinds=str(kinds), when_needed=needed, note=note)
        case Pin(duration):
            return ActionForm(PIN, amount=str(duration.amount), unit=duration.unit.value, note=note)
        case Verify(every):
            return ActionForm(VERIFY, amount=str(every.amount), unit=every.unit.value, note=note)
        case Prefetch(last, same, before):
            amount, unit = _duration(before)
            return ActionForm(PREFETCH, amount=amount, unit=unit, last=str(last), same=same.value, note=note)
        case Compress(codec):
            return ActionForm(COMPRESS, codec=codec.value, note=note)


def names_text(names: tuple[str, ...]) -> str:
    """Names as they are typed into one field: with commas between them, in quotes only where that is needed."""
    return ", ".join(quoted(name) if set(name) & set(',"\\') else one_text(name) for name in names)


def one_text(name: str) -> str:
    """One text as it is typed into a field of its own."""
    return quoted(name) if not name or name != name.strip() or name.startswith('"') else name
