"""One look at the catalog for all who listen: a thread that tells every open stream what changed.

A stream holds a thread of the web server for as long as it is open, so there are few: `open` refuses more, and whoever
is refused polls, as every page can. A person who opens one more than one may have loses the oldest: mostly it belongs
to a page that was left, which the server only learns when it next writes to it.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from hsm.catalog.errors import CatalogUnavailable

LONGEST_QUEUE = 1000  # messages; who is that far behind is let go, and begins anew
Key = tuple[str, int | str]  # job, recall or drive, and its number or name
Picture = Mapping[Key, str]  # what is to be said of each thing, as JSON

log = structlog.get_logger()


class StreamsFull(Exception):
    """As many streams are open as this process may have: poll, or try again later."""


@dataclass(frozen=True)
class Message:
    """Something that changed."""

    kind: str
    data: str  # JSON

    def lines(self) -> str:
        """As an event of the stream. Source: HTML Living Standard, section 9.2.6."""
        return f"event: {self.kind}\ndata: {self.data}\n\n"


def changes(before: Picture, after: Picture) -> list[Message]:
    """What is to be said: everything that is new or not as it was. Pure."""
    return [Message(kind, data) for (kind, name), data in after.items() if before.get((kind, name)) != data]


class Stream:
    """What one listener has yet to hear."""

    def __init__(self, person: str) -> None:
        self.person = person
        self._waiting: queue.Queue[Message | None] = queue.Queue()

    def tell(self, messages: Iterable[Message]) -> None:
        """Put messages behind those that wait; a listener that hears nothing any more is let go."""
        for message in messages:
            if self._waiting.qsize() >= LONGEST_QUEUE:
                self.end()
                return
            self._waiting.put(message)

    def end(self) -> None:
        """Let the listener go, after what waits."""
        self._waiting.put(None)

    def next(self, timeout_s: float) -> Message | None:
        """The next message; None when there is none for so long. Raises: StopIteration once it was let go."""
        try:
            message = self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if message is None:
            raise StopIteration
        return message


class Broadcast:
    """The open streams of this process. Its thread lives while there is one."""

    def __init__(self, look: Callable[[Picture], Picture], every_s: float, most: int, most_of_one: int) -> None:
        """`look`: takes the last picture and gives the present one; may raise CatalogUnavailable."""
        self._look = look
        self._every_s = every_s
        self._most = most
        self._most_of_one = most_of_one
        self._lock = threading.Lock()  # of all below
        self._streams: list[Stream] = []  # the oldest first
        self._picture: Picture = {}
        self._stopped: threading.Event | None = None  # of the thread that runs now

    def open(self, person: str) -> Stream:
        """A new stream, which first hears everything as it is now. Raises: StreamsFull, CatalogUnavailable."""
        stream = Stream(person)
        with self._lock:
            mine = [other for other in self._streams if other.person == person]
            if len(mine) >= self._most_of_one:
                mine[0].end()
                self._streams.remove(mine[0])
            if len(self._streams) >= self._most:
                raise StreamsFull(f"{len(self._streams)} streams are open, as many as may be")
            if self._stopped is None:
                self._picture = self._look({})
            stream.tell(changes({}, self._picture))
            self._streams.append(stream)
            if self._stopped is None:
                self._stopped = threading.Event()
                threading.Thread(target=self._watch, args=(self._stopped,), name="broadcast", daemon=True).start()
        return stream

    def close(self, stream: Stream) -> None:
        """Forget a stream; nothing happens when that was done before."""
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)
            if not self._streams and self._stopped is not None:
                self._stopped.set()
                self._stopped = None

    def _watch(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._every_s):
            try:
                found = self._look(self._picture)
            except CatalogUnavailable as error:
                log.warning("catalog_not_answering", page="stream", error=type(error).__name__)
                continue
            with self._lock:
                if stopped.is_set():
                    return
                news, self._picture = changes(self._picture, found), found
                for stream in self._streams:
                    stream.tell(news)
