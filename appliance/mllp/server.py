"""Listens for HL7 v2 messages (MLLP), answers each when it is done, and never says AA before the catalog's commit.

A frame is 0x0B, the message, 0x1C 0x0D; one connection may carry many, one after the other. What to do with a message
is decided in hsm/orders. Several processes may share one port. Source: HL7 v2.5.1 appendix C; MLLP release 1.
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from ipaddress import ip_address, ip_network

import structlog

from hsm.access.actor import Actor, Via, begin

_log = structlog.get_logger()
START, END = b"\x0b", b"\x1c\x0d"
_BACKLOG = 64
_READ_BYTES = 64 * 1024
_POLL_S = 0.5  # how soon an open connection notices that the server stops
_TELL_EVERY_S = 3600.0
_MOST_TOLD = 1000  # addresses

Take = Callable[[bytes, str], bytes]  # (message, address of the sender) -> acknowledgement


@dataclass(frozen=True)
class MllpSettings:
    """What an installation decides about the messages it takes."""

    host: str = "127.0.0.1"
    port: int = 2575  # 0: any free one
    senders: tuple[str, ...] = ("127.0.0.1", "::1")  # addresses and networks that may send
    max_message_bytes: int = 1024 * 1024
    max_connections: int = 16
    idle_s: float = 3600.0  # between two messages
    message_s: float = 30.0  # from the first byte of a message to its last, and for an answer to be taken
    zone: tzinfo = UTC  # in which times without an offset are meant


class MllpServer:
    """Accepts connections, one thread for each, until it is stopped."""

    def __init__(self, take: Take, settings: MllpSettings, refused: Callable[[str], None] = lambda _: None) -> None:
        """`refused`: told the address of who may not send."""
        self._take = take
        self._settings = settings
        self._refused = refused
        self._networks = [ip_network(sender, strict=False) for sender in settings.senders]
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._told: dict[str, float] = {}  # of whom, and when; by the accepting thread alone
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on. Raises: RuntimeError before start()."""
        if self._listener is None:
            raise RuntimeError("the HL7 listener was not started")
        return int(self._listener.getsockname()[1])

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
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), name="mllp-accept")
        self._acceptor.start()
        _log.info("mllp_started", host=self._settings.host, port=self.port)

    def stop(self) -> None:
        """Take no more connections; a message that is being done is answered. Returns when all are gone."""
        listener, acceptor = self._listener, self._acceptor
        if listener is None or acceptor is None:
            return
        self._stopping.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        acceptor.join()
        listener.close()
        self._listener = self._acceptor = None
        with self._lock:
            threads = list(self._open)
        for thread in threads:
            thread.join()
        _log.info("mllp_stopped")

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                sock, found = listener.accept()
            except OSError as error:
                if self._stopping.is_set():
                    return
                _log.warning("accept_failed", error=str(error))
                self._stopping.wait(0.2)
                continue
            try:
                self._begin(sock, str(found[0]))
            except Exception:  # noqa: BLE001 - one caller must not end the listening for all
                _log.exception("mllp_connection_not_begun", address=str(found[0]))
                sock.close()

    def _begin(self, sock: socket.socket, address: str) -> None:
        with self._lock:
            full = len(self._open) >= self._settings.max_connections
        if full or not self._may_send(address):
            _log.warning("mllp_refused", address=address, why="too many connections" if full else "not a sender")
            sock.close()
            if not full:
                self._tell(address)
            return
        thread = threading.Thread(target=self._serve, args=(sock, address), name=f"mllp-{address}")
        with self._lock:
            self._open[thread] = sock
        try:
            thread.start()
        except RuntimeError:  # no more threads on this machine
            with self._lock:
                del self._open[thread]
            raise

    def _tell(self, address: str) -> None:
        """Make it known that somebody may not send; not at each try, who tries may not want to stop."""
        now_s = time.monotonic()
        if now_s - self._told.get(address, -_TELL_EVERY_S) < _TELL_EVERY_S:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[address] = now_s
        self._refused(address)

    def _may_send(self, address: str) -> bool:
        found = ip_address(address.split("%", maxsplit=1)[0])
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self._networks)

    def _serve(self, sock: socket.socket, address: str) -> None:
        begin(Actor(address, Via.HL7, address))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._messages(sock, address)
        except OSError as error:
            _log.warning("mllp_connection_lost", address=address, error=str(error))
        except Exception:  # noqa: BLE001 - the edge of a thread: nothing may get past it unlogged
            _log.exception("mllp_connection_failed", address=address)  # and nothing was acknowledged
        finally:
            sock.close()
            with self._lock:
                del self._open[threading.current_thread()]

    def _messages(self, sock: socket.socket, address: str) -> None:
        rest = b""
        while True:
            taken = self._message(sock, rest, address)
            if taken is None:
                return
            raw, rest = taken
            answer = self._take(raw, address)
            sock.settimeout(self._settings.message_s)
            sock.sendall(START + answer + END)

    def _message(self, sock: socket.socket, rest: bytes, address: str) -> tuple[bytes, bytes] | None:
        """The next message and what came behind it; None when the connection is to end."""
        data = bytearray(rest.lstrip(b"\r\n"))
        began_s = time.monotonic()
        looked = 0  # so far the end is not in it
        while True:
            if data and not data.startswith(START):
                _log.warning("mllp_not_framed", address=address)
                return None
            end = data.find(END, max(0, looked - 1))
            looked = len(data)
            if end >= 0:
                return bytes(data[1:end]), bytes(data[end + len(END) :])
            if len(data) > self._settings.max_message_bytes:
                _log.warning("mllp_message_too_long", address=address, limit_bytes=self._settings.max_message_bytes)
                return None
            if time.monotonic() - began_s >= (self._settings.message_s if data else self._settings.idle_s):
                _log.info("mllp_idle", address=address)
                return None
            sock.settimeout(_POLL_S)
            try:
                part = sock.recv(_READ_BYTES)
            except TimeoutError:
                if self._stopping.is_set() and not data:
                    return None
                continue
            if not part:
                return None
            if not data:
                began_s = time.monotonic()  # of the message
            data += part
