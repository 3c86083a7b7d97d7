"""Login: who comes, what for, and on which terms. No socket here: requests go in, answers come out.

Both ways through the stages are taken: security negotiation first (with AuthMethod None) or operational negotiation at
once, each in as many rounds as the initiator likes up to a bound.

Source: RFC 7143 sections 6.3, 11.12 and 11.13.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from drivers.iscsi import text
from drivers.iscsi.pdu import CONTINUE, Header, Opcode, PduInvalid, login_response

PORTAL_GROUP = 1
MAX_LOGIN_DATA_BYTES = 65_536
_MAX_ROUNDS = 24
_TRANSIT = 0x80
_NAME_BYTES = 223


class Stage(IntEnum):
    """Where a login is."""

    SECURITY = 0
    OPERATIONAL = 1
    FULL_FEATURE = 3


class Refusal(IntEnum):
    """Status class and detail of a login that failed. Source: RFC 7143 section 11.13.5."""

    INITIATOR_ERROR = 0x0200
    AUTHENTICATION = 0x0201
    NOT_FOUND = 0x0203
    VERSION = 0x0205
    TOO_MANY_CONNECTIONS = 0x0206
    MISSING_PARAMETER = 0x0207
    SESSION_TYPE = 0x0209
    NO_SUCH_SESSION = 0x020A
    INVALID_REQUEST = 0x020B
    OUT_OF_RESOURCES = 0x0302


class LoginRefused(Exception):
    """An initiator is not let in; the answer says why, and the connection ends."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


@dataclass(frozen=True)
class Answer:
    """One login response."""

    header: bytearray
    data: bytes
    done: bool  # full feature phase from now on


