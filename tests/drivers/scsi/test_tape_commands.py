"""The commands of a tape drive: what they do, and what they refuse."""

import pytest

from drivers.scsi import sense
from drivers.scsi.sense import Key
from tests.drivers.scsi.wire import BLOCK, Wire


def numbered(n: int, size_bytes: int = 1000) -> bytes:
    return bytes([n]) * size_bytes


def fill(wire: Wire, *files: int) -> None:
    """Write files of so many blocks, each block of another content, and rewind."""
    n = 0
    for blocks in files:
        for _ in range(blocks):
            assert wire.write(numbered(n)).good
            n += 1
        assert wire.mark().good
    assert wire.rewind().good


def fixed(wire: Wire, block_bytes: int) -> None:
    data = b"\0\0\x10\x08" + bytes(5) + block_bytes.to_bytes(3, "big")
    assert wire.tape("15 10 00 00 0c 00", data).good


def test_blocks_come_back_as_they_were_written(loaded: Wire) -> None:
    sizes = (1, 7, 1000, 65536, 300_000)
    for n, size in enumerate(sizes):
        assert loaded.write(numbered(n, size)).good
    assert loaded.position == len(sizes)
    loaded.rewind()
    for n, size in enumerate(sizes):
        assert loaded.read(size).data == numbered(n, size)


def test_a_read_or_write_of_nothing_does_nothing(loaded: Wire) -> None:
    fill(loaded, 2)
    assert loaded.read(0).data == b"" and loaded.write(b"").good
    assert loaded.position == 0
    assert loaded.read(1000).data == numbered(0)


@pytest.mark.parametrize(("asked", "left"), [(4096, 3096), (100, -900)])
def test_a_block_of_another_length_says_the_difference(loaded: Wire, asked: int, left: int) -> None:
    fill(loaded, 2)
    answer = loaded.read(asked)
    assert answer.sense == sense.INCORRECT_LENGTH.left(left)
    assert answer.data == numbered(0)[:asked]
    assert loaded.position == 1


@pytest.mark.parametrize("asked", [4096, 100])
def test_a_length_that_does_not_matter_is_not_told(loaded: Wire, asked: int) -> None:
    fill(loaded, 2)
    answer = loaded.tape(f"08 02 {asked:06x} 00")
    assert answer.good and answer.data == numbered(0)[:asked]


def test_with_a_block_length_set_a_longer_block_is_told_all_the_same(loaded: Wire) -> None:
    fill(loaded, 2)
    fixed(loaded, 512)
    assert loaded.tape("08 02 001000 00").good
    assert loaded.tape("08 02 000064 00").sense == sense.INCORRECT_LENGTH.left(-900)


def test_a_filemark_ends_a_read_and_is_passed(loaded: Wire) -> None:
    fill(loaded, 1, 1)
    loaded.read(1000)
    assert loaded.read(1000).sense == sense.FILEMARK.left(1000)
    assert loaded.position == 2
    assert loaded.read(1000).data == numbered(1)


def test_behind_the_data_there_is_nothing(loaded: Wire) -> None:
    assert loaded.read(1000).sense == sense.END_OF_DATA.left(1000)
    fill(loaded, 1)
    loaded.space(3, 0)
    for _ in range(2):
        assert loaded.read(1000).sense == sense.END_OF_DATA.left(1000)
    assert loaded.position == 2


def test_fixed_blocks_are_written_and_read_many_at_a_time(loaded: Wire) -> None:
    fixed(loaded, 512)
    data = bytes(range(256)) * 8
    assert loaded.tape("0a 01 000004 00", data).good
    loaded.mark()
    assert loaded.position == 5
    loaded.rewind()
    answer = loaded.tape("08 01 000006 00")
    assert answer.data == data
    assert answer.sense == sense.FILEMARK.left(2)
    assert loaded.tape("08 01 000003 00").sense == sense.END_OF_DATA.left(3)


