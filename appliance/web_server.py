"""The web pages under gunicorn: one process with threads, restarted by its master when it hangs."""

import logging
import os
import socket
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from appliance import build
from appliance.accounts import first_account
from appliance.config import Config
from appliance.config.effective import effective
from appliance.labels import of_volumes
from appliance.peers import destinations, peering
from appliance.realms import directory, provider
from appliance.tls import NOWHERE, show
from appliance.viewer.package import installed
from drivers.clock import SystemClock
from hsm.catalog import Catalog
from hsm.commitment.levels import Level
from hsm.rendering import Renderers
from web.app import create_app
from web.services import Services, WebSettings

REQUEST_LIMIT_S = 120  # a worker that says nothing for so long is replaced
STOP_LIMIT_S = 10


class PagesLogger(Logger):  # type: ignore[misc] # gunicorn ships no types
    """Gunicorn's words go where ours go."""

    def setup(self, cfg: Any) -> None:
        """Add no handler: the root logger has one."""
        self.loglevel = logging.getLogger().level
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True


def pages(config: Config, catalog: Catalog, path: Path | None = None) -> Flask:
    """The application over an open catalog. `path`: the file the configuration was read from."""
    from appliance.serve import web_key

    clock = SystemClock()
    pool = build.open_pool(config)
    names = {config.web.host, socket.gethostname(), socket.getfqdn()} - {"0.0.0.0", "::"}
    viewer = config.viewer.enabled and installed(config.resolve(config.viewer.directory)) is not None
    settings = WebSettings(
        secret_key=web_key(config),
        trusted_hosts=tuple(sorted({*names, *config.web.trusted_hosts})),
        secure_cookies=config.web.secure_cookies or config.web.certificate_file != NOWHERE,
        session_idle_s=config.web.session_idle_s,
        session_longest_s=config.web.session_longest_s,
        streams=config.web.threads // 2,  # the other half goes on answering
        metrics_from_loopback=config.web.metrics_from_loopback,
        notice=config.web.notice,
        viewer_port=config.viewer.port if viewer else None,
        cors_origins=config.web.cors_origins,
        cors_credentials=config.web.cors_credentials,
        commit=Level(config.web.commit),
        audit_looking=config.audit.looking,
        max_releases=config.engine.max_releases_per_tick,
        confirm_releases=config.policy.confirm_releases,
    )
    return create_app(
        Services(
            catalog=catalog,
            archive=build.open_archive(config, catalog, pool, clock),
            pool_usage=lambda: build.disk_facts(config, pool),
            pool_check=pool.check,
            volume_pools=build.volume_pools(config),
            settings=settings,
            clock=clock,
            cards=build.open_cards(config, catalog, pool),
            renderers=Renderers(config.web.renderers) if config.web.renderers else None,
            label_sheet=of_volumes.sheet,
            destinations=partial(destinations, config, catalog),
            peering=peering(config),
            configuration=effective(config, path, os.environ),
            send=build.send_settings(config),
            prices=build.prices(config),
            ldap=directory(config),
            oidc=provider(config),
        )
    )


def https_settings(config: Config) -> dict[str, Any]:
    """What gunicorn is told of https; nothing where the pages speak http. Raises: what `show` raises."""
    web = config.web
    if web.certificate_file == NOWHERE:
        return {}
    certificate, key = config.resolve(web.certificate_file), config.resolve(web.key_file)

    def modern(settings: Any, usual: Any) -> ssl.SSLContext:
        del settings, usual
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        show(context, certificate, key)
        return context

    modern(None, None)  # what is wrong is said now, and not by a worker again and again
    return {"certfile": str(certificate), "keyfile": str(key), "ssl_context": modern}


class PagesServer(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """Gunicorn with our application; run() returns never, the process ends."""

    def __init__(self, config: Config, path: Path) -> None:
        self._config, self._path = config, path
        catalog = build.open_catalog(config, create=False)
        try:
            pages(config, catalog, path)  # what is wrong is said now, and not by a worker again and again
            if (first := first_account(catalog, SystemClock().now())) is not None:
                sys.stderr.write(first.words + "\n")
        finally:
            catalog.close()
        self._secure = https_settings(config)
        super().__init__()

    def load_config(self) -> None:
        """Gunicorn's settings; it says READY to NOTIFY_SOCKET by itself once it listens."""
        web = self._config.web
        host = f"[{web.host}]" if ":" in web.host else web.host
        for name, value in {
            "bind": [f"{host}:{web.port}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": web.threads,
            "timeout": REQUEST_LIMIT_S,
            "graceful_timeout": STOP_LIMIT_S,
            "logger_class": PagesLogger,
            "control_socket_disable": True,
            "proc_name": "firn-web",
            **self._secure,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application of one worker, with a catalog of its own: connections do not survive a fork."""
        return pages(self._config, build.open_catalog(self._config, create=False), self._path)
