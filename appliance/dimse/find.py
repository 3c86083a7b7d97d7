"""C-FIND.

Source: PS3.4 C.4.1.
"""

import structlog

from appliance.dimse.channel import Channel
from appliance.dimse.commands import RESPONSE, Code, Command, Field
from appliance.dimse.identifiers import decode_identifier, encode_identifier
from appliance.dimse.negotiation import Agreement, Context
from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status, comment
from appliance.dimse.witness import Witness
from hsm.archive import Archive
from hsm.catalog.errors import CatalogUnavailable
from hsm.query.answers import answers
from hsm.query.encode import to_dataset
from hsm.query.keys import supported_at
from hsm.query.model import Model, Query, QueryInvalid
from hsm.query.parse import parse_query

_log = structlog.get_logger()


class FindService:
    """Answers one C-FIND."""

    def __init__(
        self,
        channel: Channel,
        agreement: Agreement,
        settings: DimseSettings,
        archive: Archive,
        witness: Witness,
    ) -> None:
        self._channel = channel
        self._agreement = agreement
        self._settings = settings
        self._archive = archive
        self._witness = witness

    def serve(self, context: Context, command: Command) -> None:
        """Read the identifier, send every match, and the final response. Raises: what the channel raises."""
        data = self._channel.read_identifier(context.id, command)
        fields = _fields(context, command)
        try:
            query = self._query(context, data)
            status, text = self._matches(context, command, query)
        except QueryInvalid as error:
            if error.tag is not None:
                fields[Field.OFFENDING_ELEMENT] = error.tag
            status, text = Status(error.status), str(error)
        except CatalogUnavailable as error:
            status, text = Status.OUT_OF_RESOURCES, str(error)
        except ValueError:
            _log.exception("find_failed", calling_aet=self._agreement.calling_aet)
            status, text = Status.INTERNAL_ERROR, "an answer cannot be written; the archive's log has more"
        fields[Field.STATUS] = status
        if text:
            _log.info("find_refused", calling_aet=self._agreement.calling_aet, status=f"{status:04X}", why=text)
            fields[Field.ERROR_COMMENT] = comment(text)
        self._channel.send(context.id, fields)

    def _query(self, context: Context, data: bytes) -> Query:
        model = context.served.model or Model.STUDY_ROOT
        identifier = decode_identifier(data, context.transfer_syntax_uid)
        self._witness.asked(context.sop_class_uid, context.transfer_syntax_uid, identifier)
        return parse_query(
            identifier,
            model,
            relational=context.sop_class_uid in self._agreement.relational,
            combined=context.sop_class_uid in self._agreement.combined_moments,
        )

    def _matches(self, context: Context, command: Command, query: Query) -> tuple[Status, str]:
        limit = self._settings.find_limit
        message_id = command.number(Field.MESSAGE_ID)
        all_supported = all(supported_at(wanted.tag, query.level) for wanted in query.wanted)
        pending = Status.PENDING if all_supported else Status.PENDING_WITH_UNSUPPORTED_KEYS
        found = 0
        for answer in answers(self._archive.catalog.database, query, self._settings.ae_title, limit + 1):
            if self._channel.cancelled(message_id):
                return Status.CANCELLED, ""
            if found == limit:
                return Status.OUT_OF_RESOURCES, f"more than {limit} matches; ask for less"
            found += 1
            dataset = to_dataset(answer, query.level, query.character_set)
            identifier = encode_identifier(dataset, context.transfer_syntax_uid)
            self._channel.send(context.id, {**_fields(context, command), Field.STATUS: pending}, identifier)
        _log.info("find_answered", calling_aet=self._agreement.calling_aet, level=query.level.value, matches=found)
        return Status.SUCCESS, ""


def _fields(context: Context, command: Command) -> dict[Field, int | str]:
    return {
        Field.AFFECTED_SOP_CLASS: context.sop_class_uid,
        Field.COMMAND: Code.C_FIND | RESPONSE,
        Field.RESPONDED_ID: command.number(Field.MESSAGE_ID),
    }
