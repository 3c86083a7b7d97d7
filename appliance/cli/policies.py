"""`firn policy`: try rules on the real catalog before they are in force, publish them, look back."""

from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed, not_found
from appliance.cli.session import Session, session
from appliance.cli.words import ago, iso, safe
from web.words import count, size

if TYPE_CHECKING:
    from hsm.catalog.records import PolicyVersion
    from hsm.policy import Plan, Policy

policy_app = family("The sentences that say what is kept where.")
app.add_typer(policy_app, name="policy", rich_help_panel="Rules")

REASONS_SHOWN = 20


def _read(path: Path) -> str:
    if not path.is_file():
        raise RequestFailed(ExitStatus.NOT_FOUND, f"There is no policy file {path}.")
    return path.read_text(encoding="utf-8")


def _faults(current: Session, text: str, name: str) -> tuple["Policy | None", list[dict[str, Any]]]:
    """The policy, unless it cannot be understood, and everything that is to be said about it."""
    from appliance.build import volume_pools
    from hsm.publishing import judge

    judged = judge(text, volume_pools(current.config), name)
    return judged.policy, [
        {"line": f.line, "column": f.column, "is_fault": f.is_fault, "message": f.message, "advice": f.advice}
        for f in judged.findings
    ]


def _tell(current: Session, name: str, faults: list[dict[str, Any]]) -> None:
    for fault in faults:
        kind = "fault" if fault["is_fault"] else "note"
        advice = f" {fault['advice']}" if fault["advice"] else ""
        line = f"{name}:{fault['line']}:{fault['column']}: {kind}: {fault['message']}{advice}"
        current.err.print(line, markup=False, soft_wrap=True)


@policy_app.command()
def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File with the rules.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is wrong with a policy file; exit status 6 if it could not be published."""
    current = session(context)
    policy, faults = _faults(current, _read(file), str(file))
    valid = policy is not None and not any(fault["is_fault"] for fault in faults)
    if as_json:
        current.print_json({"path": str(file), "valid": valid, "findings": faults})
    else:
        _tell(current, str(file), faults)
        if valid and policy is not None:
            current.out.print(f"{file}: {count(len(policy.rules), 'rule')}, can be published.", markup=False)
    if not valid:
        raise typer.Exit(ExitStatus.CONFIG_INVALID)


@policy_app.command("plan")
def plan_command(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Try this file; without it the policy in force.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what the rules would do now, with reasons. Changes nothing."""
    from appliance.build import tick_settings, volume_pools
    from hsm.ticking import make_plan

    current = session(context)
    made = make_plan(
        current.catalog,
        current.pool,
        volume_pools(current.config),
        tick_settings(current.config),
        current.now(),
        _read(file) if file is not None else "",
    )
    if as_json:
        current.print_json(_plan_json(made))
    else:
        _show_plan(current, made)


def _plan_json(made: "Plan") -> dict[str, Any]:
    def row(action: Any, **more: Any) -> dict[str, Any]:
        uid, rule, reason = action.study_instance_uid, action.rule, action.reason
        return {"study_instance_uid": uid, "size_bytes": action.size_bytes, "rule": rule, "reason": reason, **more}

    return {
        "copies": [row(action, pool=action.pool) for action in made.copies],
        "verifies": [row(action, copy_id=action.copy_id, volume=action.barcode) for action in made.verifies],
        "releases": [row(action, copies_needed=action.copies_needed) for action in made.releases],
        "pins": [row(action, until=iso(action.until)) for action in made.pins],
        "problems": [str(problem) for problem in made.problems],
    }


def _show_plan(current: Session, made: "Plan") -> None:
    table = current.table("action", "study", "to", ">size", "why")
    rows: list[tuple[str, Any, str]] = [
        *(("copy", action, action.pool) for action in made.copies),
        *(("verify", action, action.barcode or "") for action in made.verifies),
        *(("release", action, "volumes only") for action in made.releases),
        *(("pin", action, str(iso(action.until))) for action in made.pins),
    ]
    for verb, action, target in rows[:REASONS_SHOWN]:
        table.add_row(verb, safe(action.study_instance_uid), safe(target), size(action.size_bytes), safe(action.reason))
    if rows:
        current.out.print(table)
    if len(rows) > REASONS_SHOWN:
        current.say(f"... and {len(rows) - REASONS_SHOWN} more; --json prints all.")
    for problem in made.problems:
        current.err.print(str(problem), markup=False, soft_wrap=True)
    sums = [
        f"{verb} {count(len(actions), 'study', 'studies')}, {size(sum(action.size_bytes for action in actions))}"
        for verb, actions in (("copy", made.copies), ("verify", made.verifies), ("release", made.releases))
        if actions
    ]
    current.say(f"Now this would {'; '.join(sums)}." if sums else "Nothing to do now.")


