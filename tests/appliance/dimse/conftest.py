"""A DICOM node on a free port, and peers to talk to it."""

import io
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import TCPServer
from typing import Any

import pynetdicom
import pytest
from pydicom.uid import UID
from pynetdicom import AE, evt

from appliance.dimse.server import DimseServer
from appliance.dimse.settings import DimseSettings, Peer
from drivers.clock import SystemClock
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.pool import OnlinePool
from tests.appliance.dimse.raw import RawPeer
from tests.hsm.objects import dataset, part10

SHORT: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 0,
    "artim_s": 10.0,
    "network_s": 10.0,
    "recall_poll_s": 0.02,
    "goodbye_s": 0.05,
    "stop_grace_s": 0.0,
}


@dataclass
class Receiver:
    """A foreign move destination that keeps what it gets, byte for byte."""

    ae: AE
    port: int
    status: int = 0x0000
    objects: dict[str, bytes] = field(default_factory=dict)  # SOP Instance UID -> data set as sent
    syntaxes: dict[str, str] = field(default_factory=dict)
    originators: list[tuple[str, int]] = field(default_factory=list)
    on_store: Callable[[], None] = lambda: None


@dataclass
class Node:
    """A running node and all that belongs to it."""

    archive: Archive
    server: DimseServer
    settings: DimseSettings

    def peer(self, *proposals: tuple[str, str], calling: str = "RAW", **options: Any) -> RawPeer:
        """A peer that speaks the protocol by hand."""
        return RawPeer(self.server.port, proposals, calling, **options)

    def receive(self, *contents: bytes) -> None:
        """Put Part 10 files into the archive."""
        for content in contents:
            receipt = self.archive.receive_file(io.BytesIO(content), "TEST")
            assert receipt.kept, receipt.why

    def stored(self, sop_instance_uid: str) -> tuple[bytes, str]:
        """The data set of an instance as it lies in the pool, and its transfer syntax."""
        found = self.archive.catalog.intake.find(sop_instance_uid)
        assert found is not None
        with self.archive.open(found) as stream:
            return stream.read()[found.dataset_offset :], found.transfer_syntax_uid


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog that was brought up once, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "catalog.db"
    Catalog.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def start(tmp_path: Path, empty_catalog: Path) -> Iterator[Callable[..., Node]]:
    """Starts nodes; with `archive` given on that, else on an empty one."""
    with ExitStack() as stack:
        stack.callback(no_thread_is_left)

        def make(archive: Archive | None = None, **options: Any) -> Node:
            if archive is None:
                shutil.copy(empty_catalog, tmp_path / "catalog.db")
                catalog = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}")
                stack.callback(catalog.close)
                pool = OnlinePool.create([tmp_path / "pool"], 0, tmp_path / "quarantine")
                archive = Archive(catalog, pool, SystemClock())
            settings = DimseSettings(**{**SHORT, **options})
            server = DimseServer(archive, settings)
            server.start()
            stack.callback(server.stop)
            return Node(archive, server, settings)

        yield make


def no_thread_is_left() -> None:
    """Whatever peers did, nothing of the node may run on after it was stopped."""
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("dimse-")]
    assert left == []


@pytest.fixture
def node(start: Callable[..., Node]) -> Node:
    """A node with an empty archive."""
    return start()


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    """Starts receivers that take the given (SOP class, transfer syntaxes); all storage classes by default."""
    with ExitStack() as stack:

        def make(*contexts: tuple[str, list[str]], title: str = "DEST") -> Receiver:
            ae = AE(title)
            for sop_class, syntaxes in contexts:
                ae.add_supported_context(UID(sop_class), [UID(syntax) for syntax in syntaxes])
            if not contexts:
                for context in pynetdicom.AllStoragePresentationContexts:
                    ae.add_supported_context(UID(str(context.abstract_syntax)), pynetdicom.ALL_TRANSFER_SYNTAXES)
            made = Receiver(ae, 0)

            def keep(event: Any) -> int:
                made.on_store()
                uid = str(event.request.AffectedSOPInstanceUID)
                made.objects[uid] = event.encoded_dataset(include_meta=False)
                made.syntaxes[uid] = str(event.context.transfer_syntax)
                request = event.request
                made.originators.append(
                    (str(request.MoveOriginatorApplicationEntityTitle), request.MoveOriginatorMessageID)
                )
                return made.status

            server = ae.make_server(("127.0.0.1", 0), evt_handlers=[(evt.EVT_C_STORE, keep)])
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(lambda: TCPServer.shutdown(server))  # its own waits for half a second
            made.port = server.server_address[1]
            return made

        yield make


def peers(receiver: Receiver) -> dict[str, Peer]:
    """The receiver as the configured destination DEST."""
    return {"DEST": Peer("127.0.0.1", receiver.port)}


def small_study(count: int = 2, study: str = "1.2.3") -> list[bytes]:
    """Part 10 files of one study with two series."""
    return [
        part10(
            dataset(
                StudyInstanceUID=study,
                SeriesInstanceUID=f"{study}.{n % 2 + 1}",
                SOPInstanceUID=f"{study}.{n % 2 + 1}.{n + 1}",
                InstanceNumber=str(n + 1),
                StudyDate="20240229",
            )
        )
        for n in range(count)
    ]
