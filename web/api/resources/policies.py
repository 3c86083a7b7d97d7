"""Policies: the rules in force and those before them, trying them out, and putting others in force."""

from typing import Annotated, cast

from flask import current_app
from pydantic import Field, StringConstraints

from hsm.access.roles import Right
from hsm.catalog.errors import NotCatalogued
from hsm.catalog.records import PolicyVersion
from hsm.policy import PolicyInvalid
from hsm.publishing import judge, publish
from web.access.gate import known_person
from web.api.answering import matched
from web.api.operations import Operations
from web.api.shape import Number, Page, Paged, Shape, Time, Words, before
from web.memo import Aside, Working
from web.problems import Fault, Refused
from web.reads.policy import DryRun, Horizon, dry_run
from web.reads.trial import trial_now
from web.services import services

operations = Operations("Policies")
RulesText = Annotated[str, StringConstraints(min_length=1, max_length=50_000, pattern=r"^[^\x00]*$")]


class Policy(Shape):
    """One version of the rules."""

    version: int
    author: str
    created_at: Time
    reason: str = Field(description="Why it was put in force.")
    text: str


class PolicyText(Shape):
    """A text of rules, as docs/POLICIES.md describes them."""

    text: RulesText


class NewPolicy(PolicyText):
    """Rules to be put in force."""

    reason: Words = ""
    confirm_releases: Annotated[int, Field(ge=0, le=2**53)] = Field(
        0, description="How many studies more than by the rules in force may be released; see the answer 409."
    )


class PolicyFinding(Shape):
    """Something to be said about a text of rules. Lines and columns count from 1."""

    line: int
    column: int
    is_fault: bool = Field(description="It has to be repaired before the rules can be put in force.")
    message: str
    advice: str


class PolicyCheck(Shape):
    """Whether a text of rules could be put in force."""

    valid: bool
    findings: tuple[PolicyFinding, ...]


class DryRunQuery(Shape):
    """The moment a dry run looks at."""

    when: Horizon = Horizon.TONIGHT


class DryRunAction(Shape):
    """One thing that the rules would do."""

    verb: str
    study_instance_uid: str
    target: str = Field(description="Pool or barcode; empty where there is none.")
    size_bytes: int
    rule: str
    reason: str


class PolicyDryRun(Shape):
    """What the rules in force would do to the real catalog at a moment, without doing it."""

    version: int
    moment: Time
    worked_out_at: Time
    actions: tuple[DryRunAction, ...] = Field(description="The first of them.")
    problems: tuple[str, ...]
    problems_total: int
    capped_releases: int
    space_needed: bool


class BeingWorkedOut(Shape):
    """A dry run that takes its time: ask again."""

    since: Time


@operations.get("/policies", Right.LOOK)
def list_policies(query: Paged) -> Page[Policy]:
    """Every version that was ever in force, newest first."""
    found = services().catalog.policies.history(query.limit + 1, before(query))
    shown = found[: query.limit]
    following = str(shown[-1].version) if len(found) > query.limit else None
    return Page(items=tuple(_policy(version) for version in shown), next_cursor=following)


@operations.get("/policies/current", Right.LOOK, tagged=True)
def get_current_policy() -> Policy:
    """The rules in force."""
    found = services().catalog.policies.current()
    if found is None:
        raise NotCatalogued("no rules are in force yet")
    return _policy(found)


@operations.get("/policies/dry-run", Right.LOOK, conflicts=True, also={202: BeingWorkedOut})
def try_policy_out(query: DryRunQuery) -> PolicyDryRun | BeingWorkedOut:
    """What the rules in force would do now, tonight, in a month or in a year; of a large catalog ask again later."""
    house = services()
    now, current = house.clock.now(), house.catalog.policies.current()
    question = f"{current.version if current else 0}.{query.when.value}"
    fresh = Aside[DryRun](house.settings.plan_max_age_s, house.clock.now)
    runs = cast("Aside[DryRun]", current_app.extensions.setdefault("firn.api-dry-runs", fresh))
    found = runs.get(question, lambda: dry_run(house, query.when, now), house.settings.patience_s)
    if isinstance(found, Working):
        return BeingWorkedOut(since=found.since)
    run = found.value
    return PolicyDryRun(
        version=run.version,
        moment=run.moment,
        worked_out_at=found.at,
        actions=tuple(DryRunAction(**line.__dict__) for line in run.lines),
        problems=tuple(str(problem) for problem in run.problems),
        problems_total=run.problems_total,
        capped_releases=run.capped_releases,
        space_needed=run.space_needed,
    )


@operations.get("/policies/{version}", Right.LOOK)
def get_policy(version: Number) -> Policy:
    """One version of the rules."""
    return _policy(services().catalog.policies.get(version))


@operations.post("/policies/check", Right.LOOK)
def check_policy(body: PolicyText) -> PolicyCheck:
    """Say what is wrong with a text of rules. Changes nothing."""
    judged = judge(body.text, services().volume_pools)
    return PolicyCheck(
        valid=judged.valid,
        findings=tuple(
            PolicyFinding(line=f.line, column=f.column, is_fault=f.is_fault, message=f.message, advice=f.advice)
            for f in judged.findings
        ),
    )


@operations.post(
    "/policies",
    Right.RULES,
    status=201,
    conflicts=True,
    matches=get_current_policy,
    must_match=True,
    located=lambda made: f"/policies/{made.version}",
)
def publish_policy(body: NewPolicy) -> Policy:
    """Put rules in force, over the version that you saw: its ETag goes into If-Match."""
    house, seen = services(), matched(Policy)
    if judge(body.text, house.volume_pools).valid:
        _confirm(body)
    try:
        number = publish(
            house.catalog,
            body.text,
            house.volume_pools,
            known_person().name,
            house.clock.now(),
            None if seen is None else seen.version,
            body.reason,
        )
    except PolicyInvalid as error:
        faults = [Fault("text", str(fault)) for fault in error.faults]
        raise Refused(422, "These rules were not put in force: they have faults.", faults) from error
    return get_policy(number)


def _confirm(body: NewPolicy) -> None:
    """Refuse rules that would release many more studies than those in force, unless the number was given."""
    house = services()
    found = trial_now(body.text, house.catalog.policies.current())
    if found.pending:
        raise Refused(409, "What these rules would release is being worked out: repeat it in a while.")
    more = found.releases_more or 0
    if more >= house.settings.confirm_releases and body.confirm_releases < more:
        wanted = Fault("confirm_releases", f"{more} studies more would be released: if that is meant, say so here")
        raise Refused(409, "Not put in force: many more studies would be released.", [wanted])


def _policy(found: PolicyVersion) -> Policy:
    return Policy(
        version=found.version,
        author=found.author,
        created_at=found.created_at,
        reason=found.reason,
        text=found.text,
    )
