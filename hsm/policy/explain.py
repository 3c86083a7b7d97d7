"""Why a study is where it is, what each rule says about it, what holds it, and what happens next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from hsm.facts import CopyRecord, DiskFacts, StudyFacts, VolumePool
from hsm.policy.actions import Done, Plan
from hsm.policy.conditions import Moment, because, failing, judge, turning_points
from hsm.policy.counting import counting_words
from hsm.policy.model import Keep, Policy, Release, Rule
from hsm.policy.need import Intent, intent, open_rules
from hsm.policy.plan import plan
from hsm.policy.reasons import rule_title
from hsm.policy.release import obstacles, space_is_needed, unpacked_words, used_pct
from hsm.policy.text import action_text, condition_text, schedule_text
from hsm.policy.when import add, in_hours, next_opening
from hsm.policy.words import count_words, list_words, size_words, span_words, time_words
from hsm.states import CopyState, JobKind


def explain(
    policy: Policy,
    study: StudyFacts,
    disk: DiskFacts,
    pools: Mapping[str, VolumePool],
    now: datetime,
    *,
    done_today: Mapping[str, Done] | None = None,
    zone: tzinfo = UTC,
) -> list[str]:
    """Sentences for a person, in this order: where it is, its copies, each rule, what holds it, what comes next."""
    told = explanation(policy, study, disk, pools, now, done_today=done_today, zone=zone)
    return [*told.where, *told.copies, *told.rules, *told.fate, *told.next]


@dataclass(frozen=True)
class Explanation:
    """Why a study is where it is, in sentences."""

    where: tuple[str, ...]  # where it is
    copies: tuple[str, ...]  # where its copies are, which of them count before a release, what is at work
    rules: tuple[str, ...]  # what each rule says of it
    fate: tuple[str, ...]  # what keeps it on disk, or would let it go
    next: tuple[str, ...]  # what happens next, and when


def explanation(
    policy: Policy,
    study: StudyFacts,
    disk: DiskFacts,
    pools: Mapping[str, VolumePool],
    now: datetime,
    *,
    done_today: Mapping[str, Done] | None = None,
    zone: tzinfo = UTC,
) -> Explanation:
    """What there is to say about one study."""
    moment = Moment(now, zone)
    wanted = intent(open_rules(policy, moment), study, moment)
    planned = plan(policy, [study], disk, pools, now, done_today=done_today, zone=zone)
    return Explanation(
        where=(_where(study),),
        copies=(*_copies(study, moment), *counting_words(study), *_work(study)),
        rules=tuple(_rule(rule, study, moment) for rule in policy.rules),
        fate=tuple(_fate(wanted, study, disk, planned, moment)),
        next=(*_next(planned), *_later(policy, wanted, study, moment)),
    )


def _where(study: StudyFacts) -> str:
    size = f"{size_words(study.size_bytes)} in {count_words(study.instance_count, 'instance')}"
    if study.online_instances <= 0:
        lies = "nothing of it is on disk"
    elif study.online_instances < study.instance_count:
        lies = f"{study.online_instances} of them are on disk ({size_words(study.online_bytes)})"
    else:
        lies = "all of it is on disk"
    return f"The study is {study.availability.value}: {size}, {lies}."


def _copies(study: StudyFacts, moment: Moment) -> list[str]:
    if not study.packs:
        return ["It has no copy yet."]
    sentences = []
    for number, pack in enumerate(study.packs, 1):
        which = "It has" if len(study.packs) == 1 else f"Pack {number} of {len(study.packs)} has"
        copies = list_words([_copy(copy, moment) for copy in pack.copies])
        sentences.append(f"{which} {copies or 'no copy'}.")
    if study.unpacked_instances:
        sentences.append(f"{unpacked_words(study)}.")
    return sentences


def _copy(copy: CopyRecord, moment: Moment) -> str:
    volume = copy.barcode or "a volume yet to be chosen"
    where = f" ({copy.volume_place.value})" if copy.volume_place else ""
    state = f"a {copy.state.value} copy on {volume}{where} in {copy.pool}"
    if copy.state is CopyState.VERIFIED and copy.verified_at:
        return f"{state}, read back {span_words(moment.now - copy.verified_at)} ago"
    return state


def _work(study: StudyFacts) -> list[str]:
    verbs = {
        JobKind.MIGRATE: "a copy to {} is on its way",
        JobKind.VERIFY: "copy {} is being read back",
        JobKind.RECALL: "a recall is on its way",
        JobKind.RELEASE: "a release is on its way",
        JobKind.REPACK: "a repack is on its way",
        JobKind.COMPRESS: "it is being compressed",
    }
    phrases = [verbs[kind].format(subject) for kind, subject in sorted(study.active_jobs)]
    return [f"At work: {list_words(phrases)}."] if phrases else []


def _rule(rule: Rule, study: StudyFacts, moment: Moment) -> str:
    actions = list_words([action_text(action) for action in rule.actions])
    if not in_hours(rule.schedules, moment.now, moment.zone):
        hours = list_words([schedule_text(schedule) for schedule in rule.schedules])
        opening = next_opening(rule.schedules, moment.now, moment.zone)
        when = f"speaks again at {time_words(opening)}" if opening else "never speaks: its hours and days do not meet"
        return f"{rule_title(rule)} is silent now ({hours}); it {when}."
    answer = judge(rule.condition, study, moment)
    facts = list_words(because(rule.condition, study, moment))
    if answer is True:
        return f"{rule_title(rule)} applies: {facts or 'it speaks for every study'}. It says: {actions}."
    part = failing(rule.condition, study, moment)
    asked = condition_text(part) if part is not None else ""
    if answer is None:
        return (
            f'{rule_title(rule)} cannot be judged: it asks for "{asked}" and {facts}. '
            f"In doubt it copies and keeps, but does not release. It says: {actions}."
        )
    return f'{rule_title(rule)} does not apply: it asks for "{asked}", but {facts}. It would say: {actions}.'


def _fate(wanted: Intent, study: StudyFacts, disk: DiskFacts, planned: Plan, moment: Moment) -> list[str]:
    if study.online_instances <= 0:
        return []
    if wanted.fate is None:
        return ["No rule says now that it is kept or released, so it stays on disk."]
    rule, action = wanted.fate
    if isinstance(action, Keep):
        return [f"{rule_title(rule)} is the first to decide: it stays on disk."]
    held = obstacles(study, wanted, action, disk, moment)
    if held:
        return [f"{rule_title(rule)} would release it, but it stays on disk: {list_words(held)}."]
    if action.when_space_is_needed and not space_is_needed(disk):
        marks = f"the disk is {used_pct(disk):.1f} % full, and space is needed above {disk.high_water_pct:g} %"
        return [f"{rule_title(rule)} lets it go when space is needed: {marks}."]
    if rule.name in planned.held_back:
        return [f"{rule_title(rule)} releases it later: the rule has reached its limit."]
    return []


def _next(planned: Plan) -> list[str]:
    return [f"Next: {action.reason}" for action in planned.actions] + [problem.sentence for problem in planned.problems]


def _later(policy: Policy, wanted: Intent, study: StudyFacts, moment: Moment) -> list[str]:
    sentences = []
    for rule in policy.rules:
        if not _would_change(rule, wanted, study):
            continue
        change = next_change(rule, study, moment)
        if change is not None:
            verb = "stops applying" if _speaks(rule, study, moment) else "applies"
            span = span_words(change - moment.now)
            sentences.append(f"{rule_title(rule)} {verb} from {time_words(change)} on, in {span}, if nothing happens.")
    if wanted.verify:
        rule, verify = wanted.verify
        due = [add(c.verified_at, verify.every) for p in study.packs for c in p.copies if c.verified_at]
        if due and min(due) > moment.now:
            when = time_words(min(due).astimezone(moment.zone))
            sentences.append(f"{rule_title(rule)} has a copy of it read back again from {when} on.")
    return sentences


def _would_change(rule: Rule, wanted: Intent, study: StudyFacts) -> bool:
    """Whether a rule's beginning or ending could change anything for this study."""
    only_fate = all(isinstance(action, Keep | Release) for action in rule.actions)
    return not (only_fate and study.online_instances <= 0 and wanted.fate is None)


def _speaks(rule: Rule, study: StudyFacts, moment: Moment) -> bool:
    open_now = in_hours(rule.schedules, moment.now, moment.zone)
    return open_now and judge(rule.condition, study, moment) is not False


def next_change(rule: Rule, study: StudyFacts, moment: Moment) -> datetime | None:
    """When time alone makes a rule begin to speak about a study, or its condition fail; None when it does not."""
    speaks = _speaks(rule, study, moment)
    points = {point for point in turning_points(rule.condition, study, moment) if point > moment.now}
    if not speaks:
        points.add(moment.now)
    for point in sorted(points):
        if speaks:
            if judge(rule.condition, study, Moment(point, moment.zone)) is False:
                return point.astimezone(moment.zone)
            continue
        opening = next_opening(rule.schedules, point, moment.zone)
        if opening is not None and opening > moment.now and _speaks(rule, study, Moment(opening, moment.zone)):
            return opening.astimezone(moment.zone)
    return None
