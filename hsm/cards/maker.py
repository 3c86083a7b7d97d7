"""Keeps the previews and headers of studies that are on disk, one study after the other, aside from everything else."""

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

from hsm.cards.shelf import KEY, Card, CardShelf, Head, Shown, content_of
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogError
from hsm.facts import StoredInstance
from hsm.pool import OnlinePool, PoolError
from hsm.states import OnlineState

MOST_SERIES = 60  # of one study
AT_A_TIME = 20  # series for one run of the program
HEADS_AT_A_TIME = 200  # objects for one run of the program
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
class _Chosen:
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
        self._closing = threading.Event()

    def complete(self, study_uid: str) -> bool:
        """Whether all that can be kept of a study as it is now is kept, or making it was tried here in vain.

        Raises: CatalogError.
        """
        with self._lock:
            if f"in vain {study_uid}" in self._known:
                return True
            if study_uid in self._known:
                return False  # it waits to be made
        card = self.shelf.card(study_uid)
        return card is not None and card.content == content_of(self._catalog.studies.instances(study_uid))

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
        """Make no more; returns when the present one is done, or given up between two runs of the program."""
        self._closing.set()
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

        What is kept already and still true stays: of a study that is on disk in part, too. Pixels that cannot be shown
        leave a card that says so. Raises: CatalogError, PoolError, OSError, ValueError.
        """
        instances = self._catalog.studies.instances(study_uid)
        chosen = _chosen(instances)
        if not chosen:
            return None
        before = self.shelf.card(study_uid)
        jpegs: dict[str, bytes] = {}
        keys: dict[str, tuple[bytes, Shown]] = {}
        shown: dict[str, Shown] = {}
        missing: dict[str, str] = {}
        for begin in range(0, len(chosen), AT_A_TIME):
            part = {str(one.instance.series_instance_uid): one.instance for one in chosen[begin : begin + AT_A_TIME]}
            for answer in self._render(chosen[begin : begin + AT_A_TIME]):
                name, made = str(answer["name"]), answer.get("jpegs", {})
                pictured = Shown(part[name].sop_instance_uid, int(answer.get("frame", 1)))
                if "thumbnail" in made:
                    jpegs[name], shown[name] = base64.b64decode(made["thumbnail"]), pictured
                if KEY in made:
                    keys[name] = base64.b64decode(made[KEY]), pictured
                if not made:
                    missing[name] = str(answer.get("why", ""))[:200]
        if keys:
            jpegs[KEY], shown[KEY] = next(iter(keys.values()))  # the candidates come in their order
        if before is not None:
            self._keep(study_uid, before, jpegs, shown)
        heads = self._heads(study_uid, instances)
        if heads is None:
            return None
        card = self.shelf.put(study_uid, len(instances), jpegs, missing, heads, shown, content_of(instances))
        log.info("card_made", study=study_uid, pictures=len(jpegs), without=len(missing), series=len(heads))
        return card

    def _keep(self, study_uid: str, before: Card, jpegs: dict[str, bytes], shown: dict[str, Shown]) -> None:
        """Take over the pictures of what is not on disk any more."""
        for name in before.pictures:
            path = self.shelf.picture(study_uid, name)
            if name not in jpegs and path is not None:
                jpegs[name] = path.read_bytes()
                if name in before.shown:
                    shown[name] = before.shown[name]

    def _heads(self, study_uid: str, instances: Sequence[StoredInstance]) -> dict[str, dict[str, Head]] | None:
        """What the objects say, by series; of those that are away as it was kept before. None when it is to stop."""
        found: dict[str, dict[str, Head]] = {}
        for series_uid, members in groupby(instances, key=lambda one: one.series_instance_uid):
            kept = self.shelf.heads(study_uid, series_uid)
            of: dict[str, Head] = found.setdefault(series_uid, {})
            unread: list[StoredInstance] = []
            for one in members:
                head = kept.get(one.sop_instance_uid)
                if head is not None and head.sha256 == one.sha256:
                    of[one.sop_instance_uid] = head
                elif one.online_state is OnlineState.ONLINE and one.file is not None:
                    unread.append(one)
            for begin in range(0, len(unread), HEADS_AT_A_TIME):
                if self._closing.is_set():
                    return None
                of |= self._read_heads(unread[begin : begin + HEADS_AT_A_TIME])
        return found

    def _read_heads(self, instances: Sequence[StoredInstance]) -> dict[str, Head]:
        """What some objects say; nothing of one that cannot be read, so that it is not asked again and again."""
        found: dict[str, Head] = {one.sop_instance_uid: Head(one.sha256, b"") for one in instances}
        with ExitStack() as stack:
            wanted = []
            for one in instances:
                assert one.file is not None  # chosen for that
                stream = stack.enter_context(self._pool.open(one.file))
                wanted.append({"name": one.sop_instance_uid, "fd": stream.fileno()})
            for answer in self._run((), wanted):
                if isinstance(answer.get("head"), str) and "\n" not in answer["head"]:
                    uid = str(answer["name"])
                    found[uid] = Head(found[uid].sha256, answer["head"].encode())
        return found

    def _render(self, chosen: Sequence[_Chosen]) -> Iterator[dict[str, Any]]:
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
            for answer in self._run(pictures, ()):
                told.add(str(answer["name"]))
                yield answer
        for shown in chosen:
            if shown.instance.series_instance_uid not in told:
                yield {"name": shown.instance.series_instance_uid, "why": "could not be decoded within its limits"}

    def _run(self, pictures: Sequence[dict[str, Any]], heads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        settings = self._settings
        order = {
            "memory_bytes": settings.memory_bytes,
            "cpu_s": max(1, round(settings.time_limit_s)),
            "pictures": list(pictures),
            "heads": list(heads),
        }
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "hsm.rendering.previews"],
                input=json.dumps(order).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[int(one["fd"]) for one in (*pictures, *heads)],
                env=environment,
                timeout=settings.time_limit_s,
                check=False,
            )
            output = done.stdout
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
        return _answers(output, {str(one["name"]) for one in (*pictures, *heads)})


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


def _chosen(instances: Sequence[StoredInstance]) -> list[_Chosen]:
    """The middle instance of each series that is on disk; the largest series first: they may give the key image."""
    here = [one for one in instances if one.online_state is OnlineState.ONLINE and one.file is not None]
    series = [list(members) for _, members in groupby(here, key=lambda one: one.series_instance_uid)]
    series.sort(key=lambda members: -len(members))
    return [_Chosen(members[len(members) // 2], n < KEY_CANDIDATES) for n, members in enumerate(series[:MOST_SERIES])]
