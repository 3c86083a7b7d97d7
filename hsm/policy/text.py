"""A policy as text again, in one spelling. parse(to_text(policy)) == policy."""

import re

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
    Fact,
    InstancesCondition,
    Keep,
    Limit,
    NeverAccessed,
    Not,
    OnlineCondition,
    Pin,
    Policy,
    Prefetch,
    Release,
    Rule,
    Same,
    Schedule,
    SizeCondition,
    TextCondition,
    TextTest,
    TimeCondition,
    TimeSubject,
    Verify,
    Weekday,
)
from hsm.policy.tokens import KEYWORDS
from hsm.policy.words import count_words, exact_size

_INDENT = "    "
_DAY_NAMES = {tuple(Weekday)[:5]: "weekdays", tuple(Weekday)[5:]: "weekends"}
_THAN = {Comparison.ABOVE: "more than", Comparison.BELOW: "less than"}


def to_text(policy: Policy) -> str:
    """The policy in the policy language; comments of the original are not kept."""
    return "\n".join(_rule(rule) for rule in policy.rules)


def _rule(rule: Rule) -> str:
    return "\n".join([f"rule {quoted(rule.name)}:", *(_INDENT + clause for clause in clauses_of(rule)), ""])


def clauses_of(rule: Rule) -> list[str]:
    """The clauses of a rule, in the order the language wants them."""
    clauses = [f"when {condition_text(rule.condition)}"] if rule.condition is not None else []
    clauses += [schedule_text(schedule) for schedule in rule.schedules]
    clauses += [limit_text(limit) for limit in rule.limits]
    return clauses + [action_text(action) for action in rule.actions]


def quoted(text: str) -> str:
    """A text in quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name_text(text: str) -> str:
    """A name as it may stand in a rule: in quotes only where it needs them."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.\-]*", text) and text.lower() not in KEYWORDS
    return text if plain else quoted(text)


def duration_text(duration: Duration) -> str:
    """ "40 seconds"."""
    return count_words(duration.amount, duration.unit.value)


def schedule_text(schedule: Schedule) -> str:
    """ "only between 20:00 and 06:00"."""
    if isinstance(schedule, BetweenTimes):
        return f"only between {schedule.begin:%H:%M} and {schedule.end:%H:%M}"
    return f"only on {_DAY_NAMES.get(schedule.days, ', '.join(day.value for day in schedule.days))}"


def limit_text(limit: Limit) -> str:
    """ "at most 500 studies per tick"."""
    amount = f"{limit.studies} studies" if limit.size_bytes is None else exact_size(limit.size_bytes)
    return f"at most {amount} per {limit.period.value}"


def action_text(action: Action) -> str:
    """ "copy to tape_a, tape_b"."""
    match action:
        case Copy(pools):
            return f"copy to {', '.join(name_text(pool) for pool in pools)}"
        case Keep():
            return "keep online"
        case Pin(duration):
            return f"pin for {duration_text(duration)}"
        case Verify(every):
            return f"verify every {duration_text(every)}"
        case Prefetch(last, same, before):
            alike = "" if same is Same.ANYTHING else f" of the same {same.value}"
            priors = count_words(last, "prior")
            return f"prefetch the last {priors}{alike} {duration_text(before)} before the appointment"
        case Compress(codec):
            return f"compress losslessly with {codec.value}"
        case Release():
            return _release(action)


def _release(action: Release) -> str:
    when = " when space is needed" if action.when_space_is_needed else ""
    after = f" after {count_words(action.copies, 'verified copy', 'verified copies')}"
    kinds = f" on {count_words(action.kinds, 'kind')} of media" if action.kinds > 1 else ""
    return f"release{when}{after}{kinds}"


def condition_text(condition: Condition) -> str:
    """A condition as it may stand behind "when"."""
    match condition:
        case All(parts):
            return " and ".join(_term(part) for part in parts)
        case Any(parts):
            return " or ".join(_term(part) for part in parts)
        case Not(TextCondition(field, TextTest.IS, values)):
            return f"{field.value} is not {_one_of(values)}"
        case Not(part):
            return f"not {_term(part)}"
        case _:
            return fact_text(condition)


def fact_text(fact: Fact) -> str:
    """A condition without parts."""
    match fact:
        case TextCondition(field, test, values):
            return f"{field.value} {test.value} {_one_of(values)}"
        case TimeCondition():
            return _time(fact)
        case NeverAccessed():
            return "never accessed"
        case SizeCondition(comparison, size_bytes):
            return f"size {comparison.value} {exact_size(size_bytes)}"
        case InstancesCondition(comparison, count):
            return f"instances {comparison.value} {count}"
        case AvailabilityCondition(availability):
            return f"availability is {availability.value}"
        case OnlineCondition():
            return "online"


def _term(condition: Condition) -> str:
    text = condition_text(condition)
    return f"({text})" if isinstance(condition, All | Any) else text


def _one_of(values: tuple[str, ...]) -> str:
    names = ", ".join(name_text(value) for value in values)
    return f"one of {names}" if len(values) > 1 else names


def _time(condition: TimeCondition) -> str:
    subject, duration = condition.subject, duration_text(condition.duration)
    if subject in (TimeSubject.IDLE, TimeSubject.STABLE):
        return f"{subject.value} {duration}"
    if subject in (TimeSubject.RECEIVED, TimeSubject.ACCESSED):
        return f"{subject.value} {_THAN[condition.comparison]} {duration} ago"
    return f"{subject.value} {condition.comparison.value} {duration}"
