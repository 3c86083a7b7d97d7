"""A session in its full feature phase: PDUs come in, commands go to their units, answers go back.

One thread receives and never waits for a unit, so that a ping is answered while a drive winds. The units' threads send
the answers of their commands themselves.

Source: RFC 7143 sections 4 and 11.
"""

import threading
from collections.abc import Callable

import structlog

from drivers.iscsi import pdu, text
from drivers.iscsi.login import Login
from drivers.iscsi.management import manage
from drivers.iscsi.nounit import INVALID_FIELD_IN_CDB, refusal
from drivers.iscsi.pdu import NO_TAG, Header, Opcode, PduInvalid, RejectReason
from drivers.iscsi.replies import MAX_COMMANDS, Replies
from drivers.iscsi.tasks import Burst, Command, WriteData
from drivers.iscsi.unitqueue import Errand, Units
from drivers.iscsi.wire import Connection, ConnectionGone
from drivers.scsi.sense import Key, Sense
from drivers.scsi.unit import Outcome, Status

MAX_COMMAND_BYTES = 16 << 20
_SOLICITED_BYTES = 32 << 20  # what the writes of one session may have asked for at a time

_DATA_PHASE_ERROR = Sense(Key.ABORTED_COMMAND, (0x4B, 0x00)).encode()

_log = structlog.get_logger()
_NUMBERED = frozenset({Opcode.COMMAND, Opcode.TASK_MANAGEMENT, Opcode.TEXT, Opcode.LOGOUT, Opcode.NOP_OUT})


