"""A simulated library as an iSCSI target, in its own process: the kernel must not wait for one that waits for it."""

import signal
import sys
import threading
from pathlib import Path

import structlog

from drivers.clock import ScaledClock
from drivers.iscsi import IscsiTarget
from drivers.simulator import SimulatedLibrary
from drivers.simulator.scsi import units


def main(root: str, iqn: str, port: str, scale: str) -> None:
    """Serve until SIGTERM; says a line when it listens."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with SimulatedLibrary(Path(root), ScaledClock(float(scale))) as library:
        served = units(library)
        with IscsiTarget(iqn, served, port=int(port)):
            print("ready", flush=True)
            over.wait()
        for unit in served.values():
            unit.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
