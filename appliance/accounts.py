"""The accounts an archive begins with: one that must be made one's own, or those of a demonstration."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hsm.access.roles import Role
from hsm.catalog import Catalog
from web.access import passwords

FIRST_NAME = "admin"
DEMO_FILE = "sign-in.txt"
DEMO_PEOPLE = {
    "admin": ("Ada Administrator", Role.ADMINISTRATOR),
    "archivist": ("Archie Archivist", Role.ARCHIVIST),
    "staff": ("Stella Staff", Role.STAFF),
}


@dataclass(frozen=True)
class FirstAccount:
    """The first account of an archive and the password it was given."""

    name: str
    password: str

    @property
    def words(self) -> str:
        """What whoever starts Firn for the first time has to know."""
        return f"Sign in  as {self.name} with {self.password} (shown once; it has to be changed at the first sign-in)"


def first_account(catalog: Catalog, now: datetime) -> FirstAccount | None:
    """Make an administrator with a one-time password in a catalog without accounts; None when there are some."""
    if catalog.accounts.list():
        return None
    password = passwords.one_time()
    made = catalog.accounts.add_first(FIRST_NAME, passwords.hashed(password), now)
    return None if made is None else FirstAccount(made.name, password)


def demo_accounts(catalog: Catalog, folder: Path, now: datetime) -> str:
    """Three people with one password, made once and kept in a file that only this user can read; how to sign in."""
    path = folder / DEMO_FILE
    if not catalog.accounts.list():
        password = passwords.one_time()
        for name, (full_name, role) in DEMO_PEOPLE.items():
            catalog.accounts.add(name, full_name, role, passwords.hashed(password), False, "demo", now)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(password + "\n")
    if not path.exists():
        return "Sign in   with your own account"
    return f"Sign in   as {', '.join(DEMO_PEOPLE)}; password {path.read_text(encoding='utf-8').strip()}"
