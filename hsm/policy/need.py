"""What the rules say about one study, which copies it lacks, and which of its copies count as proof."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from drivers.base import MediumKind
from hsm.facts import CopyRecord, PackFacts, StudyFacts
from hsm.policy.conditions import Moment, judge
from hsm.policy.model import Compress, Copy, Keep, Pin, Policy, Release, Rule, Verify
from hsm.policy.when import add, in_hours, last_use
from hsm.states import (
    OUTSIDE_PLACES,
    READABLE_COPIES,
    READABLE_VOLUMES,
    TRUSTED_VOLUMES,
    CopyState,
    JobKind,
    Place,
    VolumeState,
)

MAX_DOUBTS = 3  # after so many failed readings in a row a copy is set aside and replaced

_KNOWN_PLACES = OUTSIDE_PLACES | {Place.LIBRARY}
_ON_THE_WAY = frozenset({CopyState.PLANNED, CopyState.WRITING})
# What lies on these is no copy any more, or will not be for long: it is made again elsewhere while it can be.
_GONE_VOLUMES = frozenset({VolumeState.SUSPECT, VolumeState.LOST, VolumeState.RETIRED, VolumeState.SCRATCH})


@dataclass(frozen=True)
class Intent:
    """The answer of the rules for one study: who asks for which copy, and who decides each other question first."""

    copy_rules: dict[str, Rule] = field(default_factory=dict)  # by pool
    fate: tuple[Rule, Keep | Release] | None = None
    pin: tuple[Rule, Pin] | None = None
    verify: tuple[Rule, Verify] | None = None
    compress: tuple[Rule, Compress] | None = None

    @property
    def release(self) -> Release | None:
        """What to release by, when releasing is what was decided."""
        return self.fate[1] if self.fate and isinstance(self.fate[1], Release) else None


def open_rules(policy: Policy, moment: Moment) -> list[Rule]:
    """The rules whose hours and days it is."""
    return [rule for rule in policy.rules if in_hours(rule.schedules, moment.now, moment.zone)]


def intent(rules: Sequence[Rule], study: StudyFacts, moment: Moment) -> Intent:
    """Read the rules from top to bottom. In doubt a rule copies, keeps, pins and verifies; not more.

    What is prefetched is decided in hsm/orders.
    """
    copy_rules: dict[str, Rule] = {}
    fate: tuple[Rule, Keep | Release] | None = None
    pin: tuple[Rule, Pin] | None = None
    verify: tuple[Rule, Verify] | None = None
    compress: tuple[Rule, Compress] | None = None
    for rule in rules:
        answer = judge(rule.condition, study, moment)
        if answer is False:
            continue
        for action in rule.actions:
            match action:
                case Copy(pools):
                    for pool in pools:
                        copy_rules.setdefault(pool, rule)
                case Keep():
                    fate = fate or (rule, action)
                case Release():
                    fate = fate or ((rule, action) if answer else None)
                case Pin():
                    pin = pin or (rule, action)
                case Verify():
                    verify = verify or (rule, action)
                case Compress():
                    compress = compress or ((rule, action) if answer else None)
    return Intent(copy_rules, fate, pin, verify, compress)


def is_there(copy: CopyRecord, study: StudyFacts) -> bool:
    """Whether no further copy is needed beside this one: it exists and may still be readable, or is being made."""
    if copy.volume_state in _GONE_VOLUMES:
        return False
    if copy.state in _ON_THE_WAY:
        return (JobKind.MIGRATE, copy.pool) in study.active_jobs
    return copy.state in READABLE_COPIES or (copy.state is CopyState.SUSPECT and copy.doubts < MAX_DOUBTS)


def missing_packs(study: StudyFacts, pool: str) -> list[PackFacts]:
    """The packs that have no copy in a pool."""
    return [
        pack for pack in study.packs if not any(copy.pool == pool and is_there(copy, study) for copy in pack.copies)
    ]


def is_readable(copy: CopyRecord) -> bool:
    """Whether a copy may serve as a source."""
    return (
        copy.state in READABLE_COPIES and copy.volume_state in READABLE_VOLUMES and copy.volume_place in _KNOWN_PLACES
    )


def lacks(study: StudyFacts, pool: str) -> bool:
    """Whether a copy of anything in the study has yet to be made in a pool."""
    return study.unpacked_instances > 0 or bool(missing_packs(study, pool))


def is_proof(copy: CopyRecord) -> bool:
    """Whether a copy counts for a release: read back whole, on a volume that is trusted and where it should be."""
    return (
        copy.state is CopyState.VERIFIED
        and copy.barcode is not None
        and copy.volume_state in TRUSTED_VOLUMES
        and copy.volume_place in _KNOWN_PLACES
    )


def proofs(pack: PackFacts) -> dict[str, MediumKind]:
    """The distinct volumes that prove a pack, by barcode, with their kinds."""
    return {copy.barcode: copy.kind for copy in pack.copies if is_proof(copy) and copy.barcode is not None}


def is_proved(pack: PackFacts, copies: int, kinds: int) -> bool:
    """Whether a pack has verified copies on so many distinct volumes of so many kinds."""
    volumes = proofs(pack)
    return len(volumes) >= copies and len(set(volumes.values())) >= kinds


def pinned_until(study: StudyFacts, wanted: Intent, now: datetime) -> datetime | None:
    """Until when a study is pinned, by itself or by a rule; None when it is not."""
    ends = [study.pinned_until] if study.pinned_until else []
    if wanted.pin:
        ends.append(add(last_use(study, now), wanted.pin[1].duration))
    end = max(ends, default=None)
    return end if end is not None and end > now else None
