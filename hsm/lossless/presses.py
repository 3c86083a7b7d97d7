"""Codecs at work in processes of their own: one that breaks takes nothing with it, and no drive waits for a core.

Source: https://docs.python.org/3.11/library/concurrent.futures.html#processpoolexecutor
"""

import multiprocessing
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypeVar

import structlog

from hsm.facts import Pressed
from hsm.incoming import FULL
from hsm.lossless.image import NotCompressed
from hsm.lossless.press import NotRestored, compress, restore
from hsm.lossless.proof import prove

BROKE = "the codec broke on it"
NO_ROOM = "there was no room to prepare it"
NICE = 10  # below whoever serves people and drives

_T = TypeVar("_T")
_R = TypeVar("_R")
log = structlog.get_logger()


@dataclass(frozen=True)
class PressTask:
    """One object to compress."""

    source: Path
    target: Path
    dataset_offset: int
    sha256: str  # of the source, as it was taken at reception
    transfer_syntax_uid: str


@dataclass(frozen=True)
class RestoreTask:
    """One object to put together again."""

    source: Path
    target: Path
    dataset_offset: int  # in the source
    transfer_syntax_uid: str  # of the target, as its pixel_vr and sha256
    pixel_vr: str
    sha256: str


def press(task: PressTask) -> Pressed | str:
    """Compress and prove; or the reason why the object stays as it is, with no target then. Raises: OSError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a reader finds odd in values is not the question
            pressed = compress(task.source, task.dataset_offset, task.target)
            prove(task.source, task.sha256, task.transfer_syntax_uid, task.target, pressed)
    except NotCompressed as error:
        answer = str(error)
    except OSError as error:
        task.target.unlink(missing_ok=True)
        if error.errno not in FULL:
            raise
        answer = NO_ROOM
    except Exception as error:  # the edge of the codecs: an odd object must not keep its study from being copied
        log.exception("object_not_compressed", path=str(task.source), error=type(error).__name__)
        answer = f"it could not be compressed ({type(error).__name__})"
    else:
        return pressed
    task.target.unlink(missing_ok=True)
    return answer


def put_together(task: RestoreTask) -> None:
    """Write the object as it was received. Raises: NotRestored, OSError."""
    with task.target.open("wb") as file:
        made = restore(task.source, task.dataset_offset, task.transfer_syntax_uid, task.pixel_vr, file)
    if made != task.sha256:
        raise NotRestored(f"what was put together has the digest {made[:12]} instead of {task.sha256[:12]}")


class Presses:
    """Workers for both directions. Safe to use from several threads. They begin when they are first needed."""

    def __init__(self, workers: int = 0) -> None:
        """`workers`: processes; 0: in the thread that asks."""
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def press(self, tasks: Sequence[PressTask]) -> list[Pressed | str]:
        """What became of each object, in order. Raises: OSError."""
        if not self.workers:
            return [press(task) for task in tasks]
        futures = [self._submit(press, task) for task in tasks]
        return [self._pressed(future, task) for future, task in zip(futures, tasks, strict=True)]

    def _pressed(self, future: "Future[Pressed | str]", task: PressTask) -> Pressed | str:
        try:
            return future.result()
        except BrokenProcessPool:
            pass
        try:
            return _alone(press, task)
        except BrokenProcessPool:
            log.error("codec_broke", path=str(task.source))
            task.target.unlink(missing_ok=True)
            return BROKE

    def begin_restore(self, task: RestoreTask) -> Callable[[], None]:
        """Begin to put an object together; what is returned waits for it.

        What is returned raises: NotRestored, OSError.
        """
        if not self.workers:
            return lambda: put_together(task)
        future = self._submit(put_together, task)

        def wait() -> None:
            try:
                future.result()
            except BrokenProcessPool:
                try:
                    _alone(put_together, task)
                except BrokenProcessPool as broken:
                    raise NotRestored(BROKE) from broken

        return wait

    def _submit(self, work: Callable[[_T], _R], task: _T) -> "Future[_R]":
        with self._lock:
            if self._pool is None:
                self._pool = _workers(self.workers)
            try:
                return self._pool.submit(work, task)
            except BrokenProcessPool:
                self._pool.shutdown(wait=False)
                self._pool = _workers(self.workers)
                return self._pool.submit(work, task)

    def close(self) -> None:
        """End the workers."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._pool = None


def _workers(count: int) -> ProcessPoolExecutor:
    # Never forked from a process with threads, and quick: the one they are forked from has read the codecs already.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(count, mp_context=context, initializer=os.nice, initargs=(NICE,))


def _alone(work: Callable[[_T], _R], task: _T) -> _R:
    """Once more, with nobody else beside it who could have broken the worker. Raises: BrokenProcessPool."""
    with _workers(1) as pool:
        return pool.submit(work, task).result()