class Session:
    """One initiator that is logged in."""

    def __init__(
        self,
        login: Login,
        connection: Connection,
        replies: Replies,
        units: Units,
        send_targets: Callable[[str], text.Pairs | None],
    ) -> None:
        """`send_targets` answers a SendTargets value for this session."""
        self.nexus = login.nexus
        self.port = (login.initiator_name, login.isid)
        self.discovery = login.discovery
        self.initiator_name = login.initiator_name
        self.connection = connection
        self.replies = replies
        self.units = units
        self._cid = login.cid
        self._parameters = login.parameters
        self._send_targets = send_targets
        self._lock = threading.Lock()
        self._commands: dict[int, Command] = {}
        self._to_solicit: list[Command] = []
        self._solicited_bytes = 0
        self._early: dict[int, tuple[Header, bytes, bytes]] = {}
        self._over = False  # logged out
        self._ended = False
        self._handlers: dict[int, Callable[[Header, bytes, bytes], None]] = {
            Opcode.COMMAND: self._command,
            Opcode.DATA_OUT: self._data_out,
            Opcode.NOP_OUT: self._nop_out,
            Opcode.TASK_MANAGEMENT: self._task_management,
            Opcode.TEXT: self._text,
            Opcode.LOGOUT: self._logout,
        }

    def run(self) -> None:
        """Receive until the initiator logs out.

        Raises: ConnectionGone, PduInvalid (for whatever makes it impossible to go on).
        """
        while not self._over:
            header = self.connection.header()
            ahs, data = self.connection.body(header, text.MAX_RECV_DATA_BYTES)
            self._receive(header, ahs, data)

    def end(self) -> None:
        """Drop what is under way, without answers, and let the units forget this initiator; only once."""
        self.connection.end()
        with self._lock:
            ended, self._ended = self._ended, True
            self._commands.clear()
            self._to_solicit.clear()
        if ended:
            return
        for queue in self.units.all():
            queue.cancel(lambda work: isinstance(work, Command) and work.session is self)
            if not self.discovery:
                queue.add(Errand(self.nexus, lambda unit: unit.forget(self.nexus)))

    # Answers from the threads of the units.

    def finish(self, command: Command, outcome: Outcome) -> None:
        """A command came to its end: answer, unless nobody waits for the answer any more."""
        if not command.aborted:
            self._answer(command, outcome)

    def _answer(self, command: Command, outcome: Outcome) -> None:
        if not self._forget(command):
            return
        self._reply(lambda: self.replies.outcome(command.itt, command.expected_bytes, command.reads, outcome))
        self._solicit()

    def lose(self, command: Command, tell: bool) -> None:
        """A command was aborted; `tell` where its initiator does not know."""
        if self._forget(command):
            if tell:
                ended = Outcome(Status.TASK_ABORTED)
                self._reply(lambda: self.replies.outcome(command.itt, command.expected_bytes, command.reads, ended))
            self._solicit()

    def _forget(self, command: Command) -> bool:
        """Take a command out of the list; False if it is not there any more, so that only one gets to answer it."""
        with self._lock:
            if self._commands.get(command.itt) is not command:
                return False
            del self._commands[command.itt]
            self._make_room(command)
        return True

    def _make_room(self, command: Command) -> None:
        if command.numbered:
            self.replies.window.under_way -= 1
        if command.solicited:
            self._solicited_bytes -= command.expected_bytes
        elif command in self._to_solicit:
            self._to_solicit.remove(command)

    def wants(self, command: Command) -> bool:
        """Whether a command is still to be carried out."""
        with self._lock:
            return self._commands.get(command.itt) is command

    def command(self, itt: int) -> Command | None:
        """The command under a tag."""
        with self._lock:
            return self._commands.get(itt)

    def answer_management(self, itt: int, response: int) -> None:
        """Say how a task management request ended."""
        self._reply(lambda: self.replies.send(pdu.task_management_response(itt, response)))

    def _reply(self, send: Callable[[], None]) -> None:
        try:
            send()
        except ConnectionGone as error:
            _log.info("answer_not_delivered", initiator=self.initiator_name, reason=str(error))
            self.connection.end()  # wakes the receiving thread, which cleans up

    # What comes in.

    def _receive(self, header: Header, ahs: bytes, data: bytes) -> None:
        numbered = header.opcode in _NUMBERED and not (header.opcode == Opcode.NOP_OUT and header.itt == NO_TAG)
        if header.immediate or not numbered:
            self._dispatch(header, ahs, data)
            return
        distance = self.replies.window.distance(header.cmd_sn)
        if distance is None:
            return  # outside of the window nothing happens, silently: RFC 7143 section 4.2.2.1
        self._early[header.cmd_sn] = (header, ahs, data)
        while (following := self._early.pop(self.replies.window.expected, None)) is not None:
            with self._lock:
                # The command first, so that the window, which an answer may tell at any moment, never goes back.
                if following[0].opcode == Opcode.COMMAND:
                    self.replies.window.under_way += 1
                self.replies.window.advance()
            self._dispatch(*following)

    def _dispatch(self, header: Header, ahs: bytes, data: bytes) -> None:
        if header.opcode == Opcode.LOGIN:
            raise PduInvalid("a login request in the full feature phase")
        handler = self._handlers.get(header.opcode)
        if header.opcode == Opcode.SNACK:
            self.replies.reject(header, RejectReason.SNACK)
        elif handler is None:
            self.replies.reject(header, RejectReason.NOT_SUPPORTED)
        elif self.discovery and header.opcode in (Opcode.COMMAND, Opcode.DATA_OUT, Opcode.TASK_MANAGEMENT):
            self.replies.reject(header, RejectReason.PROTOCOL_ERROR)
        else:
            handler(header, ahs, data)

    def _command(self, header: Header, ahs: bytes, data: bytes) -> None:
        cdb = pdu.command_cdb(header, ahs)
        writes = bool(header.flags & pdu.WRITES)
        if not writes and (data or not header.final):
            raise PduInvalid("a command that writes nothing brings data")
        command = Command(self, header, cdb, self.units.queue(header.lun, cdb[0]))
        with self._lock:
            known = command.itt in self._commands or command.itt == NO_TAG
            crowded = len(self._commands) >= MAX_COMMANDS
            if self._ended:
                raise ConnectionGone("the session was ended meanwhile")
            if known or crowded:
                self._make_room(command)
            else:
                self._commands[command.itt] = command
        if known or crowded:
            self.replies.reject(header, RejectReason.TASK_IN_PROGRESS if known else RejectReason.TOO_MANY_IMMEDIATE)
            return
        if (writes and command.expected_bytes > MAX_COMMAND_BYTES) or (writes and command.reads):
            # What data follow belong to no command any more and are dropped.
            self.finish(command, refusal(INVALID_FIELD_IN_CDB))
            return
        if writes:
            command.write = WriteData(command.expected_bytes, data, header.final, self._parameters)
        command.ready = command.write is None or command.write.complete
        command.queue.add(command)
        if not command.ready and header.final:
            self._stand_in_line(command)

    def _data_out(self, header: Header, _ahs: bytes, data: bytes) -> None:
        command = self.command(header.itt)
        if command is None or command.write is None or command.ready:
            return  # the command was aborted or refused while its data were on their way
        try:
            command.write.take(header.word(36), header.word(40), data, header.final)
        except PduInvalid as error:
            _log.info("data_refused", initiator=self.initiator_name, reason=str(error))
            # It cannot have begun: its data are not complete. What still comes of them is dropped.
            command.queue.cancel(lambda work: work is command)
            self._answer(command, Outcome(Status.CHECK_CONDITION, sense=_DATA_PHASE_ERROR))
            return
        if command.write.complete:
            command.queue.wake(command)
        elif header.final and command.solicited:
            self._ask_for(command, command.write.next_burst())
        elif header.final:
            self._stand_in_line(command)

    def _stand_in_line(self, command: Command) -> None:
        with self._lock:
            if self._commands.get(command.itt) is command:  # not aborted meanwhile
                self._to_solicit.append(command)
        self._solicit()

    def _solicit(self) -> None:
        """Ask for the data of the next writes, as far as there is room for them."""
        while True:
            with self._lock:
                if not self._to_solicit:
                    return
                command = self._to_solicit[0]
                if self._solicited_bytes and self._solicited_bytes + command.expected_bytes > _SOLICITED_BYTES:
                    return
                del self._to_solicit[0]
                command.solicited = True
                self._solicited_bytes += command.expected_bytes
                burst = None if command.write is None else command.write.next_burst()
            self._ask_for(command, burst)

    def _ask_for(self, command: Command, burst: Burst | None) -> None:
        if burst is not None:
            header = pdu.r2t(command.itt, command.r2ts, command.lun_field, command.r2ts, burst.offset, burst.length)
            command.r2ts += 1
            self._reply(lambda: self.replies.send(header, with_status=False))

    def _nop_out(self, header: Header, _ahs: bytes, data: bytes) -> None:
        if header.itt != NO_TAG:
            echo = memoryview(data)[: self._parameters.max_recv_data_bytes]
            self.replies.send(pdu.nop_in(header.itt, len(echo)), [echo])

    def _text(self, header: Header, _ahs: bytes, data: bytes) -> None:
        if header.flags & pdu.CONTINUE or not header.final or header.word(20) != NO_TAG:
            self.replies.reject(header, RejectReason.NOT_SUPPORTED)
            return
        answers: list[tuple[str, str]] = []
        for key, value in text.parse(data):
            if key == "SendTargets":
                found = self._send_targets(value)
                answers += [(key, text.REJECT)] if found is None else found
            elif key == "MaxRecvDataSegmentLength":
                answers += text.negotiate([(key, value)], self._parameters, self.discovery)
            else:
                answers.append((key, text.NOT_UNDERSTOOD))
        encoded = text.encode(answers)
        if len(encoded) > self._parameters.max_recv_data_bytes:
            raise PduInvalid(f"a text request asks for {len(encoded)} bytes of answers")
        self.replies.send(pdu.text_response(header.itt, len(encoded)), [encoded])

    def _logout(self, header: Header, _ahs: bytes, _data: bytes) -> None:
        reason = header.flags & 0x7F
        if reason == 1 and header.word(20) >> 16 != self._cid:
            self.replies.send(pdu.logout_response(header.itt, 1))
        elif reason > 1:
            self.replies.send(pdu.logout_response(header.itt, 2))
        else:
            self._over = True
            self.replies.send(pdu.logout_response(header.itt, 0))

    def _task_management(self, header: Header, _ahs: bytes, _data: bytes) -> None:
        manage(self, header)
