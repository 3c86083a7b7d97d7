"""People, their roles, wrong passwords and open sessions, on both databases."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.access.lockout import FREE_TRIES, LONGEST_LOCK_S, locked_until
from hsm.access.people import Person, UserRefused, tidy_name
from hsm.access.roles import RIGHTS, Right, Role, may
from hsm.catalog import Catalog
from tests.hsm.catalog.world import START

IDLE_S, LONGEST_S = 3600.0, 86400.0


@pytest.fixture
def anna(catalog: Catalog) -> Person:
    """An administrator."""
    return catalog.accounts.add(" Anna ", "Anna Arch", Role.ADMINISTRATOR, "hash", False, "test", START)


def who(catalog: Catalog, token: str, after: timedelta = timedelta(0)) -> str | None:
    found = catalog.accounts.signed_in(token, START + after, IDLE_S, LONGEST_S)
    return None if found is None else found.name


def test_an_account_is_found_in_any_spelling_of_its_name(catalog: Catalog, anna: Person) -> None:
    assert anna.name == "anna"
    assert catalog.accounts.find("ANNA ") == anna
    assert catalog.accounts.find("bert") is None
    assert catalog.accounts.list() == [anna]
    with pytest.raises(UserRefused, match="already"):
        catalog.accounts.add("anna", "", Role.VIEWER, "x", False, "test", START)


@pytest.mark.parametrize("name", ["", " ", "a b", "ä", "a\n", "-a", "a" * 65, "a'--", "a/b"])
def test_a_name_that_cannot_be_typed_everywhere_is_refused(name: str) -> None:
    if name != "a\n":  # blanks around a name do not count
        with pytest.raises(UserRefused):
            tidy_name(name)
    else:
        assert tidy_name(name) == "a"


def test_the_first_administrator_is_made_once(catalog: Catalog) -> None:
    first = catalog.accounts.add_first("admin", "hash", START)
    assert first is not None and first.must_change and first.role is Role.ADMINISTRATOR
    assert catalog.accounts.add_first("admin2", "hash", START) is None


def test_somebody_is_always_left_to_administer(catalog: Catalog, anna: Person) -> None:
    catalog.accounts.add("bert", "", Role.STAFF, "x", False, "test", START)
    with pytest.raises(UserRefused, match="only administrator"):
        catalog.accounts.set_role("anna", Role.VIEWER, "anna", START)
    with pytest.raises(UserRefused, match="only administrator"):
        catalog.accounts.disable("anna", "anna", START)
    catalog.accounts.set_role("bert", Role.ADMINISTRATOR, "anna", START)
    catalog.accounts.disable("anna", "bert", START)
    found = catalog.accounts.find("anna")
    assert found is not None and found.disabled and not found.may(Right.LOOK)
    with pytest.raises(UserRefused, match="no account"):
        catalog.accounts.enable("nobody", "bert", START)


def test_wrong_passwords_close_an_account_for_longer_and_longer(catalog: Catalog, anna: Person) -> None:
    for _ in range(FREE_TRIES - 1):
        assert catalog.accounts.failed("anna", "10.0.0.1", START) is None
    first = catalog.accounts.failed("Anna", "10.0.0.1", START)
    second = catalog.accounts.failed("anna", "10.0.0.1", START)
    assert first is not None and second is not None and START < first < second
    found = catalog.accounts.find("anna")
    assert found is not None and found.locked_at(START) and not found.locked_at(second)
    catalog.accounts.enable("anna", "bert", START)
    found = catalog.accounts.find("anna")
    assert found is not None and not found.locked_at(START) and found.failures == 0


def test_a_name_nobody_has_is_counted_and_not_written_down(catalog: Catalog) -> None:
    assert catalog.accounts.failed("my secret password", "10.0.0.1", START) is None
    (event,) = catalog.events.list(name="sign_in_refused")
    assert event.subject == "" and event.fields == {"address": "10.0.0.1"}


def test_a_session_ends_when_unused_when_old_and_when_told(catalog: Catalog, anna: Person) -> None:
    catalog.accounts.sign_in("anna", "one", "10.0.0.1", START)
    catalog.accounts.sign_in("anna", "two", "10.0.0.1", START)
    assert who(catalog, "one") == "anna"
    assert who(catalog, "guess") is None
    catalog.accounts.sign_out("one")
    catalog.accounts.sign_out("one")
    assert who(catalog, "one") is None
    assert who(catalog, "two", timedelta(minutes=59)) == "anna"  # and that is written down
    assert who(catalog, "two", timedelta(minutes=118)) == "anna"
    assert who(catalog, "two", timedelta(minutes=179)) is None
    for hour in range(1, 24):
        who(catalog, "two", timedelta(hours=hour))
    assert who(catalog, "two", timedelta(seconds=LONGEST_S)) is None


def test_sessions_end_with_a_new_password_and_with_the_account(catalog: Catalog, anna: Person) -> None:
    catalog.accounts.add("bert", "", Role.ADMINISTRATOR, "x", True, "test", START)
    catalog.accounts.sign_in("anna", "one", "10.0.0.1", START)
    catalog.accounts.set_password("anna", "other", True, "bert", START)
    assert who(catalog, "one") is None
    changed = catalog.accounts.find("anna")
    assert changed is not None and changed.must_change and changed.password_hash == "other"
    catalog.accounts.sign_in("anna", "two", "10.0.0.1", START)
    catalog.accounts.disable("anna", "bert", START)
    assert who(catalog, "two") is None
    catalog.accounts.enable("anna", "bert", START)
    assert who(catalog, "two") is None, "what was ended stays ended"


def test_sessions_that_ended_are_forgotten(catalog: Catalog, anna: Person) -> None:
    catalog.accounts.sign_in("anna", "old", "10.0.0.1", START)
    later = START + timedelta(hours=2)
    catalog.accounts.sign_in("anna", "new", "10.0.0.1", later)
    catalog.accounts.forget_old(later, IDLE_S, LONGEST_S)
    assert catalog.accounts.signed_in("old", START, IDLE_S, LONGEST_S) is None
    assert catalog.accounts.signed_in("new", later, IDLE_S, LONGEST_S) is not None


def test_what_is_changed_is_written_down_with_who_did_it(catalog: Catalog, anna: Person) -> None:
    catalog.accounts.set_role("anna", Role.ADMINISTRATOR, "bert", START)
    (event,) = catalog.events.list(name="user_role_changed")
    assert (event.subject, event.fields) == ("anna", {"role": "administrator", "by": "bert"})


@given(st.integers(0, 10_000))
def test_no_lock_is_longer_than_an_hour_and_each_is_at_least_as_long_as_the_last(failures: int) -> None:
    lock, longer = locked_until(failures, START), locked_until(failures + 1, START)
    assert (lock is None) == (failures < FREE_TRIES)
    if lock is not None and longer is not None:
        assert START < lock <= longer <= START + timedelta(seconds=LONGEST_LOCK_S)


def test_each_role_may_all_that_the_one_before_may() -> None:
    roles = list(Role)
    for lower, higher in pairwise(roles):
        assert RIGHTS[lower] < RIGHTS[higher]
    assert may(Role.ADMINISTRATOR, Right.ADMINISTER) and not may(Role.ARCHIVIST, Right.ADMINISTER)
    assert not may(Role.VIEWER, Right.RECALL) and not may(Role.STAFF, Right.RULES)
