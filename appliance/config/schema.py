"""Every setting of Firn: its name, default, limits and meaning.

This is the only place that knows them. The example file and docs/CONFIGURATION.md are written from here, see
appliance/config/reference.py. Units are part of the names.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from appliance.config.base import GIB, AbsolutePath, Host, Name, Origin, Pattern, Percent, Port, Section
from appliance.config.dicom import DicomSection, Peer, TlsSection
from appliance.config.orders import OrdersSection
from appliance.config.realms import LdapSection, OidcSection


class ArchiveSection(Section):
    """Where the archive lives."""

    data_dir: AbsolutePath = Field(
        Path("/var/lib/firn"),
        description="Folder of everything Firn keeps on disk: catalog, online pool, quarantine, images to be burned. "
        "Relative paths elsewhere in this file begin here.",
    )


class CatalogSection(Section):
    """The database that knows what lies where."""

    url: str = Field(
        "",
        description="SQLAlchemy address of the catalog, sqlite or postgresql+psycopg. "
        "Empty: the file catalog.db in archive.data_dir.",
    )
    pool_size: int = Field(8, ge=1, le=256, description="Connections each process keeps to a PostgreSQL catalog.")


class WebSection(Section):
    """Pages, REST API and DICOMweb."""

    host: Host = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all networks.")
    port: Port = Field(8080, description="TCP port of the web server.")
    threads: int = Field(
        8,
        ge=1,
        le=256,
        description="Requests that are answered at a time. At most half of them are streams of progress, which stay "
        "open; pages that get none ask again every few seconds.",
    )
    renderers: int = Field(
        2, ge=0, le=64, description="Processes that draw pictures of frames for the viewer and DICOMweb; 0: none."
    )
    trusted_hosts: tuple[Host, ...] = Field(
        (),
        description="Further names, without port, under which the pages are asked for, for example by a reverse proxy. "
        "web.host, the machine's own name and the loopback names are answered always.",
        examples=[["archive.example"]],
    )
    certificate_file: Path = Field(
        Path(), description="Certificate chain (PEM) to speak https with; without one the pages speak http."
    )
    key_file: Path = Field(Path(), description="Its private key (PEM, without a password), readable by Firn alone.")
    cors_origins: tuple[Origin, ...] = Field(
        (),
        description="Origins, letter by letter, whose pages may ask DICOMweb from a browser: scheme, host and port.",
        examples=[["https://viewer.example"]],
    )
    cors_credentials: bool = Field(
        False,
        description="Also answer those pages with the session of somebody who is signed in here in the same browser; "
        "false: they need a token. Only for pages that are trusted like these ones.",
    )
    commit: Literal["disk", "two_copies", "two_sites"] = Field(
        "disk", description="As peer.commit, for who asks for storage commitment over DICOMweb."
    )
    secure_cookies: bool = Field(
        False,
        description="Send cookies over TLS only; set it when a reverse proxy in front speaks https. With "
        "web.certificate_file it is so always.",
    )
    session_idle_s: float = Field(28800, ge=60, description="Who does nothing for so long must sign in again.")
    session_longest_s: float = Field(604800, ge=60, description="Who signed in so long ago must sign in again.")
    metrics_from_loopback: bool = Field(
        False,
        description="Answer /metrics without a token to whoever asks from this machine. Leave it off behind a reverse "
        "proxy on this machine that does not say for whom it asks.",
    )
    notice: str = Field("", max_length=2000, description="Words above the sign-in form, as the house requires them.")


class ViewerSection(Section):
    """OHIF, a viewer of somebody else, where `firn viewer install` put it."""

    enabled: bool = Field(True, description="Serve it where it is installed, and show the way to it.")
    directory: Path = Field(Path("viewer"), description="Folder that it is unpacked in.")
    host: Host = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all networks.")
    port: Port = Field(8090, description="Its TCP port; people reach it under the same host name as the pages.")


class OnlineSection(Section):
    """The disk pool where studies arrive and from which they are released."""

    directories: tuple[Path, ...] = Field(
        (Path("online"),),
        min_length=1,
        description="Folders of the online pool, best each on its own file system.",
    )
    high_water_pct: Percent = Field(85, description="Above this fill level studies are released.")
    low_water_pct: Percent = Field(75, description="Releasing stops at this fill level.")
    reserve_bytes: int = Field(
        10 * GIB, ge=0, description="Free space on each file system below which nothing more is accepted."
    )
    keep_online_s: float = Field(604800, ge=0, description="A recalled study stays on disk at least this long.")


class PackSection(Section):
    """The units in which studies go to volumes."""

    stable_after_s: float = Field(
        300, ge=0, description="A study without a new instance for this long is packed; later arrivals make a new pack."
    )
    max_bytes: int = Field(16 * GIB, ge=1024 * 1024, description="A larger study is split into several packs.")


class LibraryEntry(Section):
    """A robot with its drives."""

    name: Name = Field(description="Name of the library in pools, pages and logs.", examples=["tape"])
    driver: str = Field(
        description="Driver that talks to it: scsi, manual, simulator, or one of another package; see Drivers below.",
        examples=["simulator"],
    )
    path: Path = Field(
        Path(),
        description="Device or folder, as the driver wants it: libraries/tape, /dev/tape/by-id/scsi-...-changer.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Further settings of the driver; it says which, see Drivers below."
    )


class VolumePoolEntry(Section):
    """A set of volumes with one purpose; policies copy to a pool."""

    name: Name = Field(description="Name of the pool in policies.", examples=["tape-a"])
    kind: Literal["tape", "disc"] = Field(description="What its volumes are.", examples=["tape"])
    library: Name = Field(description="Name of the library that holds its volumes.", examples=["tape"])
    barcodes: tuple[Pattern, ...] = Field(
        min_length=1, description="Shell patterns of the barcodes that belong to the pool.", examples=[["A?????L8"]]
    )
    auto_label: bool = Field(False, description="Label blank volumes of the pool without being asked.")
    capacity_reserve_pct: Percent = Field(
        2, description="Part of each volume that stays unwritten, unless the next key allows less."
    )
    capacity_reserve_bytes: int = Field(5 * GIB, ge=0, description="The most that stays unwritten on a volume.")
    burn_after_s: float = Field(
        86400, ge=0, description="Discs: one that is not full is burned when its oldest pack has waited this long."
    )
    flush_every_bytes: int = Field(
        32 * GIB, ge=1, description="Tapes: packs count as written after a flush; one comes after so many bytes."
    )
    flush_every_packs: int = Field(
        200, ge=1, description="Tapes: a flush also comes after so many packs, and at the end of each batch."
    )
    volume_price: float | None = Field(
        None,
        ge=0,
        description="What one blank volume costs, for the cost of a dry run. Unset: no cost is told.",
        examples=[65.0],
    )
    catalog_every_bytes: int = Field(
        200 * GIB, ge=1, description="Tapes: a copy of the catalog is written after so many bytes."
    )
    par2_redundancy_pct: int = Field(20, ge=0, le=100, description="Discs: size of the recovery data; 0 for none.")

    def reserve_bytes(self, capacity_bytes: int) -> int:
        """How much of a volume of this capacity stays unwritten."""
        return min(self.capacity_reserve_bytes, int(capacity_bytes * self.capacity_reserve_pct / 100))


class CardsSection(Section):
    """Light previews that stay on disk after a study has left it."""

    enabled: bool = Field(True, description="Make and show previews.")
    directory: Path = Field(Path("cards"), description="Folder of the previews; it may be emptied at any time.")
    thumbnail_px: int = Field(160, ge=32, le=512, description="Longest side of the small picture of each series.")
    key_px: int = Field(512, ge=64, le=2048, description="Longest side of the one larger picture of each study.")
    time_limit_s: float = Field(
        30,
        ge=1,
        le=600,
        description="The longest that the pictures of 20 series may take; the rest has none.",
    )


class PolicySection(Section):
    """The sentences that say what is kept where."""

    file: str = Field(
        "",
        description="File with the policy that is published while the archive has none. "
        "Empty: the one that comes with Firn.",
    )
    tick_every_s: float = Field(60, gt=0, le=86400, description="Time between two evaluations of the policy.")
    confirm_releases: int = Field(
        100,
        ge=1,
        description="Publishing rules that release so many studies more than those in force asks for the number.",
    )
    currency: str = Field("", max_length=8, description="What volume_price is counted in.")


class EngineSection(Section):
    """The process that owns the libraries and carries jobs out."""

    reserve_recall_drives: int = Field(0, ge=0, le=64, description="Drives of each library kept free for recalls.")
    retry_first_s: float = Field(30, gt=0, description="Wait before a failed job is tried again; it doubles each time.")
    retry_max_s: float = Field(86400, gt=0, description="The longest wait between two tries.")
    stop_after_error_pct: Percent = Field(50, description="A run stops when more than this part of its jobs failed.")
    stop_after_items: int = Field(
        100, ge=1, description="A run does not stop for errors before so many jobs were tried."
    )
    max_releases_per_tick: int = Field(
        1000, ge=1, description="Studies released in one evaluation; more waits for the next one."
    )
    repack_window_bytes: int = Field(
        64 * 1024**3,
        ge=1024**2,
        description="While a volume is emptied: what may wait on disk between reading it and writing it elsewhere.",
    )
    compression_workers: int = Field(
        1,
        ge=0,
        le=256,
        description="Processes that compress studies without loss, where the rules say so, and restore them on the way "
        "back. Each keeps one core busy; 0: inside the engine's own process, for tests only.",
    )


class AuditSection(Section):
    """How long it is kept who did what, and what happened."""

    keep_days: int = Field(0, ge=0, le=36500, description="Entries of the audit trail that are older go; 0: none ever.")
    events_keep_days: int = Field(0, ge=0, le=36500, description="Events that are older go; 0: none ever.")
    looking: bool = Field(False, description="Also write down who looked at which study.")
    syslog_host: str = Field(
        "",
        description="Syslog server that is sent the audit trail as DICOM audit messages (PS3.15 A.5). What is "
        "received, sent and asked over DICOM is then written down, too. Empty: none.",
        examples=["audit.example"],
    )
    syslog_port: Port = Field(6514, description="Its port: 6514 is usual with tls, 514 with udp, 601 with tcp.")
    syslog_transport: Literal["tls", "tcp", "udp"] = Field(
        "tls", description="RFC 5425, RFC 6587 with octet counting, or RFC 5426, which may lose messages."
    )
    syslog_authorities_file: Path = Field(
        Path(), description="Certificates (PEM) of who vouches for the server. Empty: those of the system."
    )
    syslog_certificate_file: Path = Field(Path(), description="Our certificate (PEM), where the server wants one.")
    syslog_key_file: Path = Field(Path(), description="Its private key (PEM), readable by Firn alone.")


class NotifySection(Section):
    """How notifications leave the house; who is told of what is said on the page Notifications."""

    house: str = Field("firn", min_length=1, max_length=60, description="What messages call this archive.")
    pages: str = Field(
        "", description="Address of the pages for links in messages; empty: none.", examples=["https://archive.example"]
    )
    smtp_host: str = Field("", description="Mail server that takes messages; empty: no mail is sent.")
    smtp_port: Port = Field(25, description="Its TCP port: 587 is usual with starttls, 465 with tls.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="Whether the connection is encrypted: never, once it is open, or from its start."
    )
    smtp_user: str = Field("", description="Name to sign in with at the mail server; empty: without.")
    smtp_password_file: Path = Field(Path(), description="File that holds the password for it, readable by Firn alone.")
    sender: str = Field("", description="Sender of the messages.", examples=["firn@archive.example"])
    webhook_secret_file: Path = Field(
        Path(), description="File with the secret that signs webhooks (HMAC-SHA256); empty: they are not signed."
    )


class LogSection(Section):
    """One line an event, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is written.")
    format: Literal["text", "json"] = Field("text", description="For people, or for a log collector.")


