"""Attaches iSCSI targets of this machine to its kernel, and finds their devices by serial number."""

import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from drivers.attached import AttachedDevice, AttachedKind, find

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / ".ci" / "vm" / "library.sh"
LIMIT_S = 300.0  # an emulated processor that shares its host takes its time


def run(*argv: object, limit_s: float = LIMIT_S, status: int | None = 0) -> str:
    """What a program prints that ends with this status (None: with any)."""
    done = subprocess.run([str(one) for one in argv], capture_output=True, text=True, timeout=limit_s, check=False)
    said = f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert status is None or done.returncode == status, said
    return done.stdout


def eventually(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    """Return when the condition holds; fail when it does not come to hold in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.1)


def log_in(iqn: str, port: int) -> None:
    """Give the units of a target to the kernel."""
    run(LIBRARY, "attach", iqn, port, limit_s=3 * LIMIT_S)


def log_out(iqn: str, port: int, status: int | None = 0) -> None:
    """Take the units of a target away, whatever is done with them at this moment."""
    run("iscsiadm", "-m", "node", "-T", iqn, "-p", f"127.0.0.1:{port}", "--logout", status=status)


def device(serial: str, kind: AttachedKind) -> AttachedDevice:
    """A device that is there, with all its names."""
    found: list[AttachedDevice] = []

    def there() -> bool:
        one = find(serial, kind)
        if one is not None and one.node is not None and one.node.exists():
            found.append(one)
        return bool(found)

    eventually(there, f"{kind} {serial} appears")
    return found[0]


def gone(serials: Iterable[tuple[str, AttachedKind]]) -> bool:
    """Whether none of these devices is attached."""
    return all(find(serial, kind) is None for serial, kind in serials)


def settle() -> None:
    """Return when udev has dealt with what happened so far."""
    run("udevadm", "settle", "--timeout=60")
