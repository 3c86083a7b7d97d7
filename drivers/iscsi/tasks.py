"""One SCSI command on its way: what it is, and how the data of a write come together.

Source: RFC 7143 sections 4.2.4.2, 11.3, 11.7 and 11.8.
"""

from dataclasses import dataclass
from typing import Protocol

import structlog

from drivers.iscsi.pdu import READS, Header, PduInvalid
from drivers.iscsi.text import Parameters
from drivers.iscsi.unitqueue import UnitQueue
from drivers.scsi.sense import Key, Sense
from drivers.scsi.unit import LogicalUnit, Outcome, Status

_log = structlog.get_logger()
_INTERNAL_FAILURE = (0x44, 0x00)


@dataclass(frozen=True, slots=True)
class Burst:
    """A part of the data of a write that is asked for."""

    offset: int
    length: int


class WriteData:
    """Gathers the data of one write in order: immediate, unsolicited, then burst by burst as asked for."""

    def __init__(self, expected_bytes: int, immediate: bytes, final: bool, parameters: Parameters) -> None:
        """`final` is the F bit of the command: no unsolicited data will follow it.

        Raises: PduInvalid for data that were not agreed on.
        """
        self._expected_bytes = expected_bytes
        self._max_burst_bytes = parameters.max_burst_bytes
        self._first_burst_bytes = min(parameters.first_burst_bytes, expected_bytes)
        self._pieces: list[bytes] = []
        self.received_bytes = 0
        if immediate and not parameters.immediate_data:
            raise PduInvalid("immediate data, where none were agreed on")
        if not final and parameters.initial_r2t:
            raise PduInvalid("unsolicited data are announced, where every burst must be asked for")
        self._burst_end = self._first_burst_bytes
        self._open = True  # a sequence of data is under way
        self._next_data_sn = 0
        self._asked_for = False  # ... and it is the answer to an R2T
        self._take(immediate)
        if final:
            self._open = False

    @property
    def complete(self) -> bool:
        """Everything is here."""
        return self.received_bytes == self._expected_bytes

    def next_burst(self) -> Burst | None:
        """What to ask for now; None while a sequence is under way, or when nothing is missing.

        The sequence counts as asked for from here on.
        """
        if self._open or self.complete:
            return None
        length = min(self._max_burst_bytes, self._expected_bytes - self.received_bytes)
        self._burst_end = self.received_bytes + length
        self._open = self._asked_for = True
        self._next_data_sn = 0
        return Burst(self.received_bytes, length)

    def take(self, data_sn: int, offset: int, data: bytes, final: bool) -> None:
        """Take one Data-Out PDU; they are numbered from 0 within each sequence.

        Raises: PduInvalid when it does not go on where the last one ended, or its sequence ends too early or too late.
        """
        if not self._open:
            raise PduInvalid("data that nobody asked for")
        if data_sn != self._next_data_sn:
            raise PduInvalid(f"Data-Out PDU {data_sn}, where number {self._next_data_sn} comes next")
        if offset != self.received_bytes:
            raise PduInvalid(f"data for byte {offset}, where byte {self.received_bytes} comes next")
        self._take(data)
        self._next_data_sn += 1
        if final:
            if self._asked_for and self.received_bytes != self._burst_end:
                raise PduInvalid(f"a burst ended {self._burst_end - self.received_bytes} bytes early")
            self._open = False
        elif self.received_bytes == self._burst_end:
            raise PduInvalid("a burst is full and does not say that it ends")

    def joined(self) -> bytes:
        """The data of the write; without a copy where they came in one piece."""
        if len(self._pieces) == 1:
            return self._pieces[0]
        data = b"".join(self._pieces)
        self._pieces = [data]
        return data

    def _take(self, data: bytes) -> None:
        if self.received_bytes + len(data) > self._burst_end:
            raise PduInvalid(f"{self.received_bytes + len(data) - self._burst_end} bytes more than a burst may have")
        if data:
            self._pieces.append(data)
            self.received_bytes += len(data)


class Owner(Protocol):
    """The session a command came from."""

    nexus: str

    def wants(self, command: "Command") -> bool:
        """False for a command that was aborted, or whose session has ended."""
        ...

    def finish(self, command: "Command", outcome: Outcome) -> None:
        """Answer a command that came to its end."""
        ...

    def lose(self, command: "Command", tell: bool) -> None:
        """Drop a command that was aborted; with `tell` its initiator is told, because another one aborted it."""
        ...


class Command:
    """One SCSI command of one session, from its arrival to its answer."""

    def __init__(self, session: Owner, header: Header, cdb: bytes, queue: UnitQueue) -> None:
        self.session = session
        self.nexus = session.nexus
        self.queue = queue
        self.cdb = cdb
        self.itt = header.itt
        self.lun_field = header.raw[8:16]
        self.numbered = not header.immediate
        self.reads = bool(header.flags & READS)
        self.expected_bytes = header.word(20)
        self.write: WriteData | None = None
        self.r2ts = 0
        self.solicited = False  # its data are being asked for, and count against what a session may hold
        self.ready = False
        self.aborted = False

    def run(self, unit: LogicalUnit) -> None:
        """Carry it out and answer. In the thread of the unit."""
        if not self.session.wants(self):
            return
        try:
            data = b"" if self.write is None else self.write.joined()
            outcome = unit.execute(self.nexus, self.cdb, data, lambda: self.aborted)
        except Exception:  # noqa: BLE001 - a defect of a unit is an answer, too
            _log.exception("command_failed", lun=self.queue.lun, cdb=self.cdb.hex())
            outcome = Outcome(Status.CHECK_CONDITION, sense=Sense(Key.HARDWARE_ERROR, _INTERNAL_FAILURE).encode())
        self.session.finish(self, outcome)
