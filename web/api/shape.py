"""What goes over the wire: the base of all bodies, and the types their fields are made of."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

MAX_NUMBER = 2**53  # what JSON readers and every database take
MOST_ITEMS = 200  # of one page
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
SAYS_SOMETHING = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"


class Shape(BaseModel):
    """A JSON object: unknown fields are refused, and nothing is turned into another type on the way."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


S = TypeVar("S", bound=Shape)


def iso(at: datetime) -> str:
    """ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


Time = Annotated[AwareDatetime, PlainSerializer(iso, return_type=str, when_used="json")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=SAYS_SOMETHING)]
Words = Annotated[str, StringConstraints(max_length=200, pattern=NO_CONTROLS)]
Uid = Annotated[str, StringConstraints(pattern=r"^[0-9.]{1,64}$")]
BarcodeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][ -.0-~]{0,63}$")]
NameText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Cursor = Annotated[
    str,
    StringConstraints(pattern=r"^([1-9][0-9]{0,14})?$"),
    Field(description="As the page before said in `next_cursor`."),
]
Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="Items of one page.")]


class Paged(Shape):
    """Which part of a list."""

    cursor: Cursor = ""
    limit: Limit = 50


class Page(Shape, Generic[S]):
    """One part of a list, and where the next one begins."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Its name in the document."""
        return f"{params[0].__name__}Page"

    items: tuple[S, ...]
    next_cursor: str | None = Field(description="`cursor` of the next page; null when this is the last one.")


class Listed(Shape, Generic[S]):
    """A whole list."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Its name in the document."""
        return f"{params[0].__name__}List"

    items: tuple[S, ...]


def before(query: Paged) -> int | None:
    """The number after which a page begins."""
    return int(query.cursor) if query.cursor else None
