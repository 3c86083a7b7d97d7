"""What is asked of a drive after a call had failed. The answers are judged in drivers/tape/verdicts."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from drivers import sg, sg_logs
from drivers.attached import AttachedDevice, state
from drivers.errors import CommandFailed, UnitAttention
from drivers.tape import composing, verdicts
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import Op
from drivers.tape.verdicts import Evidence, Verdict

_log = structlog.get_logger()
_T = TypeVar("_T")


def evidence(
    number: int, expected: int, verdict: Verdict, device: AttachedDevice, tape: TapeDevice | None, volume: str | None
) -> Evidence:
    """Ask the kernel whether the device is there, and the drive where it stands, with what, and what is wrong.

    After a read the head is left where the read began. Nothing is written.
    """
    known = state(device)
    if tape is None or known not in verdicts.RUNNING:
        return Evidence(number, expected, known, volume=volume)
    position = _asked(tape.position)
    volume_now = sense = end = None
    alerts: frozenset[int] = frozenset()
    try:
        volume_now = composing.volume_facts(sg.log_page(device.sg, sg_logs.VOLUME)).serial
        alerts = sg_logs.alerts(sg.log_page(device.sg, sg_logs.ALERTS) or "")
        if verdict is verdicts.reading and position in (expected, expected + 1):
            if position != expected:
                _asked(lambda: tape.do(Op.SEEK, expected))
            sense = sg.read_again(device.sg)
            _asked(lambda: tape.do(Op.SEEK, expected))
        elif verdict is verdicts.seeking:
            _asked(lambda: tape.do(Op.EOM))
            end = _asked(tape.position)
    except (UnitAttention, CommandFailed) as error:
        _log.info("tape_evidence_missing", device=str(device.sg), reason=str(error))
    return Evidence(number, expected, known, position, volume, volume_now, sense, end, alerts)


def _asked(question: Callable[[], _T]) -> _T | None:
    try:
        return question()
    except OSError:
        return None
