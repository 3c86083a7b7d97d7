"""A header read from memory is the header read from the file."""

import io
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.elements import Malformed
from hsm.facts import Header
from hsm.head import HeadSource
from hsm.header import HeaderInvalid, header_from, read_dataset_header, read_file_meta
from tests.support.studies import encode, one_of_each_kind


@cache
def objects() -> list[tuple[bytes, str]]:
    """Data sets of every kind of the samples that are not deflated, and their transfer syntaxes."""
    found = []
    for study in one_of_each_kind():
        data = encode(study.instances[0])
        meta = read_file_meta(io.BytesIO(data))
        found.append((data[meta.dataset_offset :], meta.transfer_syntax_uid))
    return found


def outcome(read: object) -> Header | str:
    try:
        return read()  # type: ignore[operator, no-any-return]
    except HeaderInvalid as error:
        return str(error)


@given(st.data())
def test_it_does_not_matter_how_much_is_in_memory(data: st.DataObject) -> None:
    content, syntax = data.draw(st.sampled_from(objects()))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    changed = bytearray(content[:cut])
    if changed and data.draw(st.booleans()):
        changed[data.draw(st.integers(0, min(len(changed) - 1, 4000)))] ^= data.draw(st.integers(1, 255))
    head = data.draw(st.sampled_from([0, 1, 8, 100, 1000, 1 << 20]))
    content = bytes(changed)
    file = b"before" + content

    def rest() -> io.BytesIO:
        stream = io.BytesIO(file)
        stream.seek(6)
        return stream

    source = HeadSource(content[:head], len(content), rest)
    got = outcome(lambda: header_from(source, syntax))
    source.close()
    assert got == outcome(lambda: read_dataset_header(io.BytesIO(content), syntax))


def test_a_file_that_shrinks_meanwhile_is_noticed() -> None:
    source = HeadSource(b"", 8, lambda: io.BytesIO(b"abc"))
    with pytest.raises(Malformed, match="shrank"):
        source.take(8)