class Config(Section):
    """The whole configuration of one appliance."""

    archive: ArchiveSection = ArchiveSection()
    catalog: CatalogSection = CatalogSection()
    dicom: DicomSection = DicomSection()
    tls: TlsSection = TlsSection()
    peers: tuple[Peer, ...] = Field((), alias="peer")
    orders: OrdersSection = OrdersSection()
    web: WebSection = WebSection()
    viewer: ViewerSection = ViewerSection()
    ldap: LdapSection = LdapSection()
    oidc: OidcSection = OidcSection()
    online: OnlineSection = OnlineSection()
    pack: PackSection = PackSection()
    libraries: tuple[LibraryEntry, ...] = Field((), alias="library")
    volume_pools: tuple[VolumePoolEntry, ...] = Field((), alias="volume_pool")
    cards: CardsSection = CardsSection()
    policy: PolicySection = PolicySection()
    engine: EngineSection = EngineSection()
    audit: AuditSection = AuditSection()
    notify: NotifySection = NotifySection()
    log: LogSection = LogSection()

    def resolve(self, path: str | Path) -> Path:
        """A path of this file as an absolute one."""
        return self.archive.data_dir / path

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy address of the catalog."""
        return self.catalog.url or f"sqlite:///{self.archive.data_dir / 'catalog.db'}"

    @property
    def online_directories(self) -> tuple[Path, ...]:
        """Folders of the online pool."""
        return tuple(self.resolve(directory) for directory in self.online.directories)

    @property
    def policy_file(self) -> Path | None:
        """The policy to publish first, or None for the one that comes with Firn."""
        return self.resolve(self.policy.file) if self.policy.file else None

    def patience_s(self, ae_title: str) -> float:
        """How long this peer is kept waiting for a recall."""
        for peer in self.peers:
            if peer.ae_title == ae_title.strip(" ") and peer.recall_patience_s is not None:
                return peer.recall_patience_s
        return self.dicom.recall_patience_s
