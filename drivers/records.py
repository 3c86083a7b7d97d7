"""Cutting a byte stream into tape records."""

from typing import BinaryIO


def read_record(stream: BinaryIO, size_bytes: int) -> bytes:
    """Read one whole record, however small the pieces are in which the stream hands its bytes out.

    Returns: exactly size_bytes, less only at the end of the stream, and b"" when nothing is left.
    """
    first = stream.read(size_bytes)
    if len(first) == size_bytes or not first:
        return first
    pieces = [first]
    missing_bytes = size_bytes - len(first)
    while missing_bytes > 0:
        piece = stream.read(missing_bytes)
        if not piece:
            break
        pieces.append(piece)
        missing_bytes -= len(piece)
    return b"".join(pieces)
