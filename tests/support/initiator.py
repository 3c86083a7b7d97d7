"""A small iSCSI initiator: one session, one connection, one command at a time unless a test wants otherwise.

Written from the standard on its own, without the code of the target, so that both do not agree on a mistake.
"""

import itertools
import socket
import struct
from dataclasses import dataclass, field

NO_TAG = 0xFFFFFFFF
LIMIT_S = 30.0

NOP_OUT, COMMAND, TASK_MANAGEMENT, LOGIN, TEXT, DATA_OUT, LOGOUT, SNACK = 0, 1, 2, 3, 4, 5, 6, 0x10
NOP_IN, RESPONSE, TASK_RESPONSE, LOGIN_RESPONSE, TEXT_RESPONSE, DATA_IN, LOGOUT_RESPONSE = range(0x20, 0x27)
R2T, REJECT = 0x31, 0x3F

ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, LUN_RESET, WARM_RESET, COLD_RESET, REASSIGN = range(1, 9)

OPERATIONAL = {
    "HeaderDigest": "None",
    "DataDigest": "None",
    "InitialR2T": "No",
    "ImmediateData": "Yes",
    "MaxBurstLength": "16776192",
    "FirstBurstLength": "262144",
    "MaxOutstandingR2T": "1",
    "MaxConnections": "1",
    "ErrorRecoveryLevel": "0",
    "MaxRecvDataSegmentLength": "262144",
}


class TargetClosed(Exception):
    """The target ended the connection."""


@dataclass(frozen=True)
class Pdu:
    """One received PDU."""

    header: bytes
    data: bytes

    @property
    def opcode(self) -> int:
        return self.header[0] & 0x3F

    @property
    def flags(self) -> int:
        return self.header[1]

    @property
    def itt(self) -> int:
        return self.word(16)

    def word(self, offset: int) -> int:
        return int(struct.unpack_from(">I", self.header, offset)[0])


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    data: bytes
    sense: bytes
    residual: int  # positive: underflow, negative: overflow

    @property
    def sense_key(self) -> int:
        return self.sense[2] & 0x0F if self.sense else 0

    @property
    def asc(self) -> tuple[int, int]:
        return (self.sense[12], self.sense[13]) if self.sense else (0, 0)


@dataclass(frozen=True)
class Sent:
    """A command under way."""

    itt: int
    data_out: bytes
    data_in_bytes: int


@dataclass
class _Collected:
    data: bytearray = field(default_factory=bytearray)
    data_in_pdus: int = 0


