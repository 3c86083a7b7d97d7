"""What udev's events say, told once, by a thread that ends when asked."""

import ast
import queue
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.attached import AttachedKind
from drivers.udev import Coalesced, DeviceChange, Watcher, What, device_change

RECORDED = Path(__file__).parent / "recorded" / "udev"


def udevadm_events(name: str) -> list[dict[str, str]]:
    """The events of `udevadm monitor --property`, those after rule processing."""
    blocks = re.split(r"\n\n+", (RECORDED / name).read_text())
    found = []
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("@@@")]
        if lines and lines[0].startswith("UDEV  ["):
            found.append(dict(line.split("=", 1) for line in lines[1:] if "=" in line))
    return found


def pyudev_events(name: str) -> list[dict[str, str]]:
    """The properties that pyudev saw; the subsystem was not written down."""
    lines = (RECORDED / name).read_text().splitlines()
    return [{"SUBSYSTEM": "block", **ast.literal_eval(line[line.index("{") :])} for line in lines if "{" in line]


@pytest.mark.parametrize("name", ["monitor.txt", "monitor_swaps.txt"])
def test_every_recorded_event_is_a_change_of_media_in_the_recorder(name: str) -> None:
    events = udevadm_events(name)
    assert events
    for event in events:
        change = device_change(event)
        assert change is not None
        assert (change.what, change.kind) == (What.MEDIUM_CHANGED, AttachedKind.RECORDER)
        assert (change.node, change.serial) == ("/dev/sr0", "K1DVD0001")


def test_the_recorded_events_tell_which_discs_came_and_went() -> None:
    media = [change.medium for event in pyudev_events("pyudev.txt") if (change := device_change(event))]
    assert media == [None, "blank", "blank", "blank", "blank", "complete"]
    media = [change.medium for event in pyudev_events("pyudev_swaps.txt") if (change := device_change(event))]
    assert media == [None, "blank", None, "blank"]


def event(action: str, subsystem: str, node: str, **more: str) -> dict[str, str]:
    return {"ACTION": action, "SUBSYSTEM": subsystem, "DEVNAME": node, **more}


@pytest.mark.parametrize(
    ("said", "what", "kind"),
    [
        (event("add", "scsi_tape", "/dev/nst1", ID_SCSI_SERIAL=" 10WT000001 "), What.APPEARED, AttachedKind.TAPE),
        (event("remove", "scsi_changer", "/dev/sch0", ID_SERIAL_SHORT="X"), What.GONE, AttachedKind.CHANGER),
        (event("add", "block", "/dev/sr1"), What.APPEARED, AttachedKind.RECORDER),
        (event("remove", "scsi_generic", "/dev/sg3"), What.GONE, None),
    ],
)
def test_devices_appear_and_go(said: dict[str, str], what: What, kind: AttachedKind | None) -> None:
    change = device_change(said)
    assert change is not None
    assert (change.what, change.kind, change.node) == (what, kind, said["DEVNAME"])
    wanted = said.get("ID_SCSI_SERIAL") or said.get("ID_SERIAL_SHORT")
    assert change.serial == (wanted.strip() if wanted else None)


@pytest.mark.parametrize(
    "said",
    [
        event("add", "block", "/dev/sda"),
        event("add", "block", "/dev/srx"),
        event("add", "scsi_tape", "/dev/st0"),
        event("add", "scsi_tape", "/dev/nst0a"),
        event("change", "block", "/dev/sr0"),
        event("change", "scsi_tape", "/dev/nst0"),
        event("bind", "scsi_generic", "/dev/sg0"),
        event("add", "usb", "/dev/bus/usb/001"),
        {"ACTION": "add", "SUBSYSTEM": "scsi_generic"},
        {},
    ],
)
def test_what_is_not_ours_is_passed_over(said: dict[str, str]) -> None:
    assert device_change(said) is None


@given(st.dictionaries(st.sampled_from(["ACTION", "SUBSYSTEM", "DEVNAME", "DISK_MEDIA_CHANGE", "X"]), st.text()))
def test_any_event_is_understood_or_passed_over(said: dict[str, str]) -> None:
    change = device_change(said)
    assert change is None or change.node == said["DEVNAME"]


# -- many events, one change ------------------------------------------------------------------------------------------


