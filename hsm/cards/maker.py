"""Makes the previews of studies that are on disk, one study after the other, aside from everything else."""

import base64
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import structlog

from hsm.cards.shelf import KEY, Card, CardShelf
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogError
from hsm.facts import StoredInstance
from hsm.pool import OnlinePool, PoolError
from hsm.states import OnlineState

MOST_SERIES = 60  # of one study
AT_A_TIME = 20  # series for one run of the program
KEY_CANDIDATES = 3
MOST_WAITING = 10_000

log = structlog.get_logger()


@dataclass(frozen=True)
class MakerSettings:
    """What a preview may cost."""

    thumbnail_px: int = 160
    key_px: int = 512
    time_limit_s: float = 30.0  # of one run of the program
    memory_bytes: int = 1_500_000_000


@dataclass(frozen=True)
class _Shown:
    """The instance that stands for a series."""

    instance: StoredInstance
    candidate: bool  # for the key image


class CardMaker:
    """A thread with a queue, and a front for those who only look. `close` ends it."""

    def __init__(
        self, catalog: Catalog, pool: OnlinePool, shelf: CardShelf, settings: MakerSettings | None = None
    ) -> None:
        self.shelf = shelf
        self._catalog = catalog
        self._pool = pool
        self._settings = settings or MakerSettings()
        self._waiting: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._known: set[str] = set()  # waits, or could not be made and is not tried again by this process
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def has(self, study_uid: str) -> bool:
        """Whether there is a card, or making one was tried here in vain."""
        card = self.shelf.card(study_uid)
        with self._lock:
            return card is not None or f"in vain {study_uid}" in self._known

    def want(self, study_uid: str) -> bool:
        """Have a study's card made soon, if it is on disk then; False when too many wait or it was tried in vain."""
        with self._lock:
            if study_uid in self._known:
                return True
            if f"in vain {study_uid}" in self._known:
                return False
            try:
                self._waiting.put_nowait(study_uid)
            except queue.Full:
                return False
            self._known.add(study_uid)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="cards", daemon=True)
                self._thread.start()
        return True

    def close(self) -> None:
        """Make no more; returns when the present one is done."""
        with self._lock:
            thread = self._thread
        if thread is None:
            return
        while True:  # what waits is made before a release, or when somebody looks
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                break
        self._waiting.put(None)
        thread.join()

    def _work(self) -> None:
        while (study_uid := self._waiting.get()) is not None:
            made = False
            try:
                made = self.make(study_uid) is not None
            except (CatalogError, PoolError, OSError, ValueError) as error:
                log.warning("card_not_made", study=study_uid, reason=f"{type(error).__name__}: {error}")
            with self._lock:
                self._known.discard(study_uid)
                if not made:
                    self._known.add(f"in vain {study_uid}")

    def make(self, study_uid: str) -> Card | None:
        """Make the card of a study now; None when nothing of it is on disk.

        Pixels that cannot be shown leave a card that says so. Raises: CatalogError, PoolError, OSError, ValueError.
        """
        instances = self._catalog.studies.instances(study_uid)
        chosen = _chosen(instances)
        if not chosen:
            return None
        jpegs: dict[str, bytes] = {}
        keys: dict[str, bytes] = {}
        missing: dict[str, str] = {}
        for begin in range(0, len(chosen), AT_A_TIME):
            for answer in self._render(chosen[begin : begin + AT_A_TIME]):
                name, made = str(answer["name"]), answer.get("jpegs", {})
                if "thumbnail" in made:
                    jpegs[name] = base64.b64decode(made["thumbnail"])
                if KEY in made:
                    keys[name] = base64.b64decode(made[KEY])
                if not made:
                    missing[name] = str(answer.get("why", ""))[:200]
        if keys:
            jpegs[KEY] = next(iter(keys.values()))  # the candidates come in their order
        card = self.shelf.put(study_uid, len(instances), jpegs, missing)
        log.info("card_made", study=study_uid, pictures=len(jpegs), without=len(missing))
        return card

    def _render(self, chosen: Sequence[_Shown]) -> Iterator[dict[str, Any]]:
        """The answers of the program; a picture that ended it is told as such, and those behind it are not made."""
        settings, told = self._settings, set[str]()
        with ExitStack() as stack:
            pictures = []
            for shown in chosen:
                if shown.instance.file is None:
                    continue
                stream = stack.enter_context(self._pool.open(shown.instance.file))
                sizes = {"thumbnail": settings.thumbnail_px} | ({KEY: settings.key_px} if shown.candidate else {})
                name = shown.instance.series_instance_uid
                pictures.append({"name": name, "fd": stream.fileno(), "sizes_px": sizes})
            for answer in self._run(pictures):
                told.add(str(answer["name"]))
                yield answer
        for shown in chosen:
            if shown.instance.series_instance_uid not in told:
                yield {"name": shown.instance.series_instance_uid, "why": "could not be decoded within its limits"}

    def _run(self, pictures: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        settings = self._settings
        order = {
            "memory_bytes": settings.memory_bytes,
            "cpu_s": max(1, round(settings.time_limit_s)),
            "pictures": list(pictures),
        }
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "hsm.cards.render"],
                input=json.dumps(order).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[int(picture["fd"]) for picture in pictures],
                env=environment,
                timeout=settings.time_limit_s,
                check=False,
            )
            output = done.stdout
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
        return _answers(output, {str(picture["name"]) for picture in pictures})


def _answers(output: bytes, names: Collection[str]) -> list[dict[str, Any]]:
    """The whole lines of what the program said that name a picture it was asked for."""
    answers = []
    for line in output.splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            continue  # it was ended in the middle of a line
        if isinstance(answer, dict) and answer.get("name") in names:
            answers.append(answer)
    return answers


def _chosen(instances: Sequence[StoredInstance]) -> list[_Shown]:
    """The middle instance of each series that is on disk; the largest series first: they may give the key image."""
    here = [one for one in instances if one.online_state is OnlineState.ONLINE and one.file is not None]
    series = [list(members) for _, members in groupby(here, key=lambda one: one.series_instance_uid)]
    series.sort(key=lambda members: -len(members))
    return [_Shown(members[len(members) // 2], n < KEY_CANDIDATES) for n, members in enumerate(series[:MOST_SERIES])]
