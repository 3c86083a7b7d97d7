"""Who asks, and the tokens of that account."""

from hsm.access.roles import Right, Role
from hsm.access.tokens import TokenRecord, TokenState
from web.access.gate import known_person, may, token_shown
from web.api.operations import Operations
from web.api.shape import Listed, Number, Shape, Time
from web.services import services

operations = Operations("Who asks")


class ShownToken(Shape):
    """The token by which the request was recognised."""

    id: int
    name: str
    ends_in: str


class Me(Shape):
    """Whose rights a request has."""

    name: str
    full_name: str
    role: Role
    rights: tuple[Right, ...]
    token: ShownToken | None


class Token(Shape):
    """One API token, without what it says."""

    id: int
    owner: str
    name: str
    ends_in: str
    scopes: tuple[Right, ...]
    state: TokenState
    created_at: Time
    created_by: str
    expires_at: Time | None
    used_at: Time | None
    used_from: str
    revoked_at: Time | None
    revoked_by: str


@operations.get("/me", Right.LOOK)
def who_am_i() -> Me:
    """Whose rights the request has, and which of them: the first thing to try with a new token."""
    me, token = known_person(), token_shown()
    rights = tuple(right for right in Right if may(right))
    shown = None if token is None else ShownToken(id=token.id, name=token.name, ends_in=token.hint)
    return Me(name=me.name, full_name=me.full_name, role=me.role, rights=rights, token=shown)


@operations.get("/tokens", Right.LOOK)
def list_tokens() -> Listed[Token]:
    """The API tokens of who asks, newest first; an administrator sees everybody's. They are made on a page."""
    owner = None if may(Right.ADMINISTER) else known_person().name
    return Listed(items=tuple(_token(token) for token in services().catalog.tokens.list(owner)))


@operations.delete("/tokens/{token_id}", Right.LOOK)
def revoke_token(token_id: Number) -> None:
    """Take a token back, at once and for good: one's own, or as administrator anybody's."""
    house, me = services(), known_person()
    owner = None if may(Right.ADMINISTER) else me.name
    house.catalog.tokens.revoke(token_id, me.name, house.clock.now(), owner)


def _token(token: TokenRecord) -> Token:
    return Token(
        id=token.id,
        owner=token.owner.name,
        name=token.name,
        ends_in=token.hint,
        scopes=tuple(right for right in Right if right in token.scopes),
        state=token.state(services().clock.now()),
        created_at=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
        used_at=token.used_at,
        used_from=token.used_from,
        revoked_at=token.revoked_at,
        revoked_by=token.revoked_by,
    )
