"""Who asks, as the API sees it: the first thing to try with a new token."""

from typing import Any

from flask import Blueprint

from hsm.access.roles import Right
from web.access.gate import known_person, may, needs, token_shown

pages = Blueprint("api_me", __name__, url_prefix="/api/v1")


@pages.get("/me")
@needs(Right.LOOK)
def show() -> dict[str, Any]:
    """Whose rights the request has, and which of them."""
    me, token = known_person(), token_shown()
    return {
        "name": me.name,
        "full_name": me.full_name,
        "role": me.role.value,
        "rights": [right.value for right in Right if may(right)],
        "token": None if token is None else {"id": token.id, "name": token.name, "ends_in": token.hint},
    }
