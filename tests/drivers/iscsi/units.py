"""Logical units for tests of the target: a disk in memory, and one that waits until it is told to go on."""

import threading
from collections.abc import Callable

from drivers.scsi.unit import Outcome, Status

BLOCK_BYTES = 512


def sense(key: int, asc: int, ascq: int = 0) -> bytes:
    return bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0])


class MemoryDisk:
    """Enough of a disk for initiators that want one: it reads and writes blocks."""

    def __init__(self, blocks: int = 8192) -> None:
        self.content = bytearray(blocks * BLOCK_BYTES)
        self.commands: list[tuple[str, bytes]] = []
        self.resets = 0
        self.forgotten: list[str] = []

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        self.commands.append((nexus, cdb))
        blocks = len(self.content) // BLOCK_BYTES
        match cdb[0]:
            case 0x00:
                return Outcome()
            case 0x12:
                return self._inquiry(cdb)
            case 0x1A:
                return Outcome(data=bytes([3, 0, 0, 0])[: cdb[4]])
            case 0x25:
                return Outcome(data=(blocks - 1).to_bytes(4) + BLOCK_BYTES.to_bytes(4))
            case 0x9E if cdb[1] & 0x1F == 0x10:
                answer = (blocks - 1).to_bytes(8) + BLOCK_BYTES.to_bytes(4) + bytes(20)
                return Outcome(data=answer[: int.from_bytes(cdb[10:14])])
            case 0x28 | 0x88:
                begin, end = self._range(cdb)
                if end > len(self.content):
                    return Outcome(Status.CHECK_CONDITION, sense=sense(5, 0x21))
                return Outcome(data=bytes(self.content[begin:end]))
            case 0x2A | 0x8A:
                begin, end = self._range(cdb)
                if end > len(self.content):
                    return Outcome(Status.CHECK_CONDITION, sense=sense(5, 0x21))
                data = data_out[: end - begin]
                self.content[begin : begin + len(data)] = data
                return Outcome(wanted_bytes=end - begin)
        return Outcome(Status.CHECK_CONDITION, sense=sense(5, 0x20))

    def reset(self) -> None:
        self.resets += 1

    def forget(self, nexus: str) -> None:
        self.forgotten.append(nexus)

    def close(self) -> None:
        pass

    @staticmethod
    def _range(cdb: bytes) -> tuple[int, int]:
        if cdb[0] & 0xE0 == 0x80:
            block, count = int.from_bytes(cdb[2:10]), int.from_bytes(cdb[10:14])
        else:
            block, count = int.from_bytes(cdb[2:6]), int.from_bytes(cdb[7:9])
        return block * BLOCK_BYTES, (block + count) * BLOCK_BYTES

    @staticmethod
    def _inquiry(cdb: bytes) -> Outcome:
        if cdb[1] & 1:
            pages = {0x00: b"\0\0\0\2\0\x80", 0x80: b"\0\x80\0\4DISK"}
            page = pages.get(cdb[2])
            if page is None:
                return Outcome(Status.CHECK_CONDITION, sense=sense(5, 0x24))
            return Outcome(data=page[: int.from_bytes(cdb[3:5])])
        answer = bytes([0, 0, 6, 2, 31, 0, 0, 2]) + b"FIRN    " + b"MEMORY DISK     " + b"1   "
        return Outcome(data=answer[: int.from_bytes(cdb[3:5])])


class Gate:
    """A unit whose commands wait: each begins, tells so, and ends when it is let through or aborted."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.aborted: list[bytes] = []
        self.resets = 0
        self.forgotten: list[str] = []
        self._begins = threading.Semaphore(0)
        self._open = threading.Semaphore(0)

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        self.begun.append(cdb)
        self._begins.release()
        while not self._open.acquire(timeout=0.01):
            if aborted():
                self.aborted.append(cdb)
                break
        return Outcome()

    def wait_until_begun(self) -> None:
        assert self._begins.acquire(timeout=30), "no command has begun"

    def let_through(self, commands: int = 1) -> None:
        self._open.release(commands)

    def reset(self) -> None:
        self.resets += 1

    def forget(self, nexus: str) -> None:
        self.forgotten.append(nexus)

    def close(self) -> None:
        pass


class Broken(Gate):
    """A unit with a defect."""

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        raise RuntimeError("a defect of the unit")


class Echo(Gate):
    """Gives back the data it was last given, with the status and sense the test asks for."""

    answer = Outcome()
    received = b""

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        if data_out:
            self.received = data_out
            return self.answer
        return Outcome(self.answer.status, self.received, self.answer.sense)
