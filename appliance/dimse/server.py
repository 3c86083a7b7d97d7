"""Listens for associations. Several processes may share one port: the kernel spreads connections over them."""

import socket
import ssl
import threading
import time

import structlog

from appliance.dimse.association import Association
from appliance.dimse.doorkeeper import Doorkeeper
from appliance.dimse.settings import DimseSettings
from appliance.dimse.wire import Wire
from hsm.archive import Archive

_log = structlog.get_logger()
_BACKLOG = 256


class DimseServer:
    """Accepts connections, one thread for each, until it is stopped."""

    def __init__(self, archive: Archive, settings: DimseSettings) -> None:
        self._archive = archive
        self._settings = settings
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}  # counted before the thread runs, so no limit is overrun
        self._listeners: list[socket.socket] = []
        self._acceptors: list[threading.Thread] = []
        self._doorkeeper = Doorkeeper(archive, settings)
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on. Raises: RuntimeError before start()."""
        return self._port_of(0)

    @property
    def tls_port(self) -> int:
        """The port it listens on for TLS. Raises: RuntimeError before start(), or without such a port."""
        return self._port_of(1)

    def _port_of(self, number: int) -> int:
        if number >= len(self._listeners):
            raise RuntimeError("the DICOM server was not started, or not on such a port")
        return int(self._listeners[number].getsockname()[1])

    @property
    def associations(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._open)

    def start(self) -> None:
        """Listen. Returns at once. Raises: OSError when a port cannot be had."""
        wanted: list[tuple[int, ssl.SSLContext | None]] = [(self._settings.port, None)]
        if self._settings.tls is not None and self._settings.tls_port is None:
            wanted = [(self._settings.port, self._settings.tls)]
        elif self._settings.tls is not None and self._settings.tls_port is not None:
            wanted.append((self._settings.tls_port, self._settings.tls))
        listeners: list[socket.socket] = []
        try:
            for port, _ in wanted:
                listeners.append(_listener(self._settings.host, port))
        except OSError:
            for listener in listeners:
                listener.close()
            raise
        self._listeners = listeners
        self._stopping.clear()
        for listener, (_, tls) in zip(listeners, wanted, strict=True):
            acceptor = threading.Thread(target=self._accept, args=(listener, tls), name="dimse-accept")
            self._acceptors.append(acceptor)
            acceptor.start()
        ports = [int(listener.getsockname()[1]) for listener in listeners]
        _log.info("dimse_started", ae_title=self._settings.ae_title, host=self._settings.host, ports=ports)

    def stop(self) -> None:
        """Take no more connections, let the open ones end for a while, then cut them. Returns when all are gone."""
        if not self._listeners:
            return
        self._stopping.set()
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        for acceptor in self._acceptors:
            acceptor.join()
        for listener in self._listeners:
            listener.close()
        self._listeners, self._acceptors = [], []
        deadline = time.monotonic() + self._settings.stop_grace_s
        for thread in self._threads():
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            left = list(self._open.items())
        for _, sock in left:
            _cut(sock)
        for thread, _ in left:
            thread.join()
        _log.info("dimse_stopped", cut=len(left))

    def _threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._open)

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        while not self._stopping.is_set():
            try:
                sock, address = listener.accept()
            except OSError as error:
                if self._stopping.is_set():
                    return
                _log.warning("accept_failed", error=str(error))  # out of descriptors, for example
                self._stopping.wait(0.2)
                continue
            if self.associations >= 2 * self._settings.max_associations:
                sock.close()  # those between one and two times the limit are told that they are too many
                continue
            thread = threading.Thread(target=self._serve, args=(sock, str(address[0]), tls), name=f"dimse-{address[0]}")
            with self._lock:
                self._open[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket, address: str, tls: ssl.SSLContext | None) -> None:
        try:
            sock = self._secured(sock, tls)
            wire = Wire(sock, self._settings.max_pdu_bytes)
            Association(wire, address, self._settings, self._archive, self._doorkeeper).run(self._is_full)
        except OSError as error:  # it broke before it was used, speaks no TLS, or shows no certificate that is believed
            self._doorkeeper.refused("", address, f"no connection over TLS: {error}" if tls else str(error))
        finally:
            sock.close()
            with self._lock:
                del self._open[threading.current_thread()]

    def _is_full(self) -> bool:
        return self._stopping.is_set() or self.associations > self._settings.max_associations

    def _secured(self, sock: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
        if tls is None:
            return sock
        sock.settimeout(self._settings.artim_s)
        secure = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open[threading.current_thread()] = secure
        try:
            secure.do_handshake()
        except OSError:
            secure.close()
            raise
        return secure


def _listener(host: str, port: int) -> socket.socket:
    """A socket that others may share. Raises: OSError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _cut(sock: socket.socket) -> None:
    """End a connection under the thread that serves it, which then notices."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("connection_was_gone", error=str(error))
