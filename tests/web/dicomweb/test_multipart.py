"""multipart/related, whatever the parts hold and however the bytes arrive."""

import io
from collections.abc import Callable
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.dicomweb import multipart
from web.dicomweb.multipart import MultipartInvalid, PartReader, Writer

near_boundary = st.lists(
    st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n--mark", b"mark", b"-", b"x", b"\0", b"\r"]), max_size=12
).map(b"".join)


class Dripping:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._stream, self._step = io.BytesIO(data), step

    def read(self, size: int) -> bytes:
        return self._stream.read(min(size, self._step))


def read_all(data: bytes, step: int, boundary: str = "mark", piece: int = 7) -> list[tuple[str, bytes]]:
    """Media type and content of every part."""
    found = []
    for part in PartReader(cast(BinaryIO, Dripping(data, step)), boundary).parts():
        content = b"".join(iter(cast(Callable[[], bytes], lambda part=part: part.read(piece)), b""))
        found.append((part.media_type, content))
    return found


@given(st.lists(near_boundary, max_size=4), st.integers(1, 40), st.integers(1, 9))
def test_what_was_written_is_read_whatever_it_holds(contents: list[bytes], step: int, piece: int) -> None:
    writer = Writer()
    body = b"".join(writer.body([({"Content-Type": "application/dicom"}, [content]) for content in contents]))
    expected = [("application/dicom", content) for content in contents]
    assert read_all(body, step, writer.boundary, piece) == expected


@given(st.binary(max_size=200), st.integers(1, 40))
def test_rubbish_never_looks_like_a_part_or_hangs(data: bytes, step: int) -> None:
    try:
        read_all(data, step)
    except MultipartInvalid:
        return


def test_a_part_that_is_not_read_is_passed_over() -> None:
    body = b"preamble\r\n--mark\r\n\r\nfirst\r\n--mark\r\nContent-Type: a/b; c=d\r\n\r\nsecond\r\n--mark--\r\nepilogue"
    reader = PartReader(io.BytesIO(body), "mark")
    kinds = [part.media_type for part in reader.parts()]
    assert kinds == ["", "a/b"]


@pytest.mark.parametrize(
    ("body", "boundary", "why"),
    [
        (b"--mark\r\n\r\nabc", "mark", "ends before"),
        (b"nothing", "mark", "ends before"),
        (b"--mark\r\nno colon here\r\n\r\n\r\n--mark--", "mark", "no colon"),
        (b"--mark\r\nA: " + b"x" * multipart.MAX_HEADER_BYTES + b"\r\n" * 2, "mark", "longer than"),
        (b"", "", "no boundary"),
        (b"", "m" * 71, "no boundary"),
        (b"", "märk", "no boundary"),
    ],
)
def test_a_broken_body_is_named(body: bytes, boundary: str, why: str) -> None:
    with pytest.raises(MultipartInvalid, match=why):
        read_all(body, 1000, boundary)
