"""Keep child processes running: start, wait until ready, restart with back-off, stop in order.

Children say that they are ready the way systemd's services do (a datagram `READY=1` to the socket named by
NOTIFY_SOCKET), so the same programs run under either. They ask the kernel for SIGTERM when their parent dies, so that
nothing is left behind even if the parent was killed with SIGKILL.
"""

import ctypes
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger()

PARENT_VARIABLE = "SUPERVISOR_PID"
NOTIFY_VARIABLE = "NOTIFY_SOCKET"
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ServiceFailed(Exception):
    """A service ended again and again before it was ready."""


@dataclass(frozen=True)
class Service:
    """One program to keep running."""

    name: str
    argv: tuple[str, ...]
    ready_line: str = ""  # shown to a person when it is ready for the first time
    log_path: Path | None = None  # standard output and error go there, appended; None: to ours


@dataclass(frozen=True)
class Timing:
    """How patient the supervisor is. All in seconds."""

    stop_s: float = 20.0  # from SIGTERM to SIGKILL
    first_pause_s: float = 0.5  # before the first restart; doubled each time
    longest_pause_s: float = 30.0
    settled_s: float = 60.0  # after so long a life the pause starts from the beginning
    starts_before_giving_up: int = 3  # of a service that has never been ready


@dataclass
class _Child:
    service: Service
    notify: socket.socket
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started_at: float = 0.0
    starts: int = 0
    failures: int = 0
    restart_at: float | None = None
    ready: bool = False
    ever_ready: bool = False


def die_with_parent() -> None:
    """Called early by a child: ask for SIGTERM when the supervisor dies, and leave at once if it is dead already.

    Does nothing when no supervisor started this process. Source: prctl(2) PR_SET_PDEATHSIG.
    """
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        raise SystemExit(1)


def tell_ready() -> None:
    """Called by a service when it can do its work. Does nothing when nobody asked. Source: sd_notify(3)."""
    address = os.environ.get(NOTIFY_VARIABLE, "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", "\0" + address[1:] if address.startswith("@") else address)


