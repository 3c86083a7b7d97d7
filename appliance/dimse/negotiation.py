"""From an A-ASSOCIATE-RQ to the answer, and back on the calling side. No sockets here.

pynetdicom reads and writes the PDUs; what is accepted is decided here.
Source: PS3.8 sections 7.1 and 9.3.2 to 9.3.4, PS3.7 annex D.3.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

from appliance.dimse.services import IMPLICIT, Served, Service, picks, served
from appliance.dimse.settings import DimseSettings
from appliance.dimse.wire import ProtocolError
from hsm.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

APPLICATION_CONTEXT = UID("1.2.840.10008.3.1.1.1")
MAX_CONTEXTS = 128
_ACCEPTED, _NO_ABSTRACT, _NO_TRANSFER = 0, 3, 4
Rejection = tuple[int, int, int]  # result, source, diagnostic: PS3.8 table 9-21
NO_SUCH_CONTEXT_NAME: Rejection = (1, 1, 2)
CALLER_UNKNOWN: Rejection = (1, 1, 3)
CALLED_UNKNOWN: Rejection = (1, 1, 7)
TOO_MANY: Rejection = (2, 3, 2)


@dataclass(frozen=True)
class Context:
    """One accepted presentation context."""

    id: int
    sop_class_uid: str
    transfer_syntax_uid: str
    served: Served
    peer_stores: bool = False  # the peer is SCP too: a C-GET may send it objects of this class


@dataclass(frozen=True)
class Agreement:
    """What both sides agreed on."""

    calling_aet: str
    called_aet: str
    peer_max_pdu_bytes: int  # 0: as long as we like
    contexts: Mapping[int, Context] = field(default_factory=dict)
    relational: frozenset[str] = frozenset()  # SOP classes with relational queries or retrieval
    combined_moments: frozenset[str] = frozenset()  # SOP classes with combined date and time matching


@dataclass(frozen=True)
class Decision:
    """The answer to a request, ready to be sent."""

    answer: bytes
    agreement: Agreement | None  # None: rejected
    reason: str = ""
    calling_aet: str = ""


def decide(
    request: bytes, settings: DimseSettings, full: bool, stranger: Callable[[str], str] = lambda _: ""
) -> Decision:
    """Answer an A-ASSOCIATE-RQ, given whole. `full`: no further association can be had now.

    `stranger` says of a calling AE title why it may not associate, "" when it may.

    Raises: ProtocolError when it cannot be read.
    """
    try:
        return _decide(_read(A_ASSOCIATE_RQ(), request), settings, full, stranger)
    except (TypeError, ValueError, LookupError) as error:  # what was asked comes back in the answer, whatever it was
        raise ProtocolError(f"the request cannot be answered: {type(error).__name__} {error}") from error


def _decide(asked: Any, settings: DimseSettings, full: bool, stranger: Callable[[str], str]) -> Decision:
    calling, called = str(asked.calling_ae_title).strip(), str(asked.called_ae_title).strip()
    if full:
        return _rejected(calling, TOO_MANY, f"{settings.max_associations} associations are open")
    if asked.application_context_name != APPLICATION_CONTEXT:
        return _rejected(calling, NO_SUCH_CONTEXT_NAME, f"application context {asked.application_context_name}")
    if not settings.answers_to(called):
        return _rejected(calling, CALLED_UNKNOWN, f"called as {called}")
    if why := stranger(calling):
        return _rejected(calling, CALLER_UNKNOWN, why)
    roles = _roles(asked)
    results, contexts = [], {}
    for proposed in asked.presentation_context_definition_list[:MAX_CONTEXTS]:
        result, context = _context(proposed, roles, settings.unrestricted_storage)
        results.append(result)
        if context is not None:
            contexts[context.id] = context
    extended = _extended(asked)
    agreement = Agreement(
        calling_aet=calling,
        called_aet=called,
        peer_max_pdu_bytes=int(asked.maximum_length_received or 0),
        contexts=contexts,
        relational=frozenset(uid for uid, info in extended.items() if info[:1] == b"\x01"),
        combined_moments=frozenset(uid for uid, info in extended.items() if info[1:2] == b"\x01"),
    )
    answer = A_ASSOCIATE()
    answer.application_context_name = APPLICATION_CONTEXT
    answer.calling_ae_title, answer.called_ae_title = asked.calling_ae_title, asked.called_ae_title
    answer.result, answer.result_source = 0, 1
    answer.presentation_context_definition_results_list = results
    answer.user_information = [
        *_own_items(settings.max_pdu_bytes),
        *_role_items(roles, contexts.values()),
        *_extended_items(extended),
        *_window_items(asked),
    ]
    return Decision(A_ASSOCIATE_AC(answer).encode(), agreement, calling_aet=calling)


def request(
    calling_aet: str,
    called_aet: str,
    max_pdu_bytes: int,
    proposals: Sequence[tuple[str, Sequence[str]]],
    provided: Sequence[str] = (),
) -> bytes:
    """An A-ASSOCIATE-RQ that proposes (SOP class, transfer syntaxes) under the context IDs 1, 3, 5 ...

    Of the classes in `provided` we are the provider, although we ask. Source: PS3.7 annex D.3.3.4.
    """
    asked = A_ASSOCIATE()
    asked.application_context_name = APPLICATION_CONTEXT
    asked.calling_ae_title, asked.called_ae_title = calling_aet, called_aet
    contexts = []
    for index, (sop_class_uid, syntaxes) in enumerate(proposals):
        context = PresentationContext()
        context.context_id = 2 * index + 1
        context.abstract_syntax = UID(sop_class_uid)
        context.transfer_syntax = [UID(uid) for uid in syntaxes]
        contexts.append(context)
    asked.presentation_context_definition_list = contexts
    asked.user_information = [*_own_items(max_pdu_bytes), *(_role_item(uid, scu=False, scp=True) for uid in provided)]
    return A_ASSOCIATE_RQ(asked).encode()


def accepted(answer: bytes) -> tuple[dict[int, str], int]:
    """Of an A-ASSOCIATE-AC: the transfer syntax of each accepted context, and the peer's longest PDU.

    Raises: ProtocolError.
    """
    said = _read(A_ASSOCIATE_AC(), answer)
    syntaxes = {
        context.context_id: str(context.transfer_syntax[0])
        for context in said.presentation_context_definition_results_list
        if context.result == _ACCEPTED and context.transfer_syntax
    }
    return syntaxes, int(said.maximum_length_received or 0)


def rejection_text(answer: bytes) -> str:
    """What an A-ASSOCIATE-RJ says, in words. Raises: ProtocolError."""
    said = _read(A_ASSOCIATE_RJ(), answer)
    return f"{said.result_str}: {said.reason_str}"


def _read(pdu: Any, data: bytes) -> Any:
    try:
        pdu.decode(data)
        return pdu.to_primitive()
    except Exception as error:
        raise ProtocolError(f"{type(pdu).__name__} cannot be read: {type(error).__name__} {error}") from error


def _rejected(calling: str, why: Rejection, reason: str) -> Decision:
    said = A_ASSOCIATE()
    said.result, said.result_source, said.diagnostic = why
    return Decision(A_ASSOCIATE_RJ(said).encode(), None, reason, calling)


def _context(proposed: Any, roles: Mapping[str, tuple[bool, bool]], unrestricted: bool) -> tuple[Any, Context | None]:
    uid = str(proposed.abstract_syntax or "")
    syntaxes = [str(syntax) for syntax in proposed.transfer_syntax]
    result = PresentationContext()
    result.context_id, result.abstract_syntax = proposed.context_id, proposed.abstract_syntax
    result.transfer_syntax = proposed.transfer_syntax[:1] or [UID(IMPLICIT)]  # not looked at where it is refused
    found = served(uid, unrestricted)
    if found is None:
        result.result = _NO_ABSTRACT
        return result, None
    picked = picks(found, syntaxes, unrestricted)
    if picked is None:
        result.result = _NO_TRANSFER
        return result, None
    result.result = _ACCEPTED
    result.transfer_syntax = [UID(picked)]
    peer_stores = found.service is Service.STORE and roles.get(uid, (True, False))[1]
    return result, Context(int(proposed.context_id), uid, picked, found, peer_stores)


def _roles(asked: Any) -> dict[str, tuple[bool, bool]]:
    """(SCU, SCP) as the peer proposes for itself, by SOP class."""
    return {
        str(item.sop_class_uid): (bool(item.scu_role), bool(item.scp_role))
        for item in asked.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    }


def _role_items(roles: Mapping[str, tuple[bool, bool]], contexts: Any) -> list[Any]:
    """We take the roles a peer proposes for storage, and the SCU role for everything else."""
    services = {context.sop_class_uid: context.served.service for context in contexts}
    items = []
    for uid, (scu, scp) in roles.items():
        if uid not in services:
            continue
        items.append(_role_item(uid, scu, scp and services[uid] is Service.STORE))
    return items


def _role_item(uid: str, scu: bool, scp: bool) -> Any:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid, item.scu_role, item.scp_role = UID(uid), scu, scp
    return item


def _extended(asked: Any) -> dict[str, bytes]:
    """Extended negotiation we agree to: relational queries and retrieval, combined date and time in queries.

    Source: PS3.4 C.5.1.1, C.5.2.1, C.5.3.1.
    """
    agreed = {}
    for item in asked.user_information:
        if not isinstance(item, SOPClassExtendedNegotiation):
            continue
        found = served(str(item.sop_class_uid), unrestricted=False)
        info = bytes(item.service_class_application_information or b"")
        if found is None or found.model is None or not info:
            continue
        ours = b"\x01\x01" if found.service is Service.FIND else b"\x01"
        agreed[str(item.sop_class_uid)] = bytes(
            asked_for & (ours[index] if index < len(ours) else 0) for index, asked_for in enumerate(info)
        )
    return agreed


def _extended_items(extended: Mapping[str, bytes]) -> list[Any]:
    items = []
    for uid, info in extended.items():
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = UID(uid), info
        items.append(item)
    return items


def _window_items(asked: Any) -> list[Any]:
    """One operation at a time, said only to who asked for more."""
    if not any(isinstance(item, AsynchronousOperationsWindowNegotiation) for item in asked.user_information):
        return []
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked = item.maximum_number_operations_performed = 1
    return [item]


def _own_items(max_pdu_bytes: int) -> list[Any]:
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu_bytes
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [length, implementation, version]