def changed(medium: str | None, node: str = "/dev/sr0", what: What = What.MEDIUM_CHANGED) -> DeviceChange:
    return DeviceChange(what, AttachedKind.RECORDER, node, None, medium)


def test_of_changes_in_a_row_the_last_is_told_once() -> None:
    row = Coalesced(settle_s=1, longest_s=10)
    row.add(changed(None), 0.0)
    row.add(changed("blank"), 0.6)
    assert row.due(1.2) == []
    assert row.due(1.6) == [changed("blank")]
    assert row.due(99.0) == []


def test_a_device_that_never_rests_is_told_all_the_same() -> None:
    row = Coalesced(settle_s=1, longest_s=3)
    told = []
    for tenth in range(40):
        row.add(changed(str(tenth)), tenth / 10)
        told += row.due(tenth / 10)
    assert told == [changed("30")]


def test_going_and_coming_back_are_told_in_their_order() -> None:
    row = Coalesced(settle_s=1, longest_s=10)
    gone, back, other = changed(None, what=What.GONE), changed(None, what=What.APPEARED), changed(None, "/dev/sr1")
    for at, change in enumerate((gone, other, back)):
        row.add(change, at / 10)
    assert row.due(5) == [gone, other, back]


@given(
    st.lists(st.tuples(st.sampled_from(["/dev/sr0", "/dev/sr1"]), st.sampled_from(What), st.floats(0, 3)), max_size=30)
)
def test_nothing_is_told_twice_and_the_last_word_always_is(steps: list[tuple[str, What, float]]) -> None:
    row, now, told = Coalesced(), 0.0, []
    last: dict[str, DeviceChange] = {}
    for number, (node, what, wait) in enumerate(steps):
        now += wait
        told += row.due(now)
        last[node] = changed(str(number), node, what)
        row.add(last[node], now)
    told += row.due(now + 100)
    assert len(told) == len(set(told)) <= len(steps)
    assert set(last.values()) <= set(told)
    assert row.due(now + 999) == []


# -- the thread -------------------------------------------------------------------------------------------------------


class Recording:
    """Events that come as they are put in; an exception is raised instead."""

    def __init__(self) -> None:
        self.events: queue.Queue[Mapping[str, str] | OSError] = queue.Queue()

    def poll(self, timeout: float | None = None) -> Any:
        try:
            found = self.events.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(found, OSError):
            raise found
        return SimpleNamespace(properties=found)


def test_a_watcher_tells_what_was_recorded_and_ends_when_closed() -> None:
    source, told = Recording(), queue.Queue[DeviceChange]()
    watcher = Watcher(told.put, source)
    assert watcher.start()
    try:
        source.events.put(event("add", "usb", "/dev/bus/usb/001"))
        source.events.put(OSError(105, "No buffer space available"))
        for said in pyudev_events("pyudev_swaps.txt"):
            source.events.put(said)
        assert told.get(timeout=60) == DeviceChange(
            What.MEDIUM_CHANGED, AttachedKind.RECORDER, "/dev/sr0", None, "blank"
        )
    finally:
        watcher.close()
    watcher.close()
    source.events.put(event("add", "block", "/dev/sr0"))
    assert told.empty()


def test_a_watcher_may_be_closed_from_its_own_call() -> None:
    source = Recording()
    closed = queue.Queue[bool]()

    def noticed(change: DeviceChange) -> None:
        watcher.close()
        closed.put(True)

    watcher = Watcher(noticed, source)
    watcher.start()
    source.events.put(event("add", "block", "/dev/sr0"))
    assert closed.get(timeout=60)
    watcher.close()


def test_without_udev_nothing_is_watched(tmp_path: Path) -> None:
    watcher = Watcher(lambda change: None, control=tmp_path / "none")
    assert not watcher.start()
    watcher.close()


def test_the_kernels_socket_is_listened_to_where_there_is_one(tmp_path: Path) -> None:
    control = tmp_path / "control"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as there:
        there.bind(str(control))
        watcher = Watcher(lambda change: None, control=control)
        assert watcher.start()
        watcher.close()


def test_a_socket_that_is_refused_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(context: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pyudev.Monitor.from_netlink", refused)
    watcher = Watcher(lambda change: None, control=tmp_path)
    assert not watcher.start()
    watcher.close()
