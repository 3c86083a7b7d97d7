"""A few processes that draw pictures of stored objects, each ended and replaced when a picture takes too long."""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

import structlog

from hsm.rendering.wish import Form, Wish, to_json

MOST_PICTURE_BYTES = 256 << 20
PICTURES_OF_ONE = 5000  # then a process is replaced, whatever its decoders leak

log = structlog.get_logger()


class NotRendered(Exception):
    """There is no picture of this; the message says why. `missing`: the object has no frame of that number."""

    def __init__(self, why: str, missing: bool = False) -> None:
        super().__init__(why)
        self.missing = missing


class RenderersBusy(Exception):
    """More pictures are wanted than can be drawn just now: ask again in a moment."""


@dataclass(frozen=True)
class Rendered:
    """A picture."""

    data: bytes
    form: Form
    frame: int  # from 1
    about: dict[str, Any]  # how to read VALUES


class _Painter:
    """One process."""

    def __init__(self, memory_bytes: int) -> None:
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.drawn = 0
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hsm.rendering.program", str(theirs.fileno()), str(memory_bytes)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )

    def draw(self, fd: int, wish: Wish, limit_s: float) -> tuple[dict[str, Any], bytes]:
        """Raises: TimeoutError, EOFError or OSError, ValueError; the process is of no use then."""
        self.drawn += 1
        self._ends_s = time.monotonic() + limit_s
        said = json.dumps(to_json(wish)).encode()
        self.socket.settimeout(limit_s)
        socket.send_fds(self.socket, [len(said).to_bytes(4, "big") + said], [fd])
        about = json.loads(self._read(int.from_bytes(self._read(4), "big")))
        if not isinstance(about, dict) or int(about["size_bytes"]) > MOST_PICTURE_BYTES:
            raise ValueError("an answer that no painter gives")
        return about, self._read(int(about["size_bytes"]))

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            left_s = self._ends_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self.socket.settimeout(left_s)
            part = self.socket.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def end(self) -> None:
        """At once."""
        self.socket.close()
        self._process.kill()
        self._process.wait()


class Renderers:
    """Draws for as many at a time as it has processes; others wait a while. `close` ends them."""

    def __init__(
        self, processes: int = 2, time_limit_s: float = 30.0, memory_bytes: int = 1_500_000_000, wait_s: float = 20.0
    ) -> None:
        """`time_limit_s`: of one picture. `wait_s`: for a process to be free. They are started when first needed."""
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._wait_s = wait_s
        self._free: queue.LifoQueue[_Painter | None] = queue.LifoQueue()  # who drew last is warm, and draws next
        self._count = processes
        self._closed = threading.Event()
        for _ in range(processes):
            self._free.put(None)

    def render(self, stream: BinaryIO, wish: Wish) -> Rendered:
        """The picture of an open file, which stays open. Raises: NotRendered, RenderersBusy."""
        try:
            painter = self._free.get(timeout=self._wait_s)
        except queue.Empty:
            raise RenderersBusy("too many pictures are wanted at once: ask again in a moment") from None
        kept: _Painter | None = None
        try:
            painter = painter or _Painter(self._memory_bytes)
            about, data = painter.draw(stream.fileno(), wish, self._time_limit_s)
            kept = painter
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            log.warning("picture_not_drawn", reason=type(error).__name__)
            raise NotRendered("it could not be decoded within its limits") from None
        finally:
            self._give_back(painter, kept)
        if "why" in about:
            raise NotRendered(str(about["why"]), bool(about.get("missing")))
        return Rendered(data, wish.form, int(about["frame"]), about)

    def _give_back(self, painter: _Painter | None, kept: _Painter | None) -> None:
        if kept is not None and kept.drawn < PICTURES_OF_ONE and not self._closed.is_set():
            self._free.put(kept)
            return
        if painter is not None:
            painter.end()
        self._free.put(None)

    def close(self) -> None:
        """End the processes; who waits for a picture gets it first."""
        self._closed.set()
        for _ in range(self._count):
            painter = self._free.get()
            if painter is not None:
                painter.end()
