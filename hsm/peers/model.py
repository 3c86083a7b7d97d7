"""A peer as everybody sees it, and what is wrong with one that somebody typed in. Pure."""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hsm.commitment.levels import Level

LONGEST_PATIENCE_S = 86400.0
MOST_RECALLS_PER_DAY = 1_000_000
MOST_ADDRESSES = 16
_HOST = re.compile(r"\S{1,255}")


class PeerRight(StrEnum):
    """One kind of thing a peer may do; what who is no peer may do: `STRANGERS_MAY`."""

    STORE = "store"  # send studies in
    QUERY = "query"  # search
    RETRIEVE = "retrieve"  # have studies sent, to itself or to others
    COMMIT = "commit"  # ask for storage commitment
    RECEIVE = "receive"  # be a destination that others name


ALL_RIGHTS = frozenset(PeerRight)
STRANGERS_MAY = ALL_RIGHTS - {PeerRight.RECEIVE}  # there is no address to send to, nor one to answer commitment to


@dataclass(frozen=True)
class PeerRecord:
    """One peer."""

    ae_title: str
    host: str
    port: int
    patience_s: float | None = None  # how long a C-MOVE of it may wait for a recall; None: as everybody
    rights: frozenset[PeerRight] = ALL_RIGHTS
    configured: bool = False  # it stands in the configuration file and is changed there
    commit: Level = Level.DISK  # how safe an object is before it may forget its own
    tls: bool = False  # it is called over TLS
    recalls_per_day: int | None = None  # studies it may have brought back in 24 h; 0: none; None: as everybody
    addresses: tuple[str, ...] = ()  # addresses and networks it calls from; (): those of its host
    announce: bool = False  # it is told of every change of availability; only in the configuration file
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


def networks(text: str) -> tuple[str, ...]:
    """The addresses and networks of a list with commas or blanks, as they are usually written.

    Raises: ValueError for what is none, and for too many.
    """
    words = text.replace(",", " ").split()
    if len(words) > MOST_ADDRESSES:
        raise ValueError(f"more than {MOST_ADDRESSES}")
    found = (ipaddress.ip_network(word, strict=False) for word in words)
    return tuple(str(one.network_address) if one.num_addresses == 1 else str(one) for one in found)


def among(address: str, allowed: Collection[str]) -> bool:
    """Whether an address lies in one of these networks; IPv4 within IPv6 counts as IPv4. Zones are left out."""
    try:
        here = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
        here = getattr(here, "ipv4_mapped", None) or here
        return any(here in ipaddress.ip_network(one, strict=False) for one in allowed)
    except ValueError:
        return False


def checked(
    ae_title: str,
    host: str,
    port: str | int,
    patience_s: str | float | None,
    rights: Collection[str],
    *,
    commit: str = Level.DISK,
    tls: bool = False,
    recalls_per_day: str | int | None = None,
    addresses: str = "",
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
        faults["rights"] = f"Choose at least one of: {', '.join(right.value for right in PeerRight)}."
    if commit not in [level.value for level in Level]:
        faults["commit"] = f"Choose one of: {', '.join(level.value for level in Level)}."
    recalls = "" if recalls_per_day is None else str(recalls_per_day).strip()
    if recalls and not (recalls.isascii() and recalls.isdigit() and int(recalls[:9]) <= MOST_RECALLS_PER_DAY):
        faults["recalls_per_day"] = f"Studies a day are a whole number from 0 to {MOST_RECALLS_PER_DAY}, or nothing."
    try:
        calls_from = networks(addresses)
    except ValueError:
        calls_from = ()
        faults["addresses"] = (
            f"Write up to {MOST_ADDRESSES} addresses or networks, such as 192.0.2.10, 198.51.100.0/24."
        )
    if faults:
        raise PeerRefused(faults)
    return PeerRecord(
        ae_title.strip(" "),
        host.strip(),
        number,
        patience,
        known,
        commit=Level(commit),
        tls=tls,
        recalls_per_day=int(recalls) if recalls else None,
        addresses=calls_from,
    )


def overlaid(configured: Collection[PeerRecord], kept: Collection[PeerRecord]) -> list[PeerRecord]:
    """All peers by AE title; one of the configuration file counts before one of the catalog with the same title."""
    found = {peer.ae_title: peer for peer in kept} | {peer.ae_title: peer for peer in configured}
    return [found[title] for title in sorted(found)]
