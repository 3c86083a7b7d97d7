"""From a Config to the objects that do the work. Nothing else constructs a driver."""

import json
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from appliance.config import Config
from appliance.config.dicom import Peer
from appliance.config.schema import LibraryEntry, VolumePoolEntry
from appliance.devices import smallest_volume_bytes
from appliance.dimse.settings import Callers, DimseSettings
from appliance.dimse.settings import Peer as DimsePeer
from appliance.mllp.server import MllpSettings
from appliance.tls import NOWHERE, client_context, server_context
from drivers.base import MediumKind
from drivers.clock import Clock, SystemClock
from hsm.archive import Archive, ArchiveSettings
from hsm.atna.messages import Station
from hsm.atna.shipper import Shipper
from hsm.atna.syslog import SyslogSettings
from hsm.cards import CardMaker, CardShelf, MakerSettings
from hsm.catalog import Catalog
from hsm.catalog.intake import OnConflict
from hsm.commitment.levels import Level
from hsm.facts import DiskFacts, VolumePool
from hsm.mover.outcome import RetrySettings
from hsm.notices.sending import SendSettings
from hsm.peers.model import PeerRecord, PeerRight
from hsm.policy import check, parse
from hsm.policy.cost import Prices
from hsm.pool import OnlinePool
from hsm.ticking import TickSettings
from hsm.ticking import disk_facts as disk_facts_of


class ArchiveMissing(Exception):
    """There is no archive where the configuration says."""


class PolicyRefused(Exception):
    """A policy can be read but does not fit this archive."""


# -- the catalog and the pool ---------------------------------------------------------------------------------


def open_catalog(config: Config, *, create: bool) -> Catalog:
    """The catalog, its schema brought up to date.

    Raises: ArchiveMissing when it is a file that does not exist and must not be created; CatalogError.
    """
    prefix = "sqlite:///"
    if config.catalog_url.startswith(prefix):
        path = Path(config.catalog_url.removeprefix(prefix))
        if not path.is_file() and not create:
            raise ArchiveMissing(f"There is no catalog {path}. Begin a new archive with `firn pool init`.")
        path.parent.mkdir(parents=True, exist_ok=True)
    return Catalog.open(config.catalog_url, pool_size=config.catalog.pool_size)


def _pool_arguments(config: Config) -> tuple[Sequence[Path], int, Path]:
    return config.online_directories, config.online.reserve_bytes, config.resolve("quarantine")


def open_pool(config: Config) -> OnlinePool:
    """The online pool as it is; nothing is created."""
    return OnlinePool(*_pool_arguments(config))


def create_archive(config: Config, now: datetime) -> list[str]:
    """Make what a new archive needs and is not there yet: catalog, pool, first policy.

    Returns: what was made, in sentences.
    Raises: CatalogError, PolicyInvalid, OSError.
    """
    config.archive.data_dir.mkdir(parents=True, exist_ok=True)
    made = []
    OnlinePool.create(*_pool_arguments(config))
    made += [f"Studies arrive in {directory}." for directory in config.online_directories]
    catalog = open_catalog(config, create=True)
    try:
        if catalog.policies.current() is None:
            text, name = first_policy(config)
            publish(catalog, text, name, volume_pools(config), now)
            made.append(f"The policy {name} is in force; see `firn policy show`.")
    finally:
        catalog.close()
    return made


def first_policy(config: Config) -> tuple[str, str]:
    """Text and name of the policy to publish while there is none."""
    if config.policy_file is not None:
        return config.policy_file.read_text(encoding="utf-8"), str(config.policy_file)
    return default_policy([entry.name for entry in config.volume_pools]), "that comes with Firn"


def default_policy(pools: Sequence[str]) -> str:
    """A copy in every pool; disk space is freed only under pressure, and only after two verified copies.

    With fewer than two pools nothing is ever released: one copy is none.
    """
    named = ", ".join(json.dumps(name, ensure_ascii=False) for name in pools)
    if not pools:
        return 'rule "no volume pool is configured: everything stays on disk":\n    keep online\n'
    if len(pools) == 1:
        return f'rule "one copy on volumes, and everything stays on disk":\n    copy to {named}\n    keep online\n'
    return (
        'rule "a copy in every pool; disk space is freed only when it is needed":\n'
        f"    copy to {named}\n"
        "    release when space is needed after 2 verified copies\n"
    )


