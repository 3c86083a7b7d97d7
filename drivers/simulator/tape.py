"""The tape drive as a program sees it through Linux st, in variable-block mode: one face of the mechanism."""

from collections.abc import Iterator
from typing import BinaryIO

from drivers.base import RECORD_BYTES, Address, DriveStatus, VolumeStatistics
from drivers.errors import EndOfMedium, MediumUnsupported, UnitAttention, WriteProtected
from drivers.generations import CLEANING
from drivers.records import read_record
from drivers.simulator.bay import Bay, alert_names
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.faultlines import Action
from drivers.simulator.mechanism import PACE_BYTES, TapeMechanism
from drivers.simulator.state import Place


class SimulatedTapeDrive:
    """An LTO drive that behaves as one does behind Linux st in variable-block mode."""

    def __init__(self, bay: Bay) -> None:
        self._bay = bay
        self.mechanism = TapeMechanism(bay)
        self._past_warning = False  # the end was announced: a trailer may use the reserve
        self._announced_to = 0  # the mount it was announced to, by the number of the move that began it

    @property
    def name(self) -> str:
        return self._bay.name

    @property
    def serial(self) -> str:
        return self._bay.spec.serial

    @property
    def model(self) -> str:
        return self.mechanism.model.name

    def status(self) -> DriveStatus:
        drive = self.mechanism
        place = drive.look()
        alerts = alert_names(drive.alerts(place))
        cleaning = drive.needs_cleaning(place)
        if place is None or place.released:
            return DriveStatus(False, False, alerts=alerts, needs_cleaning=cleaning)
        cartridge = drive.cartridge
        if cartridge is None:  # not a tape, or not a tape of ours to read
            return DriveStatus(True, False, alerts=alerts, needs_cleaning=cleaning)
        ready = self._bay.remaining_s(place) == 0 and not self._bay.faults.standing(
            Action.NEVER_READY, self._bay.scope(place)
        )
        return DriveStatus(
            loaded=True,
            ready=ready,
            write_protected=drive.protected(cartridge),
            generation=cartridge.medium,
            capacity_bytes=cartridge.capacity_bytes,
            alerts=alerts,
            needs_cleaning=cleaning,
            worm=cartridge.worm,
        )

    def statistics(self) -> VolumeStatistics:
        self._bay.held(self.mechanism.look())
        cartridge = self.mechanism.cartridge
        if cartridge is None:
            return VolumeStatistics()
        return VolumeStatistics(
            mounts=cartridge.counter("mounts"),
            written_bytes=cartridge.counter("bytes_written"),
            read_bytes=cartridge.counter("bytes_read"),
            uncorrected_write_errors=cartridge.counter("write_errors"),
            uncorrected_read_errors=cartridge.counter("read_errors"),
        )

    def wait_ready(self, limit_s: float) -> None:
        place = self._bay.held(self.mechanism.look())
        self._bay.wait(place, limit_s)
        if self.mechanism.medium(place) == CLEANING:
            self.mechanism.clean(place)
        if self.mechanism.cartridge is None:
            raise self._refusal(place)

    def rewind(self) -> None:
        cartridge, _ = self._begin("rewind", lost=True)
        self.mechanism.rewind(cartridge)

    def tell(self) -> Address:
        self._begin("tell")
        return Address(self.mechanism.position or 0)

    def seek(self, address: Address) -> None:
        cartridge, _ = self._begin("seek")
        self.mechanism.locate(cartridge, address)

    def append(self, stream: BinaryIO) -> Address:
        drive = self.mechanism
        cartridge, place = self._begin("write")
        if drive.protected(cartridge):
            raise WriteProtected(f"{self.name}: {place.barcode} is write-protected; use another volume")
        first = drive.position or 0
        if place.move != self._announced_to or not drive.near_end(cartridge):
            self._past_warning, self._announced_to = False, place.move
        drive.start()
        try:
            while record := read_record(stream, RECORD_BYTES):
                self._announce_end(cartridge, place)
                try:
                    drive.write_block(cartridge, place, record)
                except EndOfMedium:
                    self._past_warning = True
                    raise
            drive.write_mark(cartridge, place)
        finally:
            drive.settle()
            drive.pay()
        return Address(first)

    def flush(self) -> None:
        cartridge, place = self._begin("flush")
        self.mechanism.flush(cartridge, place)

    def read(self) -> Iterator[bytes]:
        drive = self.mechanism
        cartridge, place = self._begin("read")
        drive.start()
        turn = drive.turn
        try:
            while (record := drive.read_block(cartridge, place)) is not None:
                drive.pay(PACE_BYTES)
                yield record
        finally:
            if drive.turn == turn:
                drive.settle()
                drive.pay()

    def unload(self) -> None:
        place = self.mechanism.look()
        if place is not None and place.released:
            return
        self.mechanism.unload(self._bay.held(place))

    def close(self) -> None:
        """Let go of the cartridge's files; the cartridge stays in the drive."""
        self.mechanism.close()

    def _begin(self, operation: str, lost: bool = False) -> tuple[Cartridge, Place]:
        """Ready for an operation; `lost`: it may begin at an unknown position."""
        cartridge, place = self.mechanism.begin(operation)
        if cartridge is None:
            raise self._refusal(place)
        if self.mechanism.position is None and not lost:
            raise UnitAttention(
                f"{self.name}: the position on {place.barcode} is unknown; rewind and read the label first"
            )
        return cartridge, place

    def _refusal(self, place: Place) -> MediumUnsupported:
        return MediumUnsupported(
            f"{self.name}: an {self.model} drive cannot use {place.barcode} ({self.mechanism.medium(place)}); unload it"
        )

    def _announce_end(self, cartridge: Cartridge, place: Place) -> None:
        # The write that crosses early warning succeeds, the next is refused once; then the reserve is for a trailer.
        if not self._past_warning and self.mechanism.near_end(cartridge):
            self._past_warning = True
            raise EndOfMedium(
                f"{self.name}: {place.barcode} is nearly full after {cartridge.used_bytes} bytes; "
                "go on with another volume"
            )
