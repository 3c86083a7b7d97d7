"""Members of packs on their way back into the online pool: those that lie compressed are put together on the way.

The drive reads on while workers restore what it has read. What enters the pool has the digest taken at reception.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Final, Self

from hsm.facts import Member, PackRecord, PoolFile
from hsm.format.study_json import PackedInstance, parse
from hsm.incoming import Incoming
from hsm.lossless.press import NotRestored
from hsm.lossless.presses import RestoreTask
from hsm.mover.context import MoverContext
from hsm.mover.pressing import RESTORING

AHEAD: Final = 4  # objects for each worker that may wait to be restored


@dataclass
class _Restoring:
    member: Member
    incoming: Incoming
    wait: Callable[[], None]
    block: ExitStack


class Returning:
    """A context manager around one recall of one pack. Left without take(), what is not taken is removed."""

    def __init__(self, context: MoverContext, pack: PackRecord) -> None:
        self._context = context
        self._pack = pack
        self._described: dict[str, PackedInstance] = {}
        self._waiting: deque[_Restoring] = deque()
        self._ready: dict[int, PoolFile] = {}
        self._not_restored: list[NotRestored] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for restoring in self._waiting:
            restoring.block.close()
        for file in self._ready.values():
            self._context.pool.discard(file)

    @property
    def ready(self) -> int:
        """How many are durable and wait to be taken."""
        return len(self._ready)

    def put(self, member: Member, chunks: Iterator[bytes]) -> None:
        """One member as it lies in the pack. Raises: PoolError, OSError, and what the chunks raise."""
        if not member.pressed:
            with self._context.pool.incoming(member.size_bytes) as incoming:
                for chunk in chunks:
                    incoming.file.write(chunk)
                self._adopt(member, incoming)
            return
        self._begin(member, chunks)
        while len(self._waiting) > AHEAD * self._context.presses.workers:
            self._settle(self._waiting.popleft())

    def finish(self) -> None:
        """Wait for what is being restored.

        Raises: as put, and NotRestored for the first object that could not be restored; all others are ready then.
        """
        while self._waiting:
            self._settle(self._waiting.popleft())
        if self._not_restored:
            more = len(self._not_restored) - 1
            raise NotRestored(f"{self._not_restored[0]}{f', and {more} more objects' if more else ''}")

    def take(self) -> dict[int, PoolFile]:
        """What is durable in the pool since the last time, by instance; the caller commits it."""
        taken, self._ready = self._ready, {}
        return taken

    def _begin(self, member: Member, chunks: Iterator[bytes]) -> None:
        if not self._described:
            self._described = {i.header.sop_instance_uid: i for i in parse(self._pack.study_json.encode())}
        packed = self._described[member.sop_instance_uid]
        pressed = packed.pressed
        if pressed is None:
            self._not_restored.append(NotRestored(f"the pack does not say how {member.sop_instance_uid} was received"))
            for _ in chunks:  # the next member lies behind them
                pass
            return
        with ExitStack() as block:
            self._context.staging.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self._context.staging, prefix=RESTORING, delete=False) as half:
                block.callback(Path(half.name).unlink, missing_ok=True)
                for chunk in chunks:
                    half.write(chunk)
            incoming = block.enter_context(self._context.pool.incoming(packed.size_bytes))
            task = RestoreTask(
                Path(half.name),
                incoming.path,
                pressed.dataset_offset,
                packed.header.transfer_syntax_uid,
                pressed.pixel_vr,
                packed.sha256,
            )
            wait = self._context.presses.begin_restore(task)
            self._waiting.append(_Restoring(member, incoming, wait, block.pop_all()))

    def _settle(self, restoring: _Restoring) -> None:
        with restoring.block:
            try:
                restoring.wait()
            except NotRestored as error:  # one object; the others come back all the same
                self._not_restored.append(NotRestored(f"{restoring.member.sop_instance_uid}: {error}"))
                return
            self._adopt(restoring.member, restoring.incoming)

    def _adopt(self, member: Member, incoming: Incoming) -> None:
        study, series, sop = self._pack.study_instance_uid, member.series_instance_uid, member.sop_instance_uid
        self._ready[member.instance_id] = self._context.pool.adopt(incoming, study, series, sop)
