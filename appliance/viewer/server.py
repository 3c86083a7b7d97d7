"""The viewer under gunicorn, on a port of its own."""

import ssl
from typing import Any

from gunicorn.app.base import BaseApplication

from appliance.config import Config
from appliance.viewer.package import NAME, VERSION, ViewerNotInstalled, installed
from appliance.viewer.serving import Backend, ViewerSite
from appliance.web_server import REQUEST_LIMIT_S, STOP_LIMIT_S, PagesLogger, https_settings

THREADS = 16
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def site(config: Config) -> ViewerSite:
    """The application. Raises: ViewerNotInstalled."""
    folder = installed(config.resolve(config.viewer.directory))
    if folder is None:
        raise ViewerNotInstalled(f"{NAME} {VERSION} is not installed: run `firn viewer install`")
    tls = None
    if secure := https_settings(config):
        tls = ssl.create_default_context(cafile=secure["certfile"])  # this machine asks itself: no other will do
        tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        tls.check_hostname = False  # it names what others call it
    web = config.web
    return ViewerSite(folder, Backend(_EVERYWHERE.get(web.host, web.host), web.port, tls))


class ViewerServer(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """Gunicorn with the viewer; run() returns never, the process ends."""

    def __init__(self, config: Config) -> None:
        """Raises: ViewerNotInstalled, CertificateUnusable as for the pages."""
        self._config, self._site = config, site(config)
        super().__init__()

    def load_config(self) -> None:
        """Gunicorn's settings; it says READY to NOTIFY_SOCKET by itself once it listens."""
        viewer = self._config.viewer
        host = f"[{viewer.host}]" if ":" in viewer.host else viewer.host
        settings: dict[str, Any] = {
            "bind": [f"{host}:{viewer.port}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": REQUEST_LIMIT_S,
            "graceful_timeout": STOP_LIMIT_S,
            "logger_class": PagesLogger,
            "control_socket_disable": True,
            "proc_name": "firn-viewer",
            **https_settings(self._config),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> ViewerSite:
        """The application of a worker."""
        return self._site