def test_a_block_of_another_length_ends_a_read_of_fixed_blocks(loaded: Wire) -> None:
    loaded.write(numbered(1, 512))
    loaded.write(numbered(2, 100))
    loaded.rewind()
    fixed(loaded, 512)
    answer = loaded.tape("08 01 000003 00")
    assert answer.data == numbered(1, 512)
    assert answer.sense == sense.INCORRECT_LENGTH.left(2)
    assert loaded.position == 2


def test_fixed_blocks_want_a_block_length_and_no_suppression(loaded: Wire) -> None:
    assert loaded.tape("08 01 000001 00").sense.field == (1, 0)
    assert loaded.tape("0a 01 000001 00", BLOCK).sense.field == (1, 0)
    fixed(loaded, 512)
    assert loaded.tape("08 03 000001 00").sense.field == (1, 1)
    loaded.units[1].reset()  # variable blocks again
    loaded.settle()
    assert loaded.tape("08 01 000001 00").sense.field == (1, 0)


def test_a_write_whose_data_do_not_come_is_refused(loaded: Wire) -> None:
    assert loaded.tape("0a 00 001000 00", b"too few").sense == sense.DATA_PHASE_ERROR
    assert loaded.position == 0


def test_a_block_longer_than_the_limit_is_refused(loaded: Wire) -> None:
    limits = loaded.tape("05 00 00 00 00 00").data
    longest = int.from_bytes(limits[1:4], "big")
    assert limits[4:] == b"\0\x01"
    assert loaded.tape(f"0a 00 {longest + 1:06x} 00", bytes(longest + 1)).sense.field == (2, None)


def test_filemarks_move_the_head_by_their_count(loaded: Wire) -> None:
    assert loaded.mark(3).good and loaded.position == 3
    assert loaded.mark(0).good and loaded.flush().good and loaded.position == 3
    assert loaded.mark(1, immediate=False).good and loaded.position == 4


@pytest.mark.parametrize(
    ("code", "start", "count", "end", "said"),
    [
        (0, 0, 2, 2, None),
        (0, 0, 5, 4, sense.FILEMARK.left(2)),
        (0, 4, 9, 7, sense.FILEMARK.left(7)),
        (0, 7, 1, 7, sense.END_OF_DATA.left(1)),
        (0, 3, -2, 1, None),
        (0, 3, -5, 0, sense.BEGINNING_OF_MEDIUM.left(2)),
        (0, 6, -4, 3, sense.FILEMARK.left(2)),
        (0, 3, 0, 3, None),
        (1, 0, 1, 4, None),
        (1, 0, 2, 7, None),
        (1, 0, 5, 7, sense.END_OF_DATA.left(3)),
        (1, 7, -1, 6, None),
        (1, 7, -2, 3, None),
        (1, 7, -3, 0, sense.BEGINNING_OF_MEDIUM.left(1)),
        (1, 5, 0, 5, None),
        (3, 1, 0, 7, None),
    ],
)
def test_space_goes_over_blocks_and_filemarks(
    loaded: Wire, code: int, start: int, count: int, end: int, said: sense.Sense | None
) -> None:
    fill(loaded, 3, 2)  # blocks 0 1 2, mark 3, blocks 4 5, mark 6
    for cdb in (
        f"11 {code:02x} {count & 0xFFFFFF:06x} 00",
        f"91 {code:02x} 0000 {count & (1 << 64) - 1:016x} 0000 00 00",
    ):
        assert loaded.locate(start).good
        answer = loaded.tape(cdb)
        if said is None:
            assert answer.good
        else:
            assert answer.sense == said
        assert loaded.position == end


def test_space_knows_no_other_things(loaded: Wire) -> None:
    assert loaded.space(2, 1).sense.field == (1, 3)
    assert loaded.tape("91 00 0000 0000000000000001 0004 00 00").sense.field == (12, None)


