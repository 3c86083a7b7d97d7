"""What a well-formed policy would mean for an archive with certain pools: faults forbid it, warnings are to be read."""

from collections.abc import Mapping

from drivers.base import MediumKind
from hsm.facts import VolumePool
from hsm.policy.faults import Finding, nearest_word
from hsm.policy.model import DEFAULT_COPIES, Compress, Copy, Keep, Policy, Prefetch, Release, Rule


def check(policy: Policy, pools: Mapping[str, VolumePool]) -> tuple[Finding, ...]:
    """Everything there is to say, faults first, then in the order of the text; on the whole policy in line 1."""
    findings = [
        *_unknown_pools(policy, pools),
        *_no_copies(policy),
        *_no_release(policy),
        *_unused_pools(policy, pools),
        *_unreachable(policy),
        *_same_condition(policy),
        *_limited_prefetches(policy),
        *_pressed_discs(policy, pools),
    ]
    for rule in policy.rules:
        release = rule.first(Release)
        if isinstance(release, Release):
            findings += _too_few(rule, release)
            findings += _impossible(policy, rule, release, pools)
    return tuple(sorted(findings, key=lambda finding: (not finding.is_fault, finding.line)))


def _copy_pools(policy: Policy) -> dict[str, Rule]:
    pools: dict[str, Rule] = {}
    for rule in policy.rules:
        for action in rule.actions:
            if isinstance(action, Copy):
                for pool in action.pools:
                    pools.setdefault(pool, rule)
    return pools


def _unknown_pools(policy: Policy, pools: Mapping[str, VolumePool]) -> list[Finding]:
    findings = []
    for pool, rule in _copy_pools(policy).items():
        if pool not in pools:
            nearest = nearest_word(pool, pools)
            known = f"The pools are {', '.join(sorted(pools))}" if pools else "No pools are configured"
            advice = f'Did you mean "{nearest}"?' if nearest else known
            findings.append(Finding(rule.line, 1, True, f'rule "{rule.name}" copies to "{pool}": no such pool', advice))
    return findings


def _no_copies(policy: Policy) -> list[Finding]:
    pools = _copy_pools(policy)
    if not pools:
        return [Finding(1, 1, False, "no rule copies anything", 'Add a rule with "copy to"')]
    if len(pools) == 1:
        advice = "Copy to at least two pools: one volume can be lost"
        return [Finding(1, 1, False, "every study has at most one copy", advice)]
    always = {
        pool
        for rule in policy.rules
        for action in rule.actions
        if isinstance(action, Copy) and not rule.schedules
        for pool in action.pools
    }
    if not always:
        advice = "This is well if the volumes keep up; look at the oldest study not yet copied"
        return [Finding(1, 1, False, "copies are made at certain hours only", advice)]
    return []


def _no_release(policy: Policy) -> list[Finding]:
    if any(rule.first(Release) for rule in policy.rules):
        return []
    advice = 'Add a rule like "release when space is needed"'
    return [Finding(1, 1, False, "no rule ever releases anything, so the disk fills up", advice)]


def _unused_pools(policy: Policy, pools: Mapping[str, VolumePool]) -> list[Finding]:
    used = _copy_pools(policy)
    return [
        Finding(1, 1, False, f'no rule copies to the pool "{pool}"', "Its volumes stay as they are")
        for pool in sorted(pools)
        if pool not in used
    ]


def _decides(rule: Rule) -> bool:
    return rule.first(Release) is not None or rule.first(Keep) is not None


def _unreachable(policy: Policy) -> list[Finding]:
    findings = []
    above: Rule | None = None
    for rule in policy.rules:
        if not _decides(rule):
            continue
        if above is not None:
            message = f'what rule "{rule.name}" says about keeping or releasing is never reached'
            advice = f'Rule "{above.name}" in line {above.line} decides for all: move it below, or give it a "when"'
            findings.append(Finding(rule.line, 1, False, message, advice))
        elif rule.condition is None and not rule.schedules:
            above = rule
    return findings


def _same_condition(policy: Policy) -> list[Finding]:
    findings = []
    seen: list[Rule] = []
    for rule in policy.rules:
        if not _decides(rule) or rule.condition is None:
            continue
        twin = next((r for r in seen if r.condition == rule.condition and not r.schedules), None)
        if twin is not None:
            message = f'rule "{rule.name}" has the condition of rule "{twin.name}" in line {twin.line}'
            advice = "Only the first of them decides about keeping and releasing"
            findings.append(Finding(rule.line, 1, False, message, advice))
        seen.append(rule)
    return findings


def _limited_prefetches(policy: Policy) -> list[Finding]:
    advice = "It asks for all that appointments want; confine it by its condition or its number of priors"
    return [
        Finding(rule.line, 1, False, f'the limit of rule "{rule.name}" does not hold for what it prefetches', advice)
        for rule in policy.rules
        if rule.limits and rule.first(Prefetch)
    ]


def _pressed_discs(policy: Policy, pools: Mapping[str, VolumePool]) -> list[Finding]:
    used = [pool for pool in _copy_pools(policy) if pool in pools]
    discs = [pool for pool in used if pools[pool].kind is MediumKind.DISC]
    rule = next((rule for rule in policy.rules if rule.first(Compress)), None)
    if rule is None:
        return []
    if not used:
        return [Finding(rule.line, 1, False, f'rule "{rule.name}" compresses and no rule copies', "Only copies are")]
    if not discs:
        return []
    message = f'rule "{rule.name}" compresses, and discs in "{discs[0]}" hold what is compressed, too'
    advice = (
        "Whoever reads these discs needs a viewer that knows JPEG-LS; leave it out for discs that you hand to others"
    )
    return [Finding(rule.line, 1, False, message, advice)]


def _too_few(rule: Rule, release: Release) -> list[Finding]:
    if release.copies >= DEFAULT_COPIES:
        return []
    message = f'rule "{rule.name}" releases after a single verified copy'
    return [Finding(rule.line, 1, False, message, "If that volume is lost the study is; ask for 2 verified copies")]


def _impossible(policy: Policy, rule: Rule, release: Release, pools: Mapping[str, VolumePool]) -> list[Finding]:
    used = _copy_pools(policy)
    findings = []
    if release.copies > len(used):
        message = f'rule "{rule.name}" asks for {release.copies} verified copies and the rules make at most {len(used)}'
        findings.append(Finding(rule.line, 1, False, message, "It will never release anything; copy to more pools"))
    kinds = {pools[pool].kind for pool in used if pool in pools}
    if release.kinds > len(kinds):
        message = f'rule "{rule.name}" asks for {release.kinds} kinds of media and the rules copy to {len(kinds)}'
        findings.append(Finding(rule.line, 1, False, message, "It will never release anything; copy to the other kind"))
    return findings
