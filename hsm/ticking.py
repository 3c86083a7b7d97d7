"""Evaluates the policy and turns its plan into jobs. Needs no device: any process may do it, any number of times."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from hsm.catalog import Catalog
from hsm.catalog.errors import NotRecallable, StudyChanged
from hsm.catalog.records import JobRequest
from hsm.facts import DiskFacts, VolumePool
from hsm.mover.outcome import RetrySettings, backoff_s
from hsm.policy import CopyAction, Done, Plan, ReleaseAction, VerifyAction, missing_packs, parse, plan
from hsm.policy.model import Period
from hsm.policy.plan import TYPICAL_SHARE
from hsm.policy.risk import risk
from hsm.pool import OnlinePool
from hsm.sealing import seal
from hsm.states import JobKind

COMPRESS_TRIES = 2  # failed jobs, each of several attempts, after which a study is sealed as it was received

log = structlog.get_logger()


class NoPolicy(Exception):
    """No rules are in force: nothing is copied and nothing is released until some are published."""


@dataclass(frozen=True)
class TickSettings:
    """What a tick must know beside the policy."""

    pack_max_bytes: int = 16 * 1024**3
    stable_after_s: float = 300.0
    high_water_pct: float = 85.0
    low_water_pct: float = 75.0
    max_releases: int | None = None  # a cap per tick: an accident stays small
    retry: RetrySettings = field(default_factory=RetrySettings)


def disk_facts(pool: OnlinePool, settings: TickSettings) -> DiskFacts:
    """How full the online pool is, with the marks that make the policy act."""
    usage = pool.usage()
    return DiskFacts(usage.capacity_bytes, usage.used_bytes, settings.high_water_pct, settings.low_water_pct)


def volume_bytes(catalog: Catalog, pools: Mapping[str, VolumePool]) -> dict[str, int]:
    """The capacity of one volume of each pool, for estimates; pools without a volume are left out."""
    sizes: dict[str, int] = {}
    for volume in catalog.volumes.list():
        if volume.pool in pools and volume.capacity_bytes:
            sizes[str(volume.pool)] = max(sizes.get(str(volume.pool), 0), volume.capacity_bytes)
    return sizes


def pressed_share(catalog: Catalog) -> float:
    """What lossless compression has left of studies here, for estimates."""
    known = catalog.packs.compression()
    return known.to_bytes / known.from_bytes if known.from_bytes else TYPICAL_SHARE


def make_plan(
    catalog: Catalog,
    pool: OnlinePool,
    pools: Mapping[str, VolumePool],
    settings: TickSettings,
    now: datetime,
    text: str = "",
) -> Plan:
    """What the rules in force (or `text`) ask for at this moment. Changes nothing: this is the dry run.

    Raises: NoPolicy, PolicyInvalid.
    """
    if not text:
        version = catalog.policies.current()
        if version is None:
            raise NoPolicy("no policy is in force: publish one with `firn policy apply FILE`")
        text = version.text
    policy = parse(text)
    counts_days = any(limit.period is Period.DAY for rule in policy.rules for limit in rule.limits)
    return plan(
        policy,
        catalog.facts.studies_for_policy(now),
        disk_facts(pool, settings),
        pools,
        now,
        max_releases=settings.max_releases,
        done_today=done_today(catalog, now) if counts_days else {},
        volume_bytes=volume_bytes(catalog, pools),
        pressed_share=pressed_share(catalog),
    )


def done_today(catalog: Catalog, now: datetime) -> dict[str, Done]:
    """What each rule has had submitted since midnight UTC; for rules with a limit per day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    studies: defaultdict[str, set[str]] = defaultdict(set)
    size_bytes: Counter[str] = Counter()
    before: int | None = None
    while jobs := catalog.jobs.list(limit=1000, before=before):
        for job in jobs:
            if job.created_at >= midnight and job.study_instance_uid and "rule" in job.payload:
                studies[job.payload["rule"]].add(job.study_instance_uid)
                size_bytes[job.payload["rule"]] += job.size_bytes
        if jobs[-1].created_at < midnight:
            break
        before = jobs[-1].id
    return {rule: Done(len(uids), size_bytes[rule]) for rule, uids in studies.items()}


def tick(
    catalog: Catalog, pool: OnlinePool, pools: Mapping[str, VolumePool], settings: TickSettings, now: datetime
) -> Plan:
    """Make the plan and submit its jobs. What is already wanted is not submitted twice: a tick may be repeated.

    Returns: the plan.
    Raises: NoPolicy, PolicyInvalid.
    """
    return evaluate(catalog, pool, pools, settings, now)[0]


