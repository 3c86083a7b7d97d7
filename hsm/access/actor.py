"""Who acts at the moment: set once at the edge (a request, a command, an association), read where a change is noted."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """The way somebody came in."""

    WEB = "web"  # the pages
    API = "api"  # programs, with a token
    COMMAND_LINE = "command_line"
    DICOM = "dicom"  # a peer, by its AE title
    HL7 = "hl7"  # a system of the hospital, by its address
    ENGINE = "engine"  # Firn itself: policies, the clock, carrying out what others asked for


@dataclass(frozen=True)
class Actor:
    """Who does something, how they came in and from where."""

    name: str
    via: Via
    address: str = ""  # of the machine it was asked from; "" on this one


FIRN = Actor("firn", Via.ENGINE)  # nobody asked: the house does it by itself

_acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


def present() -> Actor | None:
    """Who acts in this thread now; None when nobody said so."""
    return _acting.get()


def begin(actor: Actor) -> Token[Actor | None]:
    """From now on somebody acts in this thread; give what this returns to `end`."""
    return _acting.set(actor)


def end(token: Token[Actor | None]) -> None:
    """Whoever acted before acts again."""
    _acting.reset(token)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Somebody acts in this thread while the block runs."""
    token = begin(actor)
    try:
        yield
    finally:
        end(token)
