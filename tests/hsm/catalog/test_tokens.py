"""API tokens, on both databases."""

from datetime import timedelta

import pytest

from hsm.access.people import UserRefused
from hsm.access.roles import Right, Role
from hsm.access.tokens import MOST_LIVE, TokenRecord, TokenRefused, TokenState
from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued
from tests.hsm.catalog.world import START

HOUR = timedelta(hours=1)


@pytest.fixture
def token(catalog: Catalog) -> TokenRecord:
    """A token of somebody of the staff, which says firn_one."""
    catalog.accounts.add("boss", "", Role.ADMINISTRATOR, "x", False, "test", START)
    catalog.accounts.add("anna", "Anna", Role.STAFF, "x", False, "test", START)
    scopes = {Right.LOOK, Right.RECALL}
    return catalog.tokens.add(" Anna", " a\x00script\n", scopes, "firn_one", START + HOUR, "boss", START)


def test_a_token_acts_for_its_owner_until_it_expires(catalog: Catalog, token: TokenRecord) -> None:
    assert (token.owner.name, token.name, token.hint) == ("anna", "a script", "_one")
    used = catalog.tokens.use("firn_one", "10.0.0.1", START)
    assert used is not None and used.may(Right.RECALL) and not used.may(Right.RULES)
    assert catalog.tokens.use("firn_two", "10.0.0.1", START) is None
    seen = catalog.tokens.get(token.id)
    assert (seen.used_at, seen.used_from) == (START, "10.0.0.1")
    catalog.tokens.use("firn_one", "10.0.0.1", START + timedelta(seconds=59))
    assert catalog.tokens.get(token.id).used_at == START, "a token in steady use is written down once a minute"
    assert catalog.tokens.use("firn_one", "10.0.0.1", START + HOUR) is None
    assert seen.state(START + HOUR) is TokenState.EXPIRED


def test_a_token_never_may_more_than_its_owner_may_at_the_time(catalog: Catalog, token: TokenRecord) -> None:
    catalog.accounts.set_role("anna", Role.VIEWER, "boss", START)
    used = catalog.tokens.use("firn_one", "", START)
    assert used is not None and used.may(Right.LOOK) and not used.may(Right.RECALL)
    catalog.accounts.disable("anna", "boss", START)
    assert catalog.tokens.use("firn_one", "", START) is None
    assert catalog.tokens.get(token.id).state(START) is TokenState.CLOSED


def test_a_token_is_taken_back_for_good_by_its_owner_or_an_administrator(catalog: Catalog, token: TokenRecord) -> None:
    with pytest.raises(NotCatalogued):
        catalog.tokens.revoke(token.id, "boss", START, owner="boss")
    catalog.tokens.revoke(token.id, "anna", START, owner="anna")
    again = catalog.tokens.revoke(token.id, "boss", START + HOUR)
    assert (again.revoked_at, again.revoked_by) == (START, "anna")
    assert again.state(START) is TokenState.REVOKED
    assert catalog.tokens.use("firn_one", "", START) is None
    events = [(event.name, event.subject, event.fields["by"]) for event in catalog.events.list(limit=2)]
    assert events == [("token_revoked", "anna", "anna"), ("token_made", "anna", "boss")]
    with pytest.raises(NotCatalogued):
        catalog.tokens.revoke(99, "boss", START)


def test_what_a_token_must_not_be_is_refused(catalog: Catalog, token: TokenRecord) -> None:
    def add(name: str = "x", scope: Right | None = Right.LOOK, owner: str = "anna", hours: int = 1) -> None:
        scopes = [] if scope is None else [scope]
        catalog.tokens.add(owner, name, scopes, "firn_new", START + hours * HOUR, "boss", START)

    with pytest.raises(TokenRefused, match="no right to rules"):
        add(scope=Right.RULES)
    with pytest.raises(TokenRefused, match="at least one"):
        add(scope=None)
    with pytest.raises(TokenRefused, match="what the token is for"):
        add(name=" \x00")
    with pytest.raises(TokenRefused, match="still to come"):
        add(hours=0)
    with pytest.raises(UserRefused, match="no account"):
        add(owner="nobody")
    assert catalog.tokens.list() == [token]


def test_nobody_collects_tokens_without_end(catalog: Catalog, token: TokenRecord) -> None:
    for number in range(MOST_LIVE - 1):
        catalog.tokens.add("anna", "x", [Right.LOOK], f"firn_{number}", None, "anna", START)
    with pytest.raises(TokenRefused, match="take one back"):
        catalog.tokens.add("anna", "x", [Right.LOOK], "firn_more", None, "anna", START)
    assert len(catalog.tokens.list("anna")) == MOST_LIVE
    assert catalog.tokens.list("boss") == []
    catalog.tokens.add("anna", "x", [Right.LOOK], "firn_more", None, "anna", START + HOUR)  # one has expired


def test_a_wrong_token_is_noted_with_the_address_only(catalog: Catalog) -> None:
    catalog.tokens.refused("10.0.0.1", START)
    (event,) = catalog.events.list(name="token_refused")
    assert (event.subject, event.fields) == ("", {"address": "10.0.0.1"})
