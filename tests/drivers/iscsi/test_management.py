"""Giving commands up, resets, and what other initiators notice of it."""

import pytest

from drivers.iscsi import IscsiTarget
from drivers.scsi.unit import Status
from tests.drivers.iscsi.conftest import IQN, World
from tests.support import initiator as wire
from tests.support.initiator import TASK_RESPONSE, Initiator

COMPLETE, NO_SUCH_TASK, NO_SUCH_UNIT = 0, 1, 2


def command(number: int) -> bytes:
    return bytes([0, 0, 0, 0, number, 0])


def test_an_aborted_command_that_is_queued_never_runs(world: World, initiator: Initiator) -> None:
    running, queued, after = (initiator.start(1, command(number)) for number in (1, 2, 3))
    world.gate.wait_until_begun()
    assert initiator.abort(queued, lun=1) == COMPLETE
    world.gate.let_through(2)
    assert [initiator.wait(one).status for one in (running, after)] == [0, 0]
    assert world.gate.begun == [command(1), command(3)]
    assert not initiator.done(queued)


def test_an_aborted_command_that_runs_ends_early_and_is_not_answered(world: World, initiator: Initiator) -> None:
    running = initiator.start(1, command(1))
    world.gate.wait_until_begun()
    assert initiator.abort(running, lun=1) == COMPLETE
    assert world.gate.aborted == [command(1)], "the answer came when the unit had let go"
    assert not initiator.done(running)
    following = initiator.start(1, command(2))
    world.gate.let_through()
    assert initiator.wait(following).status == 0


def test_an_abort_of_a_write_whose_data_are_on_their_way_drops_them(world: World, initiator: Initiator) -> None:
    sent = initiator.start(2, b"\xc0" + bytes(5), bytes(300_000))
    assert initiator.receive().opcode == wire.R2T
    assert initiator.abort(sent, lun=2) == COMPLETE
    initiator._data_out(sent, 0, 262_144, 300_000 - 262_144)  # too late; nobody minds
    assert initiator.execute(2, b"\xc0" + bytes(5), b"next").status == 0
    assert world.echo.received == b"next"


def test_what_is_not_there_cannot_be_aborted(world: World, initiator: Initiator) -> None:
    sent = initiator.start(0, command(1))
    initiator.wait(sent)
    assert initiator.abort(sent) == NO_SUCH_TASK
    for function in (wire.ABORT_TASK_SET, wire.CLEAR_TASK_SET, wire.LUN_RESET):
        assert initiator.manage(function, lun=9) == NO_SUCH_UNIT


@pytest.mark.parametrize(
    ("function", "response"), [(wire.CLEAR_ACA, 5), (wire.COLD_RESET, 5), (wire.REASSIGN, 4), (99, 5)]
)
def test_functions_that_are_not_served_are_said_so(initiator: Initiator, function: int, response: int) -> None:
    assert initiator.manage(function, lun=0) == response


def test_aborting_the_task_set_spares_other_initiators(world: World) -> None:
    mine, other = world.login(1), world.login(2)
    running, queued = mine.start(1, command(1)), mine.start(1, command(2))
    world.gate.wait_until_begun()
    theirs = other.start(1, command(3))
    other.nop()
    assert mine.manage(wire.ABORT_TASK_SET, lun=1) == COMPLETE
    assert not mine.done(running) and not mine.done(queued)
    world.gate.let_through()
    assert other.wait(theirs).status == 0
    assert world.gate.begun == [command(1), command(3)]


@pytest.mark.parametrize("function", [wire.CLEAR_TASK_SET, wire.LUN_RESET, wire.WARM_RESET])
def test_others_are_told_that_their_commands_were_lost(world: World, function: int) -> None:
    mine, other = world.login(1), world.login(2)
    theirs = [other.start(1, command(number)) for number in (1, 2)]
    world.gate.wait_until_begun()
    other.nop()
    own = mine.start(1, command(3))
    assert mine.manage(function, lun=1) == COMPLETE
    assert [other.wait(one).status for one in theirs] == [Status.TASK_ABORTED] * 2
    assert not mine.done(own)
    assert world.gate.begun == [command(1)]
    assert world.gate.resets == (0 if function == wire.CLEAR_TASK_SET else 1)
    assert world.disk.resets == (1 if function == wire.WARM_RESET else 0)


def test_a_reset_is_answered_when_the_running_command_has_ended(world: World, initiator: Initiator) -> None:
    running = initiator.start(1, command(1))
    world.gate.wait_until_begun()
    header = initiator.start_managing(wire.LUN_RESET, lun=1)
    assert initiator.answer_to(header, TASK_RESPONSE).header[2] == COMPLETE
    assert (world.gate.aborted, world.gate.resets) == ([command(1)], 1)
    assert not initiator.done(running)


def test_a_window_closed_by_aborted_commands_is_open_again(world: World, initiator: Initiator) -> None:
    for number in range(32):
        initiator.start(1, command(number))
    world.gate.wait_until_begun()
    assert initiator.manage(wire.ABORT_TASK_SET, lun=1) == COMPLETE
    assert initiator.max_cmd_sn == initiator.cmd_sn + 31
    assert initiator.execute(0, bytes(6)).status == 0


def test_a_reset_of_a_target_without_units_is_complete() -> None:
    with IscsiTarget(IQN, {}, port=0) as target, Initiator(target.port, IQN) as initiator:
        assert initiator.login().manage(wire.WARM_RESET) == COMPLETE


def test_a_reset_that_fails_does_not_end_the_unit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a defect of the unit")

    monkeypatch.setattr(world.echo, "reset", fail)
    initiator = world.login()
    initiator.start_managing(wire.LUN_RESET, lun=2)
    assert initiator.execute(2, b"\xc0" + bytes(5), b"x").status == 0


def test_closing_the_target_ends_what_runs(world: World) -> None:
    initiator = world.login()
    initiator.start(1, command(1))
    initiator.start(1, command(2))
    world.gate.wait_until_begun()
    world.target.close()
    assert world.gate.begun == world.gate.aborted == [command(1)]
    assert initiator.closed_by_target()
    world.target.close()
