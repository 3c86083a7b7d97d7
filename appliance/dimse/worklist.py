"""C-FIND of the modality worklist.

Source: PS3.4 annex K.
"""

import structlog

from appliance.dimse.channel import Channel
from appliance.dimse.commands import RESPONSE, Code, Command, Field
from appliance.dimse.identifiers import decode_identifier, encode_identifier
from appliance.dimse.negotiation import Context
from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status, comment
from hsm.archive import Archive
from hsm.catalog.errors import CatalogUnavailable
from hsm.orders.worklist import WorklistQuery, answers, parse
from hsm.query.encode import encoded
from hsm.query.model import QueryInvalid

_log = structlog.get_logger()


def serve_worklist(
    channel: Channel, context: Context, command: Command, archive: Archive, settings: DimseSettings, calling_aet: str
) -> None:
    """Read the identifier, send every entry that matches, and the final response. Raises: what the channel raises."""
    data = channel.read_identifier(context.id, command)
    fields: dict[Field, int | str] = {
        Field.AFFECTED_SOP_CLASS: context.sop_class_uid,
        Field.COMMAND: Code.C_FIND | RESPONSE,
        Field.RESPONDED_ID: command.number(Field.MESSAGE_ID),
    }
    final = dict(fields)
    try:
        query = parse(decode_identifier(data, context.transfer_syntax_uid))
        status, text = _send(channel, context, command, archive, settings, fields, query)
    except QueryInvalid as error:
        if error.tag is not None:
            final[Field.OFFENDING_ELEMENT] = error.tag
        status, text = Status(error.status), str(error)
    except CatalogUnavailable as error:
        status, text = Status.OUT_OF_RESOURCES, str(error)
    except ValueError:
        _log.exception("worklist_failed", calling_aet=calling_aet)
        status, text = Status.INTERNAL_ERROR, "an answer cannot be written; the archive's log has more"
    final[Field.STATUS] = status
    if text:
        _log.info("worklist_refused", calling_aet=calling_aet, status=f"{status:04X}", why=text)
        final[Field.ERROR_COMMENT] = comment(text)
    channel.send(context.id, final)


def _send(
    channel: Channel,
    context: Context,
    command: Command,
    archive: Archive,
    settings: DimseSettings,
    fields: dict[Field, int | str],
    query: WorklistQuery,
) -> tuple[Status, str]:
    message_id = command.number(Field.MESSAGE_ID)
    found = 0
    for values in answers(archive.catalog.orders, query, settings.zone):
        if channel.cancelled(message_id):
            return Status.CANCELLED, ""
        if found == settings.find_limit:
            return Status.OUT_OF_RESOURCES, f"more than {settings.find_limit} entries; ask for less"
        found += 1
        identifier = encode_identifier(encoded(values, query.character_set), context.transfer_syntax_uid)
        channel.send(context.id, {**fields, Field.STATUS: Status.PENDING}, identifier)
    _log.info("worklist_answered", entries=found)
    return Status.SUCCESS, ""