def prices(config: Config) -> Prices:
    """What blank volumes cost, as far as the configuration says."""
    given = {pool.name: pool.volume_price for pool in config.volume_pools if pool.volume_price is not None}
    return Prices(config.policy.currency, given)


def publish(catalog: Catalog, text: str, author: str, pools: Mapping[str, VolumePool], now: datetime) -> int:
    """Put a policy in force after checking it against the pools; its version.

    Raises: PolicyInvalid, PolicyRefused.
    """
    faults = [finding for finding in check(parse(text), pools) if finding.is_fault]
    if faults:
        raise PolicyRefused("; ".join(f"line {fault.line}: {fault.message}" for fault in faults))
    return catalog.policies.publish(text, author, now)


TRANSCODERS = 2  # processes beside each one that serves peers; started when the first object is to be decompressed


def open_archive(config: Config, catalog: Catalog, pool: OnlinePool, clock: Clock | None = None) -> Archive:
    """The front door."""
    on_conflict: OnConflict = "replace" if config.dicom.on_conflict == "replace" else "refuse"
    return Archive(
        catalog,
        pool,
        clock or SystemClock(),
        ArchiveSettings(
            on_conflict=on_conflict, deliver_within_s=config.dicom.deliver_within_s, transcode_workers=TRANSCODERS
        ),
    )


def open_cards(config: Config, catalog: Catalog, pool: OnlinePool) -> CardMaker | None:
    """What makes and keeps previews; None where the configuration wants none. To be closed."""
    cards = config.cards
    if not cards.enabled:
        return None
    settings = MakerSettings(cards.thumbnail_px, cards.key_px, cards.time_limit_s)
    return CardMaker(catalog, pool, CardShelf(config.resolve(cards.directory)), settings)


def disk_facts(config: Config, pool: OnlinePool) -> DiskFacts:
    """How full the online pool is, with its water marks. Raises: PoolMissing."""
    return disk_facts_of(pool, tick_settings(config))


# -- settings -------------------------------------------------------------------------------------------------


def retry_settings(config: Config) -> RetrySettings:
    """How patiently failing work is tried again."""
    return RetrySettings(first_s=config.engine.retry_first_s, max_s=config.engine.retry_max_s)


def delivery_settings(config: Config) -> RetrySettings:
    """How patiently deliveries are tried again; their deadline ends them."""
    return RetrySettings(first_s=config.dicom.delivery_retry_first_s, max_s=config.dicom.delivery_retry_max_s)


def tick_settings(config: Config) -> TickSettings:
    """What an evaluation of the policy must know."""
    return TickSettings(
        pack_max_bytes=config.pack.max_bytes,
        stable_after_s=config.pack.stable_after_s,
        high_water_pct=config.online.high_water_pct,
        low_water_pct=config.online.low_water_pct,
        max_releases=config.engine.max_releases_per_tick,
        retry=retry_settings(config),
    )


def peer_record(peer: Peer) -> PeerRecord:
    """A peer of the configuration file as pages and commands see it."""
    return PeerRecord(
        ae_title=peer.ae_title,
        host=peer.host,
        port=peer.port,
        patience_s=peer.recall_patience_s,
        rights=frozenset(PeerRight(right) for right in peer.rights),
        configured=True,
        commit=Level(peer.commit),
        tls=peer.tls,
        recalls_per_day=peer.recalls_per_day,
        addresses=peer.addresses,
        announce=peer.announce,
    )