@dataclass
class Supervisor:
    """Runs services until told to stop. Use from the main thread: a child lives as long as the thread that started it.

    say is given lines for a person. tick, if given, is called about once a second while services run.
    """

    services: Sequence[Service]
    say: Callable[[str], None]
    timing: Timing = Timing()
    tick: Callable[[], None] | None = None
    all_ready: Callable[[], None] | None = None
    _children: list[_Child] = field(default_factory=list)
    _stopping: bool = False
    _announced: bool = False

    def run(self) -> None:
        """Start everything and stay until SIGTERM or SIGINT; when it returns, no child is left.

        Raises: ServiceFailed when a service never became ready.
        """
        wake_read, wake_write = socket.socketpair()
        wake_read.setblocking(False)
        wake_write.setblocking(False)
        old_wakeup = signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        old_handlers = {
            number: signal.signal(number, self._asked_to_stop) for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            with tempfile.TemporaryDirectory(prefix="firn-") as folder, selectors.DefaultSelector() as selector:
                selector.register(wake_read, selectors.EVENT_READ, None)
                try:
                    self._start_all(Path(folder), selector)
                    while not self._stopping:
                        self._round(selector, wake_read)
                finally:
                    self._stop_all(selector)
        finally:
            signal.set_wakeup_fd(old_wakeup)
            for number, handler in old_handlers.items():
                signal.signal(number, handler)
            wake_read.close()
            wake_write.close()

    def _asked_to_stop(self, number: int, frame: object) -> None:
        del number, frame
        self._stopping = True

    def _start_all(self, folder: Path, selector: selectors.BaseSelector) -> None:
        for number, service in enumerate(self.services):
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            notify.bind(str(folder / f"{number}.notify"))
            notify.setblocking(False)
            child = _Child(service, notify)
            self._children.append(child)
            selector.register(notify, selectors.EVENT_READ, child)
            self._start(child, selector)

    def _start(self, child: _Child, selector: selectors.BaseSelector) -> None:
        environment = dict(os.environ)
        environment[PARENT_VARIABLE] = str(os.getpid())
        environment[NOTIFY_VARIABLE] = child.notify.getsockname()
        output = None
        if child.service.log_path is not None:
            child.service.log_path.parent.mkdir(parents=True, exist_ok=True)
            output = child.service.log_path.open("ab")
        try:
            # its own session: Ctrl-C reaches us alone, and we stop the children in order
            child.process = subprocess.Popen(
                child.service.argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()
        child.pidfd = os.pidfd_open(child.process.pid)
        child.started_at, child.restart_at, child.ready = time.monotonic(), None, False
        child.starts += 1
        selector.register(child.pidfd, selectors.EVENT_READ, child)
        log.info("service_started", name=child.service.name, pid=child.process.pid, starts=child.starts)

    def _round(self, selector: selectors.BaseSelector, wake_read: socket.socket) -> None:
        now = time.monotonic()
        waits = [child.restart_at - now for child in self._children if child.restart_at is not None]
        for key, _ in selector.select(max(0.0, min([1.0, *waits]))):
            if key.data is None:
                wake_read.recv(64)
            elif key.fd == key.data.pidfd:
                self._ended(key.data, selector)
            else:
                self._heard(key.data)
        for child in self._children:
            if child.restart_at is not None and child.restart_at <= time.monotonic() and not self._stopping:
                self._start(child, selector)
        if not self._announced and self._children and all(child.ready for child in self._children):
            self._announced = True
            if self.all_ready is not None:
                self.all_ready()
        if self.tick is not None and not self._stopping:
            self.tick()

    def _heard(self, child: _Child) -> None:
        if b"READY=1" not in child.notify.recv(4096).split(b"\n"):
            return
        if child.process is None:
            return
        child.ready = True
        waited_s = time.monotonic() - child.started_at
        log.info("service_ready", name=child.service.name, pid=child.process.pid, duration_s=waited_s)
        if not child.ever_ready:
            if child.service.ready_line:
                self.say(child.service.ready_line)
        else:
            self.say(f"{child.service.name} is running again")
        child.ever_ready = True

    def _ended(self, child: _Child, selector: selectors.BaseSelector) -> None:
        process = child.process
        if process is None:
            return
        status = process.wait()
        self._forget(child, selector)
        lived_s = time.monotonic() - child.started_at
        child.failures = 1 if lived_s >= self.timing.settled_s else child.failures + 1
        pause_s = min(self.timing.longest_pause_s, self.timing.first_pause_s * 2 ** (child.failures - 1))
        log.error("service_ended", name=child.service.name, status=status, lived_s=lived_s, restart_in_s=pause_s)
        if not child.ever_ready and child.starts >= self.timing.starts_before_giving_up:
            where = f"; its own words are in {child.service.log_path}" if child.service.log_path else ""
            raise ServiceFailed(
                f"{child.service.name} ended {child.starts} times before it was ready ({_how(status)}){where}. "
                "Nothing is left running; mend the cause and start again."
            )
        self.say(f"{child.service.name} ended ({_how(status)}); starting it again in {pause_s:.1f} s")
        child.restart_at = time.monotonic() + pause_s

    def _forget(self, child: _Child, selector: selectors.BaseSelector) -> None:
        selector.unregister(child.pidfd)
        os.close(child.pidfd)
        child.process, child.pidfd, child.ready = None, -1, False

    def _stop_all(self, selector: selectors.BaseSelector) -> None:
        deadline = time.monotonic() + self.timing.stop_s
        for child in reversed(self._children):
            if child.process is not None:
                child.process.terminate()
        for child in reversed(self._children):
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("service_killed", name=child.service.name, pid=child.process.pid, after_s=self.timing.stop_s)
                os.killpg(child.process.pid, signal.SIGKILL)  # with what it started itself
                child.process.wait()
            self._forget(child, selector)
        for child in self._children:
            selector.unregister(child.notify)
            child.notify.close()
        self._children.clear()


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
