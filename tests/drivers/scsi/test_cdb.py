"""No bit of a command that means nothing may be set, and whoever sets it is told which one."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from drivers.scsi.cdb import CHANGER, TAPE, Layout, by_opcode, decode
from drivers.scsi.sense import FIELD_IN_CDB, UNSUPPORTED_COMMAND, CheckCondition

_LAYOUTS = (*TAPE, *CHANGER)


@given(st.data())
def test_fields_are_read_where_they_were_put(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(_LAYOUTS))
    cdb = bytearray(layout.size_bytes)
    cdb[0] = layout.opcode
    expected = {}
    for name, field in layout.fields.items():
        width = field.bits if field.size_bytes == 1 else 8 * field.size_bytes
        value = data.draw(st.integers(0, (1 << width) - 1))
        expected[name] = value - (1 << width) if field.signed and value >> (width - 1) else value
        if field.size_bytes == 1:
            cdb[field.byte] |= value << field.low_bit
        else:
            cdb[field.byte : field.byte + field.size_bytes] = value.to_bytes(field.size_bytes, "big")
    command = decode(bytes(cdb).ljust(data.draw(st.sampled_from([len(cdb), 16])), b"\0"), {layout.opcode: layout})
    assert command.name == layout.name
    assert {name: command[name] for name in layout.fields} == expected


@pytest.mark.parametrize("layout", _LAYOUTS, ids=lambda layout: layout.name)
def test_each_bit_that_means_nothing_is_refused_by_its_place(layout: Layout) -> None:
    usage = layout.usage()
    refused = 0
    for byte in range(1, layout.size_bytes):
        for bit in range(8):
            if usage[byte] >> bit & 1:
                continue
            cdb = bytearray(layout.size_bytes)
            cdb[0] = layout.opcode
            cdb[byte] = 1 << bit
            with pytest.raises(CheckCondition) as refusal:
                decode(bytes(cdb), {layout.opcode: layout})
            assert refusal.value.sense.code == FIELD_IN_CDB.code
            assert refusal.value.sense.field == (byte, bit)
            refused += 1
    assert refused >= 8  # the control byte at least


@pytest.mark.parametrize("layout", _LAYOUTS, ids=lambda layout: layout.name)
def test_fields_do_not_overlap(layout: Layout) -> None:
    seen: set[tuple[int, int]] = set()
    for field in layout.fields.values():
        for byte, mask in field.mask().items():
            bits = {(byte, bit) for bit in range(8) if mask >> bit & 1}
            assert 0 < byte < layout.size_bytes - 1 and not bits & seen
            seen |= bits


def test_a_command_no_unit_knows_and_half_a_command_are_refused() -> None:
    for cdb in (b"", b"\xf0" + bytes(15), b"\x0a"):
        with pytest.raises(CheckCondition) as refusal:
            decode(cdb, by_opcode(TAPE))
        expected = FIELD_IN_CDB if cdb == b"\x0a" else UNSUPPORTED_COMMAND
        assert refusal.value.sense.code == expected.code


def test_a_value_that_cannot_be_is_pointed_at() -> None:
    command = decode(bytes.fromhex("1e0000000200"), by_opcode(TAPE))
    assert command.refuse("prevent").sense.field == (4, 1)
    command = decode(bytes.fromhex("2b000000000000000100"), by_opcode(TAPE))
    assert command.refuse("partition").sense.field == (8, None)
