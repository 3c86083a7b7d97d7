"""Modality Performed Procedure Step: N-CREATE and N-SET.

Source: PS3.4 annex F.7, PS3.7 sections 10.1.3, 10.1.5 and 10.3.
"""

from uuid import uuid4

import structlog

from appliance.dimse.channel import Channel
from appliance.dimse.commands import RESPONSE, Code, Command, Field
from appliance.dimse.identifiers import decode_identifier
from appliance.dimse.negotiation import Context
from appliance.dimse.services import PERFORMED_STEP
from appliance.dimse.statuses import Status, comment
from hsm.archive import Archive
from hsm.catalog.errors import CatalogUnavailable
from hsm.format.text import is_uid
from hsm.orders.performed import StepRefused
from hsm.query.model import QueryInvalid

_log = structlog.get_logger()


def serve_performed(channel: Channel, context: Context, command: Command, archive: Archive, calling_aet: str) -> None:
    """Serve one N-CREATE or N-SET; Success only after the catalog's commit. Raises: what the channel raises."""
    data = channel.read_identifier(context.id, command)
    creates = command.code == Code.N_CREATE
    uid = command.text(Field.AFFECTED_SOP_INSTANCE if creates else Field.REQUESTED_SOP_INSTANCE)
    if creates and not uid:
        uid = f"2.25.{uuid4().int}"  # the provider names what the user did not: PS3.7 10.1.5.1.4
    fields: dict[Field, int | str] = {
        Field.AFFECTED_SOP_CLASS: PERFORMED_STEP,
        Field.COMMAND: command.code | RESPONSE,
        Field.RESPONDED_ID: command.number(Field.MESSAGE_ID),
        Field.AFFECTED_SOP_INSTANCE: uid,
        Field.STATUS: Status.SUCCESS,
    }
    why = ""
    try:
        _do(archive, creates, uid, data, context.transfer_syntax_uid, calling_aet)
    except StepRefused as error:
        fields[Field.STATUS], why = Status(error.refusal), str(error)
        if error.tag is not None:
            fields[Field.OFFENDING_ELEMENT] = error.tag
        if error.error_id is not None:
            fields[Field.ERROR_ID] = error.error_id
    except (QueryInvalid, CatalogUnavailable) as error:
        fields[Field.STATUS], why = Status.PROCESSING_FAILURE, str(error)
    if why:
        _log.warning("performed_step_refused", calling_aet=calling_aet, step=uid, why=why)
        fields[Field.ERROR_COMMENT] = comment(why)
    channel.send(context.id, fields)


def _do(archive: Archive, creates: bool, uid: str, data: bytes, syntax: str, calling_aet: str) -> None:
    if not is_uid(uid):
        raise QueryInvalid("the SOP Instance UID is no UID")
    try:
        said = decode_identifier(data, syntax).to_json_dict(bulk_data_threshold=1 << 30, suppress_invalid_tags=True)
    except QueryInvalid:
        raise
    except Exception as error:
        raise QueryInvalid(f"the data set cannot be read: {type(error).__name__}") from error
    steps, now = archive.catalog.performed, archive.clock.now()
    if creates:
        steps.begin(uid, said, calling_aet, now)
        _log.info("performed_step_began", calling_aet=calling_aet, step=uid)
    else:
        state = steps.change(uid, said, calling_aet, now)
        _log.info("performed_step_changed", calling_aet=calling_aet, step=uid, state=state.value)
