"""C-STORE: fragments go to the pool's file as they come; the answer is given when the object is durable.

Source: PS3.4 annex B.
"""

from collections.abc import Callable

import structlog

from appliance.dimse.channel import Channel
from appliance.dimse.commands import RESPONSE, Code, Command, Field
from appliance.dimse.negotiation import Context
from appliance.dimse.statuses import Status, comment
from appliance.dimse.witness import Witness
from hsm.archive import Archive
from hsm.catalog.errors import CatalogUnavailable
from hsm.header import HeaderInvalid
from hsm.incoming import PoolError
from hsm.receive import Arriving, Receipt, ReceiptKind

_log = structlog.get_logger()
_REFUSALS = {
    ReceiptKind.CONFLICT: Status.CONFLICT,
    ReceiptKind.MISMATCH: Status.DOES_NOT_MATCH,
    ReceiptKind.INVALID: Status.CANNOT_UNDERSTAND,
}


def serve_store(
    channel: Channel,
    context: Context,
    command: Command,
    archive: Archive,
    calling_aet: str,
    max_object_bytes: int | None = None,
    witness: Witness | None = None,
) -> None:
    """Receive one object and answer. Of what is larger than `max_object_bytes` nothing is kept.

    Raises: what the channel raises; the object is then not stored.
    """
    status, text = _receive(channel, context, command, archive, calling_aet, max_object_bytes, witness)
    fields: dict[Field, int | str] = {
        Field.AFFECTED_SOP_CLASS: command.text(Field.AFFECTED_SOP_CLASS),
        Field.COMMAND: Code.C_STORE | RESPONSE,
        Field.RESPONDED_ID: command.number(Field.MESSAGE_ID, 0),
        Field.STATUS: status,
        Field.AFFECTED_SOP_INSTANCE: command.text(Field.AFFECTED_SOP_INSTANCE),
    }
    if text:
        fields[Field.ERROR_COMMENT] = comment(text)
    channel.send(context.id, fields)


class _Dataset:
    """The data set that follows a command; read to its end whatever becomes of it."""

    def __init__(self, channel: Channel, context_id: int) -> None:
        self._channel = channel
        self._context_id = context_id
        self._read = False

    def into(self, write: Callable[[memoryview], None]) -> None:
        """Read all of it; an error of `write` is raised when the peer has sent everything."""
        failures: list[OSError | PoolError] = []

        def guarded(fragment: memoryview) -> None:
            if not failures:
                try:
                    write(fragment)
                except (OSError, PoolError) as error:
                    failures.append(error)

        self._read = True
        self._channel.read_dataset(self._context_id, guarded)
        if failures:
            raise failures[0]

    def pass_over(self) -> None:
        """Read what was not read."""
        if not self._read:
            self._read = True
            self._channel.read_dataset(self._context_id, _nowhere)


class ObjectTooLarge(PoolError):
    """An arriving object is larger than the configuration allows."""


class _Bounded:
    """Refuses what goes beyond a limit, so that no disk is filled by it."""

    def __init__(self, arriving: Arriving, most_bytes: int) -> None:
        self._arriving = arriving
        self._most_bytes = most_bytes

    def write(self, fragment: memoryview) -> None:
        """The next bytes. Raises: ObjectTooLarge."""
        if self._arriving.size_bytes + len(fragment) > self._most_bytes:
            raise ObjectTooLarge(f"larger than {self._most_bytes} bytes, which is the limit here")
        self._arriving.write(fragment)


def _nowhere(_fragment: memoryview) -> None:
    """What is refused is read and forgotten."""


def _receive(
    channel: Channel,
    context: Context,
    command: Command,
    archive: Archive,
    calling_aet: str,
    most_bytes: int | None,
    witness: Witness | None,
) -> tuple[Status, str]:
    sop_class, sop_instance = command.text(Field.AFFECTED_SOP_CLASS), command.text(Field.AFFECTED_SOP_INSTANCE)
    if not command.has_dataset:
        return Status.CANNOT_UNDERSTAND, "no data set was sent"
    dataset = _Dataset(channel, context.id)
    if sop_class != context.sop_class_uid:
        dataset.pass_over()
        return Status.DOES_NOT_MATCH, f"SOP class {sop_class} is not that of the presentation context"
    try:
        with archive.arriving(calling_aet) as arriving:
            arriving.begin(sop_class, sop_instance, context.transfer_syntax_uid)
            dataset.into(arriving.write if most_bytes is None else _Bounded(arriving, most_bytes).write)
            receipt = arriving.accept()
    except ObjectTooLarge as error:
        _log.warning("object_too_large", sop=sop_instance, source_aet=calling_aet, limit_bytes=most_bytes)
        return Status.TOO_LARGE, str(error)
    except HeaderInvalid as error:
        dataset.pass_over()
        return Status.CANNOT_UNDERSTAND, str(error)
    except (PoolError, CatalogUnavailable, OSError) as error:
        dataset.pass_over()
        _log.error("store_refused", sop=sop_instance, source_aet=calling_aet, error=str(error))
        return Status.OUT_OF_RESOURCES, str(error)
    if witness is not None:
        witness.received(receipt)
    _log_receipt(receipt, sop_instance, calling_aet, arriving.size_bytes)
    if receipt.kept:
        return Status.SUCCESS, ""
    return _REFUSALS[receipt.kind], receipt.why


def _log_receipt(receipt: Receipt, sop_instance: str, calling_aet: str, size_bytes: int) -> None:
    study = receipt.header.study_instance_uid if receipt.header else None
    write = _log.info if receipt.kept else _log.warning
    write(
        "instance_received" if receipt.kept else "instance_not_accepted",
        kind=receipt.kind.value,
        sop=sop_instance,
        study=study,
        source_aet=calling_aet,
        size_bytes=size_bytes,
        why=receipt.why or None,
    )
