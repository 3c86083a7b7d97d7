"""Task management: giving commands up, one or many, and resets.

An answer is sent when the unit has really let go: an initiator that hears "complete" may rely on it that nothing it
gave up still happens.

Source: RFC 7143 sections 11.5 and 11.6; SAM-5 section 7.
"""

import threading
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Protocol

from drivers.iscsi.pdu import Header
from drivers.iscsi.tasks import Command, Owner
from drivers.iscsi.unitqueue import Errand, UnitQueue, Units, Work
from drivers.scsi.unit import LogicalUnit


class Function(IntEnum):
    """What is asked for. Source: RFC 7143 section 11.5.1."""

    ABORT_TASK = 1
    ABORT_TASK_SET = 2
    CLEAR_ACA = 3
    CLEAR_TASK_SET = 4
    LUN_RESET = 5
    TARGET_WARM_RESET = 6
    TARGET_COLD_RESET = 7
    TASK_REASSIGN = 8


class Answer(IntEnum):
    """How it ended. Source: RFC 7143 section 11.6.1."""

    COMPLETE = 0
    NO_SUCH_TASK = 1
    NO_SUCH_UNIT = 2
    REASSIGNMENT_NOT_SUPPORTED = 4
    NOT_SUPPORTED = 5


class Manager(Owner, Protocol):
    """The session whose initiator asks."""

    units: Units

    def command(self, itt: int) -> Command | None:
        """The command under a tag."""
        ...

    def answer_management(self, itt: int, response: int) -> None:
        """Send the answer."""
        ...


def manage(session: Manager, header: Header) -> None:
    """Carry out one request and answer it, now or when the unit has let go."""
    function = header.flags & 0x7F
    answer = partial(session.answer_management, header.itt)
    if function == Function.ABORT_TASK:
        command = session.command(header.word(20))
        if command is None:
            answer(Answer.NO_SUCH_TASK)
        else:
            _give_up(session, command.queue, lambda work: work is command, answer)
    elif function in (Function.ABORT_TASK_SET, Function.CLEAR_TASK_SET, Function.LUN_RESET):
        queue = session.units.queues.get(-1 if header.lun is None else header.lun)
        if queue is None:
            answer(Answer.NO_SUCH_UNIT)
        elif function == Function.LUN_RESET:
            _reset(session, [queue], answer)
        else:
            own = function == Function.ABORT_TASK_SET
            _give_up(session, queue, lambda work: not own or work.nexus == session.nexus, answer)
    elif function == Function.TARGET_WARM_RESET:
        _reset(session, list(session.units.queues.values()), answer)
    elif function == Function.TASK_REASSIGN:
        answer(Answer.REASSIGNMENT_NOT_SUPPORTED)
    else:
        answer(Answer.NOT_SUPPORTED)


def _cancel(session: Manager, queue: UnitQueue, doomed: Callable[[Work], bool]) -> tuple[Work, ...]:
    cancelled = queue.cancel(doomed)
    for work in cancelled:
        if isinstance(work, Command):
            work.session.lose(work, tell=work.session is not session)
    return cancelled


def _give_up(
    session: Manager, queue: UnitQueue, doomed: Callable[[Work], bool], answer: Callable[[Answer], None]
) -> None:
    queue.after(_cancel(session, queue, doomed), lambda: answer(Answer.COMPLETE))


def _reset(session: Manager, queues: list[UnitQueue], answer: Callable[[Answer], None]) -> None:
    """Drop all commands of some units, reset each when its running command has ended, and answer after the last."""
    left = len(queues)
    counting = threading.Lock()

    def reset(unit: LogicalUnit) -> None:
        nonlocal left
        unit.reset()
        with counting:
            left -= 1
            last = not left
        if last:
            answer(Answer.COMPLETE)

    for queue in queues:
        _cancel(session, queue, lambda _work: True)
        queue.add(Errand(session.nexus, reset), first=True)
    if not queues:
        answer(Answer.COMPLETE)
