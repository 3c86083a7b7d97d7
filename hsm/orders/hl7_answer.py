"""Takes one HL7 message whole: understood and done, or kept in quarantine; and the acknowledgement for its sender.

AA goes out only after the catalog has committed. Source: HL7 v2.5.1 section 2.9.2 (original mode), 2.15.5 (ERR).
"""

import hashlib
from datetime import UTC, datetime, tzinfo
from uuid import uuid4

import structlog

from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable
from hsm.catalog.order_messages import MessageFacts
from hsm.orders.hl7_orders import wishes
from hsm.orders.hl7_text import Header, MessageInvalid, header_of, read
from hsm.orders.model import OrderRefused
from hsm.states import IllegalTransition

_log = structlog.get_logger()
_CODES = {  # HL7 table 0357
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    207: "Application internal error",
}


def take(raw: bytes, address: str, catalog: Catalog, zone: tzinfo, now: datetime) -> bytes:
    """Do what a message wants, and the acknowledgement for it. Nothing is raised: every message is answered.

    `zone`: in which times without an offset are meant. What was not understood is in quarantine when the answer says
    so, except while the catalog is away: then its sender is told to send it again.
    """
    header = Header()
    try:
        header = header_of(raw)
        wanted = wishes(read(raw), zone)
        facts = _facts(raw, header, address)
        new = catalog.order_messages.accept(facts, wanted.orders, wanted.patients, now)
    except MessageInvalid as error:
        trouble = error
    except OrderRefused as error:
        code = 204 if "placer_number" in error.faults else 101 if "missing" in str(error) else 102
        trouble = MessageInvalid(str(error), code=code)
    except IllegalTransition:
        trouble = MessageInvalid("the order is over: it cannot be changed any more", code=204)
    except CatalogUnavailable as error:
        return _away(header, error, now)
    except Exception as error:  # noqa: BLE001 - the edge: what nobody foresaw must not stop all that comes behind it
        _log.exception("hl7_message_broke", address=address, control_id=header.control_id)
        trouble = MessageInvalid(f"it could not be worked on ({type(error).__name__})", code=207)
    else:
        _log.info("hl7_message_accepted", address=address, kind=header.kind, control_id=header.control_id, new=new)
        return acknowledgement(header, "AA", now)
    try:
        number = catalog.order_messages.quarantine(_facts(raw, header, address), trouble.answer, str(trouble), raw, now)
    except CatalogUnavailable as error:
        return _away(header, error, now)
    _log.warning("hl7_message_refused", address=address, kind=header.kind, answer=trouble.answer, message=number)
    return acknowledgement(header, trouble.answer, now, trouble, f"kept as message {number}")


def _away(header: Header, error: CatalogUnavailable, now: datetime) -> bytes:
    _log.warning("hl7_message_not_taken", control_id=header.control_id, error=type(error).__name__)
    trouble = MessageInvalid("the catalog is not there at the moment: send it again", code=207)
    return acknowledgement(header, "AE", now, trouble)


def acknowledgement(
    header: Header, answer: str, now: datetime, trouble: MessageInvalid | None = None, note: str = ""
) -> bytes:
    """An ACK. `answer`: AA, AE, AR; with `trouble` an ERR segment says what, and where."""
    trigger = f"^{header.trigger}^ACK" if header.trigger else ""
    version = header.version or "2.5.1"
    stamp = now.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
    ours, theirs = (header.our_application or "FIRN", header.our_facility), (header.application, header.facility)
    fields = (*ours, *theirs, stamp, "", f"ACK{trigger}", uuid4().hex[:20], header.processing_id or "P", version)
    named = [_safe(field, keep="^") for field in fields]
    lines = ["|".join(("MSH", "^~\\&", *named)), f"MSA|{answer}|{_safe(header.control_id)}"]
    if trouble is not None:
        text = _escaped(f"{trouble}" + (f" ({note})" if note else ""))
        kind = _CODES[trouble.code]
        lines[1] += f"|{text[:80]}"
        lines.append(f"ERR||{_safe(trouble.where, keep='^')}|{trouble.code}^{kind}^HL70357|E||||{text}")
    return ("\r".join(lines) + "\r").encode("ascii", "replace")


def _safe(text: str, keep: str = "") -> str:
    """What came from the message, without what would break ours."""
    return "".join(c for c in text if c.isprintable() and (c in keep or c not in "|^~\\&"))[:199]


def _escaped(text: str) -> str:
    pairs = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    return "".join(pairs.get(c, c) for c in text if c.isprintable())


def _facts(raw: bytes, header: Header, address: str) -> MessageFacts:
    return MessageFacts(header.sender, header.control_id, header.kind, hashlib.sha256(raw).hexdigest(), address)
