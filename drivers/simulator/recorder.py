"""The optical recorder and its discs."""

import os
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from drivers.base import DiscState, DiscStatus
from drivers.clock import Clock
from drivers.errors import (
    DeviceError,
    EndOfData,
    EndOfMedium,
    MediumError,
    MediumNotBlank,
    MediumUnsupported,
    UnitAttention,
)
from drivers.generations import Use, use
from drivers.optical.verdict import DESCRIPTOR_BYTES, iso_volume
from drivers.simulator import state
from drivers.simulator.bay import Bay, failure
from drivers.simulator.cartridge import flip, medium_of
from drivers.simulator.faultlines import Action
from drivers.simulator.state import Place
from drivers.timing import DISC_MODELS, DiscModel, transfer_s

_CHUNK_BYTES = 1024 * 1024  # faults count these as records
_SECTOR_BYTES = 2048


class SimulatedRecorder:
    """A recorder that burns an image into a file and never writes the same disc twice."""

    def __init__(self, bay: Bay) -> None:
        self._bay = bay
        self._clock: Clock = bay.clock
        self._model: DiscModel = DISC_MODELS[bay.spec.model]
        bay.load_s = self._model.spin_up_s
        self._next_offset = -1  # where the pickup is: a read there costs no access time

    @property
    def name(self) -> str:
        return self._bay.name

    @property
    def serial(self) -> str:
        return self._bay.spec.serial

    @property
    def model(self) -> str:
        return self._model.name

    def wait_ready(self, limit_s: float) -> None:
        place = self._bay.held(self._look())
        self._bay.wait(place, limit_s)
        self._check_medium(place)

    def status(self) -> DiscStatus:
        place = self._look()
        if place is None or place.released or use(self._model.name, self._medium(place)) is Use.NONE:
            return DiscStatus(DiscState.NONE)
        folder = self._bay.folder(place)
        facts = state.load(folder / "volume.json")
        found, image = DiscState(facts["state"]), folder / "image"
        file_system = None
        if found is not DiscState.BLANK and image.exists():
            with image.open("rb", buffering=0) as disc:
                file_system = iso_volume(os.pread(disc.fileno(), _SECTOR_BYTES, DESCRIPTOR_BYTES))
            if file_system is not None and file_system.size_bytes > image.stat().st_size:
                found = DiscState.UNREADABLE  # it was not recorded to its end
        name = file_system.volume_id if file_system is not None else ""
        return DiscStatus(found, facts["medium"], facts["capacity_bytes"], facts["size_bytes"], name or None)

    def burn(self, image: Path) -> None:
        place = self._begin("burn")
        folder = self._bay.folder(place)
        facts = state.load(folder / "volume.json")
        if facts["state"] != DiscState.BLANK:
            raise MediumNotBlank(f"{self.name}: {place.barcode} is {facts['state']}, not blank; put in a blank disc")
        size_bytes = image.stat().st_size
        if size_bytes > facts["capacity_bytes"]:
            raise EndOfMedium(
                f"{self.name}: an image of {size_bytes} bytes does not fit on {place.barcode}, "
                f"which takes {facts['capacity_bytes']}; nothing was written"
            )
        started = self._clock.now()
        # From here on the disc is spoilt unless the last step below is reached, whatever happens to this process.
        self._mark(folder, DiscState.UNREADABLE, None)
        with image.open("rb", buffering=0) as source, (folder / "image").open("wb", buffering=0) as disc:
            written_bytes = self._copy(source, disc, place, started)
            os.fsync(disc.fileno())
        state.sync_folder(folder)
        self._mark(folder, DiscState.COMPLETE, written_bytes)
        self._clock.sleep(self._model.close_s)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        place = self._begin("read")
        folder = self._bay.folder(place)
        facts = state.load(folder / "volume.json")
        if facts["state"] == DiscState.BLANK:
            raise EndOfData(f"{self.name}: {place.barcode} is blank")
        if facts["state"] == DiscState.UNREADABLE:
            raise MediumError(f"{self.name}: {place.barcode} was not recorded to its end; use another copy")
        end_bytes = min(offset_bytes + size_bytes, facts["size_bytes"])
        self._strike_read(place, offset_bytes, end_bytes)
        if offset_bytes != self._next_offset:
            self._clock.sleep(self._model.access_s)
        with (folder / "image").open("rb", buffering=0) as disc:
            content = os.pread(disc.fileno(), max(end_bytes - offset_bytes, 0), offset_bytes)
        self._clock.sleep(transfer_s(self._model.read_rate_bytes_s, len(content)))
        self._next_offset = offset_bytes + len(content)
        rot = self._bay.faults.standing(Action.ROT, self._bay.scope(place))
        return flip(content, offset_bytes, [fault.first for fault in rot])

    def unload(self) -> None:
        place = self._look()
        if place is not None and place.released:
            return
        place = self._bay.held(place)
        self._bay.strike("unload", place)
        self._clock.sleep(self._model.unload_s)
        self._bay.release(place)

    def _look(self) -> Place | None:
        place, arrived = self._bay.look()
        if arrived:
            self._next_offset = -1
        return place

    def _begin(self, operation: str) -> Place:
        place = self._bay.usable(self._look())
        self._check_medium(place)
        self._bay.strike(operation, place)
        return place

    def _check_medium(self, place: Place) -> None:
        medium = self._medium(place)
        if use(self._model.name, medium) is Use.NONE:
            raise MediumUnsupported(
                f"{self.name}: a {self._model.name} recorder has no use for {place.barcode} ({medium}); unload it"
            )

    def _medium(self, place: Place) -> str:
        return medium_of(self._bay.folder(place))

    def _mark(self, folder: Path, disc: DiscState, size_bytes: int | None) -> None:
        facts = state.load(folder / "volume.json")
        state.save(folder / "volume.json", {**facts, "state": disc.value, "size_bytes": size_bytes})

    def _copy(self, source: BinaryIO, disc: BinaryIO, place: Place, started: datetime) -> int:
        faults, scope = self._bay.faults, self._bay.scope(place)
        written_bytes = 0
        while chunk := source.read(_CHUNK_BYTES):
            if faults.fire(Action.LOSE_POWER, scope, counts="records"):
                self._bay.memory.attention = True
                self._bay.keep()
                raise DeviceError(f"{self.name} lost power while burning {place.barcode}; the disc is spoilt")
            if faults.fire(Action.ATTENTION, scope, counts="records"):
                raise UnitAttention(f"{self.name} was reset while burning {place.barcode}; the disc is spoilt")
            if fault := faults.fire(Action.FAIL, scope, "burn", counts="records"):
                raise failure(fault.error, self.name, "burn", place)
            view = memoryview(chunk)
            while view:
                view = view[disc.write(view) :]
            written_bytes += len(chunk)
            spent_s = (self._clock.now() - started).total_seconds()
            self._clock.sleep(transfer_s(self._model.write_rate_bytes_s, written_bytes) - spent_s)
        return written_bytes

    def _strike_read(self, place: Place, offset_bytes: int, end_bytes: int) -> None:
        faults, scope = self._bay.faults, self._bay.scope(place)
        if faults.idle:
            return
        for fault in faults.standing(Action.UNREADABLE, scope):
            first = fault.first - fault.first % _SECTOR_BYTES
            last = fault.last - fault.last % _SECTOR_BYTES + _SECTOR_BYTES - 1
            if fault.unit == "bytes" and first < end_bytes and offset_bytes <= last:
                faults.fire(Action.UNREADABLE, scope, at=fault.first, unit="bytes")
                raise MediumError(
                    f"{self.name}: bytes {first}-{last} of {place.barcode} cannot be read; try another drive"
                )


def create(folder: Path, medium: str, capacity_bytes: int) -> None:
    """Make the folder of a blank disc."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "medium": medium,
        "capacity_bytes": capacity_bytes,
        "state": DiscState.BLANK.value,
        "size_bytes": None,
        "counters": {},
    }
    state.save(folder / "volume.json", facts)
