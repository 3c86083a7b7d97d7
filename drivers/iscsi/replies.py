"""What goes back to an initiator, in order: sequence numbers are given at the moment of sending.

Source: RFC 7143 sections 4.2.2 (numbering), 11.4 (SCSI response) and 11.7 (Data-In).
"""

import threading
import time
from collections.abc import Sequence

from drivers.iscsi import pdu
from drivers.iscsi.pdu import SERIAL_MASK, Header, RejectReason
from drivers.iscsi.text import Parameters
from drivers.iscsi.wire import Connection, Piece
from drivers.scsi.unit import Outcome, Status

COMMANDS_AT_ONCE = 32
_ANSWER_LIMIT_S = 60.0  # a unit waits while its answer is taken
MAX_COMMANDS = COMMANDS_AT_ONCE + 8  # with the immediate ones, which no window holds back


class CommandWindow:
    """Which command number comes next, and how many may be under way."""

    def __init__(self, first: int, depth: int = COMMANDS_AT_ONCE) -> None:
        self._depth = depth
        self.expected = first & SERIAL_MASK
        self.under_way = 0

    @property
    def maximum(self) -> int:
        """The last number that would be taken now. It never goes back."""
        return (self.expected + self._depth - 1 - self.under_way) & SERIAL_MASK

    def distance(self, cmd_sn: int) -> int | None:
        """How far a command is ahead of its turn, 0 for its turn; None for one outside of the window."""
        ahead = (cmd_sn - self.expected) & SERIAL_MASK
        return ahead if ahead < self._depth - self.under_way else None

    def advance(self) -> None:
        """The expected command was taken."""
        self.expected = (self.expected + 1) & SERIAL_MASK


class Replies:
    """The sending side of one connection; any thread may use it."""

    def __init__(self, connection: Connection, parameters: Parameters, first_cmd_sn: int) -> None:
        self._connection = connection
        self._parameters = parameters
        self._stat_sn = 1
        self._sending = threading.Lock()
        self.window = CommandWindow(first_cmd_sn)

    def send(self, header: bytearray, data: Sequence[Piece] = (), with_status: bool = True) -> None:
        """Send an answer; one without a status (R2T, Data-In) takes no number.

        Raises: ConnectionGone.
        """
        with self._sending:
            self._send(header, data, with_status, time.monotonic() + _ANSWER_LIMIT_S)

    def _send(self, header: bytearray, data: Sequence[Piece], with_status: bool, limit: float) -> None:
        pdu.stamp(header, self._stat_sn, self.window.expected, self.window.maximum)
        if with_status:
            self._stat_sn = (self._stat_sn + 1) & SERIAL_MASK
        self._connection.send(header, data, limit)

    def reject(self, header: Header, reason: RejectReason) -> None:
        """Give a PDU back."""
        self.send(pdu.reject(reason), [header.raw])

    def outcome(self, itt: int, expected_bytes: int, reads: bool, outcome: Outcome) -> None:
        """Send the data of a command and its end; the last data bring the status where all went well.

        `expected_bytes` is what the initiator is ready to take, or, for a write, what it sent.
        Raises: ConnectionGone.
        """
        if reads or outcome.data:
            there = len(outcome.data)
        else:
            there = expected_bytes if outcome.wanted_bytes is None else outcome.wanted_bytes
        residual = pdu.residual_flags(expected_bytes, there)
        sent_pdus = 0
        with self._sending:
            limit = time.monotonic() + _ANSWER_LIMIT_S
            if reads and outcome.data:
                collapsed = outcome.status is Status.GOOD
                sent_pdus = self._data_in(
                    itt, memoryview(outcome.data)[:expected_bytes], residual if collapsed else None, limit
                )
                if collapsed and sent_pdus:
                    return
            sense = (len(outcome.sense).to_bytes(2), outcome.sense) if outcome.sense else ()
            length = sum(map(len, sense))
            self._send(pdu.scsi_response(itt, outcome.status, residual, sent_pdus, length), sense, True, limit)

    def _data_in(self, itt: int, data: memoryview, good: tuple[int, int] | None, limit: float) -> int:
        """Send data in PDUs the initiator takes, in bursts as agreed; with GOOD status if `good` has its residual."""
        piece_bytes, burst_bytes = self._parameters.max_recv_data_bytes, self._parameters.max_burst_bytes
        offset = data_sn = 0
        while offset < len(data):
            burst_left = burst_bytes - offset % burst_bytes
            piece = data[offset : offset + min(piece_bytes, burst_left)]
            after = offset + len(piece)
            last = after == len(data)
            header = pdu.data_in(itt, data_sn, offset, len(piece), final=last or after % burst_bytes == 0)
            if last and good is not None:
                pdu.collapse_status(header, Status.GOOD, good)
            self._send(header, [piece], last and good is not None, limit)
            offset, data_sn = after, data_sn + 1
        return data_sn
