"""Libraries and the engine over them, put together from a Config: what owns hardware, and for how long."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial

from appliance.build import (
    audit_shipper,
    disk_facts,
    open_cards,
    open_catalog,
    open_pool,
    retry_settings,
    send_settings,
    tick_settings,
    volume_pools,
)
from appliance.config import Config
from appliance.devices import open_devices
from appliance.expiry import LOOK_EVERY_S as CERTIFICATES_EVERY_S
from appliance.expiry import look_at_certificates
from appliance.peers import check_all, peering
from drivers.base import Barcode
from drivers.clock import Clock, SystemClock
from drivers.udev import Watcher
from hsm.atna.shipper import EVERY_S as AUDIT_EVERY_S
from hsm.catalog import Catalog
from hsm.catalog.records import CatalogCounts
from hsm.engine import Engine, EngineBusy, EngineSettings
from hsm.engine.attendance import Attendance
from hsm.engine.beside import Beside, Chore
from hsm.engine.engine import LEASE
from hsm.engine.routines import Routines
from hsm.figures.observer import EVERY_S as OBSERVE_EVERY_S
from hsm.figures.observer import Observer
from hsm.library import Library
from hsm.notices.dispatch import EVERY_S as TELL_EVERY_S
from hsm.notices.dispatch import Dispatcher
from hsm.pool import OnlinePool
from hsm.rebuild import RebuildReport
from hsm.rebuild import rebuild as rebuild_catalog

TIDY_EVERY_S = 86400.0


def local_zone() -> tzinfo:
    """The zone of this machine, in which working hours and weekends are meant."""
    return datetime.now(UTC).astimezone().tzinfo or UTC


def engine_settings(config: Config) -> EngineSettings:
    """What an engine is told once."""
    redundancies = [entry.par2_redundancy_pct for entry in config.volume_pools if entry.kind == "disc"]
    return EngineSettings(
        staging=config.resolve("staging"),
        tick=tick_settings(config),
        retry=retry_settings(config),
        tick_every_s=config.policy.tick_every_s,
        keep_online_s=config.online.keep_online_s,
        reserve_recall_drives=config.engine.reserve_recall_drives,
        stop_after_error_pct=config.engine.stop_after_error_pct,
        stop_after_items=config.engine.stop_after_items,
        repack_window_bytes=config.engine.repack_window_bytes,
        par2_redundancy_pct=max(redundancies, default=0),
        compression_workers=config.engine.compression_workers,
        keep_events_s=config.audit.events_keep_days * 86400.0 or None,
        keep_audit_s=config.audit.keep_days * 86400.0 or None,
        on_conflict="replace" if config.dicom.on_conflict == "replace" else "refuse",
    )


@contextmanager
def open_libraries(config: Config, catalog: Catalog, clock: Clock) -> Iterator[dict[str, Library]]:
    """All configured libraries, owned until the block ends.

    Raises: LibraryBusy, LibraryMissing, DriverUnknown.
    """
    with ExitStack() as stack:
        libraries = {}
        for entry in config.libraries:
            devices = open_devices(entry, config.resolve(entry.path), clock)
            stack.callback(devices.close)
            libraries[entry.name] = Library(devices.changer, devices.tape_drives, devices.recorders, catalog, clock)
        yield libraries


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild read, and what the catalog knows after it."""

    found: RebuildReport
    studies: CatalogCounts


def rebuild(config: Config, barcodes: Sequence[Barcode] | None, progress: Callable[[str], None]) -> Rebuilt:
    """Enter what the volumes and the online pool hold into the catalog, which is made if it is not there.

    Raises: EngineBusy while an engine runs, and what open_libraries raises.
    """
    clock = SystemClock()
    catalog = open_catalog(config, create=True)
    try:
        holder = catalog.leases.holder(LEASE, clock.now())
        if holder is not None:
            raise EngineBusy(f"the engine runs as {holder}: stop it first, it owns the libraries")
        with open_libraries(config, catalog, clock) as libraries:
            report = rebuild_catalog(catalog, open_pool(config), libraries, clock, barcodes, progress)
        return Rebuilt(report, catalog.studies.counts())
    finally:
        catalog.close()


@contextmanager
def open_engine(config: Config, catalog: Catalog, pool: OnlinePool, clock: Clock | None = None) -> Iterator[Engine]:
    """An engine over the configured libraries; it has not taken over yet.

    Raises: LibraryBusy, LibraryMissing, DriverUnknown.
    """
    clock = clock or SystemClock()
    settings = engine_settings(config)
    settings.staging.mkdir(parents=True, exist_ok=True)
    with open_libraries(config, catalog, clock) as libraries:
        cards = open_cards(config, catalog, pool)
        yield Engine(catalog, pool, libraries, volume_pools(config), settings, clock, cards)


@contextmanager
def attending(config: Config, catalog: Catalog, routines: Routines) -> Iterator[None]:
    """Devices that appear or go are noticed at once as long as the block lasts, where there is udev."""
    look = partial(routines.ask, "inventory")
    attendance = Attendance(catalog, {entry.name for entry in config.libraries}, SystemClock(), look)
    watcher = Watcher(attendance.noticed)
    watcher.start()
    try:
        yield
    finally:
        watcher.close()


@contextmanager
def working_beside(config: Config, catalog: Catalog, pool: OnlinePool, engine: Engine) -> Iterator[None]:
    """What the engine's process does beside its loop as long as the block lasts and the lease is its own."""
    clock = SystemClock()
    folders = (config.archive.data_dir, *config.online_directories)
    observer = Observer(catalog, partial(disk_facts, config, pool), folders, clock)
    dispatcher = Dispatcher(catalog, send_settings(config), clock, local_zone())
    chores = [
        Chore("observe", OBSERVE_EVERY_S, observer.observe),
        Chore("thin_samples", TIDY_EVERY_S, observer.tidy),
        Chore("tell", TELL_EVERY_S, dispatcher.round),
        Chore("certificates", CERTIFICATES_EVERY_S, lambda: look_at_certificates(config, catalog, clock)),
        Chore("forget_told", TIDY_EVERY_S, dispatcher.tidy),
    ]
    if (shipper := audit_shipper(config, catalog, clock)) is not None:
        chores.append(Chore("audit_to_syslog", AUDIT_EVERY_S, shipper.round))
    if config.dicom.echo_every_s:
        known = peering(config)
        chores.append(Chore("echo", config.dicom.echo_every_s, lambda: check_all(catalog, known, clock)))
    with Beside(chores, lambda: catalog.leases.holder(LEASE, clock.now()) == engine.holder):
        yield


@contextmanager
def engine_here(config: Config, catalog: Catalog, pool: OnlinePool) -> Iterator[Engine]:
    """An engine that has taken over and gives everything back at the end, for a command that waits.

    Raises: EngineBusy, and what open_engine raises.
    """
    with open_engine(config, catalog, pool) as engine:
        engine.take_over()
        try:
            yield engine
        finally:
            engine.close()


def engine_alive(catalog: Catalog, now: datetime) -> bool:
    """Whether some process runs the engine of this catalog."""
    return catalog.leases.holder(LEASE, now) is not None
