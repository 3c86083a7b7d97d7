"""Time arithmetic of rules: calendar durations, anchors that never lie in the future, hours and days of a schedule."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from hsm.facts import StudyFacts
from hsm.policy.model import BetweenTimes, Duration, OnDays, Schedule, TimeSubject, Unit, Weekday

_SECONDS = {Unit.SECOND: 1, Unit.MINUTE: 60, Unit.HOUR: 3600, Unit.DAY: 86400, Unit.WEEK: 604800}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}
_LATEST_YEAR = 9998  # so that any zone can show it
_DAYS = tuple(Weekday)


def latest(zone: tzinfo = UTC) -> datetime:
    """The time that stands for never."""
    return datetime(_LATEST_YEAR, 12, 31, tzinfo=zone)


def add(moment: datetime, duration: Duration) -> datetime:
    """The moment so much later; the last day of a shorter month stands for days it does not have."""
    try:
        if duration.unit in _SECONDS:
            later = moment + timedelta(seconds=duration.amount * _SECONDS[duration.unit])
        else:
            months = moment.year * 12 + moment.month - 1 + duration.amount * _MONTHS[duration.unit]
            year, month = months // 12, months % 12 + 1
            if year > _LATEST_YEAR:
                return latest(moment.tzinfo or UTC)
            later = moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))
    except OverflowError:
        return latest(moment.tzinfo or UTC)
    return later


def since(moment: datetime, now: datetime) -> datetime:
    """The moment, or now when a clock that jumped put it into the future: ages are never negative."""
    return min(moment, now)


def midnight(day: date, zone: tzinfo) -> datetime:
    """The beginning of a day where the archive is."""
    return datetime.combine(day, time(), tzinfo=zone)


def last_use(study: StudyFacts, now: datetime) -> datetime:
    """When an instance was last received or retrieved."""
    moments = [study.received_at, study.changed_at, *([study.accessed_at] if study.accessed_at else [])]
    return max(since(moment, now) for moment in moments)


def study_begin(study: StudyFacts, now: datetime, zone: tzinfo) -> datetime:
    """The beginning of the day of the study, or its reception when it has no date."""
    return since(midnight(study.study_date, zone) if study.study_date else study.received_at, now)


def anchor(subject: TimeSubject, study: StudyFacts, now: datetime, zone: tzinfo) -> datetime | None:
    """The moment from which a rule counts, never later than now; None when it is not known or never was."""
    moments: dict[TimeSubject, datetime | None] = {
        TimeSubject.RECEIVED: study.received_at,
        TimeSubject.ACCESSED: study.accessed_at,
        TimeSubject.IDLE: study.accessed_at or study.received_at,
        TimeSubject.STABLE: study.changed_at,
    }
    if subject in moments:
        moment = moments[subject]
    elif subject is TimeSubject.STUDY_AGE:
        return study_begin(study, now, zone)
    else:
        moment = midnight(study.patient_birth_date, zone) if study.patient_birth_date else None
    return None if moment is None else since(moment, now)


def reference(subject: TimeSubject, study: StudyFacts, now: datetime, zone: tzinfo) -> datetime:
    """The moment up to which a rule counts: now, but the study's own date for the patient's age at study."""
    return study_begin(study, now, zone) if subject is TimeSubject.PATIENT_AGE_AT_STUDY else now


def in_hours(schedules: Sequence[Schedule], now: datetime, zone: tzinfo) -> bool:
    """Whether a rule may speak now. Begin counts as inside, end as outside; equal times mean the whole day."""
    local = now.astimezone(zone)
    return all(_inside(schedule, local) for schedule in schedules)


def _inside(schedule: Schedule, local: datetime) -> bool:
    if isinstance(schedule, OnDays):
        return _DAYS[local.weekday()] in schedule.days
    clock = local.time()
    if schedule.begin < schedule.end:
        return schedule.begin <= clock < schedule.end
    return clock >= schedule.begin or clock < schedule.end


def next_opening(schedules: Sequence[Schedule], now: datetime, zone: tzinfo) -> datetime | None:
    """The first moment from now on at which a rule may speak; None when its hours and days never meet."""
    if in_hours(schedules, now, zone):
        return now
    local = now.astimezone(zone)
    times = {time()} | {schedule.begin for schedule in schedules if isinstance(schedule, BetweenTimes)}
    for days in range(9):
        day = local.date() + timedelta(days=days)
        for clock in sorted(times):
            moment = datetime.combine(day, clock, tzinfo=zone)
            if moment >= now and in_hours(schedules, moment, zone):
                return moment
    return None
