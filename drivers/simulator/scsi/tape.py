"""The commands of a tape drive. Source: SSC-4; what st and the tools ask is in drivers/simulator/README.md."""

from collections.abc import Callable

from drivers.errors import DriverError
from drivers.generations import Use, use
from drivers.scsi import sense
from drivers.scsi.sense import CheckCondition
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.scsi import density, memory, positions, transfer
from drivers.simulator.scsi.drive import DriveUnit
from drivers.simulator.scsi.trouble import sense_of
from drivers.simulator.scsi.unit import Call


class TapeUnit(DriveUnit):
    """A tape drive."""

    def _test_unit_ready(self, call: Call) -> bytes:
        self._loaded()
        return b""

    def _read_block_limits(self, call: Call) -> bytes:
        return bytes([0]) + transfer.LARGEST_BLOCK_BYTES.to_bytes(3, "big") + (1).to_bytes(2, "big")

    def _read_6(self, call: Call) -> bytes:
        transfer.check_read(call.command, self._block_bytes)
        with self._using(call, "read") as (cartridge, place):
            return transfer.read(self.drive, cartridge, place, call.command, self._block_bytes)

    def _write_6(self, call: Call) -> bytes:
        data = transfer.check_write(call.command, call.data_out, self._block_bytes)
        with self._using(call, "write") as (cartridge, place):
            self._writable(cartridge)
            transfer.write(self.drive, cartridge, place, call.command, data, self._block_bytes)
        return b""

    def _write_filemarks_6(self, call: Call) -> bytes:
        count, flush = call.command["count"], not call.command["immediate"]
        with self._using(call, "flush" if flush else "mark") as (cartridge, place):
            if count:
                self._writable(cartridge)
            if flush:
                self.drive.tell_deferred("flush", cartridge)
            near_end = [self.drive.write_mark(cartridge, place) for _ in range(count)]
            if flush:
                self.drive.flush(cartridge, place)
                self.drive.pay()
        if any(near_end):
            raise CheckCondition(sense.END_OF_MEDIUM.left(0))
        return b""

    def _erase_6(self, call: Call) -> bytes:
        with self._using(call, "write") as (cartridge, place), self._at_once(call.command["immediate"]):
            self._writable(cartridge)
            self.drive.erase(cartridge, place, bool(call.command["long"]))
        return b""

    def _writable(self, cartridge: Cartridge) -> None:
        if cartridge.protected:
            self.drive.latched.add(9)
            raise CheckCondition(sense.WRITE_PROTECTED)
        if use(self.drive.model.name, cartridge.medium) is not Use.WRITE:
            self.drive.latched.add(17)  # read only format
            raise CheckCondition(sense.CANNOT_WRITE_FORMAT)

    def _rewind(self, call: Call) -> bytes:
        with self._using(call, "rewind") as (cartridge, _), self._at_once(call.command["immediate"]):
            self.drive.pay()
            self.drive.rewind(cartridge)
        return b""

    def _space_6(self, call: Call) -> bytes:
        return self._space(call)

    def _space_16(self, call: Call) -> bytes:
        if call.command["length"]:
            raise call.command.refuse("length")
        return self._space(call)

    def _space(self, call: Call) -> bytes:
        code, count = call.command["code"], call.command["count"]
        if code not in (0, 1, 3):  # records, filemarks, end of data
            raise call.command.refuse("code")
        with self._using(call, "seek") as (cartridge, _):
            here = self.drive.position or 0
            if code == 0:
                arrival = positions.space_blocks(cartridge, here, count)
            elif code == 1:
                arrival = positions.space_marks(cartridge, here, count)
            else:
                arrival = positions.Arrival(cartridge.blocks)
            self._go(cartridge, arrival.block)
        if arrival.sense is not None:
            raise CheckCondition(arrival.sense)
        return b""

    def _locate_10(self, call: Call) -> bytes:
        command = call.command
        if command["partition"]:
            raise command.refuse("partition")
        return self._locate(call, lambda _: command["block"])

    def _locate_16(self, call: Call) -> bytes:
        command = call.command
        if command["partition"]:
            raise command.refuse("partition")
        if command["destination"] not in (0, 1, 3):  # block, file, end of data
            raise command.refuse("destination")

        def target(cartridge: Cartridge) -> int:
            if command["destination"] == 0:
                return command["identifier"]
            if command["destination"] == 3:
                return cartridge.blocks
            found = positions.nth_file(cartridge, command["identifier"])
            return cartridge.blocks + 1 if found is None else found

        return self._locate(call, target)

    def _locate(self, call: Call, target: Callable[[Cartridge], int]) -> bytes:
        with self._using(call, "seek") as (cartridge, _), self._at_once(call.command["immediate"]):
            self._go(cartridge, target(cartridge))
        return b""

    def _go(self, cartridge: Cartridge, block: int) -> None:
        self.drive.pay()
        self.drive.locate(cartridge, block)

    def _read_position(self, call: Call) -> bytes:
        form = call.command["form"]
        if form not in (0, 1, 6, 8):
            raise call.command.refuse("form")
        with self._using(call, "tell") as (cartridge, _):
            here = self.drive.position or 0
            data = positions.position_data(form, cartridge, here, self.drive.near_end(cartridge))
        return call.cut(data) if form == 8 else data

    def _load_unload(self, call: Call) -> bytes:
        command = call.command
        for field in ("hold", "end_of_tape"):
            if command[field]:
                raise command.refuse(field)
        place = self.drive.look()
        if place is None:
            raise CheckCondition(sense.MEDIUM_NOT_PRESENT)
        with self._at_once(command["immediate"]):
            if command["load"]:
                self._load(call)
            elif not place.released:
                self._unload(call)
        return b""

    def _load(self, call: Call) -> None:
        place = self.drive.look()
        if place is not None and place.released:
            self.drive.load(place)
            place = self.drive.look()
        if place is None:
            raise CheckCondition(sense.MEDIUM_NOT_PRESENT)
        if call.command["immediate"] and self.drive.bay.remaining_s(place) > 0:
            return
        self.drive.bay.spend(self.drive.bay.remaining_s(place))
        self._notice_for(call.nexus)
        with self._using(call, "rewind") as (cartridge, _):
            self.drive.rewind(cartridge)

    def _unload(self, call: Call) -> None:
        if self.removal_prevented:
            raise CheckCondition(sense.REMOVAL_PREVENTED)
        place = self.drive.look()
        if place is None:
            raise CheckCondition(sense.MEDIUM_NOT_PRESENT)
        self._wait_for_earlier()
        try:
            self.drive.pay()
            self.drive.unload(place)
        except DriverError as error:
            self._hear(error, call.nexus)
            raise CheckCondition(sense_of(error, "unload")) from error

    def _report_density(self, call: Call) -> bytes:
        if call.command["medium_type"]:
            raise call.command.refuse("medium_type")
        medium = None
        if call.command["medium"]:
            self._loaded()
            medium = None if self.drive.cartridge is None else self.drive.cartridge.medium
        return call.cut(density.report(self.drive.model.name, medium))

    def _chip(self, call: Call) -> Cartridge:
        for field in ("volume", "partition"):
            if call.command[field]:
                raise call.command.refuse(field)
        self._loaded()
        if self.drive.cartridge is None:
            raise CheckCondition(sense.INCOMPATIBLE_MEDIUM)
        return self.drive.cartridge

    def _read_attribute(self, call: Call) -> bytes:
        cartridge = self._chip(call)
        alerts = sum(1 << 64 - flag for flag in self.drive.alerts(self.drive.look()) if flag <= 64)
        found = memory.attributes(cartridge, self.identity.serial, alerts)
        first = call.command["first"]
        if call.command["action"] == 0:  # values
            content = b"".join(attribute.encode() for attribute in found if attribute.identifier >= first)
        elif call.command["action"] == 1:  # which there are
            content = b"".join(a.identifier.to_bytes(2, "big") for a in found if a.identifier >= first)
        elif call.command["action"] in (2, 3):  # volumes, partitions: one, number 0
            return call.cut(b"\x00\x02\x00\x01")
        else:
            raise call.command.refuse("action")
        return call.cut(len(content).to_bytes(4, "big") + content)

    def _write_attribute(self, call: Call) -> bytes:
        cartridge = self._chip(call)
        memory.write(cartridge, self.parameters(call))
        return b""
