"""Objects larger than anybody wants in memory."""

import hashlib
import os
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.dimse.commands import Code, Field, encode_command
from appliance.dimse.wire import data_pdu
from tests.appliance.dimse.raw import EXPLICIT, STUDY_GET, RawPeer, keys
from tests.hsm.objects import CT, dataset, part10, stored_data_set

MIB = 1 << 20


def object_of(size_bytes: int) -> Iterator[bytes]:
    """A data set of one large element of pixels, a mebibyte at a time."""
    head = stored_data_set(part10(dataset()))
    yield head + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size_bytes)
    block = os.urandom(MIB)
    for _ in range(size_bytes // MIB):
        yield block


# Runs in a process of its own, so that its peak memory is the node's.
SERVER = textwrap.dedent("""
    import sys, resource
    from pathlib import Path
    from appliance.dimse.server import DimseServer
    from appliance.dimse.settings import DimseSettings
    from drivers.clock import SystemClock
    from hsm.archive import Archive
    from hsm.catalog import Catalog
    from hsm.pool import OnlinePool
    import structlog
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    root = Path(sys.argv[1])
    catalog = Catalog.open(f"sqlite:///{root / 'catalog.db'}")
    pool = OnlinePool.create([root / "pool"], 0, root / "quarantine")
    server = DimseServer(Archive(catalog, pool, SystemClock()), DimseSettings(host="127.0.0.1", port=0))
    server.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(server.port, flush=True)
    sys.stdin.read()
    server.stop()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, flush=True)
""")


def in_and_out(tmp_path: Path, size_bytes: int) -> int:
    """Send an object to a node in its own process, get it back, and say by how many bytes the node grew."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = int(server.stdout.readline())
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: CT,
            Field.COMMAND: Code.C_STORE,
            Field.MESSAGE_ID: 1,
            Field.AFFECTED_SOP_INSTANCE: "1.2.3.4",
            Field.DATASET_TYPE: 1,
        }
        sent, got = hashlib.sha256(), hashlib.sha256()
        with RawPeer(port, [(CT, EXPLICIT), (STUDY_GET, EXPLICIT)], roles=[CT], max_pdu_bytes=256 * 1024) as peer:
            peer.send_raw(data_pdu(1, 3, encode_command(fields)))
            for part in object_of(size_bytes):
                sent.update(part)
                for at in range(0, len(part), 128 * 1024):
                    peer.send_raw(data_pdu(1, 0, part[at : at + 128 * 1024]))
            peer.send_raw(data_pdu(1, 2, b""))
            assert peer.next()[0].number(Field.STATUS) == 0
            peer.ask(Code.C_GET, STUDY_GET, keys("STUDY", StudyInstanceUID="1.2.3"), context_id=3)
            while True:
                context_id, command = peer.channel.read_command(60)
                if command.code == Code.C_STORE:
                    break
            peer.channel.read_dataset(context_id, got.update)
            peer.command(
                1,
                {
                    Field.AFFECTED_SOP_CLASS: CT,
                    Field.COMMAND: Code.C_STORE | 0x8000,
                    Field.RESPONDED_ID: command.number(Field.MESSAGE_ID),
                    Field.STATUS: 0,
                },
            )
            assert peer.answers()[1].number(Field.STATUS) == 0
        assert got.hexdigest() == sent.hexdigest()
        server.stdin.close()
        return int(server.stdout.readline()) * 1024  # Linux counts it in KiB
    finally:
        server.kill()
        server.wait()


def test_a_large_object_goes_through_without_filling_memory(tmp_path: Path) -> None:
    assert in_and_out(tmp_path, 160 * MIB) < 64 * MIB


@pytest.mark.skipif("FIRN_TEST_LARGE" not in os.environ, reason="writes 4 GiB: FIRN_TEST_LARGE=1 runs it")
@pytest.mark.timeout(900)
def test_an_object_of_four_gibibytes_goes_through(tmp_path: Path) -> None:
    assert in_and_out(tmp_path, 4095 * MIB) < 100 * MIB
