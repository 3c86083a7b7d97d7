"""Sends what is to be delivered: claims one after the other from the catalog, and says there how it went.

Threads of an acceptor. What is sent where is durable in the catalog: a restart, or another acceptor, goes on with it.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from appliance.dimse.outgoing import DestinationRefused, Outgoing, batches
from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status
from appliance.dimse.suboperations import NotSent, Originator, send_instance
from appliance.dimse.wire import ProtocolError, WireClosed
from appliance.dimse.witness import Witness
from hsm.access.actor import Actor, Via, acting
from hsm.archive import Archive, NotOnline
from hsm.catalog.deliveries import DeliveryRecord
from hsm.catalog.errors import CatalogError, NotRecallable
from hsm.facts import StoredInstance
from hsm.incoming import PoolError
from hsm.mover.outcome import RetrySettings, backoff_s
from hsm.states import OnlineState

LEASE_S = 120.0  # a sender that says nothing for so long is taken for dead
TELL_EVERY_S = 2.0
WARNINGS = frozenset({0x0001, 0x0107, 0x0116})

_log = structlog.get_logger()


class _Stopped(Exception):
    """This process ends, or the delivery was taken back: nothing more is sent."""


@dataclass
class _Round:
    """How one try goes."""

    total: int
    arrived: set[str]  # SOP Instance UIDs, those of earlier tries included
    refused: list[str] = field(default_factory=list)  # the receiver never takes them, and why
    trouble: str = ""  # what another try may mend
    told_at: float = 0.0

    def message(self) -> str:
        """What went wrong, in a sentence."""
        if self.trouble:
            return self.trouble
        return f"{len(self.refused)} of {self.total} objects were not taken: {self.refused[0]}" if self.refused else ""


class Deliverer:
    """Threads that send. `start` and `stop` once each."""

    def __init__(
        self, archive: Archive, settings: DimseSettings, retry: RetrySettings, workers: int, poll_s: float = 1.0
    ) -> None:
        self._archive = archive
        self._settings = settings
        self._retry = retry
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._name = f"{socket.gethostname()}:{os.getpid()}:{id(self)}"
        self._threads = [
            threading.Thread(target=self._run, args=(f"{self._name}:{number}",), name=f"deliver-{number}")
            for number in range(workers)
        ]

    def start(self) -> None:
        """Begin. Returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the object that is being sent; what is left is sent by whoever runs next."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, holder: str) -> None:
        while not self._stopping.is_set():
            try:
                if self.deliver_one(holder):
                    continue
            except CatalogError as error:
                _log.warning("deliveries_wait_for_catalog", reason=str(error))
            self._stopping.wait(self._poll_s)

    def deliver_one(self, holder: str) -> bool:
        """Send what has been due longest; False when nothing is due. Raises: CatalogError."""
        deliveries, now = self._archive.catalog.deliveries, self._archive.clock.now()
        deliveries.expire(now)
        delivery = deliveries.claim(holder, now, LEASE_S)
        if delivery is None:
            return False
        with acting(Actor(delivery.requested_by, Via.DICOM if delivery.origin else Via.ENGINE)):
            self._deliver(delivery, holder)
        return True

    # -- one delivery ------------------------------------------------------------------------------------------------

    def _deliver(self, delivery: DeliveryRecord, holder: str) -> None:
        catalog = self._archive.catalog
        instances = catalog.studies.instances(delivery.study_instance_uid, delivery.series_uids, delivery.sop_uids)
        if any(instance.online_state is not OnlineState.ONLINE for instance in instances):
            self._recall_first(delivery, holder)
            return
        result = _Round(len(instances), set(delivery.sent_uids) & {one.sop_instance_uid for one in instances})
        left = [one for one in instances if one.sop_instance_uid not in result.arrived]
        witness = Witness(self._archive, self._settings.audit_use)
        witness.sending([delivery.study_instance_uid], delivery.destination)
        try:
            if not instances:
                result.refused.append("there is nothing to send any more")
            self._send(delivery, left, result, self._teller(delivery, holder, result))
        except _Stopped:
            if self._stopping.is_set():
                again = self._archive.clock.now()
                uids = result.arrived
                catalog.deliveries.failed(delivery.id, holder, uids, result.total, "interrupted", again, again)
            return
        missed = [one.sop_instance_uid for one in left if one.sop_instance_uid not in result.arrived]
        witness.sent(left, missed, delivery.destination)
        self._judge(delivery, holder, result)

    def _recall_first(self, delivery: DeliveryRecord, holder: str) -> None:
        now = self._archive.clock.now()
        try:
            self._archive.catalog.deliveries.recall_first(delivery.id, holder, now)
        except NotRecallable as error:
            self._archive.catalog.deliveries.failed(
                delivery.id, holder, delivery.sent_uids, delivery.total, str(error), now, self._retry_at(delivery, now)
            )

    def _judge(self, delivery: DeliveryRecord, holder: str, result: _Round) -> None:
        deliveries, now = self._archive.catalog.deliveries, self._archive.clock.now()
        study = delivery.study_instance_uid
        if not result.trouble and not result.refused:
            deliveries.done(delivery.id, holder, result.total, now)
            self._archive.touch(study)
            _log.info("study_delivered", study=study, destination=delivery.destination, instances=result.total)
            return
        retry_at = self._retry_at(delivery, now) if result.trouble else None
        deliveries.failed(delivery.id, holder, result.arrived, result.total, result.message(), now, retry_at)
        _log.warning(
            "study_not_delivered",
            study=study,
            destination=delivery.destination,
            arrived=len(result.arrived),
            instances=result.total,
            retry_at=retry_at.isoformat() if retry_at else None,
            reason=result.message(),
        )

    def _retry_at(self, delivery: DeliveryRecord, now: datetime) -> datetime:
        return now + timedelta(seconds=backoff_s(delivery.tries, self._retry))

    def _teller(self, delivery: DeliveryRecord, holder: str, result: _Round) -> Callable[[], None]:
        def tell() -> None:
            if self._stopping.is_set():
                raise _Stopped
            if time.monotonic() - result.told_at < TELL_EVERY_S and result.told_at:
                return
            result.told_at = time.monotonic()
            deliveries, now = self._archive.catalog.deliveries, self._archive.clock.now()
            if not deliveries.progress(delivery.id, holder, result.total, len(result.arrived), now, LEASE_S):
                raise _Stopped

        return tell

    def _send(
        self, delivery: DeliveryRecord, left: Sequence[StoredInstance], result: _Round, tell: Callable[[], None]
    ) -> None:
        aet = delivery.destination
        peer = self._settings.peers.get(aet)
        if peer is None:
            result.trouble = f"{aet} is no peer of the configuration (any more)"
            return
        origin = Originator(delivery.origin.aet, delivery.origin.message_id) if delivery.origin else None
        numbered = [((one.sop_class_uid, one.transfer_syntax_uid), n) for n, one in enumerate(left)]
        for proposed, numbers in batches(numbered):
            tell()
            try:
                with Outgoing(self._settings, aet, peer, proposed) as outgoing:
                    for number in numbers:
                        tell()
                        self._send_one(left[number], outgoing, origin, result)
                        if result.trouble:
                            break
            except DestinationRefused as error:
                result.trouble = str(error)
            if result.trouble:
                return

    def _send_one(
        self, instance: StoredInstance, outgoing: Outgoing, origin: Originator | None, result: _Round
    ) -> None:
        try:
            status = send_instance(self._archive, instance, outgoing, origin)
        except NotSent as error:
            result.refused.append(str(error))
        except (NotOnline, PoolError, WireClosed, ProtocolError, OSError, EOFError) as error:
            result.trouble = f"{type(error).__name__}: {error}"
        else:
            if status == Status.SUCCESS or status & 0xF000 == 0xB000 or status in WARNINGS:
                result.arrived.add(instance.sop_instance_uid)
            elif status & 0xFF00 == 0xA700:  # out of resources: PS3.4 table B.2-1
                result.trouble = f"the receiver has no room (status {status:04X})"
            else:
                result.refused.append(f"the receiver answers status {status:04X}")
