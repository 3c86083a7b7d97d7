"""Tokens as programs show them: `Authorization: Bearer firn_...` (RFC 6750)."""

import secrets

from flask import request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from hsm.access.tokens import TokenRecord
from web.problems import Refused
from web.services import services

PREFIX = "firn_"  # so that people, and programs that look for secrets in files, know what it is
WRONG = parse("30/minute")  # of one address
wrong_tries = MovingWindowRateLimiter(MemoryStorage())


def new_token() -> str:
    """A token that nobody guesses: 256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def offered() -> str | None:
    """The token of the present request; "" when it has an Authorization header that holds none, None without one."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def shown(token: str) -> TokenRecord:
    """The token that was shown, if it opens anything now.

    Only wrong ones are counted: guessing gets slow, and nobody's failures shut out who shows a right one.

    Raises: Refused.
    """
    house, address = services(), request.remote_addr or ""
    now = house.clock.now()
    record = house.catalog.tokens.use(token, address, now) if token else None
    if record is not None:
        return record
    if not wrong_tries.hit(WRONG, address):
        raise Refused(
            429, "Too many wrong tokens came from this address. Wait a minute.", headers={"Retry-After": "60"}
        )
    house.catalog.tokens.refused(address, now)
    raise Refused(
        401, "This token opens nothing: it is mistyped, has expired, was taken back, or its owner's account is closed."
    )
