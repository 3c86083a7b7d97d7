"""Whether a condition is true of a study, and in which facts that lies.

Three answers: true, false, and None where a fact it needs is not known. "and", "or" and "not" keep None where the
answer hangs on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase

from hsm.facts import StudyFacts
from hsm.policy.model import (
    All,
    Any,
    AvailabilityCondition,
    Comparison,
    Condition,
    Fact,
    InstancesCondition,
    NeverAccessed,
    Not,
    SizeCondition,
    TextCondition,
    TextField,
    TextTest,
    TimeCondition,
    TimeSubject,
)
from hsm.policy.when import add, anchor, latest, reference
from hsm.policy.words import count_words, list_words, size_words, span_words

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Moment:
    """The time of a decision, and the zone in which its dates and hours are meant."""

    now: datetime
    zone: tzinfo = UTC


def judge(condition: Condition | None, study: StudyFacts, moment: Moment) -> bool | None:
    """Whether a condition is true; None when that cannot be known. No condition is true of every study."""
    match condition:
        case None:
            return True
        case All(parts):
            return _all(judge(part, study, moment) for part in parts)
        case Any(parts):
            opposite = _all(_not(judge(part, study, moment)) for part in parts)
            return _not(opposite)
        case Not(part):
            return _not(judge(part, study, moment))
        case _:
            return _fact(condition, study, moment)


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _all(answers: Iterator[bool | None]) -> bool | None:
    result: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def _fact(condition: Fact, study: StudyFacts, moment: Moment) -> bool | None:
    match condition:
        case TextCondition():
            return _text(condition, study)
        case TimeCondition():
            return _time(condition, study, moment)
        case NeverAccessed():
            return study.accessed_at is None
        case SizeCondition(comparison, size_bytes):
            return _compare(comparison, study.size_bytes, size_bytes)
        case InstancesCondition(comparison, count):
            return _compare(comparison, study.instance_count, count)
        case AvailabilityCondition(availability):
            return study.availability is availability
        case _:
            return is_online(study)


def is_online(study: StudyFacts) -> bool:
    """Whether every instance is on disk."""
    return study.online_instances >= study.instance_count


def _compare(comparison: Comparison, value: int | datetime, limit: int | datetime) -> bool:
    match comparison:
        case Comparison.BELOW:
            return value < limit  # type: ignore[operator]  # both of one kind
        case Comparison.AT_MOST:
            return value <= limit  # type: ignore[operator]
        case Comparison.AT_LEAST:
            return value >= limit  # type: ignore[operator]
        case Comparison.ABOVE:
            return value > limit  # type: ignore[operator]


def _time(condition: TimeCondition, study: StudyFacts, moment: Moment) -> bool | None:
    begin = anchor(condition.subject, study, moment.now, moment.zone)
    if begin is None:
        return False if condition.subject is TimeSubject.ACCESSED else None
    end = reference(condition.subject, study, moment.now, moment.zone)
    return _compare(condition.comparison, end, add(begin, condition.duration))


def _values(field: TextField, study: StudyFacts) -> tuple[str, ...]:
    match field:
        case TextField.MODALITY:
            return study.modalities
        case TextField.BODY_PART:
            return study.body_parts
        case TextField.SOURCE:
            return (study.source_aet,)
        case TextField.INSTITUTION:
            return (study.institution,)
        case TextField.DESCRIPTION:
            return (study.description,)


def _text(condition: TextCondition, study: StudyFacts) -> bool:
    have = [value.strip().casefold() for value in _values(condition.field, study)]
    want = [value.strip().casefold() for value in condition.values]
    match condition.test:
        case TextTest.IS:
            return any(value in want for value in have)
        case TextTest.CONTAINS:
            return any(want[0] in value for value in have)
        case TextTest.MATCHES:
            return any(fnmatchcase(value, _escaped(want[0])) for value in have)


def _escaped(pattern: str) -> str:
    return pattern.replace("[", "[[]")  # only * and ? are wildcards


def because(condition: Condition | None, study: StudyFacts, moment: Moment) -> list[str]:
    """The facts that made a condition true (or false), as phrases without judgement: "received 52 seconds ago"."""
    answer = judge(condition, study, moment)
    phrases: list[str] = []
    for fact in _decisive(condition, answer, study, moment):
        phrase = fact_words(fact, study, moment)
        if phrase not in phrases:
            phrases.append(phrase)
    return phrases


def failing(condition: Condition | None, study: StudyFacts, moment: Moment) -> Condition | None:
    """The first part that keeps a condition from being true, or None when it is true."""
    answer = judge(condition, study, moment)
    if answer is True or condition is None:
        return None
    if isinstance(condition, All):
        culprit = next(part for part in condition.parts if judge(part, study, moment) is answer)
        return failing(culprit, study, moment)
    return condition


def _decisive(condition: Condition | None, answer: bool | None, study: StudyFacts, moment: Moment) -> Iterator[Fact]:
    """The facts on which the answer rests."""
    match condition:
        case None:
            return
        case Not(part):
            yield from _decisive(part, _not(answer), study, moment)
        case All(parts) | Any(parts):
            wanted = [part for part in parts if judge(part, study, moment) is answer]
            one_is_enough = answer is isinstance(condition, Any)
            for part in wanted[:1] if one_is_enough else wanted:
                yield from _decisive(part, answer, study, moment)
        case _:
            yield condition


def fact_words(fact: Fact, study: StudyFacts, moment: Moment) -> str:
    """What the study is like where a condition looks at it."""
    match fact:
        case TextCondition(field):
            values = [value for value in _values(field, study) if value]
            return f"{field.value} is {list_words(values)}" if values else f"no {field.value} is known"
        case TimeCondition(subject):
            return _time_words(subject, study, moment)
        case NeverAccessed():
            return _time_words(TimeSubject.ACCESSED, study, moment)
        case SizeCondition():
            return f"size is {size_words(study.size_bytes)}"
        case InstancesCondition():
            return f"it has {count_words(study.instance_count, 'instance')}"
        case AvailabilityCondition():
            return f"availability is {study.availability.value}"
        case _:
            return "all of it is on disk" if is_online(study) else "not all of it is on disk"


def _time_words(subject: TimeSubject, study: StudyFacts, moment: Moment) -> str:
    begin = anchor(subject, study, moment.now, moment.zone)
    if begin is None:
        return "never accessed" if subject is TimeSubject.ACCESSED else "the patient's birth date is not known"
    span = span_words(reference(subject, study, moment.now, moment.zone) - begin)
    match subject:
        case TimeSubject.STUDY_AGE:
            return f"{span} old" if study.study_date else f"received {span} ago and without a study date"
        case TimeSubject.PATIENT_AGE:
            return f"the patient is {span} old"
        case TimeSubject.PATIENT_AGE_AT_STUDY:
            return f"the patient was {span} old at the study"
        case TimeSubject.RECEIVED:
            return f"received {span} ago"
        case TimeSubject.ACCESSED:
            return f"last accessed {span} ago"
        case TimeSubject.IDLE:
            return f"last accessed {span} ago" if study.accessed_at else "not accessed since"
        case TimeSubject.STABLE:
            return f"unchanged for {span}"


def turning_points(condition: Condition | None, study: StudyFacts, moment: Moment) -> set[datetime]:
    """The moments at which time alone may change the answer; each with the instant behind it."""
    match condition:
        case All(parts) | Any(parts):
            return set[datetime]().union(*(turning_points(part, study, moment) for part in parts))
        case Not(part):
            return turning_points(part, study, moment)
        case TimeCondition(subject, _, duration):
            # not confined to the present: what lies ahead by a clock that jumped is counted from when it has come
            begin = anchor(subject, study, latest(moment.zone), moment.zone)
            if begin is None or subject is TimeSubject.PATIENT_AGE_AT_STUDY:
                return set()
            end = add(begin, duration)
            return {end, end + _INSTANT}
        case _:
            return set()
