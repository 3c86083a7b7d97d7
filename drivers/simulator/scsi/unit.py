"""What tape drives and changers have in common: identity, unit attentions, reservations, mode and log pages."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from drivers.scsi.cdb import Command, Layout, by_opcode, decode
from drivers.scsi.sense import (
    INTERNAL_FAILURE,
    LENGTH_OF_PARAMETERS,
    MODE_CHANGED,
    NOTHING,
    RESET,
    CheckCondition,
    Sense,
)
from drivers.scsi.unit import Outcome, Status
from drivers.simulator.scsi import modes
from drivers.simulator.scsi.identity import Identity
from drivers.simulator.scsi.logs import LogPage, log_data

_log = structlog.get_logger()

# Carried out although a unit attention is pending, or another nexus holds a reservation.
_ATTENTION_SPARES = frozenset({0x03, 0x12, 0xA0})
_RESERVATION_SPARES = frozenset({0x03, 0x12, 0x17, 0xA0})


@dataclass(frozen=True)
class Call:
    """One command on its way."""

    nexus: str
    command: Command
    data_out: bytes
    aborted: Callable[[], bool]

    def cut(self, data: bytes) -> bytes:
        """No more than the allocation length allows."""
        return data[: self.command["allocation"]]


class Reserved(Exception):
    """Another nexus holds the unit."""


class ScsiUnit(ABC):
    """A logical unit of a simulated library."""

    def __init__(
        self, identity: Identity, layouts: tuple[Layout, ...], pages: Iterable[modes.ModePage], luns: Sequence[int]
    ) -> None:
        """`luns`: the numbers of all units of the target."""
        self.identity = identity
        self.modes = modes.Modes(pages)
        self._layouts = by_opcode(layouts)
        self._luns = luns
        self._handlers: dict[str, Callable[[Call], bytes]] = {
            layout.name: getattr(self, f"_{layout.name}") for layout in layouts
        }
        self._lock = threading.Lock()  # reset() and forget() may come from another thread
        self._attentions: dict[str, list[Sense]] = {}  # by nexus
        self._prevented: set[str] = set()  # nexuses that want the medium kept in
        self._reserved_by: str | None = None

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        """Carry out one command. See LogicalUnit."""
        try:
            self._admit(nexus, cdb)
            command = decode(cdb, self._layouts)
            return Outcome(data=self._handlers[command.name](Call(nexus, command, data_out, aborted)))
        except CheckCondition as check:
            return Outcome(Status.CHECK_CONDITION, check.data, check.sense.encode())
        except Reserved:
            return Outcome(Status.RESERVATION_CONFLICT)
        except OSError as error:  # the host's disk under the simulator
            _log.error("simulated_unit_failed", serial=self.identity.serial, reason=str(error))
            return Outcome(Status.CHECK_CONDITION, sense=INTERNAL_FAILURE.encode())

    def reset(self) -> None:
        """A reset: everybody is told, settings, locks and reservations are gone."""
        with self._lock:
            self._prevented.clear()
            self._reserved_by = None
        self.modes.reset()
        self.attend(RESET)

    def forget(self, nexus: str) -> None:
        """A nexus is gone, and what was kept for it."""
        with self._lock:
            self._attentions.pop(nexus, None)
            self._prevented.discard(nexus)
            if self._reserved_by == nexus:
                self._reserved_by = None

    @abstractmethod
    def close(self) -> None:
        """Let go of files; the state of the device survives."""

    @property
    def removal_prevented(self) -> bool:
        """Whether some nexus wants the medium kept in."""
        with self._lock:
            return bool(self._prevented)

    def attend(self, sense: Sense, besides: str | None = None) -> None:
        """Have every nexus but one told of something, once."""
        with self._lock:
            for nexus, pending in self._attentions.items():
                if nexus != besides and sense not in pending:
                    pending.append(sense)

    def _admit(self, nexus: str, cdb: bytes) -> None:
        with self._lock:
            pending = self._attentions.setdefault(nexus, [RESET])  # a nexus that is new hears of the power-on
            holder = self._reserved_by
        if holder not in (None, nexus) and cdb[:1] and cdb[0] not in _RESERVATION_SPARES:
            raise Reserved
        self._notice()
        with self._lock:
            if pending and cdb[:1] and cdb[0] not in _ATTENTION_SPARES:
                raise CheckCondition(pending.pop(0))

    @abstractmethod
    def _notice(self) -> None:
        """Look whether something happened that initiators must be told of."""

    # What every unit can be asked

    def _test_unit_ready(self, call: Call) -> bytes:
        return b""

    def _request_sense(self, call: Call) -> bytes:
        with self._lock:
            pending = self._attentions[call.nexus]
            sense = pending.pop(0) if pending else NOTHING
        return call.cut(sense.encode())

    def _inquiry(self, call: Call) -> bytes:
        page = call.command["page"]
        if not call.command["vital"]:
            if page:
                raise call.command.refuse("page")
            return call.cut(self.identity.inquiry())
        content = self.identity.vital(page)
        if content is None:
            raise call.command.refuse("page")
        return call.cut(content)

    def _report_luns(self, call: Call) -> bytes:
        if call.command["select"] > 2:
            raise call.command.refuse("select")
        if call.command["allocation"] < 16:
            raise call.command.refuse("allocation")
        luns = [] if call.command["select"] == 1 else self._luns  # 1: well known units, of which there are none
        content = b"".join(lun.to_bytes(2, "big") + bytes(6) for lun in luns)
        return call.cut(len(content).to_bytes(4, "big") + bytes(4) + content)

    def _reserve_6(self, call: Call) -> bytes:
        with self._lock:
            self._reserved_by = call.nexus
        return b""

    def _release_6(self, call: Call) -> bytes:
        with self._lock:
            if self._reserved_by == call.nexus:
                self._reserved_by = None
        return b""

    def _prevent_removal(self, call: Call) -> bytes:
        if call.command["prevent"] > 1:
            raise call.command.refuse("prevent")
        with self._lock:
            if call.command["prevent"]:
                self._prevented.add(call.nexus)
            else:
                self._prevented.discard(call.nexus)
        return b""

    # Mode pages

    @abstractmethod
    def _mode_head(self, control: int) -> tuple[int, int, bytes]:
        """Medium type, device-specific parameter and block descriptor of a MODE SENSE."""

    @abstractmethod
    def _mode_overrides(self) -> Mapping[int, bytes]:
        """What pages say that tell a state."""

    @abstractmethod
    def _mode_check(self, head: modes.Selected) -> Callable[[], None]:
        """Check the head of a MODE SELECT, and return what sets it. Raises: CheckCondition."""

    def _mode_sense_6(self, call: Call) -> bytes:
        return self._mode_sense(call, long=False)

    def _mode_sense_10(self, call: Call) -> bytes:
        return self._mode_sense(call, long=True)

    def _mode_sense(self, call: Call, long: bool) -> bytes:
        pages = self.modes.pages(call.command, self._mode_overrides())
        medium_type, specific, descriptor = self._mode_head(call.command["page_control"])
        if call.command["no_descriptors"]:
            descriptor = b""
        return call.cut(modes.header(long, medium_type, specific, descriptor, pages))

    def _mode_select_6(self, call: Call) -> bytes:
        return self._mode_select(call, long=False)

    def _mode_select_10(self, call: Call) -> bytes:
        return self._mode_select(call, long=True)

    def _mode_select(self, call: Call, long: bool) -> bytes:
        if not call.command["page_format"]:
            raise call.command.refuse("page_format")
        if call.command["save"]:
            raise call.command.refuse("save")
        content = self.parameters(call)
        if not content:
            return b""
        head = modes.selected(content, long)
        wanted = self.modes.check(content, head.pages_at, self._mode_overrides())
        self._mode_check(head)()
        self.modes.take(wanted)
        self.attend(MODE_CHANGED, besides=call.nexus)
        return b""

    def parameters(self, call: Call) -> bytes:
        """The parameter list that came with a command. Raises: CheckCondition when less came than was said."""
        if len(call.data_out) < call.command["length"]:
            raise CheckCondition(LENGTH_OF_PARAMETERS)
        return call.data_out[: call.command["length"]]

    # Log pages

    @abstractmethod
    def _log_pages(self) -> Mapping[int, LogPage]:
        """The log pages by number."""

    def _log_sense(self, call: Call) -> bytes:
        command = call.command
        if command["save"]:
            raise command.refuse("save")
        if command["subpage"]:
            raise command.refuse("subpage")
        pages = self._log_pages()
        page = pages.get(command["page"])
        if command["page"] == 0x00:
            return call.cut(bytes([0, 0, 0, len(pages) + 1, 0, *pages]))
        if page is None:
            raise command.refuse("page")
        parameters = page.parameters()
        if command["parameter"] and all(number < command["parameter"] for number, _ in parameters):
            raise command.refuse("parameter")
        data = log_data(command["page"], [p for p in parameters if p[0] >= command["parameter"]])
        if len(data) <= command["allocation"]:
            page.told()  # a glance at the header clears nothing
        return call.cut(data)
