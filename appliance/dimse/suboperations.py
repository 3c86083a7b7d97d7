"""One C-STORE of ours: a stored object goes out as its bytes lie in the pool.

Only where the receiver does not take it so is an object written anew, uncompressed; nothing is ever compressed here.
Source: PS3.4 annex B, PS3.7 9.1.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from appliance.dimse.channel import Channel
from appliance.dimse.commands import Code, Field
from hsm.archive import Archive
from hsm.facts import StoredInstance
from hsm.transcoding import NotTranscodable, alternatives


class NotSent(Exception):
    """An instance was not sent; the message says why, in words for an Error Comment."""


@dataclass(frozen=True)
class Originator:
    """Who asked for the C-MOVE. Source: PS3.7 table 9.1-1 (Move Originator)."""

    aet: str
    message_id: int


class Destination(Protocol):
    """An association over which objects can be stored at the peer."""

    def contexts_for(self, sop_class_uid: str) -> Mapping[str, int]:
        """The accepted contexts for a SOP class: transfer syntax -> context ID."""
        ...

    def store(self, context_id: int, fields: Mapping[Field, int | str], stream: BinaryIO, size_bytes: int) -> int:
        """Send one object and wait for the answer; its status. Raises: WireClosed, ProtocolError, OSError."""
        ...


def send_instance(
    archive: Archive, instance: StoredInstance, destination: Destination, originator: Originator | None = None
) -> int:
    """Send one instance; the status the receiver answered.

    Raises: NotSent when no context fits; NotOnline, PoolError; and what the association raises.
    """
    contexts = destination.contexts_for(instance.sop_class_uid)
    target = pick_syntax(instance.transfer_syntax_uid, contexts)
    fields: dict[Field, int | str] = {
        Field.AFFECTED_SOP_CLASS: instance.sop_class_uid,
        Field.COMMAND: Code.C_STORE,
        Field.PRIORITY: 0,
        Field.AFFECTED_SOP_INSTANCE: instance.sop_instance_uid,
    }
    if originator is not None:
        fields[Field.ORIGINATOR_AET] = originator.aet[:16]
        fields[Field.ORIGINATOR_ID] = originator.message_id
    if target == instance.transfer_syntax_uid:
        with archive.open(instance) as stream:
            stream.seek(instance.dataset_offset)
            size_bytes = instance.size_bytes - instance.dataset_offset
            return destination.store(contexts[target], fields, stream, size_bytes)
    try:
        made = archive.transcoded(instance, target)
    except NotTranscodable as error:
        raise NotSent(str(error)) from error
    with made:
        made.file.seek(made.dataset_offset)
        return destination.store(contexts[target], fields, made.file, made.size_bytes - made.dataset_offset)


def pick_syntax(stored: str, accepted: Mapping[str, int]) -> str:
    """The transfer syntax to send in: as stored, or else uncompressed where we can write it so.

    Raises: NotSent.
    """
    if stored in accepted:
        return stored
    if not accepted:
        raise NotSent("receiver does not take this SOP class")
    for target in alternatives(stored):
        if target in accepted:
            return target
    raise NotSent(f"receiver does not take transfer syntax {stored}")


class PeerAsDestination:
    """The peer of an association we accepted, which takes objects on it (C-GET)."""

    def __init__(self, channel: Channel, contexts: Mapping[str, Mapping[str, int]], waiter: "Waiter") -> None:
        self._channel = channel
        self._contexts = contexts
        self._waiter = waiter

    def contexts_for(self, sop_class_uid: str) -> Mapping[str, int]:
        """Those for which the peer took the role of a receiver."""
        return self._contexts.get(sop_class_uid, {})

    def store(self, context_id: int, fields: Mapping[Field, int | str], stream: BinaryIO, size_bytes: int) -> int:
        """Send one object between the requests of the peer and wait for its answer."""
        message_id = self._waiter.next_message_id()
        self._channel.send_stream(context_id, {**fields, Field.MESSAGE_ID: message_id}, stream, size_bytes)
        return self._waiter.wait_for(message_id)


class Waiter(Protocol):
    """Waits for the answer to a C-STORE of ours while a wish to stop may come first."""

    def next_message_id(self) -> int:
        """A message ID that no open message has."""
        ...

    def wait_for(self, message_id: int) -> int:
        """The status of the answer. Raises: WireClosed, ProtocolError, PeerReleased, PeerAborted."""
        ...
