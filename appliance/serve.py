"""The services of one machine: what each of them runs, and `firn serve`, which keeps them running."""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from appliance import build
from appliance.accounts import demo_accounts, first_account
from appliance.config import Config
from appliance.logs import LogFormat, set_up
from appliance.supervise import PARENT_VARIABLE, Service, Supervisor, Timing, tell_ready
from appliance.viewer.package import installed
from hsm.access.actor import FIRN
from hsm.archive import Archive
from hsm.catalog.audit import ObjectKind
from hsm.catalog.errors import CatalogError

WEB_KEY_FILE = "web.key"
WEB_KEY_BYTES = 32

log = structlog.get_logger()
Say = Callable[[str], None]


# -- what each service runs --------------------------------------------------------------------------------------------


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call from the main thread."""
    stop = threading.Event()

    def asked(number: int, frame: object) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)
    return stop


def run_engine(config: Config) -> None:
    """Be the engine until told to stop; the pack that is being written is finished first.

    Raises: EngineBusy, LeaseLost, LibraryBusy, LibraryMissing, ArchiveMissing.
    """
    from appliance.machinery import attending, open_engine, working_beside
    from hsm.engine.routines import Routines

    stop = stop_on_signals()
    catalog = build.open_catalog(config, create=False)
    try:
        pool = build.open_pool(config)
        with open_engine(config, catalog, pool) as engine:
            routines = Routines(engine)
            with attending(config, catalog, routines), working_beside(config, catalog, pool, engine):
                routines.run(stop, tell_ready)
    finally:
        catalog.close()
    log.info("engine_stopped")


def run_web(config: Config, path: Path) -> None:
    """Serve the pages until told to stop."""
    from appliance.web_server import PagesServer

    PagesServer(config, path).run()


def run_pacs(config: Config) -> None:
    """Accept associations until told to stop; those that are open are let finish."""
    from appliance.dimse.announcer import Announcer
    from appliance.dimse.deliver import Deliverer
    from appliance.dimse.directory import Directory
    from appliance.dimse.reporter import Reporter
    from appliance.dimse.server import DimseServer
    from appliance.mllp.orders import orders_server

    stop = stop_on_signals()
    catalog = build.open_catalog(config, create=False)
    try:
        archive = build.open_archive(config, catalog, build.open_pool(config))
        settings = build.dimse_settings(config)
        settings = replace(settings, peers=Directory(settings.peers, catalog))
        server, reporter = DimseServer(archive, settings), Reporter(archive, settings)
        announcer = Announcer(archive, settings)
        deliverer = Deliverer(archive, settings, build.delivery_settings(config), config.dicom.delivery_workers)
        orders = orders_server(archive, build.mllp_settings(config)) if config.orders.hl7 else None
        told = partial(_note_life, archive, config)
        told("application_started")
        server.start()
        if orders is not None:
            orders.start()
        reporter.start()
        announcer.start()
        deliverer.start()
        try:
            tell_ready()
            stop.wait()
        finally:
            deliverer.stop()
            if orders is not None:
                orders.stop()
            server.stop()
            announcer.stop()
            reporter.stop()
            told("application_stopped")
    finally:
        catalog.close()
    log.info("pacs_stopped")


def _note_life(archive: Archive, config: Config, action: str) -> None:
    """Note in the audit trail that the DICOM node begins or ends, where the trail is sent on."""
    if config.audit.syslog_host:
        title = config.dicom.ae_title
        try:
            archive.catalog.audit.record(FIRN, action, ObjectKind.PEER, title, archive.clock.now())
        except CatalogError as error:
            log.error("audit_not_written", action=action, reason=str(error))


def web_key(config: Config) -> bytes:
    """The key that signs form tokens: made once, readable by us alone, the same for every worker."""
    path = config.resolve(WEB_KEY_FILE)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        key = secrets.token_bytes(WEB_KEY_BYTES)
        file.write(key)
    return key


# -- all of them together ----------------------------------------------------------------------------------------------


def services(config: Config, config_path: Path, log_dir: Path | None) -> list[Service]:
    """What runs on this machine: one web, one engine, and as many acceptors as configured."""

    def service(name: str, command: str, ready_line: str) -> Service:
        argv = (sys.executable, "-m", "appliance.cli", "--config", str(config_path.resolve()), *command.split())
        return Service(name, argv, ready_line, None if log_dir is None else log_dir / f"{name}.log")

    libraries = ", ".join(entry.name for entry in config.libraries) or "none"
    running = [
        service("engine", "engine", f"engine   ready, owns the libraries: {libraries}"),
        service("web", "web", f"web      ready: {web_address(config)}"),
    ]
    for number in range(1, config.dicom.acceptors + 1):
        name = "pacs" if config.dicom.acceptors == 1 else f"pacs-{number}"
        running.append(service(name, "pacs", f"{name:8} ready: {config.dicom.ae_title} at {dicom_address(config)}"))
    if config.viewer.enabled and installed(config.resolve(config.viewer.directory)) is not None:
        at = f"{config.viewer.host}:{config.viewer.port}"
        running.append(service("viewer", "viewer serve", f"viewer   ready: OHIF at {at}"))
    return running


def web_address(config: Config) -> str:
    """The address of the pages, for people."""
    scheme = "http" if config.web.certificate_file == Path() else "https"
    return f"{scheme}://{config.web.host}:{config.web.port}/"


def dicom_address(config: Config) -> str:
    """Where the DICOM node listens."""
    plain, tls = f"{config.dicom.host}:{config.dicom.port}", config.tls.port
    if not tls:
        return plain
    return f"{plain} (TLS)" if tls == config.dicom.port else f"{plain}, over TLS {config.dicom.host}:{tls}"


def serve(
    config: Config, config_path: Path, say: Say, log_dir: Path | None = None, timing: Timing | None = None
) -> None:
    """Run everything until SIGTERM or SIGINT.

    Raises: ServiceFailed, ArchiveMissing, CatalogError, PoolError.
    """
    set_up(config.log.level, LogFormat(config.log.format), "serve")
    with build.open_catalog(config, create=False) as catalog:  # said here once instead of by each service
        first = first_account(catalog, datetime.now(UTC))
    build.open_pool(config).check()

    def ready() -> None:
        say(addresses(config))
        if first is not None:
            say(first.words)

    Supervisor(services(config, config_path, log_dir), say, timing or Timing(), all_ready=ready).run()
    say("Stopped.")


def addresses(config: Config) -> str:
    """What a newcomer needs to know when everything runs."""
    lines = [
        f"DICOM     {config.dicom.ae_title} at {dicom_address(config)}",
        f"Pages     {web_address(config)}",
        f"Health    {web_address(config)}readyz",
    ]
    return "\n".join(lines)


def serve_demo(root: Path, given_config: Path | None, say: Say) -> None:
    """Make a demo in a folder, run it, send sample studies once, and tell what happens to them.

    Raises: ServiceFailed, ConfigInvalid.
    """
    from appliance.demo.narration import Narrator
    from appliance.demo.setup import prepare

    config, path = prepare(given_config.parent if given_config is not None else root, datetime.now(UTC))
    log_dir = config.resolve("log")
    log_dir.mkdir(parents=True, exist_ok=True)
    with (log_dir / "serve.log").open("a", encoding="utf-8") as own_log:
        set_up(config.log.level, LogFormat(config.log.format), "serve", own_log)
        catalog = build.open_catalog(config, create=False)
        narrator = Narrator(catalog)
        feeder = _Feeder(path, log_dir)
        say(f"Demo archive in {config.archive.data_dir}; logs in {log_dir}. Stop with Ctrl-C.")

        sign_in = demo_accounts(catalog, config.archive.data_dir, datetime.now(UTC))

        def ready() -> None:
            say(addresses(config))
            say(sign_in)
            say(f"In another terminal: firn --config {os.path.relpath(path)} status")
            feeder.start()

        def tick() -> None:
            for line in narrator.look():
                say(line)

        try:
            Supervisor(services(config, path, log_dir), say, tick=tick, all_ready=ready).run()
        finally:
            feeder.stop()
            catalog.close()
    say("Stopped. `firn serve --demo` goes on where this ended.")


class _Feeder:
    """The process that sends the sample studies."""

    def __init__(self, config_path: Path, log_dir: Path) -> None:
        self._argv = (sys.executable, "-m", "appliance.cli", "--config", str(config_path), "feed")
        self._log_path = log_dir / "feed.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to send; does not wait."""
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        with self._log_path.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End it if it still sends."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


def run_feed(config: Config) -> None:
    """Send the sample studies that are not there yet. Raises: SampleRefused."""
    from appliance.demo.feed import send_samples

    stop = stop_on_signals()
    catalog = build.open_catalog(config, create=False)

    def have(study_uid: str) -> int:
        study = catalog.studies.get(study_uid)
        return 0 if study is None else study.instance_count

    try:
        send_samples(config, have, stop)
    finally:
        catalog.close()
