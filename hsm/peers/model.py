"""A peer as everybody sees it, and what is wrong with one that somebody typed in. Pure."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_PATIENCE_S = 86400.0
_HOST = re.compile(r"\S{1,255}")


class PeerRight(StrEnum):
    """One kind of thing a peer may do. Who is not known as a peer may store and query, and is sent nothing."""

    STORE = "store"  # send studies in
    QUERY = "query"  # search, and have studies sent
    RECEIVE = "receive"  # be a destination that others name


ALL_RIGHTS = frozenset(PeerRight)


@dataclass(frozen=True)
class PeerRecord:
    """One peer."""

    ae_title: str
    host: str
    port: int
    patience_s: float | None = None  # how long a C-MOVE of it may wait for a recall; None: as everybody
    rights: frozenset[PeerRight] = ALL_RIGHTS
    configured: bool = False  # it stands in the configuration file and is changed there
    version: int = 0  # of what a form was filled with
    changed_at: datetime | None = None
    changed_by: str = ""


@dataclass(frozen=True)
class EchoAnswer:
    """What came of one C-ECHO."""

    answered: bool
    text: str  # what went wrong, in words; "" when it answered
    took_s: float


@dataclass(frozen=True)
class PeerCheck:
    """How a peer was when it was last asked."""

    ae_title: str
    checked_at: datetime
    answered: bool
    text: str
    took_s: float
    seen_at: datetime | None  # when it last answered
    failures: int  # in a row


Echo = Callable[[PeerRecord], EchoAnswer]


@dataclass(frozen=True)
class Peering:
    """What pages and commands need beside the catalog: the peers of the configuration, and a way to ask one."""

    configured: tuple[PeerRecord, ...]
    echo: Echo


class PeerRefused(Exception):
    """A peer cannot be kept as asked; the message says why, `faults` names the fields. Nothing is changed."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


def ae_title_fault(text: str) -> str:
    """What is wrong with an AE title; "" when nothing is. Source: PS3.5 section 6.2 (VR AE)."""
    title = text.strip(" ")
    if not 1 <= len(title) <= 16:
        return "An AE title has 1 to 16 characters."
    if "\\" in title or not all(" " <= character <= "~" for character in title):
        return "An AE title has printable ASCII characters and no backslash."
    return ""


def checked(
    ae_title: str, host: str, port: str | int, patience_s: str | float | None, rights: Collection[str]
) -> PeerRecord:
    """The peer that somebody typed in. Raises: PeerRefused with every fault."""
    faults: dict[str, str] = {}
    if wrong := ae_title_fault(ae_title):
        faults["ae_title"] = wrong
    if not _HOST.fullmatch(host.strip()) or not host.strip().isprintable():
        faults["host"] = "A host is a name or an address, without blanks."
    number = int(port) if str(port).strip().isascii() and str(port).strip().isdigit() else 0
    if not 1 <= number <= 65535:
        faults["port"] = "A port is a whole number from 1 to 65535."
    patience: float | None = None
    if patience_s is not None and str(patience_s).strip():
        try:
            patience = float(patience_s)
        except ValueError:
            patience = -1.0
        if not 0 <= patience <= LONGEST_PATIENCE_S:
            faults["patience_s"] = "Patience is a number of seconds from 0 to 86400, or nothing."
    known = frozenset(right for right in PeerRight if right.value in rights)
    if not known or len(known) != len(set(rights)):
        faults["rights"] = "Choose at least one of: store, query, receive."
    if faults:
        raise PeerRefused(faults)
    return PeerRecord(ae_title.strip(" "), host.strip(), number, patience, known)


def overlaid(configured: Collection[PeerRecord], kept: Collection[PeerRecord]) -> list[PeerRecord]:
    """All peers by AE title; one of the configuration file counts before one of the catalog with the same title."""
    found = {peer.ae_title: peer for peer in kept} | {peer.ae_title: peer for peer in configured}
    return [found[title] for title in sorted(found)]