def test_locate_goes_to_blocks_files_and_the_end(loaded: Wire) -> None:
    fill(loaded, 3, 2)
    for cdb, end in (
        ("2b 04 00 00000005 00 00 00", 5),
        ("92 00 00 00 0000000000000002 00 00 00 00", 2),
        ("92 08 00 00 0000000000000001 00 00 00 00", 4),
        ("92 08 00 00 0000000000000000 00 00 00 00", 0),
        ("92 08 00 00 0000000000000002 00 00 00 00", 7),
        ("92 18 00 00 0000000000000000 00 00 00 00", 7),
    ):
        assert loaded.tape(cdb).good
        assert loaded.position == end
    for cdb in ("2b 00 00 00000008 00 00 00", "92 08 00 00 0000000000000003 00 00 00 00"):
        loaded.rewind()
        assert loaded.tape(cdb).sense == sense.END_OF_DATA
        assert loaded.position == 7
    assert loaded.tape("92 10 00 00 0000000000000000 00 00 00 00").sense.field == (1, 4)
    assert loaded.tape("2b 00 00 00000000 00 01 00").sense.field == (8, None)
    assert loaded.tape("92 00 00 01 0000000000000000 00 00 00 00").sense.field == (3, None)


def test_the_position_is_told_in_every_form(loaded: Wire) -> None:
    assert loaded.tape("34 00 00 00 00 00 00 00 00 00").data[0] == 0x80  # the beginning
    fill(loaded, 3, 2)
    loaded.locate(5)
    short = loaded.tape("34 01 00 00 00 00 00 00 00 00").data
    assert len(short) == 20 and short[0] == 0 and short[4:12] == bytes([0, 0, 0, 5] * 2)
    long = loaded.tape("34 06 00 00 00 00 00 00 00 00").data
    assert len(long) == 32 and int.from_bytes(long[8:16], "big") == 5 and int.from_bytes(long[16:24], "big") == 1
    extended = loaded.tape("34 08 00 00 00 00 00 0020 00").data
    assert len(extended) == 32 and extended[3] == 0x1C and int.from_bytes(extended[8:16], "big") == 5
    assert loaded.tape("34 02 00 00 00 00 00 00 00 00").sense.field == (1, 4)


def test_erasing_ends_the_data_under_the_head(loaded: Wire) -> None:
    fill(loaded, 3, 2)
    loaded.locate(2)
    before = loaded.clock.now()
    assert loaded.tape("19 00 00 00 00 00").good
    short_s = (loaded.clock.now() - before).total_seconds()
    assert loaded.read().sense.key is Key.BLANK_CHECK
    loaded.rewind()
    before = loaded.clock.now()
    assert loaded.tape("19 01 00 00 00 00").good
    assert (loaded.clock.now() - before).total_seconds() > short_s
    assert loaded.space(3, 0).good and loaded.position == 0


def test_writing_in_the_middle_ends_the_data_there(loaded: Wire) -> None:
    fill(loaded, 3, 2)
    loaded.locate(1)
    loaded.write(b"new")
    loaded.space(3, 0)
    assert loaded.position == 2


def test_an_unloaded_drive_is_empty_until_it_is_told_to_load(loaded: Wire) -> None:
    fill(loaded, 2)
    assert loaded.tape("1b 00 00 00 00 00").good
    assert loaded.tape("1b 00 00 00 00 00").good  # asking again does no harm
    for cdb in ("00 00 00 00 00 00", "01 00 00 00 00 00", "08 00 000010 00", "34 00 00 00 00 00 00 00 00 00"):
        assert loaded.tape(cdb).sense == sense.MEDIUM_NOT_PRESENT
    before = loaded.clock.now()
    assert loaded.tape("1b 00 00 00 01 00").good
    assert (loaded.clock.now() - before).total_seconds() >= 15
    assert loaded.read(1000).data == numbered(0)


def test_who_did_not_load_it_hears_that_the_medium_may_have_changed(loaded: Wire) -> None:
    loaded.send(1, "00 00 00 00 00 00", nexus="second")
    loaded.tape("1b 00 00 00 00 00")
    loaded.tape("1b 00 00 00 01 00")
    assert loaded.send(1, "00 00 00 00 00 00", nexus="second").sense == sense.MEDIUM_CHANGED


def test_a_load_that_is_not_waited_for_makes_the_drive_ready_later(loaded: Wire) -> None:
    loaded.tape("1b 00 00 00 00 00")
    assert loaded.tape("1b 01 00 00 01 00").good
    assert loaded.tape("00 00 00 00 00 00").sense == sense.BECOMING_READY
    loaded.clock.sleep(30)
    loaded.settle()
    assert loaded.position == 0


