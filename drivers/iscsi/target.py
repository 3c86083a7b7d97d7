"""An iSCSI target: the front door to some logical units on a TCP port.

There is no authentication and no encryption: whoever reaches the port may do everything to the units. So it listens on
the loopback address unless told otherwise.
"""

import re
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType

import structlog

from drivers.iscsi import text
from drivers.iscsi.login import MAX_LOGIN_DATA_BYTES, PORTAL_GROUP, Login, LoginRefused
from drivers.iscsi.nounit import NoUnit
from drivers.iscsi.pdu import PduInvalid
from drivers.iscsi.replies import Replies
from drivers.iscsi.session import Session
from drivers.iscsi.unitqueue import UnitQueue, Units
from drivers.iscsi.wire import Connection, ConnectionGone
from drivers.scsi.unit import LogicalUnit

MAX_CONNECTIONS = 16
LOGIN_LIMIT_S = 15.0
STALL_LIMIT_S = 20.0

_NAME = re.compile(r"(iqn\.\d{4}-\d{2}\.[a-z0-9.-]+(:[^\s\0]+)?|eui\.[0-9a-f]{16}|naa\.[0-9a-f]{16}([0-9a-f]{16})?)")
_log = structlog.get_logger()


class IscsiTarget:
    """Presents logical units to initiators: `with IscsiTarget(name, units) as target:`.

    The units stay the caller's: it closes them after the target.
    """

    def __init__(
        self,
        iqn: str,
        units: Mapping[int, LogicalUnit],
        host: str = "127.0.0.1",
        port: int = 3260,
        *,
        max_connections: int = MAX_CONNECTIONS,
        login_limit_s: float = LOGIN_LIMIT_S,
        stall_limit_s: float = STALL_LIMIT_S,
    ) -> None:
        """`port` 0 takes any free one. Nothing listens before start().

        Raises: ValueError for a name that is none, or a LUN out of range.
        """
        if not _NAME.fullmatch(iqn) or len(iqn.encode()) > 223:
            raise ValueError(f"{iqn!r} is no iSCSI name; write iqn.YYYY-MM.reversed.domain:anything, in small letters")
        if wrong := [lun for lun in units if not 0 <= lun < 1 << 14]:
            raise ValueError(f"a logical unit number is 0 to 16383, not {wrong[0]}")
        self.iqn = iqn
        self._host = host
        self._wanted_port = port
        self._max_connections = max_connections
        self._login_limit_s = login_limit_s
        self._stall_limit_s = stall_limit_s
        self._units = Units(
            {lun: UnitQueue(lun, unit) for lun, unit in units.items()}, UnitQueue(None, NoUnit(tuple(units)))
        )
        self._listener: socket.socket | None = None
        self._acceptor = threading.Thread(target=self._accept, name="iscsi-accept", daemon=True)
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._sessions: dict[tuple[str, bytes], Session] = {}
        self._next_tsih = 1
        self._closing = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._wanted_port if self._listener is None else int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Listen.

        Raises: OSError when the address cannot be had.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, self._wanted_port), family=family)
        for queue in self._units.all():
            queue.start()
        self._acceptor.start()
        _log.info("target_started", iqn=self.iqn, host=self._host, port=self.port, units=len(self._units.queues))

    def close(self) -> None:
        """End all sessions and return when every unit is at rest. Commands under way are aborted."""
        with self._lock:
            if self._closing or self._listener is None:
                return
            self._closing = True
            connections = dict(self._connections)
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        self._acceptor.join()
        self._listener.close()
        for connection in connections:
            connection.end()
        for queue in self._units.all():
            queue.close()
        for thread in connections.values():
            thread.join()
        _log.info("target_closed", iqn=self.iqn)

    def __enter__(self) -> "IscsiTarget":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        assert self._listener is not None
        while True:
            try:
                sock, peer = self._listener.accept()
            except OSError as error:
                if self._closing:
                    return
                # Too many open files, or a peer that was gone before it was let in: that one is lost, no other.
                _log.warning("connection_not_accepted", reason=str(error))
                time.sleep(0.1)
                continue
            self._welcome(sock, f"{peer[0]}:{peer[1]}")

    def _welcome(self, sock: socket.socket, peer: str) -> None:
        with self._lock:
            if self._closing or len(self._connections) >= self._max_connections:
                _log.warning("connection_refused", peer=peer, connections=len(self._connections))
                sock.close()
                return
            connection = Connection(sock, self._stall_limit_s, time.monotonic() + self._login_limit_s)
            thread = threading.Thread(target=self._serve, args=(connection, peer), name=f"iscsi-{peer}", daemon=True)
            self._connections[connection] = thread
        thread.start()

    def _serve(self, connection: Connection, peer: str) -> None:
        """One connection from its login to its end. Nothing that comes over it gets past here."""
        session = None
        try:
            session = self._log_in(connection, peer)
            if session is not None:
                session.run()
                _log.info("session_logged_out", peer=peer, initiator=session.initiator_name)
        except (ConnectionGone, PduInvalid) as error:
            _log.info("connection_ended", peer=peer, reason=str(error))
        except Exception:  # noqa: BLE001 - the edge of a thread: nothing may get past it unlogged
            _log.exception("connection_failed", peer=peer)
        finally:
            if session is not None:
                self._leave(session)
            connection.close()
            with self._lock:
                del self._connections[connection]

    def _log_in(self, connection: Connection, peer: str) -> Session | None:
        """Lead the login; None when the initiator was refused.

        Raises: ConnectionGone, PduInvalid.
        """
        with self._lock:
            tsih, self._next_tsih = self._next_tsih, self._next_tsih % 0xFFFF + 1
        login = Login(self.iqn, tsih)
        replies: Replies | None = None
        while True:
            header = connection.header()
            _, data = connection.body(header, MAX_LOGIN_DATA_BYTES)
            if replies is None:
                replies = Replies(connection, login.parameters, header.cmd_sn)
            try:
                answer = login.take(header, data)
            except LoginRefused as error:
                _log.info("login_refused", peer=peer, initiator=login.initiator_name or None, reason=str(error))
                replies.send(login.refused(header, error.refusal))
                return None
            session = None
            if answer.done:
                session = self._admit(Session(login, connection, replies, self._units, self._finder(connection)))
            replies.send(answer.header, [answer.data])
            if session is not None:
                connection.deadline = None
                _log.info("session_opened", peer=peer, initiator=login.initiator_name, discovery=login.discovery)
                return session

    def _admit(self, session: Session) -> Session:
        """Put a session into the list; an older one of the same initiator port ends, as if it had never been."""
        if session.discovery:
            return session
        with self._lock:
            older = self._sessions.pop(session.port, None)
            if older is not None:
                # Within the lock: the units must forget the old session before the new one sends its first command.
                older.end()
            self._sessions[session.port] = session
        if older is not None:
            _log.info("session_reinstated", initiator=session.initiator_name)
        return session

    def _leave(self, session: Session) -> None:
        with self._lock:
            if self._sessions.get(session.port) is session:
                del self._sessions[session.port]
        session.end()

    def _finder(self, connection: Connection) -> "_Finder":
        return _Finder(self.iqn, connection)


class _Finder:
    """Answers SendTargets with the address at which the initiator found us."""

    def __init__(self, iqn: str, connection: Connection) -> None:
        self._iqn = iqn
        self._connection = connection

    def __call__(self, wanted: str) -> text.Pairs | None:
        """The targets that are wanted: All, one by its name, or (empty) the one of this session."""
        if wanted not in ("", "All") and wanted.lower() != self._iqn.lower():
            return None
        host, port = self._connection.address()
        shown = f"[{host}]" if ":" in host else host
        return [("TargetName", self._iqn), ("TargetAddress", f"{shown}:{port},{PORTAL_GROUP}")]
