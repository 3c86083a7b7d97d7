"""What an installation decides about its DICOM network."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from enum import StrEnum
from typing import Self

from hsm.commitment.levels import Level
from hsm.peers.model import ALL_RIGHTS, STRANGERS_MAY, PeerRecord, PeerRight


@dataclass(frozen=True)
class Peer:
    """Another application entity: where to send to, and how long it waits."""

    host: str
    port: int
    patience_s: float | None = None  # how long a C-MOVE it asked for may wait for a recall; None: the general setting
    commit: Level = Level.DISK  # how safe an object is before it may forget its own
    rights: frozenset[PeerRight] = ALL_RIGHTS
    tls: bool = False  # it is called over TLS
    recalls_per_day: int | None = None  # studies it may have brought back in 24 h; None: the general setting
    addresses: tuple[str, ...] = ()  # addresses and networks it calls from; (): see DimseSettings.callers
    announce: bool = False  # it is told of every change of availability

    @classmethod
    def of(cls, kept: PeerRecord) -> Self:
        """The same peer as pages and commands see it."""
        return cls(
            kept.host,
            kept.port,
            kept.patience_s,
            kept.commit,
            kept.rights,
            kept.tls,
            kept.recalls_per_day,
            kept.addresses,
            kept.announce,
        )


class Callers(StrEnum):
    """Who may associate."""

    ANYBODY = "anybody"
    PEERS = "peers"
    PEERS_AT_THEIR_ADDRESS = "peers_at_their_address"  # of their host, where they have no addresses of their own


@dataclass(frozen=True)
class DimseSettings:
    """Everything the PACS core needs to know of its surroundings."""

    ae_title: str = "FIRN"
    host: str = "0.0.0.0"
    port: int = 11112  # 0: any free one
    peers: Mapping[str, Peer] = field(default_factory=dict)  # by AE title: move destinations, and their patience
    aliases: tuple[str, ...] = ()  # further AE titles we answer to
    require_called_aet: bool = False  # refuse who calls us by another name
    callers: Callers = Callers.ANYBODY
    unrestricted_storage: bool = False  # accept private and unknown SOP classes and transfer syntaxes for storage
    max_associations: int = 100  # at a time, in this process
    max_object_bytes: int | None = None  # a larger one is refused while it arrives
    max_pdu_bytes: int = 256 * 1024  # the most we take; a peer chooses less if it likes
    artim_s: float = 30.0  # from connection to A-ASSOCIATE-RQ, and for a peer's answer to ours
    idle_s: float = 600.0  # an association without a message ends after this
    network_s: float = 60.0  # between two pieces of one message, and for one of ours to be taken
    answer_s: float = 300.0  # for a peer to answer a C-STORE of ours
    connect_s: float = 10.0  # for a destination to be reached
    keepalive_s: float = 10.0  # between two Pending responses while a recall is waited for
    recalls_per_day: int | None = None  # studies one caller may have brought back in 24 h; None: no limit
    patience_s: float = 1800.0  # how long a C-MOVE or C-GET waits for a recall
    recall_poll_s: float = 1.0  # how often a waited for recall is looked at
    find_limit: int = 20_000  # answers to one C-FIND
    commitment_patience: timedelta = timedelta(days=30)  # for objects to reach the level that is to be promised
    report_poll_s: float = 5.0  # how often it is looked whom to tell that objects are safe
    zone: tzinfo = UTC  # of the dates and times in the worklist
    goodbye_s: float = 1.0  # for a peer to close first after an abort, a rejection or a release
    stop_grace_s: float = 10.0  # for associations to end by themselves when the server stops
    audit_use: bool = False  # what is received, sent and asked is written into the audit trail
    tls: ssl.SSLContext | None = None  # what callers meet
    tls_port: int | None = None  # where; None: on `port`, and then nothing is accepted without TLS. 0: any free one
    client_tls: ssl.SSLContext | None = None  # to call peers with that want TLS

    def answers_to(self, called_aet: str) -> bool:
        """Whether a called AE title is one of ours, or nobody minds."""
        return not self.require_called_aet or called_aet in (self.ae_title, *self.aliases)

    def allows(self, aet: str, right: PeerRight) -> bool:
        """Whether a caller that may associate may do something."""
        peer = self.peers.get(aet)
        return right in (STRANGERS_MAY if peer is None else peer.rights)

    def recalls_of(self, aet: str) -> int | None:
        """How many studies that peer may have brought back in 24 hours; None: without limit."""
        peer = self.peers.get(aet)
        return self.recalls_per_day if peer is None or peer.recalls_per_day is None else peer.recalls_per_day

    def patience_of(self, aet: str) -> float:
        """How long a recall may keep that peer waiting, in seconds."""
        peer = self.peers.get(aet)
        return self.patience_s if peer is None or peer.patience_s is None else peer.patience_s
