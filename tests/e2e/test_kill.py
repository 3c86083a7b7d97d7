"""kill -9 at any moment, again and again, while studies arrive and settle: what was acknowledged is there."""

import hashlib
import random
import re
import subprocess
import threading
from pathlib import Path

import pytest

from hsm.catalog import Catalog
from hsm.facts import StoredInstance
from hsm.states import CopyState, OnlineState
from tests.e2e.house import POLL_S, RULES, House, free_port
from tests.e2e.wire import Seen, all_seen, move, workstation
from tests.support.studies import small_ct, write_study

pytestmark = [pytest.mark.peer, pytest.mark.crash]
SEED = 20
KILLS = 4
STUDIES = 6
LONGEST_PAUSE_S = 1.5
ANSWER = re.compile(r"Sending file: (?P<path>.+)|Received Store Response \((?P<status>\w+)\)")


def send_until_refused(port: int, paths: list[Path]) -> set[Path]:
    """Send with storescu, which gives up at the first trouble; the files that were answered with Success."""
    command = ["/usr/bin/storescu", "-v", "-R", "-aec", "FIRN", "127.0.0.1", str(port), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    acknowledged = set()
    path = ""
    for found in ANSWER.finditer(done.stdout + done.stderr):
        path = found["path"] or path
        if found["status"] == "Success":
            acknowledged.add(Path(path.strip()))
    return acknowledged


class Sender(threading.Thread):
    """A modality that sends each file until it was acknowledged, and never again."""

    def __init__(self, port: int, paths: list[Path]) -> None:
        super().__init__()
        self._port = port
        self._paths = paths
        self._enough = threading.Event()
        self.acknowledged: set[Path] = set()

    def run(self) -> None:
        while not self._enough.wait(POLL_S):
            left = [path for path in self._paths if path not in self.acknowledged]
            if not left:
                return
            self.acknowledged |= send_until_refused(self._port, left[:2])

    def stop(self) -> None:
        self._enough.set()
        self.join(60)


def online_bytes_are_right(catalog: Catalog, house: House, instance: StoredInstance) -> bool:
    """Whether the file of an instance is whole; it may have been released since the instance was looked up."""
    assert instance.file is not None
    try:
        content = (house.root / instance.file.directory / instance.file.path).read_bytes()
    except FileNotFoundError:
        now = catalog.intake.find(instance.sop_instance_uid)
        return now is not None and now.online_state is not OnlineState.ONLINE
    return hashlib.sha256(content).hexdigest() == instance.sha256


def check_nothing_is_lost(house: House, acknowledged: set[str], sent: dict[str, Seen]) -> None:
    """Every acknowledged instance is catalogued as it was sent, and on disk or on two proved copies."""
    with house.catalog() as catalog:
        for uid in acknowledged:
            found = catalog.intake.find(uid)
            assert found is not None, f"{uid} was acknowledged and is not there"
            assert found.dataset_sha256 == hashlib.sha256(sent[uid].data_set).hexdigest()
            if found.online_state is OnlineState.ONLINE:
                assert online_bytes_are_right(catalog, house, found), f"{uid} is not whole on disk"
                continue
            assert found.pack_id is not None, f"{uid} left the disk without ever being packed"
            copies = [copy for copy in catalog.copies.of_pack(found.pack_id) if copy.state is CopyState.VERIFIED]
            assert len({copy.barcode for copy in copies}) >= 2, f"{uid} was released on {copies}"
            assert len({copy.kind for copy in copies}) >= 2, f"{uid} was released on {copies}"


def test_kill_minus_nine(tmp_path: Path) -> None:
    house = House(tmp_path / "archive")
    paths = [path for n in range(STUDIES) for path in write_study(tmp_path / "sent", small_ct(f"kill-{n}"))]
    witness = free_port()
    with workstation(tmp_path / "witness", witness):
        assert send_until_refused(witness, paths) == set(paths)
    sent = all_seen(tmp_path / "witness")
    uid_of = {path: path.stem for path in paths}
    assert set(uid_of.values()) == set(sent)

    chance = random.Random(SEED)
    sender = Sender(house.port, paths)
    try:
        house.build(RULES, discs=10)
        house.start("pacs", "engine")
        sender.start()
        pause = threading.Event()
        for number in range(KILLS):
            pause.wait(chance.uniform(0, LONGEST_PAUSE_S))
            for victim in chance.choice([["pacs"], ["engine"], ["pacs", "engine"]]) if number else ["pacs"]:
                house.kill(victim)
            check_nothing_is_lost(house, {uid_of[path] for path in set(sender.acknowledged)}, sent)
            house.start(*({"pacs", "engine"} - set(house.running)))
        sender.join(60)
        assert sender.acknowledged == set(paths), "not everything could be sent in the end"
        studies = {one.study for one in sent.values()}
        house.wait_settled(studies)
        check_nothing_is_lost(house, set(sent), sent)
        assert move(house, tmp_path / "moved", sorted(studies)) == sent
        house.stop("pacs", "engine")
    finally:
        sender.stop()
        house.close()
