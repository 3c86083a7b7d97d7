"""key=value pairs: how they are written, and what is agreed on when both sides have an opinion.

Source: RFC 7143 sections 6 and 13.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from drivers.iscsi.pdu import PduInvalid

MAX_RECV_DATA_BYTES = 1 << 20
FIRST_BURST_BYTES = 262_144
MAX_BURST_BYTES = 16_776_192  # the most that open-iscsi asks for
_KEY_CHARACTERS = 63
_VALUE_BYTES = 8192

NOT_UNDERSTOOD = "NotUnderstood"
REJECT = "Reject"
IRRELEVANT = "Irrelevant"

Pairs = Sequence[tuple[str, str]]


@dataclass
class Parameters:
    """What holds for one session; the values at first are what the standard says when nobody asks for anything."""

    max_recv_data_bytes: int = 8192  # the longest data segment the initiator takes
    max_burst_bytes: int = 262_144
    first_burst_bytes: int = 65_536
    initial_r2t: bool = True  # no data but the immediate ones unless asked for
    immediate_data: bool = True


def parse(data: bytes) -> list[tuple[str, str]]:
    """Take a text segment apart.

    Raises: PduInvalid for what is not a list of key=value, each ended by a zero byte.
    """
    pairs = []
    for item in data.split(b"\0"):
        if not item:
            continue  # padding, and the end of the last value
        key, equals, value = item.partition(b"=")
        if not equals or not 0 < len(key) <= _KEY_CHARACTERS or len(value) > _VALUE_BYTES:
            raise PduInvalid(f"{item[:80]!r} is not a key=value pair")
        try:
            pairs.append((key.decode("ascii"), value.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise PduInvalid(f"{item[:80]!r} is not text") from error
    return pairs


def encode(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The text segment of some pairs, without padding."""
    return b"".join(f"{key}={value}".encode() + b"\0" for key, value in pairs)


def number(value: str, low: int, high: int) -> int | None:
    """A number, decimal or 0x hexadecimal, or None where it is none or out of its range."""
    digits, base = (value[2:], 16) if value[:2] in ("0x", "0X") else (value, 10)
    if not 0 < len(digits) <= 10 or not digits.isascii() or not digits.isalnum():
        return None
    try:
        found = int(digits, base)
    except ValueError:
        return None
    return found if low <= found <= high else None


def _choice(wanted: str) -> Callable[[Parameters, str], str]:
    """Of a list of offers the only one that is spoken here."""
    return lambda _parameters, value: wanted if wanted in value.split(",") else REJECT


def _limit(low: int, high: int, ours: int, keep: Callable[[Parameters, int], None] | None = None) -> "_Answer":
    """The smaller of two numbers."""

    def answer(parameters: Parameters, value: str) -> str:
        offered = number(value, low, high)
        if offered is None:
            return REJECT
        agreed = min(offered, ours)
        if keep is not None:
            keep(parameters, agreed)
        return str(agreed)

    return answer


def _either(ours: bool, both: bool, keep: Callable[[Parameters, bool], None] | None = None) -> "_Answer":
    """Yes where one side says so, or where both sides do."""

    def answer(parameters: Parameters, value: str) -> str:
        if value not in ("Yes", "No"):
            return REJECT
        offered = value == "Yes"
        agreed = (offered and ours) if both else (offered or ours)
        if keep is not None:
            keep(parameters, agreed)
        return "Yes" if agreed else "No"

    return answer


def _time_to_wait(_parameters: Parameters, value: str) -> str:
    return REJECT if (offered := number(value, 0, 3600)) is None else str(offered)  # the longer one; ours is 0


def _keep_max_burst(parameters: Parameters, agreed: int) -> None:
    parameters.max_burst_bytes = agreed


def _keep_first_burst(parameters: Parameters, agreed: int) -> None:
    parameters.first_burst_bytes = agreed


def _keep_initial_r2t(parameters: Parameters, agreed: bool) -> None:
    parameters.initial_r2t = agreed


def _keep_immediate_data(parameters: Parameters, agreed: bool) -> None:
    parameters.immediate_data = agreed


_Answer = Callable[[Parameters, str], str]
_LARGEST = (1 << 24) - 1

_NEGOTIATED: dict[str, _Answer] = {
    "AuthMethod": _choice("None"),
    "HeaderDigest": _choice("None"),
    "DataDigest": _choice("None"),
    "TaskReporting": _choice("RFC3720"),
    "MaxConnections": _limit(1, 65_535, 1),
    "MaxOutstandingR2T": _limit(1, 65_535, 1),
    "ErrorRecoveryLevel": _limit(0, 2, 0),
    "iSCSIProtocolLevel": _limit(0, 31, 1),
    "DefaultTime2Wait": _time_to_wait,
    "DefaultTime2Retain": _limit(0, 3600, 0),
    "MaxBurstLength": _limit(512, _LARGEST, MAX_BURST_BYTES, _keep_max_burst),
    "FirstBurstLength": _limit(512, _LARGEST, FIRST_BURST_BYTES, _keep_first_burst),
    "InitialR2T": _either(ours=False, both=False, keep=_keep_initial_r2t),
    "ImmediateData": _either(ours=True, both=True, keep=_keep_immediate_data),
    "DataPDUInOrder": _either(ours=True, both=False),
    "DataSequenceInOrder": _either(ours=True, both=False),
    "IFMarker": _either(ours=False, both=True),
    "OFMarker": _either(ours=False, both=True),
}
_IRRELEVANT = frozenset({"IFMarkInt", "OFMarkInt"})
# Told, not negotiated; the login reads them.
_DECLARED = frozenset({"InitiatorName", "InitiatorAlias", "TargetName", "TargetAlias", "SessionType"})
# What matters only to a session that carries commands.
_NORMAL_ONLY = frozenset(
    {
        "MaxConnections",
        "InitialR2T",
        "ImmediateData",
        "MaxBurstLength",
        "FirstBurstLength",
        "MaxOutstandingR2T",
        "DataPDUInOrder",
        "DataSequenceInOrder",
        "TaskReporting",
    }
)


def negotiate(pairs: Pairs, parameters: Parameters, discovery: bool) -> list[tuple[str, str]]:
    """Answer what was offered and keep in `parameters` what is agreed on from now on.

    An answer of Reject leaves a parameter as it was.
    """
    answers = []
    for key, value in pairs:
        if key in _DECLARED:
            continue
        if key == "MaxRecvDataSegmentLength":
            told = number(value, 512, _LARGEST)
            if told is None:
                answers.append((key, REJECT))
            else:
                parameters.max_recv_data_bytes = told
        elif key in _IRRELEVANT or (discovery and key in _NORMAL_ONLY):
            answers.append((key, IRRELEVANT))
        elif key in _NEGOTIATED:
            answers.append((key, _NEGOTIATED[key](parameters, value)))
        else:
            answers.append((key, NOT_UNDERSTOOD))
    return answers