@policy_app.command()
def show(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(metavar="[VERSION]", help="A version of the history.")] = None,
) -> None:
    """Print the policy in force, or an earlier version; `firn policy apply` puts that in force again."""
    current = session(context)
    version = current.catalog.policies.current() if number is None else _version(current, number)
    if version is None:
        raise not_found("policy", "in force", "Publish one with `firn policy apply FILE`.")
    typer.echo(version.text, nl=not version.text.endswith("\n"))


def _version(current: Session, number: int) -> "PolicyVersion":
    from hsm.catalog.errors import NotCatalogued

    try:
        return current.catalog.policies.get(number)
    except NotCatalogued:
        raise not_found("policy version", str(number), "`firn policy history` lists them.") from None


@policy_app.command()
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File with the rules.")],
    reason: Annotated[str, typer.Option("--reason", help="Why these rules, for the history.")] = "",
    over: Annotated[
        int | None, typer.Option("--over", min=0, help="Only over this version, 0 for none: another is left in force.")
    ] = None,
    confirm: Annotated[
        int | None, typer.Option("--confirm", min=0, help="How many studies more it may release, seen and meant.")
    ] = None,
) -> None:
    """Publish a policy; the next tick follows it. Refused when it has a fault, or releases many more studies."""
    from appliance.build import volume_pools
    from hsm.catalog.errors import PolicyOutdated
    from hsm.publishing import publish

    current = session(context)
    text = _read(file)
    policy, faults = _faults(current, text, str(file))
    _tell(current, str(file), faults)
    if policy is None or any(fault["is_fault"] for fault in faults):
        raise RequestFailed(ExitStatus.CONFIG_INVALID, f"{file} was not published; the policy in force is unchanged.")
    pools = volume_pools(current.config)
    _confirm(current, policy, confirm)
    try:
        number = publish(current.catalog, text, pools, getuser(), current.now(), over, reason.strip())
    except PolicyOutdated as error:
        raise RequestFailed(ExitStatus.REFUSED, f"{file} was not published: {error}.") from error
    current.say(f"Version {number} is in force: {count(len(policy.rules), 'rule')}. See `firn policy plan`.")


def _confirm(current: Session, policy: "Policy", confirmed: int | None) -> None:
    """Refuse rules that would release many more studies than those in force, unless the number was given."""
    from appliance.build import disk_facts, volume_pools
    from hsm.pool import PoolError
    from hsm.ticking import volume_bytes
    from hsm.trial import House, most_releases_more
    from web.reads.drafts import readable
    from web.reads.policy import moment_of
    from web.reads.trial import HORIZONS

    catalog, pools = current.catalog, volume_pools(current.config)
    standing = catalog.policies.current()
    try:
        disk = disk_facts(current.config, current.pool)
    except PoolError as error:
        current.err.print(f"What it would release is not known: {error}", markup=False, soft_wrap=True)
        return
    house = House(disk, pools, volume_bytes(catalog, pools))
    moments = [moment_of(horizon, current.now(), house.zone) for horizon in HORIZONS]
    old = readable(standing.text) if standing is not None else None
    more = most_releases_more(policy, old, catalog.facts.studies_for_policy, house, moments)
    if more >= current.config.policy.confirm_releases and (confirmed is None or confirmed < more):
        raise RequestFailed(
            ExitStatus.REFUSED,
            f"Not published: tonight, in a month or in a year these rules would release "
            f"{count(more, 'study', 'studies')} more than those in force. If that is meant: --confirm {more}",
        )


@policy_app.command()
def history(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every version that was ever in force, newest first."""
    current = session(context)
    versions = current.catalog.policies.history()
    newest = versions[0].version if versions else None
    if as_json:
        rows = [
            {
                "version": entry.version,
                "author": entry.author,
                "reason": entry.reason,
                "created_at": iso(entry.created_at),
                "in_force": entry.version == newest,
                "text": entry.text,
            }
            for entry in versions
        ]
        current.print_json({"policies": rows})
        return
    table = current.table(">version", "by", "when", "in force", "why")
    for entry in versions:
        when = ago(entry.created_at, current.now())
        in_force = "yes" if entry.version == newest else ""
        table.add_row(str(entry.version), safe(entry.author), when, in_force, safe(entry.reason))
    current.out.print(table)
