"""Sense data in fixed format, there and back."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from drivers.scsi import sense
from drivers.scsi.sense import TEXTS, CheckCondition, Key, Sense

_SENSES = st.builds(
    Sense,
    key=st.sampled_from(Key),
    code=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    information=st.none() | st.integers(-(2**31), 2**31 - 1),
    filemark=st.booleans(),
    eom=st.booleans(),
    ili=st.booleans(),
    deferred=st.booleans(),
    field=st.tuples(st.integers(0, 65535), st.none() | st.integers(0, 7)),
    in_parameters=st.booleans(),
)


@given(_SENSES)
def test_what_was_encoded_is_decoded(said: Sense) -> None:
    raw = said.encode()
    assert len(raw) == 18 and raw[7] == 10
    assert Sense.decode(raw) == said


@pytest.mark.parametrize(
    ("said", "raw"),
    [
        (sense.FILEMARK.left(262144), "f00080000400000a00000000000100000000"),
        (sense.INCORRECT_LENGTH.left(-34464), "f00020ffff79600a00000000000000000000"),
        (sense.OVERFLOW.left(4), "f0004d000000040a00000000000200000000"),
        (sense.MEDIUM_NOT_PRESENT, "700002000000000a000000003a0000000000"),
        (Sense(Key.MEDIUM_ERROR, (0x0C, 0), deferred=True), "710003000000000a000000000c0000000000"),
        (Sense(Key.ILLEGAL_REQUEST, (0x24, 0), field=(2, 5)), "700005000000000a000000002400 00cd0002".replace(" ", "")),
    ],
)
def test_the_bytes_are_those_drives_send(said: Sense, raw: str) -> None:
    assert said.encode().hex() == raw


@pytest.mark.parametrize("raw", [b"", b"\x70" * 17, b"\x72" + bytes(17)])
def test_what_is_no_sense_data_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="fixed format"):
        Sense.decode(raw)


def test_every_named_sense_has_words() -> None:
    named = [value for value in vars(sense).values() if isinstance(value, Sense) and value.code != (0, 0)]
    assert len(named) > 30
    for said in named:
        assert TEXTS[said.code] in str(said)
    assert str(CheckCondition(sense.MEDIUM_NOT_PRESENT)) == "not_ready 3Ah/00h medium not present"
