"""Log pages and the parameters in them. Source: SPC-4 section 7.3."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Parameter = tuple[int, bytes]  # number, value
_BINARY = 0x03  # format and linking: a list of binary values


@dataclass(frozen=True)
class LogPage:
    """One page: where its parameters come from, and what happens when somebody read them to the end."""

    parameters: Callable[[], list[Parameter]]
    told: Callable[[], None] = lambda: None


def log_data(page: int, parameters: Iterable[Parameter]) -> bytes:
    """A whole page."""
    content = b"".join(number.to_bytes(2, "big") + bytes([_BINARY, len(value)]) + value for number, value in parameters)
    return bytes([page, 0]) + len(content).to_bytes(2, "big") + content


def number(code: int, value: int, size_bytes: int = 4) -> Parameter:
    """A parameter that counts; it stays at its largest value rather than beginning again."""
    return code, min(value, (1 << 8 * size_bytes) - 1).to_bytes(size_bytes, "big")


def tape_alert(flags: Iterable[int]) -> list[Parameter]:
    """The 64 TapeAlert flags. Source: SSC-4 section 8.2.3."""
    up = set(flags)
    return [(code, bytes([code in up])) for code in range(1, 65)]
