"""Whole objects on their way out: the stored bytes, or the same object in a transfer syntax the client takes.

Source: PS3.18 section 8.7.3.5.
"""

from collections.abc import Iterator
from typing import BinaryIO

PIECE_BYTES = 1 << 20


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The rest of a stream, which is closed at the end, also when nobody takes it all."""
    with stream:
        while data := stream.read(PIECE_BYTES):
            yield data
