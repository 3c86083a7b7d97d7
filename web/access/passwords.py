"""Passwords: how they are kept (Argon2id), which are accepted, and those that are used once."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_LENGTH = 10
GREATEST_LENGTH = 256  # hashing a megabyte would be somebody's way to keep us busy
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread on paper

_hasher = PasswordHasher()


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_hex(16))


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(password)


def fits(password_hash: str | None, password: str) -> bool:
    """Whether a password is the one that was kept. Without a hash it takes as long and the answer is no.

    So the time of an answer does not tell which names exist.
    """
    if len(password) > GREATEST_LENGTH:
        return False
    try:
        _hasher.verify(password_hash or _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def what_is_wrong(password: str, name: str) -> str:
    """Why a new password is not accepted, in a sentence; "" when it is. Pure."""
    if len(password) < LEAST_LENGTH:
        return f"Use at least {LEAST_LENGTH} characters; four words that do not belong together are easy to remember."
    if len(password) > GREATEST_LENGTH:
        return f"Use at most {GREATEST_LENGTH} characters."
    if len(set(password)) < 5 or name.lower() in password.lower():
        return "This is too easy to guess: leave your name out, and use more than a few different characters."
    return ""


def one_time() -> str:
    """A password to be told to somebody and changed at the first sign-in: four groups of four, about 79 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
