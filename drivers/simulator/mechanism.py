"""A tape drive as it is inside: a head over a cartridge, block by block. Both faces of the simulator work on this.

The face of drivers/simulator/tape shows what Linux st lets a program see, the one of drivers/simulator/scsi what the
drive says on the wire. Positions, data, faults and device time are the mechanism's alone, so that both tell one story.
"""

import threading
from collections import Counter
from datetime import datetime

from drivers.errors import DriverError, EndOfData, MediumError, UnitAttention
from drivers.generations import CLEANING, MEDIA, Use, use
from drivers.simulator import cleaning
from drivers.simulator.bay import Bay, failure
from drivers.simulator.cartridge import Cartridge, flip, medium_of
from drivers.simulator.faultlines import Action
from drivers.simulator.mishaps import DeferredError, Overwrite, PowerLost, VolumeOverflow
from drivers.simulator.state import Place
from drivers.timing import DRIVE_MODELS, DriveModel, locate_s, rewind_s, scaled, transfer_s

PACE_BYTES = 16 * 1024 * 1024  # device time of a stream is spent in portions of this size
MEDIA_LIFE_MOUNTS = 20_000


class TapeMechanism:
    """One LTO drive. `begin` looks what is in it and lets faults strike; the other methods then move the tape."""

    def __init__(self, bay: Bay) -> None:
        self.bay = bay
        self.model: DriveModel = DRIVE_MODELS[bay.spec.model]
        bay.load_s = self.model.load_s
        self.cartridge: Cartridge | None = None
        self.turn = 0  # number of the operation, so that an abandoned read cannot speak for a later one
        self.latched: set[int] = set()  # TapeAlert flags that something raised, until they were read
        self.session: Counter[str] = Counter()  # what happened to this cartridge since it was loaded
        self._media: dict[str, str] = {}  # what each volume that was here is made as
        self._deferred: tuple[int, str] | None = None  # block that was lost, operation that will say so
        self._unflushed = False
        self._moving = False  # blocks go by: the position is `_at`, and on disk it is unknown
        self._at = 0
        self._unpaid_bytes = 0
        self._unpaid_since: datetime | None = None
        self._looking = threading.Lock()  # what is loaded may be asked by another thread than the owner's

    @property
    def name(self) -> str:
        """Library and drive."""
        return self.bay.name

    def look(self) -> Place | None:
        """What is in the drive now; a cartridge that arrived is opened and counted."""
        with self._looking:
            place, arrived = self.bay.look()
            if place is None or arrived:
                self._drop()
            if place is not None and not place.released and self.cartridge is None:
                facts = MEDIA[self.medium(place)]
                if facts.name != CLEANING and use(self.model.name, facts.name) is not Use.NONE:
                    self.cartridge = Cartridge(self.bay.folder(place))
                    if arrived:
                        self.cartridge.count(mounts=1)
            return place

    def medium(self, place: Place) -> str:
        """What the volume in the drive is, by its name in drivers.generations."""
        if place.volume not in self._media:
            self._media[place.volume] = medium_of(self.bay.folder(place))
        return self._media[place.volume]

    def protected(self, cartridge: Cartridge) -> bool:
        """Whether nothing can be written: by the tab, or because the generation is too old for this drive."""
        return cartridge.protected or use(self.model.name, cartridge.medium) is not Use.WRITE

    def needs_cleaning(self, place: Place | None) -> bool:
        """Whether the drive asks for a cleaning cartridge."""
        if self.bay.faults.fire(Action.CLEANING, self.bay.scope(place)):
            self.bay.memory.needs_cleaning = True
            self.bay.keep()
        return self.bay.memory.needs_cleaning

    def alerts(self, place: Place | None) -> set[int]:
        """The TapeAlert flags that are up for as long as their cause is there."""
        own = {20} if self.needs_cleaning(place) else set()
        if self.cartridge is not None and self.cartridge.counter("mounts") >= MEDIA_LIFE_MOUNTS:
            own.add(7)
        return own | {fault.first for fault in self.bay.faults.standing(Action.ALERT, self.bay.scope(place))}

    def clean(self, place: Place) -> None:
        """Let the cleaning cartridge in the drive do its work. Raises: MediumError when it is used up."""
        cleaning.clean(self.bay, place)

    @property
    def position(self) -> int | None:
        """The block under the head; None when nobody knows (after a load, or after a kill in mid-transfer)."""
        return self._at if self._moving else self.bay.memory.position

    def begin(self, operation: str, place: Place | None = None) -> tuple[Cartridge | None, Place]:
        """Ready for an operation on a loaded medium; the cartridge is None when it is not one this drive can use.

        `place`: what look() just said, where it was asked.

        Raises: DriveEmpty, DriveNotReady, and what a fault of the whole operation raises.
        """
        self.turn += 1
        place = self.bay.usable(self.look() if place is None else place)
        if self.cartridge is not None:
            try:
                self.bay.strike(operation, place)
            except DriverError as error:
                if isinstance(error, UnitAttention):
                    self.go(0)
                raise self._noted(error, operation, self.cartridge) from None
        return self.cartridge, place

    def go(self, block: int) -> None:
        """Say where the head is, and write it down."""
        self.bay.memory.position, self._moving = block, False
        self.bay.keep()

    def settle(self) -> None:
        """Write down where the head came to rest. Nothing to do when no blocks went by, or a fault put it elsewhere."""
        if self._moving:
            self.go(self._at)

    def start(self) -> None:
        """Blocks are about to go by: should this process be killed now, the position counts as unknown."""
        if not self._moving:
            self._at, self._moving = self.bay.memory.position or 0, True
            self.bay.memory.position = None
            self.bay.keep()

    def near_end(self, cartridge: Cartridge) -> bool:
        """Whether the head is past early warning."""
        return cartridge.offset_of(self.position or 0) > cartridge.warning_bytes

    def write_block(self, cartridge: Cartridge, place: Place, content: bytes) -> bool:
        """Write a record at the head; whatever lay there or behind is gone.

        Returns: whether it ends past early warning. Raises: VolumeOverflow, Overwrite, and what faults raise.
        """
        self.start()
        self._strike_block("write", place, cartridge)
        self._check_worm(cartridge, place)
        end_bytes = cartridge.offset_of(self._at) + len(content)
        if end_bytes > cartridge.capacity_bytes:
            raise VolumeOverflow(
                f"{self.name}: {place.barcode} is full after {end_bytes - len(content)} bytes; "
                "go on with another volume"
            )
        self._unflushed = True
        cartridge.write_record(self._at, content)
        self._at += 1
        self._stream("bytes_written", len(content), cartridge)
        return end_bytes > cartridge.warning_bytes

    def write_mark(self, cartridge: Cartridge, place: Place) -> bool:
        """Write a filemark at the head. It always fits. Returns: whether the head is past early warning."""
        self.start()
        self._check_worm(cartridge, place)
        self._unflushed = True
        cartridge.write_mark(self._at)
        self._at += 1
        return cartridge.used_bytes > cartridge.warning_bytes

    def read_block(self, cartridge: Cartridge, place: Place) -> bytes | None:
        """Read the record under the head and pass it; None for a filemark.

        Raises: EndOfData, MediumError (the head stays before the block), and what faults raise.
        """
        self.start()
        block = self._at
        if block >= cartridge.blocks:
            raise EndOfData(f"{self.name}: {place.barcode} has no data at block {block}")
        self._strike_block("read", place, cartridge)
        record = cartridge.record(block)
        self._at += 1
        if record is None:
            return None
        self._stream("bytes_read", len(record), cartridge)
        if self.bay.faults.idle:
            return record
        rot = self.bay.faults.standing(Action.ROT, self.bay.scope(place))
        return flip(record, cartridge.offset_of(block), [fault.first for fault in rot])

    def erase(self, cartridge: Cartridge, place: Place, whole: bool) -> None:
        """End the data under the head; `whole`: and go over the rest of the tape, which takes its time."""
        self.start()
        self._check_worm(cartridge, place)
        if whole:
            left_bytes = cartridge.capacity_bytes - cartridge.offset_of(self._at)
            self.bay.spend(transfer_s(self.model.rate_bytes_s, max(left_bytes, 0)))
        cartridge.cut(self._at)
        self._unflushed = True

    def flush(self, cartridge: Cartridge, place: Place) -> None:
        """Return when everything written is on the medium. Raises: DeferredError."""
        self.tell_deferred("flush", cartridge)
        if not self._unflushed:
            return
        self.bay.spend(self.model.backhitch_s)
        if self.bay.faults.fire(Action.IGNORE_FLUSH, self.bay.scope(place)):
            return
        cartridge.sync()
        self._unflushed = False

    def locate(self, cartridge: Cartridge, block: int) -> None:
        """Go to a block. Raises: EndOfData when it lies behind the data; the head is then at their end."""
        target = min(block, cartridge.blocks)
        here = cartridge.offset_of(self.position or 0)
        self.bay.spend(locate_s(self._geometry(cartridge), here, cartridge.offset_of(target)))
        self.go(target)
        if block > cartridge.blocks:
            raise EndOfData(
                f"{self.name}: {cartridge.volume} has nothing at block {block}; its data end at {cartridge.blocks}"
            )

    def rewind(self, cartridge: Cartridge) -> None:
        """Go to block 0."""
        if (here := self.position) is not None:
            self.bay.spend(rewind_s(self._geometry(cartridge), cartridge.offset_of(here)))
        self.go(0)

    def unload(self, place: Place) -> None:
        """Rewind and let go of the medium. Raises: DeferredError, and what faults raise."""
        self.turn += 1
        self.bay.strike("unload", place)
        if self.cartridge is not None:
            self.tell_deferred("unload", self.cartridge)
            if self._unflushed:
                self.cartridge.sync()
            here = self.cartridge.offset_of(self.position or 0)
            self.bay.spend(rewind_s(self._geometry(self.cartridge), here))
        self.bay.spend(self.model.unload_s)
        self._drop()
        self.bay.release(place)

    def load(self, place: Place) -> None:
        """Take a medium in again that was let go of and lies in the drive still. Ready after the load time."""
        self.bay.take_in(place)
        self.look()

    def pay(self, due_bytes: int = 0) -> None:
        """Spend the device time of the blocks that went by, less what the host took, once they are more than due."""
        if self._unpaid_since is None or self._unpaid_bytes < due_bytes:
            return
        host_s = (self.bay.clock.now() - self._unpaid_since).total_seconds()
        self.bay.spend(transfer_s(self.model.rate_bytes_s, self._unpaid_bytes) - host_s)
        self._unpaid_bytes, self._unpaid_since = 0, None

    def close(self) -> None:
        """Let go of the cartridge's files; the cartridge stays in the drive."""
        if self.cartridge is not None:
            self.settle()
        self._drop()

    def _drop(self) -> None:
        if self.cartridge is not None:
            self.cartridge.close()
        self.cartridge, self._deferred = None, None
        self._unflushed = self._moving = False
        self._unpaid_bytes, self._unpaid_since = 0, None
        self.session.clear()

    def _geometry(self, cartridge: Cartridge) -> DriveModel:
        return scaled(self.model, cartridge.capacity_bytes)

    def _stream(self, counter: str, size_bytes: int, cartridge: Cartridge) -> None:
        if self._unpaid_since is None:
            self._unpaid_since = self.bay.clock.now()
        self._unpaid_bytes += size_bytes
        self.session[counter] += size_bytes
        cartridge.count(**{counter: size_bytes})

    def _check_worm(self, cartridge: Cartridge, place: Place) -> None:
        if cartridge.worm and self._at < cartridge.blocks:
            self.latched.add(60)
            raise Overwrite(
                f"{self.name}: {place.barcode} is WORM and holds something at block {self._at}; append at its end, "
                f"block {cartridge.blocks}"
            )

    def _strike_block(self, operation: str, place: Place, cartridge: Cartridge) -> None:
        faults, scope = self.bay.faults, self.bay.scope(place)
        if faults.idle and self._deferred is None:
            return
        if operation == "write":
            self.tell_deferred("write", cartridge)
            if faults.fire(Action.LOSE_POWER, scope, counts="records"):
                self._lose_power(cartridge, place)
            if deferred := faults.fire(Action.DEFER, scope, counts="records"):
                self._deferred = (self._at, deferred.told_by)
        if faults.fire(Action.ATTENTION, scope, counts="records"):
            self.go(0)
            raise UnitAttention(f"{self.name} was reset during {operation}; rewind and read the label again")
        if fault := faults.fire(Action.FAIL, scope, operation, counts="records"):
            raise self._noted(failure(fault.error, self.name, operation, place), operation, cartridge)
        if operation == "read" and faults.fire(Action.UNREADABLE, scope, at=self._at):
            error = MediumError(f"{self.name}: block {self._at} of {place.barcode} cannot be read; try another drive")
            raise self._noted(error, operation, cartridge)

    def _noted(self, error: DriverError, operation: str, cartridge: Cartridge) -> DriverError:
        if isinstance(error, MediumError | DeferredError):
            kind = "read_errors" if operation == "read" else "write_errors"
            self.session[kind] += 1
            cartridge.count(**{kind: 1})
            self.latched |= {3, 4} if operation == "read" else {3, 6}
        return error

    def tell_deferred(self, operation: str, cartridge: Cartridge) -> None:
        """Let an earlier write that failed be told, if this is the operation that says so. Raises: DeferredError."""
        if self._deferred is None or operation not in (self._deferred[1], "flush"):
            return
        block, self._deferred = self._deferred[0], None
        cartridge.cut(block)
        self.go(cartridge.blocks)
        error = DeferredError(
            f"{self.name}: an earlier write to {cartridge.volume} had failed; trust nothing since the last flush"
        )
        raise self._noted(error, "write", cartridge)

    def _lose_power(self, cartridge: Cartridge, place: Place) -> None:
        cartridge.cut(cartridge.flushed_blocks)
        self._deferred, self._unflushed = None, False
        self.bay.memory.attention = True
        self.go(0)
        raise PowerLost(f"{self.name} lost power while writing {place.barcode}; what was not flushed is gone")