class Initiator:
    """One connection to a target on the loopback address."""

    def __init__(
        self,
        port: int,
        target: str = "",
        name: str = "iqn.2024-01.test.firn:initiator",
        isid: bytes = b"\x00\x02\x3d\x00\x00\x01",
        host: str = "127.0.0.1",
    ) -> None:
        """Connect. Nothing is sent before login() or discover()."""
        self.socket = socket.create_connection((host, port), LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.target, self.name, self.isid = target, name, isid
        self.agreed: dict[str, str] = {}
        self.cmd_sn = 1
        self.max_cmd_sn = 0
        self.expected_stat_sn = 0
        self.tsih = 0
        self.login_status = -1
        self.others: list[Pdu] = []  # what came in between
        self.r2ts: list[tuple[int, int]] = []  # offset and length of each R2T
        self._tags = itertools.count(0x10)
        self._collected: dict[int, _Collected] = {}
        self._results: dict[int, Result] = {}
        self._sent: dict[int, Sent] = {}

    def __enter__(self) -> "Initiator":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Vanish without a word."""
        self.socket.close()

    # PDUs.

    def header(self, opcode: int, flags: int, itt: int, immediate: bool = False, lun: int = 0) -> bytearray:
        """A header with everything but what depends on the kind."""
        header = bytearray(48)
        header[0] = opcode | (0x40 if immediate else 0)
        header[1] = flags
        header[8:16] = lun_field(lun)
        struct.pack_into(">I", header, 16, itt)
        struct.pack_into(">II", header, 24, self.cmd_sn & NO_TAG, self.expected_stat_sn & NO_TAG)
        return header

    def send(self, header: bytearray, *pieces: bytes | memoryview) -> None:
        """Send a PDU with its data."""
        length = sum(map(len, pieces))
        header[5:8] = length.to_bytes(3, "big")
        padded = [*pieces, bytes(-length % 4)] if length % 4 else list(pieces)
        self.send_raw(header, *padded)

    def send_raw(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Send bytes as they are."""
        views = [memoryview(piece) for piece in pieces if len(piece)]
        while views:
            sent = self.socket.sendmsg(views)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]

    def receive(self) -> Pdu:
        """The next PDU.

        Raises: TargetClosed, TimeoutError.
        """
        header = self._exactly(48)
        self._exactly(header[4] * 4)
        length = int.from_bytes(header[5:8], "big")
        data = self._exactly(length + -length % 4)[:length]
        pdu = Pdu(header, data)
        if pdu.opcode != R2T and (pdu.opcode != DATA_IN or pdu.flags & 1):
            self.expected_stat_sn = pdu.word(24) + 1
        self.max_cmd_sn = pdu.word(32)
        return pdu

    def _exactly(self, length: int) -> bytes:
        pieces = []
        while length:
            try:
                piece = self.socket.recv(length)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise TargetClosed
            pieces.append(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def closed_by_target(self) -> bool:
        """Read to the end of the connection; False when the target keeps it open."""
        try:
            while True:
                self.receive()
        except TargetClosed:
            return True
        except TimeoutError:
            return False

    # Login and text.

    def login_request(self, keys: dict[str, str], stage: int, following: int | None, more: bool = False) -> Pdu:
        """One round of a login."""
        flags = stage << 2 | (0x80 | following if following is not None else 0) | (0x40 if more else 0)
        return self.login_round(flags, b"".join(f"{key}={value}\0".encode() for key, value in keys.items()))

    def login_round(self, flags: int, data: bytes) -> Pdu:
        """One round with any flags and any text."""
        header = self.header(LOGIN, flags, 1, immediate=True)
        header[2:4] = b"\0\0"
        header[8:14] = self.isid
        header[14:16] = self.tsih.to_bytes(2, "big")
        self.send(header, data)
        answer = self.receive()
        assert answer.opcode == LOGIN_RESPONSE, f"{answer.opcode:#x} instead of a login response"
        self.login_status = int.from_bytes(answer.header[36:38], "big")
        self.agreed.update(read_keys(answer.data))
        if answer.flags & 0x83 == 0x83:
            self.tsih = int.from_bytes(answer.header[14:16], "big")
        return answer

    def names(self, session_type: str = "Normal") -> dict[str, str]:
        """What the first login request must say."""
        keys = {"InitiatorName": self.name, "SessionType": session_type}
        if session_type == "Normal":
            keys["TargetName"] = self.target
        return keys

    def login(self, **keys: str) -> "Initiator":
        """Log in within one round; `keys` change what is offered."""
        self.login_request({**self.names(), **OPERATIONAL, **keys}, 1, 3)
        assert self.login_status == 0, f"login refused: {self.login_status:#06x}"
        return self

    def discover(self, wanted: str = "All") -> list[tuple[str, str]]:
        """The targets behind the port: pairs of TargetName and TargetAddress, as they came."""
        self.login_request(
            {**self.names("Discovery"), "HeaderDigest": "None", "MaxRecvDataSegmentLength": "32768"}, 1, 3
        )
        assert self.login_status == 0, f"login refused: {self.login_status:#06x}"
        return self.text({"SendTargets": wanted})

    def text(self, keys: dict[str, str]) -> list[tuple[str, str]]:
        """Ask with a text request."""
        header = self._numbered(TEXT, 0x80)
        struct.pack_into(">I", header, 20, NO_TAG)
        self.send(header, b"".join(f"{key}={value}\0".encode() for key, value in keys.items()))
        answer = self.receive()
        assert answer.opcode == TEXT_RESPONSE, f"{answer.opcode:#x} instead of a text response"
        return read_keys(answer.data)

    def _numbered(self, opcode: int, flags: int, lun: int = 0) -> bytearray:
        header = self.header(opcode, flags, next(self._tags), lun=lun)
        self.cmd_sn += 1
        return header

    # Commands.

    def execute(
        self, lun: int, cdb: bytes, data_out: bytes = b"", data_in_bytes: int = 0, data_out_bytes: int | None = None
    ) -> Result:
        """Carry out one command. `data_out_bytes` states another expected length than the data have."""
        return self.wait(self.start(lun, cdb, data_out, data_in_bytes, data_out_bytes))

    def start(
        self,
        lun: int,
        cdb: bytes,
        data_out: bytes = b"",
        data_in_bytes: int = 0,
        data_out_bytes: int | None = None,
        immediate: bool = False,
    ) -> Sent:
        """Send a command with the data that may go unasked; wait() does the rest."""
        header = self.header(COMMAND, 0, next(self._tags), immediate, lun)
        if not immediate:
            self.cmd_sn += 1
        expected = (len(data_out) if data_out_bytes is None else data_out_bytes) or data_in_bytes
        struct.pack_into(">I", header, 20, expected)
        header[32:48] = cdb[:16].ljust(16, b"\0")
        sent = Sent(int.from_bytes(header[16:20], "big"), data_out, data_in_bytes)
        self._sent[sent.itt] = sent
        self._collected[sent.itt] = _Collected()
        view = memoryview(data_out)
        first_burst = min(int(self.agreed.get("FirstBurstLength", 65536)), len(view))
        segment = int(self.agreed.get("MaxRecvDataSegmentLength", 8192))
        immediate_bytes = min(first_burst, segment) if self.agreed.get("ImmediateData", "Yes") == "Yes" else 0
        unsolicited = self.agreed.get("InitialR2T", "Yes") == "No" and immediate_bytes < first_burst
        header[1] = (0 if unsolicited else 0x80) | (0x40 if data_in_bytes else 0) | (0x20 if data_out else 0) | 0x01
        self.send(header, view[:immediate_bytes])
        if unsolicited:
            self._data_out(sent, NO_TAG, immediate_bytes, first_burst - immediate_bytes)
        return sent

    def _data_out(self, sent: Sent, ttt: int, offset: int, length: int) -> None:
        segment = int(self.agreed.get("MaxRecvDataSegmentLength", 8192))
        view, number, end = memoryview(sent.data_out), 0, offset + length
        while offset < end:
            piece = view[offset : min(offset + segment, end)]
            header = self.header(DATA_OUT, 0x80 if offset + len(piece) == end else 0, sent.itt)
            struct.pack_into(">I", header, 20, ttt)
            struct.pack_into(">I", header, 24, 0)
            struct.pack_into(">II", header, 36, number, offset)
            self.send(header, piece)
            offset, number = offset + len(piece), number + 1

    def wait(self, sent: Sent) -> Result:
        """Serve what the target asks for until this command has ended."""
        while sent.itt not in self._results:
            self._take(self.receive())
        return self._results.pop(sent.itt)

    def done(self, sent: Sent) -> bool:
        """Whether the answer of a command has been received already."""
        return sent.itt in self._results

    def _take(self, pdu: Pdu) -> None:
        if pdu.opcode == R2T:
            offset, length = pdu.word(40), pdu.word(44)
            self.r2ts.append((offset, length))
            self._data_out(self._sent[pdu.itt], pdu.word(20), offset, length)
        elif pdu.opcode == DATA_IN:
            collected = self._collected[pdu.itt]
            assert pdu.word(36) == collected.data_in_pdus, "a Data-In PDU is missing"
            assert pdu.word(40) == len(collected.data), "data came out of order"
            collected.data += pdu.data
            collected.data_in_pdus += 1
            if pdu.flags & 1:
                self._end(pdu, b"")
        elif pdu.opcode == RESPONSE:
            length = int.from_bytes(pdu.data[:2], "big") if pdu.data else 0
            assert pdu.header[2] == 0, "the target could not complete the command"
            assert pdu.word(36) == self._collected[pdu.itt].data_in_pdus or not self._collected[pdu.itt].data
            self._end(pdu, pdu.data[2 : 2 + length])
        else:
            self.others.append(pdu)

    def _end(self, pdu: Pdu, sense: bytes) -> None:
        count = pdu.word(44)
        residual = count if pdu.flags & 0x02 else -count if pdu.flags & 0x04 else 0
        data = bytes(self._collected.pop(pdu.itt).data)
        self._results[pdu.itt] = Result(pdu.header[3], data, sense, residual)
        del self._sent[pdu.itt]

    # Beside commands.

    def nop(self, data: bytes = b"ping") -> bytes:
        """Ping, and say what came back. Answers of commands that come before it are kept."""
        header = self.header(NOP_OUT, 0x80, next(self._tags), immediate=True)
        struct.pack_into(">I", header, 20, NO_TAG)
        self.send(header, data)
        return self.answer_to(header, NOP_IN).data

    def manage(self, function: int, lun: int = 0, reference: Sent | None = None) -> int:
        """A task management request; its response code."""
        return self.answer_to(self.start_managing(function, lun, reference), TASK_RESPONSE).header[2]

    def start_managing(self, function: int, lun: int = 0, reference: Sent | None = None) -> bytearray:
        """Send a task management request; answer_to() waits for its answer."""
        header = self.header(TASK_MANAGEMENT, 0x80 | function, next(self._tags), immediate=True, lun=lun)
        struct.pack_into(">I", header, 20, NO_TAG if reference is None else reference.itt)
        self.send(header)
        return header

    def abort(self, sent: Sent, lun: int = 0) -> int:
        """ABORT TASK; its response code."""
        return self.manage(ABORT_TASK, lun, sent)

    def logout(self, reason: int = 0, cid: int = 0) -> int:
        """Log out; the response code."""
        header = self._numbered(LOGOUT, 0x80 | reason)
        struct.pack_into(">H", header, 20, cid)
        self.send(header)
        return self.answer_to(header, LOGOUT_RESPONSE).header[2]

    def answer_to(self, header: bytearray, opcode: int) -> Pdu:
        """Wait for the answer of one kind with the tag of a request."""
        tag = int.from_bytes(header[16:20], "big")
        while True:
            pdu = self.receive()
            if pdu.opcode == opcode and pdu.itt == tag:
                return pdu
            self._take(pdu)


def lun_field(lun: int) -> bytes:
    """The eight bytes of a LUN, by peripheral addressing below 256 and flat above."""
    return struct.pack(">H6x", lun if lun < 256 else 0x4000 | lun)


def read_keys(data: bytes) -> list[tuple[str, str]]:
    """The pairs of a text segment."""
    pairs = []
    for item in data.decode().split("\0"):
        if item:
            key, _, value = item.partition("=")
            pairs.append((key, value))
    return pairs
