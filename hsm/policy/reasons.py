"""The sentence that goes with each action: which rule, which facts, what follows."""

from datetime import datetime

from hsm.facts import CopyRecord, DiskFacts, PackFacts, StudyFacts
from hsm.policy.conditions import Moment, because
from hsm.policy.model import Compress, Release, Rule
from hsm.policy.release import used_pct, volumes_that_prove
from hsm.policy.words import count_words, list_words, size_words, span_words, time_words
from hsm.states import CopyState


def rule_title(rule: Rule) -> str:
    """How a rule is called in a sentence."""
    return f'Rule "{rule.name}" (line {rule.line})'


def _sentence(rule: Rule, facts: list[str], result: str) -> str:
    return f"{rule_title(rule)}: {list_words(facts) or 'it speaks for every study'}, so {result}."


def copy_reason(
    rule: Rule,
    study: StudyFacts,
    moment: Moment,
    pool: str,
    size_bytes: int,
    missing: list[PackFacts],
    pressing: tuple[Rule, Compress] | None = None,
) -> str:
    """Why a copy is made."""
    facts = because(rule.condition, study, moment)
    offline = [pack for pack in missing if not pack.online]
    again = " again" if any(copy.pool == pool for pack in missing for copy in pack.copies) else ""
    source = ", after a recall because not all of it is on disk" if offline else ""
    about = "about " if pressing else ""
    pressed = ""
    if pressing:
        by = "" if pressing[0] == rule else f" as {rule_title(pressing[0])} asks"
        pressed = f", compressed losslessly with {pressing[1].codec.value} before{by}"
    return _sentence(
        rule, facts, f"a copy of {about}{size_words(size_bytes)} is made in {pool}{again}{source}{pressed}"
    )


def verify_reason(copy: CopyRecord) -> str:
    """Why a copy is read back without a rule."""
    size = size_words(copy.size_bytes)
    if copy.state is CopyState.SUSPECT:
        times = "once" if copy.doubts <= 1 else f"{copy.doubts} times"
        by = f" by drive {copy.doubted_by}" if copy.doubted_by else ""
        return (
            f"Copy {copy.id} on {copy.barcode} could not be read back {times}, last{by}, "
            f"so its {size} are read again, by another drive if there is one."
        )
    return f"Copy {copy.id} was written to {copy.barcode} and never read back, so its {size} are read back."


def reverify_reason(rule: Rule, study: StudyFacts, moment: Moment, copy: CopyRecord) -> str:
    """Why a copy is read back again because a rule wants it."""
    facts = because(rule.condition, study, moment)
    if copy.verified_at is None:
        facts.append(f"nobody knows when its copy on {copy.barcode} was read back")
    else:
        span = span_words(moment.now - copy.verified_at)
        facts.append(f"its copy on {copy.barcode} was last read back {span} ago")
    return _sentence(rule, facts, f"its {size_words(copy.size_bytes)} are read back again")


def release_reason(rule: Rule, release: Release, study: StudyFacts, disk: DiskFacts, moment: Moment) -> str:
    """Why a study leaves the disk."""
    facts = because(rule.condition, study, moment)
    volumes = volumes_that_prove(study)
    copies = count_words(len(volumes), "verified copy", "verified copies")
    if len(study.packs) == 1:
        facts.append(f"{copies} on {list_words(volumes)}")
    else:
        facts.append(
            f"at least {count_words(release.copies, 'verified copy', 'verified copies')} of each of its "
            f"{len(study.packs)} packs on {list_words(volumes)}"
        )
    if release.when_space_is_needed:
        facts.append(f"the disk is {used_pct(disk):.1f} % full, above {disk.high_water_pct:g} %")
    return _sentence(rule, facts, f"its {size_words(study.online_bytes)} leave the disk")


def pin_reason(rule: Rule, study: StudyFacts, moment: Moment, until: datetime) -> str:
    """Why a study is pinned."""
    facts = because(rule.condition, study, moment)
    return _sentence(rule, facts, f"it stays on disk until {time_words(until.astimezone(moment.zone))}")
