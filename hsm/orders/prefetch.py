"""Which priors are to be on disk for which appointments, and what is to be asked for now. Pure; the clock is passed in.

A prior is asked for when a rule's time before the appointment has come. Then whatever else lies on the same volumes
and is wanted within a while (BATCH_AHEAD) comes along, so that one mount serves all of them.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from hsm.facts import StudyFacts, StudyUid
from hsm.policy.conditions import Moment, is_online, judge
from hsm.policy.model import Policy, Prefetch, Rule, Same
from hsm.policy.need import is_readable, open_rules
from hsm.policy.reasons import rule_title
from hsm.policy.text import action_text
from hsm.policy.when import add
from hsm.policy.words import list_words, span_words, time_words
from hsm.states import Place

BATCH_AHEAD = timedelta(hours=24)
LONGEST_LEAD = timedelta(days=60)  # appointments that are further away are not looked at


@dataclass(frozen=True)
class Appointment:
    """An order as far as prefetching goes."""

    order_id: int
    study_instance_uid: str  # that it will make: no prior
    modality: str
    body_part: str
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Wish:
    """One prior that one appointment wants on disk."""

    order_id: int
    study_instance_uid: StudyUid
    rule: str
    begins_at: datetime  # of the appointment: by then it has to be there
    keep_until: datetime
    ask_from: datetime  # when the rule's time comes
    online: bool
    volumes: tuple[str, ...]  # that it would be read from
    why: str  # in sentences


@dataclass(frozen=True)
class Decision:
    """All that is wanted for the appointments that were looked at, and the part of it that is asked for now."""

    wanted: tuple[Wish, ...]
    ask: tuple[Wish, ...]


Asked = Collection[tuple[int, str]]  # (order, study) of what was asked for before


def decide(
    policy: Policy,
    appointments: Sequence[tuple[Appointment, Sequence[StudyFacts]]],
    asked: Asked,
    now: datetime,
    zone: tzinfo = UTC,
    *,
    ahead: timedelta = BATCH_AHEAD,
) -> Decision:
    """What the rules want for appointments, given each patient's studies. The same facts give the same decision."""
    moment = Moment(now, zone)
    rules = [(rule, action) for rule in policy.rules for action in rule.actions if isinstance(action, Prefetch)]
    wanted: list[Wish] = []
    for appointment, studies in appointments:
        if appointment.ends_at > now:
            wanted += _of_appointment(rules, appointment, studies, moment)
    wanted.sort(key=lambda wish: (wish.begins_at, wish.order_id, wish.study_instance_uid))
    speaking = {rule.name for rule in open_rules(policy, moment)}
    fresh = [wish for wish in wanted if (wish.order_id, wish.study_instance_uid) not in asked and wish.rule in speaking]
    due = [wish for wish in fresh if wish.ask_from <= now]
    mounted = {volume for wish in due if not wish.online for volume in wish.volumes[:1]}
    along = [
        wish for wish in fresh if now < wish.ask_from <= now + ahead and not wish.online and mounted & set(wish.volumes)
    ]
    return Decision(tuple(wanted), (*due, *(_early(wish, mounted) for wish in along)))


def _of_appointment(
    rules: Sequence[tuple[Rule, Prefetch]], appointment: Appointment, studies: Sequence[StudyFacts], moment: Moment
) -> Iterator[Wish]:
    named: set[str] = set()
    for rule, action in rules:
        fitting = [
            study
            for study in studies
            if study.study_instance_uid != appointment.study_instance_uid
            and study.instance_count > 0
            and is_alike(study, appointment, action.same)
            and judge(rule.condition, study, moment) is not False
        ]
        fitting.sort(key=lambda study: (_day(study), study.received_at, study.study_instance_uid), reverse=True)
        for place, study in enumerate(fitting[: action.last], 1):
            if study.study_instance_uid in named:
                continue
            named.add(study.study_instance_uid)
            yield Wish(
                order_id=appointment.order_id,
                study_instance_uid=study.study_instance_uid,
                rule=rule.name,
                begins_at=appointment.begins_at,
                keep_until=appointment.ends_at,
                ask_from=_lead(appointment.begins_at, action),
                online=is_online(study),
                volumes=volumes_of(study),
                why=_why(rule, action, appointment, study, place, moment.zone),
            )


def _lead(begins_at: datetime, action: Prefetch) -> datetime:
    """The duration before the appointment, by the calendar where it has months; at most LONGEST_LEAD."""
    length = min(add(begins_at, action.before) - begins_at, LONGEST_LEAD)
    return begins_at - length


def _day(study: StudyFacts) -> date:
    return study.study_date or study.received_at.date()


def is_alike(study: StudyFacts, appointment: Appointment, same: Same) -> bool:
    """Whether a study is relevant for an appointment by its modality and body part."""
    modality = bool(appointment.modality) and appointment.modality in study.modalities
    wanted = appointment.body_part.casefold()
    body_part = bool(wanted) and wanted in {part.casefold() for part in study.body_parts}
    match same:
        case Same.ANYTHING:
            return True
        case Same.MODALITY:
            return modality
        case Same.BODY_PART:
            return body_part
        case Same.EITHER:
            return modality or body_part
        case Same.BOTH:
            return modality and body_part


def volumes_of(study: StudyFacts) -> tuple[str, ...]:
    """The volumes in a library that a study would be read from, one for each of its packs: the first by barcode."""
    found = []
    for pack in study.packs:
        near = sorted(
            str(copy.barcode)
            for copy in pack.copies
            if is_readable(copy) and copy.barcode is not None and copy.volume_place is Place.LIBRARY
        )
        found += near[:1] if not pack.online else []
    return tuple(dict.fromkeys(found))


def _why(rule: Rule, action: Prefetch, appointment: Appointment, study: StudyFacts, place: int, zone: tzinfo) -> str:
    what = " ".join(part for part in (appointment.modality, appointment.body_part) if part)
    kinds = list_words([*study.modalities, *study.body_parts]) or "no modality"
    when = time_words(appointment.begins_at.astimezone(zone))
    return (
        f"Prefetch for appointment {appointment.order_id} ({what}) at {when}: "
        f'{rule_title(rule)} says "{action_text(action)}", and this is prior {place} ({kinds}, {_day(study)}).'
    )


def _early(wish: Wish, mounted: Collection[str]) -> Wish:
    volume = next(volume for volume in wish.volumes if volume in mounted)
    why = f"{wish.why} It comes along before its time, because {volume} is mounted anyway."
    return replace(wish, why=why)


def words(wish: Wish, now: datetime) -> str:
    """What a dry run says of a wish."""
    where = "is on disk and is kept" if wish.online else f"comes from {list_words(list(wish.volumes)) or 'a shelf'}"
    when = "now" if wish.ask_from <= now else f"in {span_words(wish.ask_from - now)}"
    return f"{wish.why} It {where}; asked for {when}."