def test_an_empty_drive_has_nothing_to_load_or_unload(wire: Wire) -> None:
    for load in (0, 1):
        assert wire.tape(f"1b 00 00 00 {load:02x} 00").sense == sense.MEDIUM_NOT_PRESENT
    assert wire.tape("1b 00 00 00 08 00").sense.field == (4, 3)
    assert wire.tape("1b 00 00 00 04 00").sense.field == (4, 2)


def test_a_loading_drive_becomes_ready_and_says_so_once(wire: Wire) -> None:
    assert wire.changer("a5 00 0001 03e9 0100 0000 00 00").good
    assert wire.tape("00 00 00 00 00 00").sense == sense.BECOMING_READY
    assert wire.tape("08 00 000010 00").sense == sense.BECOMING_READY
    wire.clock.sleep(30)
    assert wire.tape("00 00 00 00 00 00").sense == sense.MEDIUM_CHANGED
    assert wire.tape("00 00 00 00 00 00").good


def test_what_is_answered_at_once_is_waited_for_by_the_next_command(loaded: Wire) -> None:
    for _ in range(20):
        loaded.write(bytes(1_000_000))
    before = loaded.clock.now()
    assert loaded.tape("01 01 00 00 00 00").good
    at_once_s = (loaded.clock.now() - before).total_seconds()
    assert loaded.position == 0
    waited_s = (loaded.clock.now() - before).total_seconds()
    assert at_once_s == 0 < waited_s


def test_removal_can_be_prevented_by_each_nexus(loaded: Wire) -> None:
    loaded.send(1, "00 00 00 00 00 00", nexus="second")
    assert loaded.tape("1e 00 00 00 01 00").good
    assert loaded.send(1, "1e 00 00 00 01 00", nexus="second").good
    assert loaded.tape("1e 00 00 00 00 00").good
    assert loaded.tape("1b 00 00 00 00 00").sense == sense.REMOVAL_PREVENTED
    loaded.units[1].forget("second")
    assert loaded.tape("1b 00 00 00 00 00").good
    assert loaded.tape("1e 00 00 00 02 00").sense.field == (4, 1)


def test_densities_of_drive_and_medium_are_told(loaded: Wire) -> None:
    drive = loaded.tape("44 00 00 00 00 00 00 0200 00").data
    codes = [drive[n] for n in range(4, len(drive), 52)]
    assert codes == [0x5C, 0x5D, 0x5E] and int.from_bytes(drive[:2], "big") == len(drive) - 2
    medium = loaded.tape("44 01 00 00 00 00 00 0200 00").data
    assert len(medium) == 56 and medium[4] == 0x5E and medium[6] == 0xA0
    assert loaded.tape("44 02 00 00 00 00 00 0200 00").sense.field == (1, 1)
    loaded.unload()
    assert loaded.tape("44 01 00 00 00 00 00 0200 00").sense == sense.MEDIUM_NOT_PRESENT


def test_streaming_takes_the_time_of_the_drive(loaded: Wire) -> None:
    before = loaded.clock.now()
    for _ in range(18):
        loaded.write(bytes(1_000_000))
    passed_s = (loaded.clock.now() - before).total_seconds()
    assert passed_s == pytest.approx(17_000_000 / 360e6, rel=0.2)  # paid in portions of 16 MiB


def test_the_state_survives_a_restart_but_for_the_position(loaded: Wire) -> None:
    fill(loaded, 2)
    loaded.tape("15 10 00 00 0c 00", b"\0\0\x10\x08" + bytes(5) + b"\0\x02\0")
    loaded.locate(2)
    for unit in loaded.units.values():
        unit.close()
    again = Wire(loaded.library)
    assert again.tape("00 00 00 00 00 00").sense == sense.RESET
    assert again.tape("00 00 00 00 00 00").good
    assert again.position == 0
    assert again.tape("1a 00 00 00 0c 00").data[9:12] == bytes(3)
    assert again.read(1000).data == numbered(0)
    assert again.changer("00 00 00 00 00 00").sense == sense.RESET
