"""DIMSE messages on a wire: commands, data sets as streams of fragments, and the wish to stop.

Data sets are never collected unless they are identifiers: whoever reads one hands over where its fragments go.
Source: PS3.7 sections 6.3 and 9, PS3.8 annex E.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from appliance.dimse.commands import (
    MAX_COMMAND_BYTES,
    NO_DATASET,
    Code,
    Command,
    CommandInvalid,
    Field,
    decode_command,
    encode_command,
)
from appliance.dimse.settings import DimseSettings
from appliance.dimse.wire import AbortReason, PduType, ProtocolError, Wire, data_pdu, pdvs

MAX_IDENTIFIER_BYTES = 8 << 20
OUR_MAX_PDU_BYTES = 128 * 1024  # of what we send, if the peer allows
_COMMAND, _LAST = 1, 2  # bits of the message control header
_SMALLEST_PDU_BYTES = 1024  # a peer that announces less is not taken at its word


class PeerReleased(Exception):
    """The peer asks to end the association in good order."""


class PeerAborted(Exception):
    """The peer ended the association at once."""


class Channel:
    """One association's messages, for one thread."""

    def __init__(self, wire: Wire, settings: DimseSettings, peer_max_pdu_bytes: int) -> None:
        self.wire = wire
        self._settings = settings
        longest = min(peer_max_pdu_bytes or OUR_MAX_PDU_BYTES, OUR_MAX_PDU_BYTES)
        self._fragment_bytes = (max(longest, _SMALLEST_PDU_BYTES) - 6) & ~1  # even, as PS3.8 annex E.2 wants it
        self._pending: Iterator[tuple[int, int, memoryview]] = iter(())

    # -- receiving --

    def read_command(self, wait_s: float) -> tuple[int, Command]:
        """The next command and its presentation context; its data set must be read next, if it has one.

        Raises: PeerReleased, PeerAborted, WireClosed, ProtocolError.
        """
        collected = bytearray()
        first_id = None
        while True:
            context_id, control, fragment = self._pdv(wait_s)
            wait_s = self._settings.network_s
            if not control & _COMMAND:
                raise ProtocolError("a data set where a command was due", AbortReason.UNEXPECTED_PARAMETER)
            if first_id is None:
                first_id = context_id
            if context_id != first_id or len(collected) + len(fragment) > MAX_COMMAND_BYTES:
                raise ProtocolError("a command that is too long or changes its context")
            collected += fragment
            if control & _LAST:
                try:
                    return context_id, decode_command(bytes(collected))
                except CommandInvalid as error:
                    raise ProtocolError(str(error)) from None

    def read_dataset(self, context_id: int, sink: Callable[[memoryview], None]) -> None:
        """Hand every fragment of the data set to `sink`, which must not keep it.

        Raises: PeerReleased, PeerAborted, WireClosed, ProtocolError; what `sink` raises goes through.
        """
        while True:
            found_id, control, fragment = self._pdv(self._settings.network_s)
            if control & _COMMAND or found_id != context_id:
                raise ProtocolError("something else in the middle of a data set", AbortReason.UNEXPECTED_PARAMETER)
            sink(fragment)
            if control & _LAST:
                return

    def read_identifier(self, context_id: int, command: Command) -> bytes:
        """The data set of a query, whole; empty when there is none. Raises: as read_dataset."""
        collected = bytearray()

        def keep(fragment: memoryview) -> None:
            if len(collected) + len(fragment) > MAX_IDENTIFIER_BYTES:
                raise ProtocolError(f"an identifier of more than {MAX_IDENTIFIER_BYTES} bytes")
            collected.extend(fragment)

        if command.has_dataset:
            self.read_dataset(context_id, keep)
        return bytes(collected)

    def cancelled(self, message_id: int, wait_s: float = 0.0) -> bool:
        """Whether the peer wants message `message_id` to stop, waiting for that wish at most so long.

        Raises: PeerReleased, PeerAborted, WireClosed; ProtocolError for anything but a cancel.
        """
        while self.wire.readable(wait_s):
            _, command = self.read_command(self._settings.network_s)
            if command.code != Code.C_CANCEL:
                raise ProtocolError(f"command {command.code:#06x} while another is served", AbortReason.UNEXPECTED_PDU)
            if command.number(Field.RESPONDED_ID, -1) == message_id:
                return True
            wait_s = 0.0
        return False

    def _pdv(self, wait_s: float) -> tuple[int, int, memoryview]:
        while True:
            found = next(self._pending, None)
            if found is not None:
                return found
            kind, body = self.wire.read_pdu(wait_s, self._settings.network_s)
            if kind == PduType.DATA:
                self._pending = pdvs(body)
            elif kind == PduType.RELEASE_RQ:
                raise PeerReleased
            elif kind == PduType.ABORT:
                raise PeerAborted
            else:
                raise ProtocolError(f"PDU of type {kind} on an open association", AbortReason.UNEXPECTED_PDU)

    # -- sending --

    def send(self, context_id: int, fields: Mapping[Field, int | str], dataset: bytes | None = None) -> None:
        """Send a command, and a data set if there is one. Raises: WireClosed."""
        kind = NO_DATASET if dataset is None else 0x0001
        self._send_fragments(context_id, _COMMAND, encode_command({**fields, Field.DATASET_TYPE: kind}))
        if dataset is not None:
            self._send_fragments(context_id, 0, dataset)

    def send_stream(
        self, context_id: int, fields: Mapping[Field, int | str], stream: BinaryIO, size_bytes: int
    ) -> None:
        """Send a command and exactly `size_bytes` of a stream as its data set, a fragment at a time.

        An odd number of bytes, which only a deflated data set in a file can have, gets a NUL at its end: peers break
        the association over an odd fragment. Source: PS3.5 A.5, PS3.8 annex E.2.
        Raises: WireClosed; OSError and EOFError when the stream fails or ends early: the association is then in
        the middle of a message and can only be aborted.
        """
        self._send_fragments(context_id, _COMMAND, encode_command({**fields, Field.DATASET_TYPE: 0x0001}))
        left = size_bytes
        while True:
            fragment = stream.read(min(left, self._fragment_bytes))
            left -= len(fragment)
            if left and not fragment:
                raise EOFError(f"{left} bytes are missing at the end of a stored object")
            if not left and size_bytes % 2:
                fragment += b"\0"
            self.wire.send(data_pdu(context_id, 0 if left else _LAST, fragment), self._settings.network_s)
            if not left:
                return

    def _send_fragments(self, context_id: int, bit: int, data: bytes) -> None:
        size = self._fragment_bytes
        for at in range(0, max(len(data), 1), size):
            last = _LAST if at + size >= len(data) else 0
            self.wire.send(data_pdu(context_id, bit | last, data[at : at + size]), self._settings.network_s)
