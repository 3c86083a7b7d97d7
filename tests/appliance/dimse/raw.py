"""A peer that sends what a test wants it to send, right or wrong."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, SOPClassExtendedNegotiation

from appliance.dimse.channel import Channel
from appliance.dimse.commands import Code, Command, Field, encode_command
from appliance.dimse.identifiers import decode_identifier, encode_identifier
from appliance.dimse.negotiation import accepted, request
from appliance.dimse.settings import DimseSettings
from appliance.dimse.wire import PduType, Wire, data_pdu, release_rq

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
VERIFICATION = "1.2.840.10008.1.1"
PATIENT_FIND, PATIENT_MOVE, PATIENT_GET = (f"1.2.840.10008.5.1.4.1.2.1.{n}" for n in (1, 2, 3))
STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
WAIT_S = 20.0


def tuned(plain: bytes, roles: Sequence[str], extended: Mapping[str, bytes]) -> bytes:
    """The association request with role selection (we are SCP of these classes too) and extended negotiation."""
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(plain)
    asked = pdu.to_primitive()
    items: list[Any] = list(asked.user_information)
    for uid in roles:
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid, role.scu_role, role.scp_role = UID(uid), True, True
        items.append(role)
    for uid, info in extended.items():
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = UID(uid), info
        items.append(item)
    asked.user_information = items
    return A_ASSOCIATE_RQ(asked).encode()


class RawPeer:
    """An association of ours to the node."""

    def __init__(
        self,
        port: int,
        proposals: Sequence[tuple[str, str]],
        calling: str = "RAW",
        called: str = "FIRN",
        roles: Sequence[str] = (),
        extended: Mapping[str, bytes] | None = None,
        max_pdu_bytes: int = 16384,
    ) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self.wire = Wire(self.sock, max_pdu_bytes)
        asked = request(calling, called, max_pdu_bytes, [(uid, [syntax]) for uid, syntax in proposals])
        self.wire.send(tuned(asked, roles, extended or {}), WAIT_S)
        self.answer_type, body = self.wire.read_pdu(WAIT_S, WAIT_S)
        self.answer = bytes((self.answer_type, 0)) + len(body).to_bytes(4, "big") + bytes(body)
        self.contexts: dict[int, str] = {}
        self.channel = Channel(self.wire, DimseSettings(network_s=WAIT_S), 0)
        if self.answer_type == PduType.ASSOCIATE_AC:
            self.contexts, theirs = accepted(self.answer)
            self.channel = Channel(self.wire, DimseSettings(network_s=WAIT_S), theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()

    def command(self, context_id: int, fields: Mapping[Field, int | str], dataset: bytes | None = None) -> None:
        """Send a message."""
        self.channel.send(context_id, fields, dataset)

    def ask(
        self, code: Code, sop_class: str, identifier: Dataset, message_id: int = 1, context_id: int = 1, **more: str
    ) -> None:
        """Send a C-FIND, C-MOVE or C-GET."""
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: sop_class,
            Field.COMMAND: code,
            Field.MESSAGE_ID: message_id,
            Field.PRIORITY: 0,
        }
        if "destination" in more:
            fields[Field.MOVE_DESTINATION] = more["destination"]
        self.command(context_id, fields, encode_identifier(identifier, self.contexts[context_id]))

    def store(self, sop_class: str, sop_instance: str, data: bytes | None, context_id: int = 1) -> tuple[int, str]:
        """Send a C-STORE; status and error comment of the answer."""
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: sop_class,
            Field.COMMAND: Code.C_STORE,
            Field.MESSAGE_ID: 7,
            Field.PRIORITY: 0,
            Field.AFFECTED_SOP_INSTANCE: sop_instance,
        }
        self.command(context_id, fields, data)
        answer, _ = self.next()
        assert answer.number(Field.RESPONDED_ID) == 7
        return answer.number(Field.STATUS), answer.text(Field.ERROR_COMMENT)

    def cancel(self, message_id: int, context_id: int = 1) -> None:
        """Wish that message to stop."""
        self.command(context_id, {Field.COMMAND: Code.C_CANCEL, Field.RESPONDED_ID: message_id})

    def next(self) -> tuple[Command, Dataset | None]:
        """The next message from the node, whole."""
        context_id, command = self.channel.read_command(WAIT_S)
        data = self.channel.read_identifier(context_id, command)
        return command, decode_identifier(data, self.contexts[context_id]) if command.has_dataset else None

    def answers(self) -> tuple[list[Dataset | None], Command, Dataset | None]:
        """Identifiers of all Pending answers, then the final answer and its identifier."""
        pending: list[Dataset | None] = []
        while True:
            command, identifier = self.next()
            if command.number(Field.STATUS) not in (0xFF00, 0xFF01):
                return pending, command, identifier
            pending.append(identifier)

    def send_raw(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        self.sock.sendall(data)

    def command_bytes(self, fields: Mapping[Field, int | str]) -> bytes:
        """A command as one P-DATA PDU of context 1, not sent."""
        return data_pdu(1, 3, encode_command(fields))

    def until_closed(self) -> bytes:
        """Everything the node still says before it closes the connection."""
        said = b""
        self.sock.settimeout(WAIT_S)
        while data := self.sock.recv(65536):
            said += data
        return said

    def release(self) -> int:
        """End in good order; the type of the node's answer."""
        self.wire.send(release_rq(), WAIT_S)
        return self.wire.read_pdu(WAIT_S, WAIT_S)[0]


def keys(level: str, **values: Any) -> Dataset:
    """An identifier."""
    made = Dataset()
    made.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made
