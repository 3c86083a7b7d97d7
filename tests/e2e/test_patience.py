"""Two workstations want the same study from a slow library: one waits for it, the other is told, and sent it later.

TEST_FULL_LENGTH=1 takes the times of a hospital: a recall of five minutes, timers of 30 s and 10 min. It needs no
more than that test: `TEST_FULL_LENGTH=1 pytest --timeout 1200 -s tests/e2e/test_patience.py`.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from subprocess import run

import pytest

from tests.e2e.house import House, free_port, wait_until
from tests.e2e.wire import Seen, all_seen, availability, workstation
from tests.support.studies import small_ct, write_study

pytestmark = [pytest.mark.peer, pytest.mark.crash]

FULL = os.environ.get("TEST_FULL_LENGTH") == "1"
SCALE = 0.13 if FULL else 18.0  # of the simulated devices, which need some 40 s for a cold recall from tape
TIMER_S, PATIENCE_S, KEEPALIVE_S, RECALL_S = (30, 600, 10, 300) if FULL else (2, 60, 1, 2)
LIMIT_S = 900.0 if FULL else 60.0
PEERS = """
[[peer]]
ae_title = "HASTY"
host = "127.0.0.1"
port = {hasty}
recall_patience_s = {timer}

[[peer]]
ae_title = "PATIENT"
host = "127.0.0.1"
port = {patient}
recall_patience_s = {patience}
"""


def slow(house: House, hasty: int, patient: int) -> None:
    """Give the library the pace of a real one, and the node two peers."""
    text = house.config.read_text().replace("time_scale = 1e6", f"time_scale = {SCALE}")
    text = text.replace("keepalive_s = 1\n", f"keepalive_s = {KEEPALIVE_S}\n")
    house.config.write_text(text + PEERS.format(hasty=hasty, patient=patient, timer=TIMER_S * 0.8, patience=PATIENCE_S))


def ask(house: House, title: str, timer_s: int, study: str) -> tuple[int, float, str]:
    """movescu as a workstation uses it: (exit status, seconds, what it says)."""
    began_s = time.monotonic()
    argv = ["/usr/bin/movescu", "-d", "-S", "-td", timer_s, "-aet", title, "-aem", title, "-aec", "FIRN", "127.0.0.1",
            house.port, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]  # fmt: skip
    done = run(list(map(str, argv)), check=False, capture_output=True, text=True, errors="replace", timeout=LIMIT_S)
    return done.returncode, time.monotonic() - began_s, done.stdout + done.stderr


RULES = """\
rule "two tapes":
    when stable for 1 seconds
    copy to tape_a, tape_b
    release after 2 verified copies
"""


def test_who_waits_gets_it_at_once_and_who_cannot_is_sent_it(tmp_path: Path) -> None:
    house, study = House(tmp_path / "archive"), small_ct("patience")
    house.build(RULES, discs=1)
    try:
        write_study(tmp_path / "inbox", study)
        wanted = all_seen(tmp_path / "inbox" / study.study_uid)
        house.json("import", str(tmp_path / "inbox" / study.study_uid))
        house.start("engine", "pacs")
        wait_until(lambda: availability(house, study.study_uid) == "NEARLINE", "it leaves the disk")
        house.stop("engine", "pacs")
        if FULL:  # the next engine would first empty the drives, and take its time
            house.start("engine")
            house.stop("engine")
        serve_two(house, study.study_uid, wanted, tmp_path)
    finally:
        house.close()


def serve_two(house: House, study: str, wanted: dict[str, Seen], folder: Path) -> None:
    ports = {"HASTY": free_port(), "PATIENT": free_port()}
    slow(house, ports["HASTY"], ports["PATIENT"])
    house.ready_limit_s = LIMIT_S  # an engine first empties its drives
    house.start("engine", "pacs")
    with ExitStack() as stack:
        folders = {title: stack.enter_context(workstation(folder / title, port)) for title, port in ports.items()}
        threads = stack.enter_context(ThreadPoolExecutor(2))
        patient = threads.submit(ask, house, "PATIENT", PATIENCE_S, study)
        hasty = threads.submit(ask, house, "HASTY", TIMER_S, study)
        status, took_s, said = hasty.result()
        told = next(line for line in said.splitlines() if "will be pushed" in line)
        print(f"HASTY was answered after {took_s:.0f} s: {told.strip()}")
        assert status != 0 and took_s < TIMER_S * 2
        assert all_seen(folders["HASTY"]) == {}, "it was answered before the study was back"
        status, took_s, said = patient.result()
        print(f"PATIENT had the whole study after {took_s:.0f} s in one association, {said.count('Pending')} Pending")
        assert status == 0, said
        assert took_s > RECALL_S
        assert all_seen(folders["PATIENT"]) == wanted
        wait_until(lambda: len(all_seen(folders["HASTY"])) == len(wanted), "it is pushed to HASTY", LIMIT_S)
        print("HASTY has it too, by push")
        with house.catalog() as catalog:
            wait_until(lambda: [one.state for one in catalog.deliveries.list()] == ["done"], "the delivery is over")
        assert all_seen(folders["HASTY"]) == wanted
    house.stop("pacs", "engine")
