"""A whole appliance with the simulated library, for people in front of a browser: three sign-ins, studies on tape."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event

from appliance import build
from appliance.accounts import DEMO_FILE, demo_accounts
from appliance.config import Config, load
from appliance.demo.feed import send_samples
from appliance.demo.setup import prepare
from appliance.demo.studies import SampleStudy, cr_study, ct_study, mr_study, us_study
from appliance.toml_text import to_toml
from hsm.catalog import Catalog
from hsm.states import Availability
from tests.support.ports import free_port
from tests.support.studies import PEOPLE

LIMIT_S = 150.0
# Studies go to two tapes at once and leave the disk soon; one kind stays.
RULES = """rule "pictures of bones stay":
    when modality is CR
    copy to tape_a, tape_b
    keep online

rule "two tapes for everything":
    copy to tape_a, tape_b
    release after 2 verified copies
"""


@dataclass(frozen=True)
class Appliance:
    """Where it answers, and who may come in."""

    config: Config
    path: Path
    password: str
    nearline: tuple[SampleStudy, ...]
    online: SampleStudy

    @property
    def address(self) -> str:
        """Of the first page, without a slash at the end."""
        return f"http://127.0.0.1:{self.config.web.port}"

    def catalog(self) -> Catalog:
        """Its catalog, to look into; the caller closes it."""
        return build.open_catalog(self.config, create=False)


def _samples() -> tuple[SampleStudy, ...]:
    return (
        ct_study("browser-1", PEOPLE[0], 3, 64),
        mr_study("browser-2", PEOPLE[1], 2, 64),
        us_study("browser-3", PEOPLE[2], clips=1, frames=3),
        ct_study("browser-4", PEOPLE[5], 3, 64, description="CT Abdomen"),
        ct_study("browser-5", PEOPLE[3], 2, 64, description="CT Head"),
        cr_study("browser-6", PEOPLE[4], 128),
    )


@contextmanager
def running(root: Path) -> Iterator[Appliance]:
    """Make it, start it, let the studies settle on tape, and stop it at the end."""
    path = _configured(root)
    config = load(path, {})
    log = (root / "serve.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.cli", "--config", str(path), "serve", "--log-dir", str(root / "log")],
        stdout=log,
        stderr=log,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    try:
        samples = _samples()
        with build.open_catalog(config, create=False) as catalog:
            _until(lambda: b"Health    http:" in (root / "serve.log").read_bytes(), process, "it is ready")
            send_samples(config, lambda uid: 0, Event(), pause_s=0, samples=samples)
            *gone, stays = samples
            for study in gone:
                _until(partial(_is_gone, catalog, study.study_uid), process, f"{study.study_uid} is on tape only")
        password = (config.archive.data_dir / DEMO_FILE).read_text(encoding="utf-8").strip()
        yield Appliance(config, path, password, tuple(gone), stays)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def _configured(root: Path) -> Path:
    config, path = prepare(root / "archive", datetime.now(UTC))
    changes = {
        "web": config.web.model_copy(update={"port": free_port()}),
        "dicom": config.dicom.model_copy(update={"port": free_port()}),
        "pack": config.pack.model_copy(update={"stable_after_s": 1}),
        "policy": config.policy.model_copy(update={"tick_every_s": 1.0}),
    }
    config = config.model_copy(update=changes)
    path.write_text(to_toml(config, only_set=True), encoding="utf-8")
    with build.open_catalog(config, create=False) as catalog:
        build.publish(catalog, RULES, "test", build.volume_pools(config), datetime.now(UTC))
        demo_accounts(catalog, config.archive.data_dir, datetime.now(UTC))
    return path


def _is_gone(catalog: Catalog, uid: str) -> bool:
    return catalog.studies.get(uid) is not None and catalog.studies.availability(uid) is Availability.NEARLINE


def _until(true: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert process.poll() is None, f"the appliance ended before {what}"
        assert time.monotonic() < deadline, f"after {LIMIT_S} s still not: {what}"
        time.sleep(0.2)  # another process writes; there is no event that crosses