def evaluate(
    catalog: Catalog, pool: OnlinePool, pools: Mapping[str, VolumePool], settings: TickSettings, now: datetime
) -> tuple[Plan, int]:
    """A tick that also says how many of the plan's jobs are new; recalls that must come before a copy do not count.

    Raises: NoPolicy, PolicyInvalid.
    """
    result = make_plan(catalog, pool, pools, settings, now)
    requests: list[JobRequest] = []
    for action in result.copies:
        requests += _migrations(catalog, action, settings, now)
    later = catalog.repacks.to_be_read_back_later() if result.verifies else frozenset()
    due = [action for action in result.verifies if action.copy_id not in later]
    requests += [_verification(action) for action in riskiest_first(catalog, due, now)]
    requests += [_release(action) for action in result.releases]
    for pin in result.pins:
        catalog.studies.pin(pin.study_instance_uid, pin.until)
    requests = set_aside(catalog, requests, settings.retry, now)
    created = sum(new for _, new in catalog.jobs.submit_many(requests, now))
    if created:
        log.info("tick_evaluated", jobs=created, copies=len(result.copies), releases=len(result.releases))
    return result, created


def riskiest_first(catalog: Catalog, due: list[VerifyAction], now: datetime) -> list[VerifyAction]:
    """What is most likely not to be readable much longer is read back first; else the order stays as it is."""
    if len(due) < 2:
        return due
    wanted, bad = {action.barcode for action in due}, catalog.volumes.bad_writers()
    volumes = [volume for volume in catalog.volumes.list() if volume.barcode in wanted]
    scores = {volume.barcode: risk(volume, bad.get(volume.barcode, ()), now).score for volume in volumes}
    return sorted(due, key=lambda action: -scores.get(action.barcode, 0))


def set_aside(catalog: Catalog, requests: list[JobRequest], retry: RetrySettings, now: datetime) -> list[JobRequest]:
    """What failed for good before is wanted again, but not at once: the wait doubles with each failure in a row."""
    failures = catalog.jobs.failures([request.key for request in requests])
    result = []
    for request in requests:
        count, ended_at = failures.get(request.key, (0, now))
        due = ended_at + timedelta(seconds=backoff_s(count, retry)) if count else now
        result.append(replace(request, not_before=due) if due > now else request)
    return result


def _migrations(catalog: Catalog, action: CopyAction, settings: TickSettings, now: datetime) -> list[JobRequest]:
    """One job for each pack of the study that the pool still lacks; a pack that is not on disk is recalled first."""
    study_uid = action.study_instance_uid
    requests = []
    try:
        if action.compress and (request := _compression(catalog, action, now)) is not None:
            requests.append(request)
        else:
            seal(catalog, study_uid, settings.pack_max_bytes, settings.stable_after_s, now)
    except StudyChanged as error:
        log.info("study_still_arriving", study=study_uid, reason=str(error))
    for facts in catalog.facts.studies_for_policy(now, only=[study_uid]):
        for pack in missing_packs(facts, action.pool):
            if not pack.online:
                _recall_first(catalog, action, now)
                continue
            requests.append(
                JobRequest(
                    kind=JobKind.MIGRATE,
                    key=f"migrate:{pack.pack_id}:{action.pool}",
                    study_instance_uid=study_uid,
                    pack_id=pack.pack_id,
                    pool=action.pool,
                    payload={"rule": action.rule},
                    reason=action.reason,
                    size_bytes=pack.size_bytes,
                )
            )
    return requests


def _compression(catalog: Catalog, action: CopyAction, now: datetime) -> JobRequest | None:
    """The job that compresses and seals what no pack holds; None when it is to be sealed as it was received.

    Copies come before savings: where compressing has failed again and again, what was received is copied.
    """
    study_uid = action.study_instance_uid
    key = f"compress:{study_uid}"
    if catalog.jobs.failures([key]).get(key, (0, now))[0] >= COMPRESS_TRIES:
        log.warning("study_sealed_uncompressed", study=study_uid, tries=COMPRESS_TRIES)
        return None
    return JobRequest(
        kind=JobKind.COMPRESS,
        key=key,
        study_instance_uid=study_uid,
        payload={"rule": action.rule, "codec": action.compress},
        reason=action.reason,
        size_bytes=action.size_bytes + action.saves_bytes,
    )


def _recall_first(catalog: Catalog, action: CopyAction, now: datetime) -> None:
    try:
        catalog.recalls.request(action.study_instance_uid, requested_by="policy", now=now)
    except NotRecallable as error:
        log.error("copy_impossible", study=action.study_instance_uid, pool=action.pool, reason=str(error))


def _verification(action: VerifyAction) -> JobRequest:
    return JobRequest(
        kind=JobKind.VERIFY,
        key=f"verify:{action.copy_id}",
        study_instance_uid=action.study_instance_uid,
        copy_id=action.copy_id,
        payload={"rule": action.rule},
        reason=action.reason,
        size_bytes=action.size_bytes,
        barcode=action.barcode,
    )


def _release(action: ReleaseAction) -> JobRequest:
    return JobRequest(
        kind=JobKind.RELEASE,
        key=f"release:{action.study_instance_uid}",
        study_instance_uid=action.study_instance_uid,
        payload={
            "rule": action.rule,
            "copies_needed": action.copies_needed,
            "kinds_needed": action.kinds_needed,
        },
        reason=action.reason,
        size_bytes=action.size_bytes,
    )