def dimse_settings(config: Config) -> DimseSettings:
    """What the DICOM node is told once. Raises: TlsUnusable."""
    dicom, tls = config.dicom, config.tls
    over_tls = {tls.certificate_file, tls.authorities_file} != {NOWHERE} or any(peer.tls for peer in config.peers)
    return DimseSettings(
        ae_title=dicom.ae_title,
        host=dicom.host,
        port=dicom.port,
        peers={peer.ae_title: DimsePeer.of(peer_record(peer)) for peer in config.peers},
        callers=Callers(dicom.accept_callers),
        require_called_aet=not dicom.accept_any_called_aet,
        unrestricted_storage=dicom.accept_unknown_sop_classes,
        max_associations=dicom.max_associations,
        max_object_bytes=dicom.max_object_bytes,
        max_pdu_bytes=dicom.max_pdu_bytes,
        artim_s=dicom.association_timeout_s,
        idle_s=dicom.idle_timeout_s,
        network_s=dicom.network_timeout_s,
        answer_s=dicom.answer_timeout_s,
        connect_s=dicom.connect_timeout_s,
        keepalive_s=dicom.keepalive_s,
        patience_s=dicom.recall_patience_s,
        recalls_per_day=dicom.recalls_per_day,
        find_limit=dicom.find_limit,
        commitment_patience=timedelta(seconds=dicom.commitment_patience_s),
        audit_use=bool(config.audit.syslog_host),
        tls=server_context(config),
        tls_port=None if tls.port == dicom.port else tls.port,
        client_tls=client_context(config) if over_tls else None,
        zone=orders_zone(config),
    )


def orders_zone(config: Config) -> tzinfo:
    """The zone in which orders and worklists tell times."""
    name = config.orders.time_zone
    return ZoneInfo(name) if name else datetime.now(UTC).astimezone().tzinfo or UTC


def mllp_settings(config: Config) -> MllpSettings:
    """What the HL7 listener is told once."""
    orders = config.orders
    return MllpSettings(
        host=orders.host,
        port=orders.port,
        senders=orders.senders,
        max_message_bytes=orders.max_message_bytes,
        max_connections=orders.max_connections,
        idle_s=orders.idle_timeout_s,
        zone=orders_zone(config),
    )


def audit_shipper(config: Config, catalog: Catalog, clock: Clock) -> Shipper | None:
    """What sends the audit trail to a syslog server; None where none is configured."""
    audit = config.audit
    if not audit.syslog_host:
        return None

    def file(path: Path) -> Path | None:
        return config.resolve(path) if path != NOWHERE else None

    server = SyslogSettings(
        audit.syslog_host,
        audit.syslog_port,
        audit.syslog_transport,
        file(audit.syslog_authorities_file),
        file(audit.syslog_certificate_file),
        file(audit.syslog_key_file),
    )
    return Shipper(catalog, server, Station(config.dicom.ae_title, config.notify.house, socket.gethostname()), clock)


def send_settings(config: Config) -> SendSettings:
    """How notifications leave the house."""
    notify = config.notify

    def file(path: Path) -> Path | None:
        return config.resolve(path) if path != Path() else None

    return SendSettings(
        house=notify.house,
        pages=notify.pages,
        smtp_host=notify.smtp_host,
        smtp_port=notify.smtp_port,
        smtp_security=notify.smtp_security,
        smtp_user=notify.smtp_user,
        smtp_password_file=file(notify.smtp_password_file),
        sender=notify.sender,
        webhook_secret_file=file(notify.webhook_secret_file),
    )


def volume_pools(config: Config) -> dict[str, VolumePool]:
    """The pools that policies copy to, by name."""
    libraries = {entry.name: entry for entry in config.libraries}
    return {entry.name: _volume_pool(config, entry, libraries.get(entry.library)) for entry in config.volume_pools}


def _volume_pool(config: Config, entry: VolumePoolEntry, library: LibraryEntry | None) -> VolumePool:
    capacity_bytes = smallest_volume_bytes(config, entry, library)
    return VolumePool(
        name=entry.name,
        kind=MediumKind(entry.kind),
        library=entry.library,
        barcodes=entry.barcodes,
        auto_label=entry.auto_label,
        reserve_bytes=entry.reserve_bytes(capacity_bytes) if capacity_bytes else entry.capacity_reserve_bytes,
        burn_after_s=entry.burn_after_s,
        flush_every_bytes=entry.flush_every_bytes,
        flush_every_packs=entry.flush_every_packs,
        catalog_every_bytes=entry.catalog_every_bytes,
    )
