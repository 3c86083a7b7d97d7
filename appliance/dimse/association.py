"""One association that a peer opened: negotiated, served command by command, ended in good order or not.

Everything happens in one thread, so nothing of it outlives the association.
Source: PS3.8 section 9.2, PS3.7 section 8.
"""

import time
from collections.abc import Callable
from functools import partial

import structlog

from appliance.dimse.channel import Channel, PeerAborted, PeerReleased
from appliance.dimse.commands import RESPONSE, Code, Command, CommandInvalid, Field
from appliance.dimse.commitment import serve_commitment
from appliance.dimse.doorkeeper import Doorkeeper
from appliance.dimse.find import FindService
from appliance.dimse.negotiation import Agreement, Context, decide
from appliance.dimse.performed import serve_performed
from appliance.dimse.retrieve import RetrieveService
from appliance.dimse.services import Service
from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status, comment
from appliance.dimse.store import serve_store
from appliance.dimse.wire import AbortReason, PduType, ProtocolError, Wire, WireClosed, abort, release_rp
from appliance.dimse.witness import Witness
from appliance.dimse.worklist import serve_worklist
from hsm.access.actor import Actor, Via, begin
from hsm.archive import Archive
from hsm.peers.model import PeerRight

_log = structlog.get_logger()
_CODES_OF = {
    Service.ECHO: (Code.C_ECHO,),
    Service.STORE: (Code.C_STORE,),
    Service.FIND: (Code.C_FIND,),
    Service.MOVE: (Code.C_MOVE,),
    Service.GET: (Code.C_GET,),
    Service.COMMIT: (Code.N_ACTION,),
    Service.WORKLIST: (Code.C_FIND,),
    Service.PERFORMED: (Code.N_CREATE, Code.N_SET),
}
_RIGHT_OF = {
    Service.STORE: PeerRight.STORE,
    Service.FIND: PeerRight.QUERY,
    Service.MOVE: PeerRight.RETRIEVE,
    Service.GET: PeerRight.RETRIEVE,
    Service.COMMIT: PeerRight.COMMIT,
    Service.WORKLIST: PeerRight.QUERY,
    Service.PERFORMED: PeerRight.STORE,
}


