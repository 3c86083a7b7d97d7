"""The front door: what PACS, web and command line ask of the archive goes through here."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.catalog.deliveries import MoveOrigin
from hsm.catalog.errors import NotCatalogued, NotRecallable
from hsm.catalog.intake import OnConflict
from hsm.catalog.records import RecallStatus
from hsm.facts import StoredInstance
from hsm.pool import OnlinePool, PoolFileMissing
from hsm.receive import Announced, Arriving, Receipt
from hsm.states import OnlineState
from hsm.transcoding import Transcoded, Transcoder


@dataclass(frozen=True)
class Asked:
    """What became of asking for one of several studies."""

    study_instance_uid: str
    request_id: int | None  # None: refused, and `why` says why
    why: str = ""


class NotOnline(Exception):
    """The bytes of an instance are not on disk: ask for a recall first."""


@dataclass(frozen=True)
class ArchiveSettings:
    """What an installation decides about receiving."""

    on_conflict: OnConflict = "refuse"  # or "replace": the newcomer wins, the former content goes to quarantine
    deliver_within_s: float = 172800.0  # a delivery that was not done for so long is given up
    transcode_workers: int = 0  # processes that decompress for peers; 0: in the threads that ask
    recall_poll_s: float = 1.0  # how often a waiting recall is looked at


class Archive:
    """Receives, hands out and brings back instances. Safe to share between threads; every process opens its own."""

    def __init__(
        self, catalog: Catalog, pool: OnlinePool, clock: Clock, settings: ArchiveSettings | None = None
    ) -> None:
        self.catalog = catalog
        self.pool = pool
        self.clock = clock
        self.settings = settings or ArchiveSettings()
        self.transcoder = Transcoder(self.settings.transcode_workers)

    def arriving(self, source_aet: str, size_hint: int = 0) -> Arriving:
        """Begin to receive one object; see hsm/receive. `size_hint` bytes must fit above the pool's reserve.

        Raises: PoolFull, PoolMissing.
        """
        incoming = self.pool.incoming(size_hint)
        return Arriving(self.catalog, self.pool, self.clock, self.settings.on_conflict, incoming, source_aet)

    def receive_file(
        self, stream: BinaryIO, source_aet: str, announced: Announced | None = None, keep_refused: bool = False
    ) -> Receipt:
        """Receive a whole Part 10 file from a stream; its bytes are kept exactly.

        Raises: HeaderInvalid when it does not begin like a Part 10 file; PoolFull, PoolMissing, CatalogUnavailable.
        """
        with self.arriving(source_aet) as arriving:
            arriving.copy_file(stream, announced)
            return arriving.accept(keep_refused)

    def open(self, instance: StoredInstance) -> BinaryIO:
        """The stored file of an instance, file meta included; the data set begins at `instance.dataset_offset`.

        Raises: NotOnline, PoolMissing, PoolFileMissing.
        """
        if instance.online_state is OnlineState.ONLINE and instance.file is not None:
            try:
                return self.pool.open(instance.file)
            except PoolFileMissing:
                again = self.catalog.intake.find(instance.sop_instance_uid)
                if again is not None and again.online_state is OnlineState.ONLINE:
                    if again.file == instance.file:
                        raise
                    return self.open(again)  # brought back under another name since the caller looked
        raise NotOnline(f"instance {instance.sop_instance_uid} is not on disk: recall its study first")

    def transcoded(self, instance: StoredInstance, transfer_syntax_uid: str) -> Transcoded:
        """An instance written anew in another transfer syntax, one of hsm.transcoding.alternatives. To be closed.

        Raises: NotTranscodable, NotOnline, PoolMissing, PoolFileMissing.
        """
        with self.open(instance) as stream:
            return self.transcoder.transcode(instance, Path(stream.name), transfer_syntax_uid, self.pool.scratch())

    def touch(self, study_uid: str) -> None:
        """Note that somebody retrieved from a study; policies look at it."""
        self.catalog.studies.touch(study_uid, self.clock.now())

    def request_recall(
        self, study_uid: str, series_uids: Sequence[str] = (), sop_uids: Sequence[str] = (), *, requested_by: str
    ) -> int:
        """Ask for a study, some series or some instances to be brought back; equal wishes share the work.

        Returns: the number of the request.
        Raises: NotRecallable, NotCatalogued, CatalogUnavailable.
        """
        return self.catalog.recalls.request(
            study_uid, series_uids, sop_uids, requested_by=requested_by, now=self.clock.now()
        )

    def request_recalls(self, study_uids: Sequence[str], *, requested_by: str) -> list[Asked]:
        """Ask for several studies, each on its own: one that cannot come back does not stop the others.

        Raises: CatalogUnavailable; those asked for before stay asked for, and may be asked for again.
        """
        asked = []
        for uid in study_uids:
            try:
                asked.append(Asked(uid, self.request_recall(uid, requested_by=requested_by)))
            except (NotRecallable, NotCatalogued) as error:
                asked.append(Asked(uid, None, str(error)))
        return asked

    def cancel_recall(self, request_id: int, *, by: str) -> int:
        """Take one wish back; what others wait for goes on. How many jobs end with it.

        Raises: NotCatalogued; IllegalTransition when it is over already; CatalogUnavailable.
        """
        return self.catalog.requests.cancel(request_id, by, self.clock.now())

    def deliver(
        self,
        study_uid: str,
        destination: str,
        series_uids: Sequence[str] = (),
        sop_uids: Sequence[str] = (),
        *,
        requested_by: str,
        request_id: int | None = None,
        origin: MoveOrigin | None = None,
    ) -> int:
        """Ask for a study, some series or some instances to be sent to a node (AE title): at once, or after its recall.

        With `request_id` a recall that was asked for before is waited for. The same wish of the same requester that is
        not over yet is joined. Returns: the number of the delivery.
        Raises: NotRecallable, NotCatalogued, CatalogUnavailable.
        """
        now = self.clock.now()
        return self.catalog.deliveries.ask(
            study_uid,
            destination,
            series_uids,
            sop_uids,
            requested_by=requested_by,
            now=now,
            deadline=now + timedelta(seconds=self.settings.deliver_within_s),
            request_id=request_id,
            origin=origin,
        )

    def deliver_again(self, delivery_id: int) -> None:
        """Try a failed delivery again.

        Raises: NotCatalogued, IllegalTransition unless it failed, DeliveryRefused, CatalogUnavailable.
        """
        now = self.clock.now()
        deadline = now + timedelta(seconds=self.settings.deliver_within_s)
        self.catalog.deliveries.again(delivery_id, now, deadline)

    def cancel_delivery(self, delivery_id: int, *, by: str) -> None:
        """Take a delivery back. Raises: NotCatalogued, IllegalTransition when it is over, CatalogUnavailable."""
        self.catalog.deliveries.cancel(delivery_id, by, self.clock.now())

    def recall_state(self, request_id: int) -> RecallStatus:
        """How far a request is. Raises: NotCatalogued."""
        return self.catalog.recalls.state(request_id)

    def wait_recall(
        self, request_id: int, timeout_s: float, given_up: Callable[[], bool] = lambda: False
    ) -> RecallStatus:
        """Wait until a request is done, has failed, `given_up` says so, or the time has passed.

        Returns: the last state; look at `done` and `failed`.
        Raises: NotCatalogued.
        """
        wake = threading.Event()
        waited_s = 0.0
        while True:
            status = self.recall_state(request_id)
            if status.done or status.failed or waited_s >= timeout_s or given_up():
                return status
            pause_s = min(self.settings.recall_poll_s, timeout_s - waited_s)
            wake.wait(pause_s)
            waited_s += pause_s
