"""What the pages need of the house, handed over as built objects by whoever puts the house together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from typing import Protocol, cast

from flask import current_app

from drivers.clock import Clock
from hsm.archive import Archive
from hsm.cards import CardMaker
from hsm.catalog import Catalog
from hsm.commitment.levels import Level
from hsm.facts import DiskFacts, VolumePool, VolumeRecord
from hsm.notices.sending import SendSettings
from hsm.peers.model import Peering
from hsm.policy.cost import Prices
from hsm.rendering import Renderers
from hsm.settings_read import SettingRead
from web.access.ldap import LdapSettings
from web.access.oidc import Provider

EXTENSION = "firn"
ENGINE_LEASE = "engine"


@dataclass(frozen=True)
class WebSettings:
    """How the pages behave.

    secret_key signs the cookie that holds the session and the form token: 32 random bytes, the same in every worker.
    trusted_hosts are the names, without port, under which the pages may be asked besides the loopback ones.
    """

    secret_key: bytes = field(repr=False)
    trusted_hosts: tuple[str, ...] = ()
    secure_cookies: bool = False  # True behind TLS
    session_idle_s: float = 8 * 3600.0  # an unused session ends after this time
    session_longest_s: float = 7 * 86400.0  # and a used one after this
    streams: int = 4  # of server-sent events that one process keeps open; each holds one of its threads
    streams_of_one: int = 2  # of one person
    stream_every_s: float = 1.0  # how often the catalog is looked at for all of them
    metrics_from_loopback: bool = False  # /metrics needs no token when this machine itself asks
    viewer_port: int | None = None  # where another viewer answers on this host; None: there is none
    cors_origins: tuple[str, ...] = ()  # of other pages that may ask DICOMweb from a browser, letter by letter
    cors_credentials: bool = False  # and with the session of that browser
    commit: Level = Level.DISK  # how safe an object is before who asks over the web may forget its own
    commitment_patience: timedelta = timedelta(days=30)  # for objects to reach that level
    notice: str = ""  # said above the sign-in form
    zone: tzinfo = UTC  # of the absolute times
    page_size: int = 50
    poll_s: int = 5
    safe_copies: int = 2  # a study is called safe when every pack has as many verified copies, on distinct volumes
    plan_max_age_s: float = 60.0  # a dry run of the whole catalog is shown again for so long
    patience_s: float = 0.1  # a dry run that takes longer is worked out aside while the page says so
    max_releases: int | None = None  # the cap of one tick, as the engine has it; a dry run keeps to it too
    audit_looking: bool = False  # who looked at which study is written down, too
    confirm_releases: int = 100  # publishing rules that release so many more asks for the number to be typed
    dry_run_reasons: int = 200  # lines of a dry run that are listed


class LabelsRefused(Exception):
    """A label was asked for that cannot be printed; the message says which and why."""


class LabelSheet(Protocol):
    """Makes a PDF of labels."""

    def __call__(self, volumes: Iterable[VolumeRecord], paper: str, coloured: bool, skip: int) -> bytes:
        """Stickers for cartridges, then a page for each disc. `paper`: a4 or letter. Raises: LabelsRefused."""
        ...


@dataclass(frozen=True)
class Services:
    """Everything the pages reach; they keep nothing of their own."""

    catalog: Catalog
    archive: Archive
    pool_usage: Callable[[], DiskFacts]
    pool_check: Callable[[], None]  # raises hsm.pool.PoolMissing or PoolFull
    volume_pools: Mapping[str, VolumePool]
    settings: WebSettings
    clock: Clock
    prices: Prices = field(default_factory=Prices)  # of blank volumes, as far as they were given
    cards: CardMaker | None = None  # None: no previews are kept
    renderers: Renderers | None = None  # None: no pictures are drawn
    destinations: Callable[[], Sequence[str]] = tuple  # AE titles that studies can be sent to
    label_sheet: LabelSheet | None = None  # None: where nobody prints
    peering: Peering | None = None  # None: nobody asks peers here
    configuration: Sequence[SettingRead] = ()  # as it was read
    send: SendSettings | None = None  # how notifications leave; None: they do not
    ldap: LdapSettings | None = None  # the directory that knows people; None: there is none
    oidc: Provider | None = None  # the identity provider; None: there is none


def services() -> Services:
    """The services of the application that answers the present request."""
    return cast(Services, current_app.extensions[EXTENSION])
