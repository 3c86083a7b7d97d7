"""Storage Commitment, push model: requests are taken down here, and answered on an association of ours.

Source: PS3.4 annex J, PS3.7 section 10.
"""

import structlog
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from appliance.dimse.channel import Channel
from appliance.dimse.commands import RESPONSE, Code, Command, Field
from appliance.dimse.identifiers import decode_identifier, encode_identifier
from appliance.dimse.negotiation import Context
from appliance.dimse.outgoing import Outgoing
from appliance.dimse.services import COMMITMENT, EXPLICIT, IMPLICIT
from appliance.dimse.settings import DimseSettings, Peer
from appliance.dimse.statuses import Status, comment
from appliance.dimse.wire import ProtocolError, WireClosed
from hsm.archive import Archive
from hsm.catalog.commitments import TransactionKnown
from hsm.catalog.errors import CatalogUnavailable
from hsm.commitment.levels import FileSet, Reference, Verdict
from hsm.format.text import is_uid
from hsm.query.model import QueryInvalid

_log = structlog.get_logger()
WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
ASK_FOR_COMMITMENT = 1  # the action type
ALL_COMMITTED, SOME_REFUSED = 1, 2  # the event types
MAX_REFERENCES = 100_000


class RequestInvalid(Exception):
    """What a peer asks commitment for cannot be understood; the message says why."""


class ReportRefused(Exception):
    """A peer did not take the answer to its request for commitment."""


# -- being asked -----------------------------------------------------------------------------------------------------


def serve_commitment(
    channel: Channel, context: Context, command: Command, archive: Archive, settings: DimseSettings, calling_aet: str
) -> None:
    """Take one request down, durably, and say so; that is no promise yet. Raises: what the channel raises."""
    data = channel.read_identifier(context.id, command)
    status, text = _ask(data, context, command, archive, settings, calling_aet)
    fields: dict[Field, int | str] = {
        Field.AFFECTED_SOP_CLASS: COMMITMENT,
        Field.COMMAND: Code.N_ACTION | RESPONSE,
        Field.RESPONDED_ID: command.number(Field.MESSAGE_ID, 0),
        Field.STATUS: status,
        Field.AFFECTED_SOP_INSTANCE: WELL_KNOWN_INSTANCE,
        Field.ACTION_TYPE: command.number(Field.ACTION_TYPE, 0),
    }
    if text:
        _log.warning("commitment_refused", calling_aet=calling_aet, status=f"{status:04X}", why=text)
        fields[Field.ERROR_COMMENT] = comment(text)
    channel.send(context.id, fields)


def _ask(
    data: bytes, context: Context, command: Command, archive: Archive, settings: DimseSettings, calling_aet: str
) -> tuple[Status, str]:
    if command.text(Field.REQUESTED_SOP_INSTANCE) != WELL_KNOWN_INSTANCE:
        return Status.NO_SUCH_INSTANCE, f"the well-known instance is {WELL_KNOWN_INSTANCE}"
    if command.number(Field.ACTION_TYPE, 0) != ASK_FOR_COMMITMENT:
        return Status.NO_SUCH_ACTION, "action type 1 asks for commitment; there is no other"
    peer = settings.peers.get(calling_aet)
    if peer is None:
        return Status.PROCESSING_FAILURE, f"no address of {calling_aet} to answer to: make it a peer"
    try:
        transaction_uid, references = parse_request(decode_identifier(data, context.transfer_syntax_uid))
        archive.catalog.commitments.ask(calling_aet, transaction_uid, references, peer.commit, archive.clock.now())
    except (RequestInvalid, QueryInvalid) as error:
        return Status.INVALID_ARGUMENT, str(error)
    except TransactionKnown:
        return Status.DUPLICATE_TRANSACTION, "this Transaction UID asked about other objects before"
    except CatalogUnavailable as error:
        return Status.PROCESSING_FAILURE, str(error)
    _log.info("commitment_asked", calling_aet=calling_aet, transaction=transaction_uid, objects=len(references))
    return Status.SUCCESS, ""


def parse_request(dataset: Dataset) -> tuple[str, tuple[Reference, ...]]:
    """Transaction UID and objects of a request. Raises: RequestInvalid. Source: PS3.4 table J.3-1."""
    try:
        transaction_uid = str(dataset.get("TransactionUID") or "").strip()
        items = list(dataset.get("ReferencedSOPSequence") or ())
        references = tuple(
            Reference(str(item.ReferencedSOPClassUID).strip(), str(item.ReferencedSOPInstanceUID).strip())
            for item in items
        )
    except (AttributeError, ValueError, TypeError) as error:
        raise RequestInvalid(f"the request cannot be read: {type(error).__name__}") from error
    if not is_uid(transaction_uid):
        raise RequestInvalid("Transaction UID is missing or no UID")
    if not 1 <= len(references) <= MAX_REFERENCES:
        raise RequestInvalid(f"Referenced SOP Sequence has {len(references)} items")
    for reference in references:
        if not (is_uid(reference.sop_class_uid) and is_uid(reference.sop_instance_uid)):
            raise RequestInvalid("an item of Referenced SOP Sequence has no valid UIDs")
    return transaction_uid, references


# -- answering -------------------------------------------------------------------------------------------------------


def report_of(transaction_uid: str, verdict: Verdict, retrieve_aet: str) -> tuple[int, Dataset]:
    """The event type and the data set that tell a verdict. Source: PS3.4 table J.3-2."""
    report = Dataset()
    report.TransactionUID = transaction_uid
    report.RetrieveAETitle = retrieve_aet
    if verdict.committed:
        report.ReferencedSOPSequence = DicomSequence(
            [_item(each.reference, each.file_set) for each in verdict.committed]
        )
    if not verdict.refused:
        return ALL_COMMITTED, report
    failed = []
    for each in verdict.refused:
        item = _item(each.reference, None)
        item.FailureReason = int(each.reason)
        failed.append(item)
    report.FailedSOPSequence = DicomSequence(failed)
    return SOME_REFUSED, report


def _item(reference: Reference, file_set: FileSet | None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    if file_set is not None:
        item.StorageMediaFileSetID = file_set.file_set_id
        if file_set.file_set_uid:
            item.StorageMediaFileSetUID = file_set.file_set_uid
    return item


def send_report(settings: DimseSettings, aet: str, peer: Peer, transaction_uid: str, verdict: Verdict) -> None:
    """Tell a peer on an association of our own, and wait until it has confirmed.

    Raises: ReportRefused, DestinationRefused; whether the peer learned of it is then not known: tell it again.
    """
    event_type, report = report_of(transaction_uid, verdict, settings.ae_title)
    proposed = [(COMMITMENT, EXPLICIT), (COMMITMENT, IMPLICIT)]
    try:
        with Outgoing(settings, aet, peer, proposed, provided=(COMMITMENT,)) as association:
            contexts = association.contexts_for(COMMITMENT)
            if not contexts:
                raise ReportRefused(f"{aet} takes no reports of storage commitment")
            syntax, context_id = next(iter(contexts.items()))
            fields: dict[Field, int | str] = {
                Field.AFFECTED_SOP_CLASS: COMMITMENT,
                Field.AFFECTED_SOP_INSTANCE: WELL_KNOWN_INSTANCE,
                Field.EVENT_TYPE: event_type,
            }
            status = association.report(context_id, fields, encode_identifier(report, syntax))
    except (WireClosed, ProtocolError) as error:
        raise ReportRefused(f"{aet} did not confirm the report: {error}") from error
    if status != Status.SUCCESS:
        raise ReportRefused(f"{aet} answers the report with status {status:04X}")
