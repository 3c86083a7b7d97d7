"""The tape drive."""

import threading
from collections.abc import Iterator
from typing import BinaryIO

from drivers.base import RECORD_BYTES, Address, DriveStatus, VolumeStatistics
from drivers.clock import Clock
from drivers.errors import (
    DeviceError,
    EndOfData,
    EndOfMedium,
    MediumError,
    MediumUnsupported,
    UnitAttention,
    WriteProtected,
)
from drivers.generations import CLEANING, MEDIA, Use, use
from drivers.records import read_record
from drivers.simulator.bay import Bay, failure
from drivers.simulator.cartridge import Cartridge, flip, medium_of
from drivers.simulator.faultlines import Action
from drivers.simulator.state import Place
from drivers.timing import DRIVE_MODELS, DriveModel, locate_s, rewind_s, scaled, transfer_s

_PACE_BYTES = 16 * 1024 * 1024  # device time is spent in portions of this size
_CLEANING_S = 120.0
_CLEANINGS = 50  # of one cleaning cartridge
_MEDIA_LIFE_MOUNTS = 20_000


class SimulatedTapeDrive:
    """An LTO drive that behaves as one does behind Linux st in variable-block mode."""

    def __init__(self, bay: Bay) -> None:
        self._bay = bay
        self._clock: Clock = bay.clock
        self._model: DriveModel = DRIVE_MODELS[bay.spec.model]
        bay.load_s = self._model.load_s
        self._cartridge: Cartridge | None = None
        self._past_warning = False  # the end was announced: a trailer may use the reserve
        self._deferred: tuple[int, str] | None = None  # block that was lost, operation that will say so
        self._unflushed = False
        self._adrift = False  # a read or write of ours left the position unknown
        self._looking = threading.Lock()  # status() may be asked by another thread than the owner's
        self._turn = 0  # number of the operation, so that an abandoned read cannot speak for a later one

    @property
    def name(self) -> str:
        return self._bay.name

    @property
    def serial(self) -> str:
        return self._bay.spec.serial

    @property
    def model(self) -> str:
        return self._model.name

    def status(self) -> DriveStatus:
        place = self._look()
        if self._bay.faults.fire(Action.CLEANING, self._bay.scope(place)):
            self._bay.memory.needs_cleaning = True
            self._bay.keep()
        cleaning = self._bay.memory.needs_cleaning
        own = [20] if cleaning else []
        if place is None or place.released:
            return DriveStatus(False, False, alerts=self._bay.alerts(place, own), needs_cleaning=cleaning)
        cartridge = self._cartridge
        if cartridge is None:  # not a tape, or not a tape of ours to read
            return DriveStatus(True, False, alerts=self._bay.alerts(place, own), needs_cleaning=cleaning)
        if cartridge.counter("mounts") >= _MEDIA_LIFE_MOUNTS:
            own.append(7)
        ready = self._bay.remaining_s(place) == 0 and not self._bay.faults.standing(
            Action.NEVER_READY, self._bay.scope(place)
        )
        return DriveStatus(
            loaded=True,
            ready=ready,
            write_protected=self._protected(cartridge),
            generation=cartridge.medium,
            capacity_bytes=cartridge.capacity_bytes,
            alerts=self._bay.alerts(place, own),
            needs_cleaning=cleaning,
        )

    def statistics(self) -> VolumeStatistics:
        self._bay.held(self._look())
        cartridge = self._cartridge
        if cartridge is None:
            return VolumeStatistics()
        return VolumeStatistics(mounts=cartridge.counter("mounts"), written_bytes=cartridge.counter("bytes_written"))

    def wait_ready(self, limit_s: float) -> None:
        place = self._bay.held(self._look())
        self._bay.wait(place, limit_s)
        if self._medium(place) == CLEANING:
            self._clean(place)
        if self._cartridge is None:
            raise self._refusal(place)

    def rewind(self) -> None:
        cartridge, _ = self._begin("rewind", lost=True)
        if self._bay.memory.position is not None:
            self._clock.sleep(rewind_s(self._geometry(cartridge), cartridge.offset_of(self._bay.memory.position)))
        self._go(0)

    def tell(self) -> Address:
        self._begin("tell")
        return Address(self._position())

    def seek(self, address: Address) -> None:
        cartridge, _ = self._begin("seek", lost=self._adrift)
        target = min(address, cartridge.blocks)
        here = cartridge.offset_of(self._position())
        self._clock.sleep(locate_s(self._geometry(cartridge), here, cartridge.offset_of(target)))
        self._go(target)
        if address > cartridge.blocks:
            raise EndOfData(
                f"{self.name}: {cartridge.volume} has nothing at block {address}; its data end at {cartridge.blocks}"
            )

    def append(self, stream: BinaryIO) -> Address:
        cartridge, place = self._begin("write")
        if self._protected(cartridge):
            raise WriteProtected(f"{self.name}: {place.barcode} is write-protected; use another volume")
        first = block = self._position()
        first_bytes = cartridge.offset_of(first)
        if first_bytes < cartridge.warning_bytes:
            self._past_warning = False
        self._moving()
        written_bytes = 0
        started = self._clock.now()
        try:
            while record := read_record(stream, RECORD_BYTES):
                self._strike_record("write", place, cartridge, block)
                self._check_room(cartridge, place, first_bytes + written_bytes, len(record))
                self._unflushed = True
                cartridge.write_record(block, record)
                block += 1
                written_bytes += len(record)
            cartridge.write_mark(block)
            self._unflushed = True
            block += 1
        finally:
            if self._bay.memory.position is None:  # unless a fault put the head somewhere
                self._go(block)
            spent_s = (self._clock.now() - started).total_seconds()
            self._clock.sleep(transfer_s(self._model.rate_bytes_s, written_bytes) - spent_s)
            cartridge.count(bytes_written=written_bytes)
        return Address(first)

    def flush(self) -> None:
        cartridge, place = self._begin("flush")
        self._tell_deferred("flush", cartridge)
        if not self._unflushed:
            return
        self._clock.sleep(self._model.backhitch_s)
        if self._bay.faults.fire(Action.IGNORE_FLUSH, self._bay.scope(place)):
            return
        cartridge.sync()
        self._unflushed = False

    def read(self) -> Iterator[bytes]:
        cartridge, place = self._begin("read")
        block = self._position()
        self._moving()
        turn = self._turn
        unpaid_bytes = 0
        try:
            while True:
                if block >= cartridge.blocks:
                    raise EndOfData(f"{self.name}: {place.barcode} has no data at block {block}")
                self._strike_record("read", place, cartridge, block)
                record = cartridge.record(block)
                block += 1
                if record is None:
                    break
                unpaid_bytes += len(record)
                if unpaid_bytes >= _PACE_BYTES:
                    self._clock.sleep(transfer_s(self._model.rate_bytes_s, unpaid_bytes))
                    unpaid_bytes = 0
                yield self._rotten(place, record, cartridge.offset_of(block) - len(record))
        finally:
            if self._turn == turn and self._bay.memory.position is None:
                self._go(block)
                self._clock.sleep(transfer_s(self._model.rate_bytes_s, unpaid_bytes))

    def unload(self) -> None:
        self._turn += 1
        place = self._look()
        if place is not None and place.released:
            return
        place = self._bay.held(place)
        self._bay.strike("unload", place)
        if self._cartridge is not None:
            self._tell_deferred("unload", self._cartridge)
            if self._unflushed:
                self._cartridge.sync()
            here = self._cartridge.offset_of(self._bay.memory.position or 0)
            self._clock.sleep(rewind_s(self._geometry(self._cartridge), here))
        self._clock.sleep(self._model.unload_s)
        self._close()
        self._bay.release(place)

    def close(self) -> None:
        """Let go of the cartridge's files; the cartridge stays in the drive."""
        self._close()

    def _look(self) -> Place | None:
        with self._looking:
            return self._look_alone()

    def _look_alone(self) -> Place | None:
        place, arrived = self._bay.look()
        if place is None or arrived:
            self._close()
        if place is not None and not place.released and self._cartridge is None:
            facts = MEDIA[self._medium(place)]
            if facts.name != CLEANING and use(self._model.name, facts.name) is not Use.NONE:
                self._cartridge = Cartridge(self._bay.folder(place))
                if arrived:
                    self._cartridge.count(mounts=1)
        return place

    def _begin(self, operation: str, lost: bool = False) -> tuple[Cartridge, Place]:
        """Ready for an operation; `lost`: it may begin at an unknown position."""
        self._turn += 1
        place = self._bay.usable(self._look())
        if self._cartridge is None:
            raise self._refusal(place)
        self._bay.strike(operation, place)
        if self._bay.memory.position is None and not lost:
            raise UnitAttention(
                f"{self.name}: the position on {place.barcode} is unknown; rewind and read the label first"
            )
        return self._cartridge, place

    def _refusal(self, place: Place) -> MediumUnsupported:
        return MediumUnsupported(
            f"{self.name}: an {self._model.name} drive cannot use {place.barcode} ({self._medium(place)}); unload it"
        )

    def _clean(self, place: Place) -> None:
        cartridge = Cartridge(self._bay.folder(place))
        try:
            if cartridge.counter("cleanings") >= _CLEANINGS:
                raise MediumError(f"{self.name}: cleaning cartridge {place.barcode} is used up; put in a new one")
            self._clock.sleep(_CLEANING_S)
            cartridge.count(cleanings=1)
        finally:
            cartridge.close()
        self._bay.memory.needs_cleaning = False
        self._bay.keep()

    def _medium(self, place: Place) -> str:
        return medium_of(self._bay.folder(place))

    def _protected(self, cartridge: Cartridge) -> bool:
        return cartridge.protected or use(self._model.name, cartridge.medium) is not Use.WRITE

    def _geometry(self, cartridge: Cartridge) -> DriveModel:
        return scaled(self._model, cartridge.capacity_bytes)

    def _position(self) -> int:
        return self._bay.memory.position or 0

    def _go(self, block: int) -> None:
        self._bay.memory.position, self._adrift = block, False
        self._bay.keep()

    def _moving(self) -> None:
        self._bay.memory.position, self._adrift = None, True
        self._bay.keep()

    def _close(self) -> None:
        if self._cartridge is not None:
            self._cartridge.close()
        self._cartridge, self._deferred = None, None
        self._unflushed = self._past_warning = self._adrift = False

    def _check_room(self, cartridge: Cartridge, place: Place, used_bytes: int, size_bytes: int) -> None:
        # The write that crosses early warning succeeds, the next is refused once; then the reserve is for a trailer.
        full = used_bytes + size_bytes > cartridge.capacity_bytes
        if full or (used_bytes >= cartridge.warning_bytes and not self._past_warning):
            self._past_warning = True
            raise EndOfMedium(
                f"{self.name}: {place.barcode} is full after {used_bytes} bytes; go on with another volume"
            )

    def _strike_record(self, operation: str, place: Place, cartridge: Cartridge, block: int) -> None:
        faults, scope = self._bay.faults, self._bay.scope(place)
        if faults.idle and self._deferred is None:
            return
        if operation == "write":
            self._tell_deferred("write", cartridge)
            if faults.fire(Action.LOSE_POWER, scope, counts="records"):
                self._lose_power(cartridge, place)
            if deferred := faults.fire(Action.DEFER, scope, counts="records"):
                self._deferred = (block, deferred.told_by)
        if faults.fire(Action.ATTENTION, scope, counts="records"):
            self._go(0)
            raise UnitAttention(f"{self.name} was reset during {operation}; rewind and read the label again")
        if fault := faults.fire(Action.FAIL, scope, operation, counts="records"):
            raise failure(fault.error, self.name, operation, place)
        if operation == "read" and faults.fire(Action.UNREADABLE, scope, at=block):
            raise MediumError(f"{self.name}: block {block} of {place.barcode} cannot be read; try another drive")

    def _rotten(self, place: Place, record: bytes, offset_bytes: int) -> bytes:
        if self._bay.faults.idle:
            return record
        rot = self._bay.faults.standing(Action.ROT, self._bay.scope(place))
        return flip(record, offset_bytes, [fault.first for fault in rot])

    def _tell_deferred(self, operation: str, cartridge: Cartridge) -> None:
        if self._deferred is None or operation not in (self._deferred[1], "flush"):
            return
        block, self._deferred = self._deferred[0], None
        cartridge.cut(block)
        self._go(cartridge.blocks)
        raise DeviceError(
            f"{self.name}: an earlier write to {cartridge.volume} had failed; trust nothing since the last flush"
        )

    def _lose_power(self, cartridge: Cartridge, place: Place) -> None:
        cartridge.cut(cartridge.flushed_blocks)
        self._deferred, self._unflushed = None, False
        self._bay.memory.attention = True
        self._go(0)
        raise DeviceError(f"{self.name} lost power while writing {place.barcode}; what was not flushed is gone")