class Association:
    """Serves one connection to its end."""

    def __init__(
        self, wire: Wire, peer_address: str, settings: DimseSettings, archive: Archive, doorkeeper: Doorkeeper
    ) -> None:
        self._wire = wire
        self._doorkeeper = doorkeeper
        self._witness = Witness(archive, settings.audit_use)
        self._peer_address = peer_address
        self._settings = settings
        self._archive = archive
        self._calling_aet = ""

    def run(self, full: Callable[[], bool]) -> None:
        """Negotiate and serve until the peer ends it, breaks a rule, or falls silent. Raises nothing of the peer's.

        `full`: whether this connection is one too many.
        """
        started = time.monotonic()
        ended = "released"
        try:
            agreement = self._negotiate(full)
            if agreement is None:
                return
            begin(Actor(self._calling_aet, Via.DICOM, self._peer_address))
            self._serve(Channel(self._wire, self._settings, agreement.peer_max_pdu_bytes), agreement)
        except PeerReleased:
            self._say_goodbye(release_rp())
        except PeerAborted:
            ended = "aborted by the peer"
        except WireClosed as error:
            ended = str(error)
            self._say_goodbye(abort(AbortReason.NOT_SPECIFIED))
        except (ProtocolError, CommandInvalid) as error:
            ended = f"aborted: {error}"
            reason = error.reason if isinstance(error, ProtocolError) else AbortReason.INVALID_PARAMETER
            self._say_goodbye(abort(reason))
        except Exception as error:  # noqa: BLE001 - the edge of a thread: nothing may get past it unlogged
            ended = f"internal error: {type(error).__name__}"
            _log.exception("association_failed", calling_aet=self._calling_aet or None, address=self._peer_address)
            self._say_goodbye(abort(AbortReason.NOT_SPECIFIED))
        finally:
            self._wire.close()
        self._witness.ended()
        _log.info(
            "association_ended",
            calling_aet=self._calling_aet or None,
            address=self._peer_address,
            how=ended,
            duration_s=round(time.monotonic() - started, 3),
        )

    def _negotiate(self, full: Callable[[], bool]) -> Agreement | None:
        artim_s = self._settings.artim_s
        kind, body = self._wire.read_pdu(artim_s, artim_s, artim_s)  # whole: nobody holds a place byte by byte
        if kind != PduType.ASSOCIATE_RQ:
            raise ProtocolError(f"PDU of type {kind} before an association", AbortReason.UNEXPECTED_PDU)
        request = bytes((kind, 0)) + len(body).to_bytes(4, "big") + bytes(body)
        stranger = partial(self._doorkeeper.stranger, address=self._peer_address)
        decision = decide(request, self._settings, full(), stranger)
        self._wire.send(decision.answer, self._settings.network_s)
        if decision.agreement is None:
            self._doorkeeper.refused(decision.calling_aet, self._peer_address, decision.reason)
            self._wire.readable(self._settings.goodbye_s)  # let the peer close first, so that it reads why
            return None
        self._calling_aet = decision.agreement.calling_aet
        _log.info(
            "association_accepted",
            calling_aet=self._calling_aet,
            called_aet=decision.agreement.called_aet,
            address=self._peer_address,
            contexts=len(decision.agreement.contexts),
        )
        return decision.agreement

    def _serve(self, channel: Channel, agreement: Agreement) -> None:
        while True:
            context_id, command = channel.read_command(self._settings.idle_s)
            context = agreement.contexts.get(context_id)
            if context is None:
                raise ProtocolError(f"presentation context {context_id} was not accepted")
            if command.code == Code.C_CANCEL:
                continue  # what it means to stop has ended already
            if command.code & RESPONSE:
                raise ProtocolError(f"answer {command.code:#06x} to nothing", AbortReason.UNEXPECTED_PDU)
            self._guarded(channel, agreement, context, command)

    def _guarded(self, channel: Channel, agreement: Agreement, context: Context, command: Command) -> None:
        """Serve one command; an error of ours is answered where that can still be done, and never spreads."""
        try:
            self._dispatch(channel, agreement, context, command)
        except (PeerReleased, PeerAborted, WireClosed, ProtocolError, CommandInvalid):
            raise
        except Exception as error:
            _log.exception("command_failed", command=f"{command.code:04X}", calling_aet=self._calling_aet)
            # where in the exchange it happened is not known, so the association cannot go on
            raise ProtocolError(f"internal error: {type(error).__name__}", AbortReason.NOT_SPECIFIED) from error

    def _dispatch(self, channel: Channel, agreement: Agreement, context: Context, command: Command) -> None:
        service = context.served.service
        if command.code not in _CODES_OF[service]:
            why = f"command {command.code:04X} is not served in this presentation context"
            self._refuse(channel, context, command, Status.UNRECOGNISED_OPERATION, why)
        elif service in _RIGHT_OF and not self._settings.allows(self._calling_aet, _RIGHT_OF[service]):
            _log.warning("command_not_allowed", command=f"{command.code:04X}", calling_aet=self._calling_aet)
            why = f"{self._calling_aet} has no right to {_RIGHT_OF[service].value}"
            self._refuse(channel, context, command, Status.NOT_AUTHORISED, why)
        elif service is Service.ECHO:
            self._answer(channel, context, command, Status.SUCCESS)
        elif service is Service.STORE:
            most_bytes = self._settings.max_object_bytes
            serve_store(channel, context, command, self._archive, self._calling_aet, most_bytes, self._witness)
        elif service is Service.COMMIT:
            serve_commitment(channel, context, command, self._archive, self._settings, self._calling_aet)
        elif service is Service.WORKLIST:
            serve_worklist(channel, context, command, self._archive, self._settings, self._calling_aet)
        elif service is Service.PERFORMED:
            serve_performed(channel, context, command, self._archive, self._calling_aet)
        elif service is Service.FIND:
            FindService(channel, agreement, self._settings, self._archive, self._witness).serve(context, command)
        else:
            RetrieveService(channel, agreement, self._settings, self._archive, context, command, self._witness).serve()

    def _refuse(self, channel: Channel, context: Context, command: Command, status: Status, why: str) -> None:
        if command.has_dataset:
            channel.read_dataset(context.id, _nowhere)
        self._answer(channel, context, command, status, why)

    @staticmethod
    def _answer(channel: Channel, context: Context, command: Command, status: Status, text: str = "") -> None:
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: context.sop_class_uid,
            Field.COMMAND: command.code | RESPONSE,
            Field.RESPONDED_ID: command.number(Field.MESSAGE_ID),
            Field.STATUS: status,
        }
        if text:
            fields[Field.ERROR_COMMENT] = comment(text)
        channel.send(context.id, fields)

    def _say_goodbye(self, pdu: bytes) -> None:
        try:
            self._wire.send(pdu, self._settings.goodbye_s)
            self._wire.readable(self._settings.goodbye_s)  # the peer closes; what we close first it might never read
        except WireClosed:
            return


def _nowhere(_fragment: memoryview) -> None:
    """What is refused is read and forgotten."""
