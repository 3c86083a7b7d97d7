"""Codecs at work in processes of their own: one that breaks takes nothing with it, and no drive waits for a core.

Source: https://docs.python.org/3.11/library/concurrent.futures.html#processpoolexecutor
"""

import multiprocessing
import os
import resource
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
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
LIMIT_S = 600.0  # for one object; a codec that needs longer is taken to hang
WORKER_BYTES = 8 * 1024**3  # of address space: several times the largest object that is compressed

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

    def __init__(self, workers: int = 0, limit_s: float = LIMIT_S) -> None:
        """`workers`: processes for each direction; 0: in the thread that asks. `limit_s`: the longest for an object."""
        self.workers = workers
        self._limit_s = limit_s
        self._lock = Lock()
        # Apart: somebody who waits for a study is not behind one that is being compressed.
        self._pressing: ProcessPoolExecutor | None = None
        self._restoring: ProcessPoolExecutor | None = None

    def press(self, tasks: Sequence[PressTask]) -> list[Pressed | str]:
        """What became of each object, in order. Raises: OSError."""
        if not self.workers:
            return [press(task) for task in tasks]
        futures = [self._submit(press, task, restoring=False) for task in tasks]
        return [self._pressed(future, task) for future, task in zip(futures, tasks, strict=True)]

    def _pressed(self, future: "Future[Pressed | str]", task: PressTask) -> Pressed | str:
        try:
            return self._waited(future, press, task, restoring=False)
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
        future = self._submit(put_together, task, restoring=True)

        def wait() -> None:
            try:
                self._waited(future, put_together, task, restoring=True)
            except BrokenProcessPool as broken:
                raise NotRestored(BROKE) from broken

        return wait

    def _waited(self, future: "Future[_R]", work: Callable[[_T], _R], task: _T, *, restoring: bool) -> _R:
        """The answer of a worker. One that broke or hangs is ended, and the object tried once more by itself.

        Raises: BrokenProcessPool when it breaks or hangs there, too.
        """
        # Those who asked before have their answers, or are about to: the wait is for this object and what runs.
        try:
            return future.result(self._limit_s * 2)
        except (BrokenProcessPool, CancelledError):
            pass
        except TimeoutError:
            log.error("codec_hangs", limit_s=self._limit_s)
            self._end(restoring=restoring)
        alone = _workers(1)
        try:
            return alone.submit(work, task).result(self._limit_s)
        except TimeoutError as error:
            raise BrokenProcessPool(f"it took longer than {self._limit_s:.0f} s") from error
        finally:
            _killed(alone)

    def _submit(self, work: Callable[[_T], _R], task: _T, *, restoring: bool) -> "Future[_R]":
        with self._lock:
            pool = (self._restoring if restoring else self._pressing) or self._begun(restoring=restoring)
            try:
                return pool.submit(work, task)
            except BrokenProcessPool:
                pool.shutdown(wait=False)
                return self._begun(restoring=restoring).submit(work, task)

    def _begun(self, *, restoring: bool) -> ProcessPoolExecutor:
        pool = _workers(self.workers)
        if restoring:
            self._restoring = pool
        else:
            self._pressing = pool
        return pool

    def _end(self, *, restoring: bool) -> None:
        with self._lock:
            pool = self._restoring if restoring else self._pressing
            if restoring:
                self._restoring = None
            else:
                self._pressing = None
        if pool is not None:
            _killed(pool)

    def close(self) -> None:
        """End the workers, whatever they are at."""
        self._end(restoring=True)
        self._end(restoring=False)


def _workers(count: int) -> ProcessPoolExecutor:
    # Never forked from a process with threads, and quick: the one they are forked from has read the codecs already.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(count, mp_context=context, initializer=_confine)


def _confine() -> None:
    """What a worker does first: a codec that runs wild neither takes the machine's memory nor leaves a dump of it."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (WORKER_BYTES, WORKER_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _killed(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):  # one may be in an endless loop
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)
