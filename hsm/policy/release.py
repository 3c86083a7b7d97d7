"""What may leave the disk, what stands in its way, and in which order when space is needed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from hsm.facts import DiskFacts, StudyFacts, StudyUid
from hsm.policy.conditions import Moment
from hsm.policy.model import Release, Rule
from hsm.policy.need import Intent, is_proved, lacks, pinned_until, proofs
from hsm.policy.words import count_words, list_words, time_words
from hsm.states import JobKind

_HUNDRED = 100.0


@dataclass(frozen=True)
class Candidate:
    """A study that may be released as far as the facts tell."""

    study: StudyFacts
    rule: Rule
    release: Release
    last_use: datetime


def used_pct(disk: DiskFacts, leaving_bytes: int = 0) -> float:
    """How full the disk is, or will be. A disk without a known capacity counts as empty."""
    if disk.capacity_bytes <= 0:
        return 0.0
    return _HUNDRED * max(disk.used_bytes - leaving_bytes, 0) / disk.capacity_bytes


def space_is_needed(disk: DiskFacts) -> bool:
    """Whether the disk is above its high water mark."""
    return used_pct(disk) > disk.high_water_pct


def leaving_already(study: StudyFacts) -> bool:
    """Whether a release of the study is on its way."""
    return any(kind is JobKind.RELEASE for kind, _ in study.active_jobs)


def obstacles(study: StudyFacts, wanted: Intent, release: Release, disk: DiskFacts, moment: Moment) -> list[str]:
    """Everything that keeps a study on disk although a rule releases it, as phrases. Empty: it may go."""
    found = [*_held(study, wanted, moment), *_unfinished(study), *_unproved(study, release)]
    if not space_is_needed(disk):
        waiting = [pool for pool in wanted.copy_rules if study.unpacked_instances == 0 and lacks_or_makes(study, pool)]
        if waiting:
            found.append(f"the {'copies' if len(waiting) > 1 else 'copy'} for {list_words(waiting)} must be made first")
    return found


def lacks_or_makes(study: StudyFacts, pool: str) -> bool:
    """Whether a copy in a pool is missing or in the making."""
    return lacks(study, pool) or (JobKind.MIGRATE, pool) in study.active_jobs


def _held(study: StudyFacts, wanted: Intent, moment: Moment) -> list[str]:
    found = [f"a hold is in force: {reason}" for reason in study.holds]
    until = pinned_until(study, wanted, moment.now)
    if until is not None:
        found.append(f"it is pinned until {time_words(until.astimezone(moment.zone))}")
    return found


def _unfinished(study: StudyFacts) -> list[str]:
    found = []
    if study.unpacked_instances > 0:
        found.append(unpacked_words(study))
    if not study.packs:
        found.append("it has never been copied")
    if any(kind is JobKind.RECALL for kind, _ in study.active_jobs):
        found.append("it is being recalled")
    if leaving_already(study):
        found.append("its release is on the way already")
    if study.online_instances <= 0:
        found.append("nothing of it is on disk")
    return found


def unpacked_words(study: StudyFacts) -> str:
    """How many instances are in no pack yet."""
    verb = "is" if study.unpacked_instances == 1 else "are"
    return f"{count_words(study.unpacked_instances, 'instance')} of it {verb} in no pack yet"


def _unproved(study: StudyFacts, release: Release) -> list[str]:
    weak = [pack for pack in study.packs if not is_proved(pack, release.copies, release.kinds)]
    if not weak:
        return []
    volumes = proofs(weak[0])
    copies = count_words(release.copies, "verified copy", "verified copies")
    need = f"{copies} on {count_words(release.kinds, 'kind')} of media" if release.kinds > 1 else copies
    have = f"on {list_words(sorted(volumes))}" if volumes else "on no volume"
    which = "its pack" if len(study.packs) == 1 else f"{len(weak)} of its {len(study.packs)} packs"
    verb = "is" if release.copies == 1 else "are"
    return [f"{need} {verb} asked for and {which} has been read back {have} only"]


def choose(
    candidates: Iterable[Candidate], disk: DiskFacts, leaving_bytes: int, admit: Callable[[Candidate], bool]
) -> list[Candidate]:
    """The releases of a plan, longest unused first.

    What leaves anyway leaves. What leaves when space is needed leaves only above the high water mark, and then until
    the disk would be below the low one. leaving_bytes is what is on its way out already; admit is asked once for each
    candidate that would be chosen.
    """
    ordered = sorted(candidates, key=_longest_unused)
    chosen = [candidate for candidate in ordered if not candidate.release.when_space_is_needed and admit(candidate)]
    if not space_is_needed(disk):
        return chosen
    leaving_bytes += sum(candidate.study.online_bytes for candidate in chosen)
    for candidate in ordered:
        if used_pct(disk, leaving_bytes) < disk.low_water_pct:
            break
        if candidate.release.when_space_is_needed and admit(candidate):
            chosen.append(candidate)
            leaving_bytes += candidate.study.online_bytes
    return sorted(chosen, key=_longest_unused)


def _longest_unused(candidate: Candidate) -> tuple[datetime, StudyUid]:
    return candidate.last_use, candidate.study.study_instance_uid


def volumes_that_prove(study: StudyFacts) -> list[str]:
    """The barcodes on which a study has verified copies."""
    return sorted({barcode for pack in study.packs for barcode in proofs(pack)})
