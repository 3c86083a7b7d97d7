"""C-MOVE and C-GET: what is wanted is brought back from wherever it is, and sent as it was received.

Before the first sub-operation everything that is not on disk is recalled; meanwhile Pending responses keep the peer
waiting, as long as its patience allows. What only a person can bring fails at once, and says which volume to bring.
What a C-MOVE did not get that way is pushed to its destination when it is back.
Source: PS3.4 C.4.2 and C.4.3.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from pydicom.dataset import Dataset

from appliance.dimse.bring import Bringer, Obstacle
from appliance.dimse.channel import Channel, PeerAborted
from appliance.dimse.commands import RESPONSE, Code, Command, Field
from appliance.dimse.identifiers import decode_identifier, encode_identifier
from appliance.dimse.negotiation import Agreement, Context
from appliance.dimse.outgoing import DestinationRefused, Outgoing, Proposal, batches
from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status, comment
from appliance.dimse.suboperations import Destination, NotSent, Originator, PeerAsDestination, send_instance
from appliance.dimse.wire import AbortReason, ProtocolError, WireClosed
from appliance.dimse.witness import Witness
from hsm.archive import Archive, NotOnline
from hsm.catalog.deliveries import MoveOrigin
from hsm.catalog.errors import CatalogUnavailable, NotCatalogued, NotRecallable
from hsm.facts import StoredInstance
from hsm.incoming import PoolError
from hsm.peers.model import PeerRight
from hsm.query.model import Model, QueryInvalid
from hsm.query.parse import parse_retrieval
from hsm.query.retrieve import wanted_instances

_log = structlog.get_logger()
_PENDING_EVERY_S = 0.25
_MOST = 0xFFFF  # a counter is a US


class Cancelled(Exception):
    """The peer wants no more."""


@dataclass
class Tally:
    """How the sub-operations went."""

    total: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)  # SOP Instance UIDs
    why: str = ""  # the first failure in words
    status: Status = Status.NOTHING_SENT  # when nothing could be sent

    @property
    def remaining(self) -> int:
        """Those not tried yet."""
        return self.total - self.completed - self.warning - len(self.failed)

    def fail(self, instance: StoredInstance, why: str) -> None:
        """One did not arrive."""
        self.failed.append(instance.sop_instance_uid)
        self.why = self.why or why

    def counters(self, with_remaining: bool) -> dict[Field, int | str]:
        """The four counters of a response; `remaining` is absent from final ones unless they are cancellations."""
        counters: dict[Field, int | str] = {
            Field.COMPLETED: min(self.completed, _MOST),
            Field.FAILED: min(len(self.failed), _MOST),
            Field.WARNING: min(self.warning, _MOST),
        }
        if with_remaining:
            counters[Field.REMAINING] = min(self.remaining, _MOST)
        return counters

    def outcome(self) -> Status:
        """The final status when nobody cancelled."""
        if not self.failed and not self.warning:
            return Status.SUCCESS
        return Status.SOME_FAILED if self.completed or self.warning else self.status


class RetrieveService:
    """Serves one C-MOVE or C-GET."""

    def __init__(
        self,
        channel: Channel,
        agreement: Agreement,
        settings: DimseSettings,
        archive: Archive,
        context: Context,
        command: Command,
        witness: Witness,
    ) -> None:
        self._channel = channel
        self._witness = witness
        self._agreement = agreement
        self._settings = settings
        self._archive = archive
        self._context = context
        self._command = command
        self._message_id = command.number(Field.MESSAGE_ID)
        self._tally = Tally(0)
        self._store_message_id = 0
        self._stop_wished = False
        self._said_at = 0.0

    def serve(self) -> None:
        """Do all of it, final response included. Raises: what the channel raises."""
        data = self._channel.read_identifier(self._context.id, self._command)
        text, offending = "", None
        try:
            status, text = self._retrieve(data)
        except QueryInvalid as error:
            status, text, offending = Status(error.status), str(error), error.tag
        except CatalogUnavailable as error:
            status, text = Status.NOTHING_SENT, str(error)
        except Cancelled:
            status = Status.CANCELLED
        self._finish(status, text, offending)

    # -- steps --

    def _retrieve(self, data: bytes) -> tuple[Status, str]:
        is_move = self._command.code == Code.C_MOVE
        destination = self._command.text(Field.MOVE_DESTINATION)
        if is_move and destination not in self._settings.peers:
            return Status.DESTINATION_UNKNOWN, f"move destination {destination} is not configured"
        if is_move and not self._settings.allows(destination, PeerRight.RECEIVE):
            return Status.DESTINATION_UNKNOWN, f"{destination} has no right to receive"
        retrieval = parse_retrieval(
            decode_identifier(data, self._context.transfer_syntax_uid),
            self._context.served.model or Model.STUDY_ROOT,
            relational=self._context.sop_class_uid in self._agreement.relational,
        )
        instances = wanted_instances(self._archive.catalog, retrieval)
        self._tally = Tally(len(instances))
        instances = self._brought_back(instances, destination if is_move else None)
        goal = destination if is_move else self._agreement.calling_aet
        self._witness.sending((one.study_instance_uid for one in instances), goal)
        if is_move:
            self._send_to(destination, instances)
        else:
            self._send_here(instances)
        self._touch(instances)
        self._witness.sent(instances, self._tally.failed, goal)
        return self._tally.outcome(), self._tally.why

    def _brought_back(self, instances: Sequence[StoredInstance], destination: str | None) -> list[StoredInstance]:
        """Those that are on disk, after waiting for the others; what does not come in time is counted as failed.

        It goes to `destination` by itself when it is back, also when the association ends meanwhile: PS3.4 C.4.2.2.1
        leaves open what becomes of a C-MOVE whose association is lost.
        """
        bringer = Bringer(self._archive, self._settings, self._agreement.calling_aet)
        try:
            ready, obstacles = bringer.bring(instances, self._keep_waiting)
        except (PeerAborted, WireClosed):
            if destination is not None:
                self._push_later(destination, bringer.unfinished(instances))
            raise
        pushed = {} if destination is None else self._push_later(destination, obstacles)
        self._count_obstacles((one, pushed.get(one.study_instance_uid, obstacle)) for one, obstacle in obstacles)
        return ready

    def _push_later(self, destination: str, stuck: Iterable[tuple[StoredInstance, Obstacle]]) -> dict[str, Obstacle]:
        """Have what is on its way back sent when it is there; by study, what the peer is told of that."""
        by_study: dict[str, tuple[Obstacle, list[str]]] = {}
        for instance, obstacle in stuck:
            if obstacle.recall is not None:
                by_study.setdefault(instance.study_instance_uid, (obstacle, []))[1].append(instance.sop_instance_uid)
        told = {}
        for study_uid, (obstacle, uids) in by_study.items():
            try:
                number = self._archive.deliver(
                    study_uid,
                    destination,
                    (),
                    uids,
                    requested_by=self._agreement.calling_aet,
                    request_id=obstacle.recall,
                    origin=MoveOrigin(self._agreement.calling_aet, self._message_id),
                )
            except (NotCatalogued, NotRecallable, CatalogUnavailable) as error:
                _log.warning("push_refused", study=study_uid, destination=destination, error=type(error).__name__)
                continue
            _log.info("push_promised", study=study_uid, destination=destination, delivery=number)
            told[study_uid] = Obstacle(obstacle.status, f"{obstacle.text}, will be pushed", obstacle.recall)
        return told

    def _count_obstacles(self, obstacles: Iterable[tuple[StoredInstance, Obstacle]]) -> None:
        for instance, obstacle in obstacles:
            if not self._tally.why:
                self._tally.status = obstacle.status
            self._tally.fail(instance, obstacle.text)

    def _send_to(self, aet: str, instances: Sequence[StoredInstance]) -> None:
        originator = Originator(self._agreement.calling_aet, self._message_id)
        numbered = [((one.sop_class_uid, one.transfer_syntax_uid), n) for n, one in enumerate(instances)]
        for proposed, numbers in batches(numbered):
            self._send_batch(aet, proposed, [instances[n] for n in numbers], originator)

    def _send_batch(
        self, aet: str, proposed: Sequence[Proposal], batch: Sequence[StoredInstance], originator: Originator
    ) -> None:
        left = list(batch)
        try:
            with Outgoing(self._settings, aet, self._settings.peers[aet], proposed) as outgoing:
                while left and outgoing.usable:
                    self._between()
                    self._send_one(left.pop(0), outgoing, originator)
        except DestinationRefused as error:
            self._tally.why = self._tally.why or str(error)
        for instance in left:
            self._tally.fail(instance, "the destination ended the association")

    def _send_here(self, instances: Sequence[StoredInstance]) -> None:
        contexts: dict[str, dict[str, int]] = {}
        for context in self._agreement.contexts.values():
            if context.peer_stores:
                contexts.setdefault(context.sop_class_uid, {}).setdefault(context.transfer_syntax_uid, context.id)
        destination = PeerAsDestination(self._channel, contexts, self)
        for instance in instances:
            self._between()
            self._send_one(instance, destination, None)
        if self._stop_wished:
            raise Cancelled

    def _send_one(self, instance: StoredInstance, destination: Destination, originator: Originator | None) -> None:
        try:
            status = send_instance(self._archive, instance, destination, originator)
        except (NotSent, NotOnline, PoolError) as error:
            self._tally.fail(instance, str(error))
            return
        except (WireClosed, ProtocolError, OSError, EOFError) as error:
            if originator is None:
                raise  # it is the asker's own association
            self._tally.fail(instance, str(error))
            return
        if status == Status.SUCCESS:
            self._tally.completed += 1
        elif status & 0xF000 == 0xB000 or status in (0x0001, 0x0107, 0x0116):
            self._tally.warning += 1
        else:
            self._tally.fail(instance, f"the receiver answers status {status:04X}")

    # -- what happens meanwhile --

    def _between(self) -> None:
        """Between two sub-operations: hear a wish to stop, say how far we are."""
        if self._stop_wished or self._channel.cancelled(self._message_id):
            raise Cancelled
        if time.monotonic() - self._said_at >= _PENDING_EVERY_S:
            self._say_pending()

    def _say_pending(self) -> None:
        self._said_at = time.monotonic()
        self._channel.send(
            self._context.id, {**self._fields(), Field.STATUS: Status.PENDING, **self._tally.counters(True)}
        )

    def _keep_waiting(self, pause_s: float) -> None:
        """Wait a little for a recall; Pending keeps the peer's timer from running out. Raises: Cancelled."""
        if self._channel.cancelled(self._message_id, pause_s):
            raise Cancelled
        if time.monotonic() - self._said_at >= self._settings.keepalive_s:
            self._say_pending()

    def next_message_id(self) -> int:
        """For a C-STORE on the asker's own association."""
        self._store_message_id = self._store_message_id % 0xFFFF + 1
        return self._store_message_id

    def wait_for(self, message_id: int) -> int:
        """The status of the asker's answer to a C-STORE; a C-CANCEL that comes first is remembered."""
        while True:
            _, command = self._channel.read_command(self._settings.answer_s)
            if command.code == Code.C_CANCEL:
                self._stop_wished = True
            elif command.code == Code.C_STORE | RESPONSE and command.number(Field.RESPONDED_ID, -1) == message_id:
                return command.number(Field.STATUS)
            else:
                raise ProtocolError(f"command {command.code:#06x} instead of an answer", AbortReason.UNEXPECTED_PDU)

    def _touch(self, instances: Sequence[StoredInstance]) -> None:
        for study in dict.fromkeys(instance.study_instance_uid for instance in instances):
            self._archive.touch(study)

    # -- answers --

    def _fields(self) -> dict[Field, int | str]:
        return {
            Field.AFFECTED_SOP_CLASS: self._context.sop_class_uid,
            Field.COMMAND: self._command.code | RESPONSE,
            Field.RESPONDED_ID: self._message_id,
        }

    def _finish(self, status: Status, text: str, offending: int | None) -> None:
        fields = {**self._fields(), Field.STATUS: status, **self._tally.counters(status is Status.CANCELLED)}
        if offending is not None:
            fields[Field.OFFENDING_ELEMENT] = offending
        if text:
            fields[Field.ERROR_COMMENT] = comment(text)
        identifier = None
        if self._tally.failed:
            said = Dataset()
            said.FailedSOPInstanceUIDList = self._tally.failed
            identifier = encode_identifier(said, self._context.transfer_syntax_uid)
        _log.info(
            "retrieve_ended",
            calling_aet=self._agreement.calling_aet,
            destination=self._command.text(Field.MOVE_DESTINATION) or None,
            status=f"{status:04X}",
            instances=self._tally.total,
            completed=self._tally.completed,
            failed=len(self._tally.failed),
            why=text or None,
        )
        self._channel.send(self._context.id, fields, identifier)