@dataclass
class Login:
    """One login from its first request to its end."""

    target_name: str
    tsih: int  # what the session will be called
    parameters: text.Parameters = field(default_factory=text.Parameters)
    initiator_name: str = ""
    isid: bytes = b""
    cid: int = 0
    discovery: bool = False
    cmd_sn: int = 0
    itt: int = 0
    stage: Stage | None = None
    _rounds: int = 0
    _collected: bytes = b""
    _seen: set[str] = field(default_factory=set)
    _told_receive_limit: bool = False

    def take(self, header: Header, data: bytes) -> Answer:
        """Answer one request.

        Raises: LoginRefused (send `refused`, then close), PduInvalid (just close).
        """
        if header.opcode != Opcode.LOGIN:
            raise PduInvalid(f"opcode {header.opcode:#04x} came before the login was over")
        self._rounds += 1
        if self._rounds > _MAX_ROUNDS:
            raise LoginRefused(Refusal.INITIATOR_ERROR, f"no end of the login after {_MAX_ROUNDS} rounds")
        self._check_names(header)
        self._collected += data
        if len(self._collected) > MAX_LOGIN_DATA_BYTES:
            raise LoginRefused(Refusal.INITIATOR_ERROR, f"more than {MAX_LOGIN_DATA_BYTES} bytes of login text")
        current = self._stage(header)
        if header.flags & CONTINUE:
            if header.flags & _TRANSIT:
                raise LoginRefused(Refusal.INVALID_REQUEST, "a login request both goes on and ends its stage")
            return self._answer(header, current, None, b"")
        pairs, self._collected = self._pairs(), b""
        following = self._following(header, current)
        if self.stage is None:
            answers = self._introduction(pairs)
            self.stage = current
        else:
            answers = []
        answers += text.negotiate(pairs, self.parameters, self.discovery)
        if current is Stage.SECURITY and (("AuthMethod", text.REJECT) in answers):
            raise LoginRefused(Refusal.AUTHENTICATION, "only AuthMethod None is spoken here")
        if current is Stage.OPERATIONAL and not self._told_receive_limit:
            self._told_receive_limit = True
            answers.append(("MaxRecvDataSegmentLength", str(text.MAX_RECV_DATA_BYTES)))
        if following is not None:
            self.stage = following
        return self._answer(header, current, following, text.encode(answers))

    def refused(self, header: Header, refusal: Refusal) -> bytearray:
        """The header of the answer to a login that failed."""
        return login_response(header, 0, 0, refusal, 0)

    @property
    def nexus(self) -> str:
        """The names of both ports, which is what a logical unit keeps things by. Source: RFC 7143 section 4.4.2."""
        return f"{self.initiator_name},i,0x{self.isid.hex()},t,0x{PORTAL_GROUP:04x}"

    def _check_names(self, header: Header) -> None:
        """What stands in every header: version, session, connection, task."""
        raw = header.raw
        if raw[3] != 0:
            raise LoginRefused(Refusal.VERSION, f"versions from {raw[3]} on are not spoken here, only 0")
        if self._rounds == 1:
            self.isid, self.cid, self.itt = raw[8:14], int.from_bytes(raw[20:22]), header.itt
            self.cmd_sn = header.cmd_sn
            if int.from_bytes(raw[14:16]) != 0:
                raise LoginRefused(Refusal.NO_SUCH_SESSION, "a session has one connection here; log in with TSIH 0")
        elif raw[8:14] != self.isid or header.itt != self.itt or int.from_bytes(raw[20:22]) != self.cid:
            raise LoginRefused(Refusal.INVALID_REQUEST, "a login request does not belong to the login it follows")

    def _stage(self, header: Header) -> Stage:
        current = header.flags >> 2 & 3
        if current not in (Stage.SECURITY, Stage.OPERATIONAL) or (self.stage is not None and current != self.stage):
            raise LoginRefused(Refusal.INVALID_REQUEST, f"stage {current} is not where the login is")
        return Stage(current)

    @staticmethod
    def _following(header: Header, current: Stage) -> Stage | None:
        """The stage the initiator wants to go to; None to stay."""
        if not header.flags & _TRANSIT:
            return None
        wanted = header.flags & 3
        if wanted not in (Stage.OPERATIONAL, Stage.FULL_FEATURE) or wanted <= current:
            raise LoginRefused(Refusal.INVALID_REQUEST, f"stage {wanted} does not follow stage {current}")
        return Stage(wanted)

    def _pairs(self) -> list[tuple[str, str]]:
        try:
            pairs = text.parse(self._collected)
        except PduInvalid as error:
            raise LoginRefused(Refusal.INITIATOR_ERROR, str(error)) from error
        for key, _ in pairs:
            if key in self._seen:
                raise LoginRefused(Refusal.INITIATOR_ERROR, f"{key} was negotiated twice")
            self._seen.add(key)
        return pairs

    def _introduction(self, pairs: text.Pairs) -> list[tuple[str, str]]:
        """Read from the first request who comes and to whom."""
        told = dict(pairs)
        name = told.get("InitiatorName", "")
        if not name:
            raise LoginRefused(Refusal.MISSING_PARAMETER, "the first login request names no InitiatorName")
        if len(name.encode()) > _NAME_BYTES:
            raise LoginRefused(Refusal.INITIATOR_ERROR, f"an InitiatorName has {_NAME_BYTES} bytes at most")
        self.initiator_name = name.lower()
        session_type = told.get("SessionType", "Normal")
        if session_type not in ("Normal", "Discovery"):
            raise LoginRefused(Refusal.SESSION_TYPE, f"there is no session type {session_type}")
        self.discovery = session_type == "Discovery"
        if self.discovery:
            return []
        wanted = told.get("TargetName", "")
        if not wanted:
            raise LoginRefused(Refusal.MISSING_PARAMETER, "the first login request names no TargetName")
        if wanted.lower() != self.target_name.lower():
            raise LoginRefused(Refusal.NOT_FOUND, f"there is no target {wanted} here, only {self.target_name}")
        return [("TargetPortalGroupTag", str(PORTAL_GROUP))]

    def _answer(self, header: Header, current: Stage, following: Stage | None, data: bytes) -> Answer:
        flags = current << 2
        if following is not None:
            flags |= _TRANSIT | following
        done = following is Stage.FULL_FEATURE
        return Answer(login_response(header, flags, self.tsih if done else 0, 0, len(data)), data, done)
