"""Listens for associations. Several processes may share one port: the kernel spreads connections over them."""

import socket
import threading
import time

import structlog

from appliance.dimse.association import Association
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
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on. Raises: RuntimeError before start()."""
        if self._listener is None:
            raise RuntimeError("the DICOM server was not started")
        return int(self._listener.getsockname()[1])

    @property
    def associations(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._open)

    def start(self) -> None:
        """Listen. Returns at once. Raises: OSError when the port cannot be had."""
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind((self._settings.host, self._settings.port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._stopping.clear()
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), name="dimse-accept")
        self._acceptor.start()
        _log.info("dimse_started", ae_title=self._settings.ae_title, host=self._settings.host, port=self.port)

    def stop(self) -> None:
        """Take no more connections, let the open ones end for a while, then cut them. Returns when all are gone."""
        listener, acceptor = self._listener, self._acceptor
        if listener is None or acceptor is None:
            return
        self._stopping.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        acceptor.join()
        listener.close()
        self._listener = self._acceptor = None
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

    def _accept(self, listener: socket.socket) -> None:
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
            thread = threading.Thread(target=self._serve, args=(sock, str(address[0])), name=f"dimse-{address[0]}")
            with self._lock:
                self._open[thread] = sock
            thread.start()

    def _serve(self, sock: socket.socket, address: str) -> None:
        try:
            sock = self._secured(sock)
            Association(Wire(sock, self._settings.max_pdu_bytes), address, self._settings, self._archive).run(
                self._is_full
            )
        except OSError as error:  # it broke before it was used, or speaks no TLS
            _log.warning("connection_refused", address=address, error=str(error))
        finally:
            sock.close()
            with self._lock:
                del self._open[threading.current_thread()]

    def _is_full(self) -> bool:
        return self._stopping.is_set() or self.associations > self._settings.max_associations

    def _secured(self, sock: socket.socket) -> socket.socket:
        if self._settings.tls is None:
            return sock
        sock.settimeout(self._settings.artim_s)
        secure = self._settings.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open[threading.current_thread()] = secure
        try:
            secure.do_handshake()
        except OSError:
            secure.close()
            raise
        return secure


def _cut(sock: socket.socket) -> None:
    """End a connection under the thread that serves it, which then notices."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _log.debug("connection_was_gone", error=str(error))
