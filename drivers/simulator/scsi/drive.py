"""What state a tape drive is in, as far as initiators must be told: ready or not, changed, reset, busy, set up how."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from drivers.errors import DriverError, UnitAttention
from drivers.generations import CLEANING
from drivers.scsi import sense
from drivers.scsi.cdb import TAPE
from drivers.scsi.sense import CheckCondition
from drivers.scsi.unit import Outcome
from drivers.simulator import cleaning
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.faultlines import Action
from drivers.simulator.mechanism import TapeMechanism
from drivers.simulator.mishaps import PowerLost
from drivers.simulator.scsi import density, modes, transfer
from drivers.simulator.scsi.identity import drive_identity
from drivers.simulator.scsi.logs import LogPage
from drivers.simulator.scsi.modes import ModePage
from drivers.simulator.scsi.patience import pass_time
from drivers.simulator.scsi.tapelogs import TapeLogs
from drivers.simulator.scsi.trouble import sense_of
from drivers.simulator.scsi.unit import Call, ScsiUnit
from drivers.simulator.state import Place

_COMPRESSION, _CONFIGURATION, _MEDIUM_CONFIGURATION = 0x0F, 0x10, 0x1D
_PAGES = (
    ModePage(0x01, bytes(10), b"\xff\xff\x00\x00\x00\x00\xff"),  # error recovery
    ModePage(0x02, bytes(14)),  # disconnect, reconnect
    # Compression can be switched; data are kept as they come either way.
    ModePage(_COMPRESSION, bytes.fromhex("4080000000010000000100000000"), b"\x80"),
    ModePage(_CONFIGURATION, bytes.fromhex("0000000000004000100000000000"), b"\0" * 12 + b"\xff"),
    ModePage(0x1C, bytes.fromhex("08030000000000000000"), b"\xff\xff"),  # informational exceptions, TapeAlert
    ModePage(_MEDIUM_CONFIGURATION, bytes(30)),
)
_WORM_MODE = 0x01
_UNCHANGED_DENSITY = 0x7F
_BUFFERED, _WRITE_PROTECTED = 0x10, 0x80  # device-specific parameter of the mode header


class DriveUnit(ScsiUnit):
    """The face of a mechanism that speaks SCSI, but for its commands."""

    def __init__(self, mechanism: TapeMechanism, luns: Sequence[int]) -> None:
        identity = drive_identity(f"SIM-{mechanism.model.name.replace('-', '')}", mechanism.bay.spec.serial)
        super().__init__(identity, TAPE, _PAGES, luns)
        self.drive = mechanism
        self._logs = TapeLogs(mechanism)
        self._block_bytes = 0  # 0: variable blocks
        self._buffering = _BUFFERED
        self._to_be_reset = True  # the power was just switched on
        self._busy_until: datetime | None = None  # a command that was answered at once still goes on
        self._ready_move: int | None = None  # the arrival that is ready, and whose readiness was told
        self._place = place = self.drive.look()  # as the present command found it
        if place is not None and not place.released and self.drive.bay.remaining_s(place) == 0:
            self._ready_move = place.move

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        bay = self.drive.bay
        bay.spend = partial(pass_time, bay.clock, aborted=aborted)
        try:
            return super().execute(nexus, cdb, data_out, aborted)
        finally:
            bay.spend = bay.clock.sleep

    def reset(self) -> None:
        self._to_be_reset = True  # done by the next command: this may be another thread
        super().reset()

    def close(self) -> None:
        self.drive.settle()

    def _notice(self) -> None:
        self._place = place = self.drive.look()
        if self._to_be_reset:
            self._to_be_reset = False
            self._block_bytes, self._buffering, self._busy_until = 0, _BUFFERED, None
            if self.drive.cartridge is not None:
                self.drive.go(0)
        if place is None or place.released or self.drive.bay.remaining_s(place) > 0:
            return
        if self.drive.medium(place) == CLEANING:
            self._finish_cleaning(place)
            self._place = self.drive.look()
        elif place.move != self._ready_move:
            self._become_ready(place)

    def _notice_for(self, nexus: str) -> None:
        """A medium this nexus loaded itself is ready: the others are told."""
        self._place = place = self.drive.look()
        if place is None or place.released or place.move == self._ready_move:
            return
        if self.drive.medium(place) != CLEANING:
            self._become_ready(place, besides=nexus)

    def _become_ready(self, place: Place, besides: str | None = None) -> None:
        self._ready_move = place.move
        self.drive.bay.memory.attention = False  # told here, to each nexus
        if self.drive.cartridge is not None:
            self.drive.go(0)
        self.attend(sense.MEDIUM_CHANGED, besides)

    def _finish_cleaning(self, place: Place) -> None:
        bay = self.drive.bay
        done = place.arrived_at + timedelta(seconds=bay.load_s + cleaning.CLEANING_S)
        if bay.clock.now() < done:
            return
        try:
            cleaning.clean(bay, place, takes_time=False)
        except DriverError:
            self.drive.latched.add(22)  # expired cleaning media
        bay.release(place)

    def _loaded(self) -> Place:
        """What is in the drive. Raises: CheckCondition when there is nothing, or it is not ready."""
        place = self._place
        if place is None or place.released:
            raise CheckCondition(sense.MEDIUM_NOT_PRESENT)
        if self.drive.bay.faults.fire(Action.NEVER_READY, self.drive.bay.scope(place)):
            raise CheckCondition(sense.BECOMING_READY)
        if self.drive.medium(place) == CLEANING:
            raise CheckCondition(sense.CLEANING_CARTRIDGE)
        if place.move != self._ready_move:
            raise CheckCondition(sense.BECOMING_READY)
        if self.drive.cartridge is None:
            raise CheckCondition(sense.INCOMPATIBLE_MEDIUM)
        return place

    @contextmanager
    def _using(self, call: Call, operation: str) -> Iterator[tuple[Cartridge, Place]]:
        """The medium for one operation; what goes wrong becomes sense data.

        Raises: CheckCondition.
        """
        place = self._loaded()
        self._wait_for_earlier()
        try:
            cartridge, place = self.drive.begin(operation, place)
            if cartridge is None:
                raise CheckCondition(sense.INCOMPATIBLE_MEDIUM)
            yield cartridge, place
        except DriverError as error:
            self._hear(error, call.nexus)
            raise CheckCondition(sense_of(error, operation)) from error
        except CheckCondition as check:
            if isinstance(check.__cause__, DriverError):
                self._hear(check.__cause__, call.nexus)
            raise

    def _hear(self, error: DriverError, nexus: str) -> None:
        # A fault reset the drive, or took its power: the others hear of it now, after a loss of power this nexus too.
        if isinstance(error, UnitAttention | PowerLost):
            super().reset()
            self._block_bytes, self._buffering = 0, _BUFFERED
            self.drive.bay.memory.attention = False
            if isinstance(error, UnitAttention):
                with self._lock:
                    self._attentions[nexus].remove(sense.RESET)

    def _wait_for_earlier(self) -> None:
        if self._busy_until is not None:
            left_s = (self._busy_until - self.drive.bay.clock.now()).total_seconds()
            self._busy_until = None
            self.drive.bay.spend(left_s)

    @contextmanager
    def _at_once(self, immediate: int) -> Iterator[None]:
        """Let device time be waited for by the next command instead of this one."""
        bay = self.drive.bay
        waiting = bay.spend
        if immediate:
            bay.spend = self._later
        try:
            yield
        finally:
            bay.spend = waiting

    def _later(self, seconds: float) -> None:
        if seconds > 0:
            start = self._busy_until or self.drive.bay.clock.now()
            self._busy_until = start + timedelta(seconds=seconds)

    # Mode and log pages

    def _mode_head(self, control: int) -> tuple[int, int, bytes]:
        self.drive.look()
        cartridge = self.drive.cartridge
        specific = self._buffering
        if cartridge is None:
            return 0, specific, bytes(5) + self._block_bytes.to_bytes(3, "big")
        if self.drive.protected(cartridge):
            specific |= _WRITE_PROTECTED
        kind = density.medium_type(cartridge.medium, cartridge.worm)
        code = density.DENSITIES[cartridge.medium].code
        return kind, specific, bytes([code, 0, 0, 0, 0]) + self._block_bytes.to_bytes(3, "big")

    def _mode_overrides(self) -> Mapping[int, bytes]:
        cartridge = self.drive.cartridge
        worm = cartridge is not None and cartridge.worm
        return {_MEDIUM_CONFIGURATION: bytes([_WORM_MODE if worm else 0]).ljust(30, b"\0")}

    def _mode_check(self, head: modes.Selected) -> Callable[[], None]:
        buffering, block_bytes = head.specific & 0x70, self._block_bytes
        if buffering not in (0x00, 0x10, 0x20) or head.specific & 0x0F:
            raise modes.bad_parameter(head.specific_at)
        if head.descriptor:
            cartridge = self.drive.cartridge
            own = {0x00, _UNCHANGED_DENSITY}
            if cartridge is not None:
                own.add(density.DENSITIES[cartridge.medium].code)
            if head.descriptor[0] not in own:
                raise modes.bad_parameter(head.descriptor_at)
            block_bytes = int.from_bytes(head.descriptor[5:8], "big")
            if block_bytes > transfer.LARGEST_BLOCK_BYTES:
                raise modes.bad_parameter(head.descriptor_at + 5)

        def take() -> None:
            self._buffering, self._block_bytes = buffering, block_bytes

        return take

    def _log_pages(self) -> Mapping[int, LogPage]:
        return self._logs.pages()
