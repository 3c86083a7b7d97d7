"""The settings of the DICOM node, of its peers and of TLS between them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from appliance.config.base import GIB, AeTitle, Host, Port, Section
from hsm.peers.model import LONGEST_PATIENCE_S, MOST_RECALLS_PER_DAY, networks


def _networks(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is no address and no network."""
    try:
        return networks(",".join(texts))
    except ValueError:
        raise ValueError("write addresses or networks, such as 192.0.2.10 or 198.51.100.0/24") from None


Networks = Annotated[tuple[str, ...], AfterValidator(_networks)]
Right = Literal["store", "query", "retrieve", "commit", "receive"]
ALL: tuple[Right, ...] = ("store", "query", "retrieve", "commit", "receive")


class DicomSection(Section):
    """The DICOM node that modalities and workstations talk to."""

    ae_title: AeTitle = Field("FIRN", description="AE title of the archive.")
    host: Host = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all networks.")
    port: Port = Field(11112, description="TCP port of the DICOM services.")
    acceptors: int = Field(1, ge=1, le=64, description="Processes that share the port.")
    association_timeout_s: float = Field(
        30, ge=1, le=600, description="From a connection to its association request, and for a peer to answer ours."
    )
    network_timeout_s: float = Field(
        60, ge=1, le=3600, description="The longest pause within a message, and for a peer to take one of ours."
    )
    answer_timeout_s: float = Field(
        300, ge=1, le=86400, description="How long a peer may take to answer an object that it was sent."
    )
    connect_timeout_s: float = Field(10, ge=1, le=600, description="How long a peer may take to accept a connection.")
    max_associations: int = Field(64, ge=1, le=4096, description="Associations one acceptor holds at a time.")
    idle_timeout_s: float = Field(60, ge=1, le=86400, description="A silent association is aborted after this time.")
    max_pdu_bytes: int = Field(131072, ge=4096, le=4194304, description="Largest PDU the archive offers to receive.")
    max_object_bytes: int = Field(
        8 * GIB, ge=1024 * 1024, description="A larger object is refused while it arrives; pack.max_bytes at most."
    )
    accept_unknown_sop_classes: bool = Field(
        False, description="Also store private and future SOP classes that Firn does not list."
    )
    accept_callers: Literal["anybody", "peers", "peers_at_their_address"] = Field(
        "anybody",
        description="Who may associate: anybody, peers alone, or peers alone and only from the address of their host. "
        "A peer that has `addresses` of its own is held to those always.",
    )
    accept_any_called_aet: bool = Field(
        True, description="Answer to any called AE title; false: only to dicom.ae_title."
    )
    on_conflict: Literal["quarantine", "replace"] = Field(
        "quarantine",
        description="A known SOP Instance UID arrives with other content: refuse it and keep the newcomer in "
        "quarantine, or store it and keep the old version in quarantine.",
    )
    find_limit: int = Field(20000, ge=1, le=1000000, description="A C-FIND with more matches ends with status A700.")
    commitment_patience_s: float = Field(
        30 * 86400,
        ge=60,
        description="How long objects may take to reach the level at which their commitment is promised.",
    )
    recalls_per_day: int | None = Field(
        None,
        ge=0,
        le=MOST_RECALLS_PER_DAY,
        description="Studies that one caller may have brought back from volumes in 24 hours; 0: none. "
        "Unset: without limit.",
        examples=[500],
    )
    recall_patience_s: float = Field(
        600,
        ge=0,
        le=LONGEST_PATIENCE_S,
        description="How long a C-MOVE or C-GET is kept waiting for a volume before it is answered with the expected "
        "time; the study is then pushed when it is back.",
    )
    delivery_workers: int = Field(
        2, ge=0, le=32, description="How many nodes one acceptor sends to at a time; 0: it sends nothing by itself."
    )
    delivery_retry_first_s: float = Field(
        30, gt=0, description="Wait before a delivery that failed is tried again; it doubles each time."
    )
    delivery_retry_max_s: float = Field(1800, gt=0, description="The longest wait between two tries.")
    deliver_within_s: float = Field(
        172800, gt=0, description="A delivery that was not done for so long, its recall included, is given up."
    )
    echo_every_s: float = Field(
        300, ge=0, le=86400, description="Time between two looks whether the peers answer a C-ECHO; 0: never."
    )
    keepalive_s: float = Field(10, ge=1, le=600, description="Time between Pending answers while a recall runs.")


class Peer(Section):
    """A node that studies may be moved to."""

    ae_title: AeTitle = Field(
        description="AE title of the node, as it is named in a C-MOVE.", examples=["WORKSTATION1"]
    )
    host: Host = Field(description="Its host name or address.", examples=["192.0.2.10"])
    port: Port = Field(104, description="Its DICOM port.")
    recall_patience_s: float | None = Field(
        None, ge=0, le=LONGEST_PATIENCE_S, description="As dicom.recall_patience_s, for this node.", examples=[120]
    )
    commit: Literal["disk", "two_copies", "two_sites"] = Field(
        "disk",
        description="When storage commitment is promised to this node: when an object is on disk, when it was read "
        "back from two volumes, or from two of which one is in a vault.",
    )
    rights: tuple[Right, ...] = Field(
        ALL,
        min_length=1,
        description="What it may do: send studies in (store), search (query), have studies sent (retrieve), ask for "
        "storage commitment (commit), be named as a destination (receive).",
    )
    addresses: Networks = Field(
        (),
        description="Addresses and networks that it calls from; from elsewhere its calls are refused. "
        "Empty: as dicom.accept_callers says.",
        examples=[["192.0.2.10", "198.51.100.0/24"]],
    )
    announce: bool = Field(
        False,
        description="Tell it whenever a study can be had sooner or later than before (Instance Availability "
        "Notification).",
    )
    tls: bool = Field(False, description="Call it over TLS, see [tls].")
    recalls_per_day: int | None = Field(
        None, ge=0, le=MOST_RECALLS_PER_DAY, description="As dicom.recalls_per_day, for this node.", examples=[50]
    )


class TlsSection(Section):
    """TLS between the DICOM node and its peers (PS3.15 annex B). A changed file counts after a restart."""

    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="TCP port of DICOM over TLS, 2762 by custom; the number of dicom.port: nothing is accepted "
        "without TLS; 0: none.",
    )
    certificate_file: Path = Field(
        Path(), description="Certificate chain (PEM) that is shown to peers, whether they call or are called."
    )
    key_file: Path = Field(Path(), description="Its private key (PEM, without a password), readable by Firn alone.")
    authorities_file: Path = Field(
        Path(),
        description="Certificates (PEM) of who vouches for peers. Empty: those of the system, for who is called.",
    )
    client_certificates: Literal["required", "optional", "none"] = Field(
        "required", description="Whether callers must show a certificate that an authority vouches for."
    )
    check_names: bool = Field(
        True, description="The certificate of a peer that is called must name the host of its entry."
    )
    profile: Literal["rfc9325", "non_downgrading"] = Field(
        "rfc9325",
        description="BCP 195 RFC 8996, 9325 (PS3.15 B.12), or the older Non-Downgrading BCP 195 (B.10), which also "
        "knows DHE. Both: TLS 1.2 and 1.3 with AEAD ciphers and forward secrecy.",
    )
    warn_days: int = Field(
        30, ge=1, le=366, description="So long before a certificate runs out, an event says so each day."
    )
