"""Associations that we open: to send objects to a move destination.

Source: PS3.8 sections 7.1 and 7.2, PS3.4 C.4.2.2.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import BinaryIO, Self

from appliance.dimse.channel import Channel, PeerAborted, PeerReleased
from appliance.dimse.commands import RESPONSE, Code, CommandInvalid, Field
from appliance.dimse.negotiation import MAX_CONTEXTS, accepted, rejection_text, request
from appliance.dimse.services import VERIFICATION
from appliance.dimse.settings import DimseSettings, Peer
from appliance.dimse.wire import AbortReason, PduType, ProtocolError, Wire, WireClosed, abort, release_rq
from hsm.transcoding import alternatives

Proposal = tuple[str, str]  # SOP class, transfer syntax


class DestinationRefused(Exception):
    """No association with the destination could be had."""


def proposals(combinations: Iterable[Proposal]) -> list[list[Proposal]]:
    """What to propose to receive objects of these (SOP class, transfer syntax), each list for one association.

    One context a combination, so that the receiver cannot pick another syntax than the stored one; behind them, where
    room is left, the uncompressed ones in which they can be written anew. A class stays within one association.
    """
    by_class: dict[str, list[str]] = {}
    for sop_class, syntax in combinations:
        known = by_class.setdefault(sop_class, [])
        if syntax not in known:
            known.append(syntax)
    associations: list[list[Proposal]] = [[]]
    for sop_class, syntaxes in by_class.items():
        wanted = [(sop_class, syntax) for syntax in syntaxes]
        others = dict.fromkeys(target for syntax in syntaxes for target in alternatives(syntax))
        wanted += [(sop_class, target) for target in others if target not in syntaxes]
        if len(associations[-1]) + len(wanted) > MAX_CONTEXTS:
            associations.append([])
        associations[-1].extend(wanted[:MAX_CONTEXTS])
    return associations


class Outgoing:
    """An association to a move destination; a context manager that releases it, or aborts it amid a message."""

    def __init__(
        self,
        settings: DimseSettings,
        aet: str,
        peer: Peer,
        proposed: Sequence[Proposal],
        provided: Sequence[str] = (),
    ) -> None:
        """Open it. Of the SOP classes in `provided` we are the provider. Raises: DestinationRefused."""
        self._settings = settings
        self._message_id = 0
        self._broken = False
        try:
            sock = socket.create_connection((peer.host, peer.port), timeout=settings.connect_s)
        except OSError as error:
            raise DestinationRefused(f"{aet} at {peer.host}:{peer.port} cannot be reached: {error}") from None
        if peer.tls:
            sock = _secured(sock, aet, peer, settings)
        self._wire = Wire(sock, settings.max_pdu_bytes)
        try:
            self._negotiate(aet, proposed, provided)
        except BaseException:
            self._wire.close()
            raise

    def _negotiate(self, aet: str, proposed: Sequence[Proposal], provided: Sequence[str]) -> None:
        contexts = [(uid, [syntax]) for uid, syntax in proposed]
        asked = request(self._settings.ae_title, aet, self._settings.max_pdu_bytes, contexts, provided)
        try:
            self._wire.send(asked, self._settings.network_s)
            kind, body = self._wire.read_pdu(self._settings.artim_s, self._settings.network_s)
            answer = bytes((kind, 0)) + len(body).to_bytes(4, "big") + bytes(body)
            if kind == PduType.ASSOCIATE_RJ:
                raise DestinationRefused(f"{aet} rejects us: {rejection_text(answer)}")
            if kind != PduType.ASSOCIATE_AC:
                raise DestinationRefused(f"{aet} does not answer an association request")
            syntaxes, peer_max_pdu_bytes = accepted(answer)
        except (WireClosed, ProtocolError) as error:
            raise DestinationRefused(f"{aet} does not associate: {error}") from None
        self._contexts: dict[str, dict[str, int]] = {}
        for index, (sop_class, _) in enumerate(proposed):
            if 2 * index + 1 in syntaxes:
                self._contexts.setdefault(sop_class, {})[syntaxes[2 * index + 1]] = 2 * index + 1
        self._channel = Channel(self._wire, self._settings, peer_max_pdu_bytes)

    def contexts_for(self, sop_class_uid: str) -> Mapping[str, int]:
        """Transfer syntax -> context ID."""
        return self._contexts.get(sop_class_uid, {})

    def store(self, context_id: int, fields: Mapping[Field, int | str], stream: BinaryIO, size_bytes: int) -> int:
        """Send one object and wait for the answer; its status.

        Raises: WireClosed, ProtocolError, OSError, EOFError; the association is of no use then.
        """
        self._message_id = self._message_id % 0xFFFF + 1
        self._broken = True
        self._channel.send_stream(context_id, {**fields, Field.MESSAGE_ID: self._message_id}, stream, size_bytes)
        return self._status(Code.C_STORE)

    def report(self, context_id: int, fields: Mapping[Field, int | str], dataset: bytes) -> int:
        """Send an event report and wait for the answer; its status.

        Raises: WireClosed, ProtocolError; the association is of no use then.
        Source: PS3.7 section 10.3.1.
        """
        return self._requested(Code.N_EVENT_REPORT, context_id, fields, dataset)

    def create(self, context_id: int, fields: Mapping[Field, int | str], dataset: bytes) -> int:
        """Have the peer make an instance of these attributes and wait for the answer; its status.

        Raises: WireClosed, ProtocolError; the association is of no use then.
        Source: PS3.7 section 10.3.5.
        """
        return self._requested(Code.N_CREATE, context_id, fields, dataset)

    def _requested(self, code: Code, context_id: int, fields: Mapping[Field, int | str], dataset: bytes) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        self._broken = True
        self._channel.send(context_id, {**fields, Field.COMMAND: code, Field.MESSAGE_ID: self._message_id}, dataset)
        return self._status(code)

    def echo(self, context_id: int) -> int:
        """Ask whether the peer is there; the status of its answer. Raises: WireClosed, ProtocolError."""
        self._message_id = self._message_id % 0xFFFF + 1
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: VERIFICATION,
            Field.COMMAND: Code.C_ECHO,
            Field.MESSAGE_ID: self._message_id,
        }
        self._broken = True
        self._channel.send(context_id, fields)
        return self._status(Code.C_ECHO)

    def _status(self, asked: Code) -> int:
        """The status of the answer to what was sent. Raises: WireClosed, ProtocolError."""
        try:
            context_id, answer = self._channel.read_command(self._settings.answer_s)
            if answer.code != asked | RESPONSE:
                raise ProtocolError(f"command {answer.code:#06x} instead of an answer", AbortReason.UNEXPECTED_PDU)
            if answer.has_dataset:
                self._channel.read_identifier(context_id, answer)  # an event's answer may carry one that says nothing
            status = answer.number(Field.STATUS)
        except (PeerReleased, PeerAborted):
            raise WireClosed("the destination ended the association") from None
        except CommandInvalid as error:
            raise ProtocolError(str(error)) from None
        self._broken = False
        return status

    @property
    def usable(self) -> bool:
        """Whether further objects can be sent."""
        return not self._broken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._broken:
                self._wire.send(abort(AbortReason.NOT_SPECIFIED), 1.0)
            else:
                self._wire.send(release_rq(), self._settings.network_s)
                self._wire.read_pdu(self._settings.artim_s, self._settings.network_s)
        except (WireClosed, ProtocolError):
            self._broken = True  # it ended without ceremony; everything that was answered is stored there
        finally:
            self._wire.close()


def _secured(sock: socket.socket, aet: str, peer: Peer, settings: DimseSettings) -> socket.socket:
    """The connection over TLS, both sides' certificates checked. Raises: DestinationRefused; it is closed then."""
    if settings.client_tls is None:
        sock.close()
        raise DestinationRefused(f"{aet} is to be called over TLS, but [tls] names no authorities and no certificate")
    try:
        sock.settimeout(settings.artim_s)
        return settings.client_tls.wrap_socket(sock, server_hostname=peer.host)
    except OSError as error:
        sock.close()
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
        raise DestinationRefused(f"{aet} at {peer.host}:{peer.port} is not trusted over TLS: {why}") from None


def batches(items: Sequence[tuple[Proposal, int]]) -> Iterator[tuple[list[Proposal], list[int]]]:
    """Group numbered objects by the association they can travel on: (contexts to propose, numbers in order)."""
    for proposed in proposals(combination for combination, _ in items):
        classes = {sop_class for sop_class, _ in proposed}
        numbers = [number for (sop_class, _), number in items if sop_class in classes]
        if numbers:
            yield proposed, numbers
