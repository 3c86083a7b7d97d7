"""From rules and facts to a plan.

The same facts at the same time give the same plan, and what is on its way is not planned again.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TypeVar

from drivers.base import MediumKind
from hsm.facts import CopyRecord, DiskFacts, StudyFacts, StudyUid, VolumePool
from hsm.policy.actions import (
    CopyAction,
    Count,
    Done,
    PinAction,
    Plan,
    Planned,
    PoolTotal,
    Problem,
    ReleaseAction,
    Totals,
    VerifyAction,
)
from hsm.policy.conditions import Moment
from hsm.policy.limits import Limiter
from hsm.policy.model import Policy, Rule
from hsm.policy.need import MAX_DOUBTS, Intent, intent, is_readable, missing_packs, open_rules
from hsm.policy.reasons import copy_reason, pin_reason, release_reason, reverify_reason, verify_reason
from hsm.policy.release import Candidate, choose, leaving_already, obstacles, space_is_needed
from hsm.policy.when import add, last_use
from hsm.policy.words import count_words
from hsm.states import CopyState, JobKind, Place, VolumeState

_A = TypeVar("_A", CopyAction, VerifyAction, PinAction)

TYPICAL_SHARE = 0.5  # what lossless compression leaves of a study, until the archive has seen its own
NOMINAL_BYTES = {MediumKind.TAPE: 12 * 10**12, MediumKind.DISC: 25_025_314_816}  # LTO-8, BD-R: for the estimate only


@dataclass
class _Draft:
    """What was found so far, limits not applied yet; each with the time it is sorted by."""

    copies: list[tuple[datetime, CopyAction]] = field(default_factory=list)
    verifies: list[tuple[datetime, VerifyAction]] = field(default_factory=list)
    pins: list[tuple[datetime, PinAction]] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unknown_pools: set[str] = field(default_factory=set)
    leaving_bytes: int = 0
    pressed_share: float = TYPICAL_SHARE


def plan(
    policy: Policy,
    studies: Iterable[StudyFacts],
    disk: DiskFacts,
    pools: Mapping[str, VolumePool],
    now: datetime,
    *,
    max_releases: int | None = None,
    done_today: Mapping[str, Done] | None = None,
    zone: tzinfo = UTC,
    volume_bytes: Mapping[str, int] | None = None,
    pressed_share: float = TYPICAL_SHARE,
) -> Plan:
    """Everything the rules ask for now, each with its reason.

    Oldest first where limits leave something for later. max_releases caps the releases of one plan, and
    Plan.capped_releases says how many a person has not seen yet. done_today is needed by rules with a limit per day,
    volume_bytes (capacity by pool) by the estimate of volumes only, pressed_share (of a study, what lossless
    compression leaves) by the estimate of sizes. Hours, days and ages are meant in zone.
    """
    planning = Planning(
        policy,
        disk,
        pools,
        now,
        max_releases=max_releases,
        done_today=done_today,
        zone=zone,
        volume_bytes=volume_bytes,
        pressed_share=pressed_share,
    )
    for study in studies:
        planning.add(study)
    return planning.finish()


class Planning:
    """A plan in the making, for several of one pass over the studies; `plan` says what the values mean."""

    def __init__(
        self,
        policy: Policy,
        disk: DiskFacts,
        pools: Mapping[str, VolumePool],
        now: datetime,
        *,
        max_releases: int | None = None,
        done_today: Mapping[str, Done] | None = None,
        zone: tzinfo = UTC,
        volume_bytes: Mapping[str, int] | None = None,
        pressed_share: float = TYPICAL_SHARE,
    ) -> None:
        self._disk, self._pools = disk, pools
        self._moment = Moment(now, zone)
        self._rules = open_rules(policy, self._moment)
        self._max_releases, self._done_today, self._volume_bytes = max_releases, done_today or {}, volume_bytes or {}
        self._draft = _Draft(pressed_share=pressed_share)

    def add(self, study: StudyFacts) -> None:
        """Hold one study against the rules."""
        if study.instance_count > 0:
            wanted = intent(self._rules, study, self._moment)
            _study(self._draft, wanted, study, self._disk, self._pools, self._moment)

    def finish(self) -> Plan:
        """The plan for all that was added."""
        draft, disk, moment = self._draft, self._disk, self._moment
        limiter = Limiter(self._rules, self._done_today)
        pins = _admitted(draft.pins, limiter)
        copies = _admitted(draft.copies, limiter)
        verifies = _admitted(draft.verifies, limiter)
        chosen = choose(draft.candidates, disk, draft.leaving_bytes, lambda candidate: _admit(limiter, candidate))
        kept = len(chosen) if self._max_releases is None else self._max_releases
        releases = tuple(_release(candidate, disk, moment) for candidate in chosen[:kept])
        return Plan(
            copies=copies,
            verifies=verifies,
            releases=releases,
            pins=pins,
            problems=tuple(draft.problems),
            held_back=dict(limiter.held_back),
            capped_releases=max(len(chosen) - kept, 0),
            space_needed=space_is_needed(disk),
            totals=_totals(copies, verifies, releases, pins, self._pools, self._volume_bytes),
        )


def _admit(limiter: Limiter, candidate: Candidate) -> bool:
    return limiter.admit(candidate.rule.name, candidate.study.study_instance_uid, candidate.study.online_bytes)


def _admitted(drafted: list[tuple[datetime, _A]], limiter: Limiter) -> tuple[_A, ...]:
    ordered = sorted(drafted, key=lambda item: (item[0], item[1].study_instance_uid))
    return tuple(a for _, a in ordered if limiter.admit(a.rule, a.study_instance_uid, a.size_bytes))


def _study(
    draft: _Draft, wanted: Intent, study: StudyFacts, disk: DiskFacts, pools: Mapping[str, VolumePool], moment: Moment
) -> None:
    for pool, rule in wanted.copy_rules.items():
        if pool not in pools:
            _say_unknown(draft, rule, pool)
        elif (JobKind.MIGRATE, pool) not in study.active_jobs:
            _copy(draft, rule, study, pool, moment, wanted)
    for pack in study.packs:
        for copy in pack.copies:
            _verify(draft, wanted, study, copy, moment)
    if study.online_instances > 0:
        _pin(draft, wanted, study, moment)
    if leaving_already(study):
        draft.leaving_bytes += study.online_bytes
    release = wanted.release
    if wanted.fate and release and not obstacles(study, wanted, release, disk, moment):
        draft.candidates.append(Candidate(study, wanted.fate[0], release, last_use(study, moment.now)))


def _say_unknown(draft: _Draft, rule: Rule, pool: str) -> None:
    if pool not in draft.unknown_pools:
        draft.unknown_pools.add(pool)
        sentence = f'Rule "{rule.name}" (line {rule.line}) copies to "{pool}", and there is no such pool.'
        draft.problems.append(Problem(None, sentence))


def _copy(draft: _Draft, rule: Rule, study: StudyFacts, pool: str, moment: Moment, wanted: Intent) -> None:
    missing = missing_packs(study, pool)
    sourceless = [p for p in missing if not p.online and not any(is_readable(copy) for copy in p.copies)]
    if sourceless:
        what = count_words(len(sourceless), "pack")
        sentence = f"{what} cannot be copied to {pool}: not on disk, and no readable copy is known."
        draft.problems.append(Problem(study.study_instance_uid, sentence))
    missing = [pack for pack in missing if pack not in sourceless]
    unpacked = study.unpacked_instances > 0 and (JobKind.COMPRESS, "") not in study.active_jobs
    if not missing and not unpacked:
        return
    size_bytes = sum(pack.size_bytes for pack in missing) + unpacked * unpacked_bytes(study)
    saves_bytes = int(unpacked_bytes(study) * (1 - draft.pressed_share)) if unpacked and wanted.compress else 0
    size_bytes -= saves_bytes
    pressing = wanted.compress if unpacked else None
    reason = copy_reason(rule, study, moment, pool, size_bytes, missing, pressing)
    needs_recall = any(not pack.online for pack in missing)
    packs = len(missing) + unpacked
    action = CopyAction(
        study.study_instance_uid,
        pool,
        size_bytes,
        packs,
        needs_recall,
        rule.name,
        rule.line,
        reason,
        pressing[1].codec.value if pressing else "",
        saves_bytes,
    )
    draft.copies.append((study.received_at, action))


def unpacked_bytes(study: StudyFacts) -> int:
    """About how many bytes of a study are in no pack yet, by the average of its instances."""
    return study.size_bytes * study.unpacked_instances // max(study.instance_count, 1)


def _verify(draft: _Draft, wanted: Intent, study: StudyFacts, copy: CopyRecord, moment: Moment) -> None:
    if copy.barcode is None or (JobKind.VERIFY, str(copy.id)) in study.active_jobs or not _can_be_had(copy):
        return
    if copy.state is CopyState.SUSPECT and copy.doubts >= MAX_DOUBTS:
        sentence = f"Copy {copy.id} on {copy.barcode} could not be read back {copy.doubts} times and is set aside."
        draft.problems.append(Problem(study.study_instance_uid, sentence))
        return
    uid, size_bytes = study.study_instance_uid, copy.size_bytes
    if copy.state in (CopyState.WRITTEN, CopyState.SUSPECT):
        avoid = copy.doubted_by if copy.state is CopyState.SUSPECT else copy.written_by
        action = VerifyAction(uid, copy.id, copy.barcode, avoid, size_bytes, "", 0, verify_reason(copy))
        draft.verifies.append((study.received_at, action))
    elif copy.state is CopyState.VERIFIED and wanted.verify and copy.volume_place is Place.LIBRARY:
        rule, verify = wanted.verify
        if copy.verified_at is None or add(copy.verified_at, verify.every) <= moment.now:
            reason = reverify_reason(rule, study, moment, copy)
            action = VerifyAction(uid, copy.id, copy.barcode, None, size_bytes, rule.name, rule.line, reason)
            draft.verifies.append((copy.verified_at or study.received_at, action))


def _can_be_had(copy: CopyRecord) -> bool:
    return copy.volume_place is not Place.MISSING and copy.volume_state is not VolumeState.LOST


def _pin(draft: _Draft, wanted: Intent, study: StudyFacts, moment: Moment) -> None:
    if wanted.pin is None:
        return
    rule, pin = wanted.pin
    until = add(last_use(study, moment.now), pin.duration)
    if until > moment.now and (study.pinned_until is None or study.pinned_until < until):
        reason = pin_reason(rule, study, moment, until)
        action = PinAction(study.study_instance_uid, until, study.online_bytes, rule.name, rule.line, reason)
        draft.pins.append((study.received_at, action))


def _release(candidate: Candidate, disk: DiskFacts, moment: Moment) -> ReleaseAction:
    study, rule, release = candidate.study, candidate.rule, candidate.release
    reason = release_reason(rule, release, study, disk, moment)
    return ReleaseAction(
        study.study_instance_uid, release.copies, release.kinds, study.online_bytes, rule.name, rule.line, reason
    )


def _totals(
    copies: tuple[CopyAction, ...],
    verifies: tuple[VerifyAction, ...],
    releases: tuple[ReleaseAction, ...],
    pins: tuple[PinAction, ...],
    pools: Mapping[str, VolumePool],
    volume_bytes: Mapping[str, int],
) -> Totals:
    by_pool = {}
    for name in sorted({copy.pool for copy in copies}):
        here = [copy for copy in copies if copy.pool == name]
        size_bytes = sum(copy.size_bytes for copy in here)
        pool = pools[name]
        room_bytes = max(volume_bytes.get(name, NOMINAL_BYTES[pool.kind]) - pool.reserve_bytes, 1)
        packs = sum(copy.packs_missing for copy in here)
        by_pool[name] = PoolTotal(len(here), packs, size_bytes, math.ceil(size_bytes / room_bytes))
    moved: list[Planned] = [*copies, *verifies, *releases]
    studies: set[StudyUid] = {action.study_instance_uid for action in [*moved, *pins]}
    return Totals(
        studies=len(studies),
        size_bytes=sum(action.size_bytes for action in moved),
        copy=_count(copies),
        verify=_count(verifies),
        release=_count(releases),
        pin=_count(pins),
        pools=by_pool,
        saved_bytes=sum(copy.saves_bytes for copy in copies),
    )


def _count(actions: tuple[Planned, ...]) -> Count:
    return Count(len(actions), sum(action.size_bytes for action in actions))
