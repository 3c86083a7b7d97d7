"""Names, times and JSON as they are spelled on the media."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from hsm.format.errors import TextInvalid

FORMAT_VERSION = 1  # of everything in docs/FORMAT.md

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_uid(text: str) -> bool:
    """Whether a text is a UID that may name something on a medium or in the pool.

    Source: docs/FORMAT.md section 1. PS3.5 9.1 forbids leading zeros of a component; they occur.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 as we spell it."""
    return _DIGEST.fullmatch(text) is not None


def plain(name: str, text: str) -> str:
    """The text, if it may stand in a label or header.

    Raises: TextInvalid, naming the field.
    """
    if len(text) > 64 or _PLAIN.fullmatch(text) is None:
        raise TextInvalid(
            f"{name} {text[:80]!r} must be at most 64 printable ASCII characters without blanks at its ends"
        )
    return text


def utc_text(moment: datetime) -> str:
    """A time as it is spelled on media: UTC with a Z.

    Raises: ValueError for a naive time.
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive time {moment!r}: pass an aware UTC time")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_utc(text: str) -> datetime:
    """The time that `utc_text` spelled. Raises: ValueError."""
    if not text.endswith("Z"):
        raise ValueError(f"time {text[:40]!r} does not end with Z")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)


def _finite(value: Any) -> Any:
    """JSON has no word for the floats an object may hold besides numbers; they become texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def canonical_json(value: Any) -> bytes:
    """The one spelling of a value: ASCII, keys sorted, no blanks. NUL and lone surrogates are escaped like the rest."""
    text = json.dumps(_finite(value), ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
