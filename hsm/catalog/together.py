"""Callers that come while others are being served are served together: many arrivals, one commit.

No thread and no waiting of its own: who finds the place free serves all that are waiting, itself among them; who comes
meanwhile waits for the place, and mostly finds its work done.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class _Wish(Generic[In, Out]):
    """What one caller wants, and what came of it."""

    def __init__(self, item: In) -> None:
        self.item = item
        self.answer: Out | None = None
        self.error: BaseException | None = None
        self.done = False


class Together(Generic[In, Out]):
    """Gathers equal calls of several threads."""

    def __init__(self, serve: Callable[[Sequence[In]], Sequence[Out]], most: int, spreads: type[Exception]) -> None:
        """`serve` answers for items in their order, all or nothing; `most` items at a time.

        `spreads`: an error that would meet each of them alone as well. Any other error of a batch is looked for item by
        item, so that one that cannot be served does not keep the others from it.
        """
        self._serve = serve
        self._most = most
        self._spreads = spreads
        self._waiting: deque[_Wish[In, Out]] = deque()
        self._place = Lock()

    def ask(self, item: In) -> Out:
        """The answer to one item, once everything about it is done. Raises: what `serve` raises for it."""
        wish: _Wish[In, Out] = _Wish(item)
        self._waiting.append(wish)
        while not wish.done:
            with self._place:
                if not wish.done:
                    self._serve_some()
        if wish.error is not None:
            raise wish.error
        return wish.answer  # type: ignore[return-value] # done without an error: it was answered

    def _serve_some(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            self._answer(batch)
        except self._spreads as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001 - it is raised where it belongs
            if len(batch) == 1:
                self._fail(batch, error)
                return
            for wish in batch:
                try:
                    self._answer([wish])
                except Exception as own:  # noqa: BLE001 - as above
                    self._fail([wish], own)
        except BaseException as error:
            self._fail(batch, error)  # the process is ending: nobody may wait for ever
            raise

    def _answer(self, batch: Sequence[_Wish[In, Out]]) -> None:
        for wish, answer in zip(batch, self._serve([wish.item for wish in batch]), strict=True):
            wish.answer, wish.done = answer, True

    @staticmethod
    def _fail(batch: Sequence[_Wish[In, Out]], error: BaseException) -> None:
        for wish in batch:
            if not wish.done:
                wish.error, wish.done = error, True
