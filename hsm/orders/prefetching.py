"""Looks at appointments and asks for their priors through the same door as everybody. May be repeated at any time."""

from datetime import datetime, timedelta

import structlog

from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued, NotRecallable
from hsm.orders.prefetch import BATCH_AHEAD, Decision, decide
from hsm.policy import PolicyInvalid, parse
from hsm.policy.model import Policy, Prefetch

_log = structlog.get_logger()
QUIET_FOR = timedelta(hours=1)  # a study that arrived is complete when nothing came for so long


def look(catalog: Catalog, now: datetime, text: str = "", ahead: timedelta = BATCH_AHEAD) -> Decision:
    """What the rules in force (or `text`) want for the appointments to come. Changes nothing: this is the dry run.

    Raises: PolicyInvalid, CatalogUnavailable.
    """
    if not text:
        version = catalog.policies.current()
        text = version.text if version is not None else ""
    policy = parse(text)
    if not prefetches(policy):
        return Decision((), ())
    return decide(policy, catalog.prefetches.appointments(now), catalog.prefetches.asked(now), now, ahead=ahead)


def prefetches(policy: Policy) -> bool:
    """Whether a policy prefetches anything at all."""
    return any(isinstance(action, Prefetch) for rule in policy.rules for action in rule.actions)


def prefetch(catalog: Catalog, now: datetime, ahead: timedelta = BATCH_AHEAD) -> int:
    """Ask for what is due, follow appointments that were moved, and note which priors were there in time.

    Returns: how many priors were asked for. Raises: CatalogUnavailable.
    """
    catalog.orders.settle(QUIET_FOR, now)
    catalog.prefetches.follow(now)
    try:
        decision = look(catalog, now, ahead=ahead)
    except PolicyInvalid as error:
        _log.error("prefetch_refused", reason=str(error))
        return 0
    for wish in decision.ask:
        try:
            catalog.prefetches.ask(wish, now)
        except NotRecallable as error:
            catalog.prefetches.give_up(wish, str(error), now)
        except NotCatalogued:
            _log.info("prior_is_gone", study=wish.study_instance_uid)
    if decision.ask:
        _log.info("priors_asked_for", priors=len(decision.ask), on_disk=sum(wish.online for wish in decision.ask))
    return len(decision.ask)
