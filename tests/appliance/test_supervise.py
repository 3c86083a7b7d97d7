"""The supervisor: services come up, come back, and never outlive it."""

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.supervise import Service, ServiceFailed, Supervisor, Timing

QUICK = Timing(stop_s=5, first_pause_s=0.05, longest_pause_s=0.2, settled_s=60, starts_before_giving_up=3)

# Children of these tests: they behave like our services, in a line or two.
GOOD = "from appliance.supervise import *; import signal, sys; die_with_parent(); tell_ready(); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GOOD.replace(
    "; signal.pause()", "\nwhile True: signal.pause()"
)
DYING = "raise SystemExit(7)"


def service(name: str, program: str, log_path: Path | None = None) -> Service:
    return Service(name, (sys.executable, "-c", program), f"{name} is ready", log_path)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Watch:
    """Stops a supervisor when enough was said, and remembers the lines."""

    def __init__(self, lines_wanted: int) -> None:
        self.lines: list[str] = []
        self._wanted = lines_wanted

    def say(self, line: str) -> None:
        self.lines.append(line)
        if len(self.lines) >= self._wanted:
            os.kill(os.getpid(), signal.SIGTERM)


def test_each_service_is_announced_once_it_is_ready_and_all_are_stopped_at_the_end() -> None:
    watch, ready = Watch(2), threading.Event()
    Supervisor([service("a", GOOD), service("b", GOOD)], watch.say, QUICK, all_ready=ready.set).run()
    assert sorted(watch.lines) == ["a is ready", "b is ready"]
    assert not children()


def children() -> list[int]:
    """The services that this process started; it may have other children, a database server of other tests for one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) != os.getpid() or fields[0] == "Z":
            continue
        if b"appliance.supervise" in (status.parent / "cmdline").read_bytes():
            found.append(int(status.parent.name))
    return found


def test_a_service_that_is_killed_is_started_again() -> None:
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if line == "a is ready":
            os.kill(children()[0], signal.SIGKILL)
        if "running again" in line:
            os.kill(os.getpid(), signal.SIGTERM)

    Supervisor([service("a", GOOD)], say, QUICK).run()
    assert lines == ["a is ready", "a ended (signal SIGKILL); starting it again in 0.1 s", "a is running again"]


def test_a_service_that_never_gets_ready_ends_everything_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailed, match=r"bad ended 3 times before it was ready \(exit status 7\).*bad.log"):
        Supervisor([service("good", GOOD), service("bad", DYING, tmp_path / "bad.log")], lambda line: None, QUICK).run()
    assert not children()


def test_a_service_that_ignores_sigterm_is_killed_after_the_limit() -> None:
    watch = Watch(1)
    Supervisor([service("stubborn", STUBBORN)], watch.say, Timing(stop_s=0.3)).run()
    assert not children()


def test_a_fault_in_the_tick_still_stops_the_children() -> None:
    def tick() -> None:
        raise RuntimeError("tick failed")

    with pytest.raises(RuntimeError, match="tick failed"):
        Supervisor([service("a", GOOD)], lambda line: None, QUICK, tick=tick).run()
    assert not children()


@pytest.fixture
def killed_supervisor() -> Iterator[list[int]]:
    """The pids of two services whose supervisor was killed with SIGKILL when they were ready."""
    program = textwrap.dedent(f"""
        import sys
        from appliance.supervise import Service, Supervisor
        good = {GOOD!r}.replace("tell_ready()", "print(__import__('os').getpid(), flush=True); tell_ready()")
        services = [Service(name, (sys.executable, "-c", good), "ready") for name in "ab"]
        Supervisor(services, lambda line: print(line, flush=True)).run()
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids: list[int] = []
    ready = 0
    while len(pids) < 2 or ready < 2:
        line = process.stdout.readline().strip()
        assert line, "the supervisor ended by itself"
        pids += [int(line)] if line.isdigit() else []
        ready += line == "ready"
    descriptors = [os.pidfd_open(pid) for pid in pids]
    process.kill()
    process.wait()
    process.stdout.close()
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def test_services_end_when_their_supervisor_is_killed(killed_supervisor: list[int]) -> None:
    poller = select.poll()
    for descriptor in killed_supervisor:
        poller.register(descriptor, select.POLLIN)
    gone: set[int] = set()
    while len(gone) < len(killed_supervisor):
        events = poller.poll(10_000)
        assert events, "a service outlived its supervisor by 10 s"
        for descriptor, _ in events:
            gone.add(descriptor)
            poller.unregister(descriptor)
