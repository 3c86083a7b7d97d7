"""The ioctls of st: numbers and structures as linux/mtio.h has them, flags as mt prints them."""

import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.attached import AttachedDevice, AttachedKind
from drivers.errors import DeviceError
from drivers.tape import density, mtio, setting
from drivers.tape.device import TapeDevice
from drivers.tape.mtio import UNSAFE, Flag, MtStatus, Op, StOption
from drivers.tape.options import TapeOptions
from tests.drivers.tape.recorded import names, recorded

SHOWN = {"EOF", "BOT", "EOT", "EOD", "WR_PROT", "ONLINE", "DR_OPEN", "IM_REP_EN", "CLN"}


def raw(gstat: int, dsreg: int = 0) -> bytes:
    return mtio._MTGET.pack(0x72, 0, dsreg, gstat, 0, -1, -1)


def test_the_numbers_are_those_of_the_header() -> None:
    assert (mtio.MTIOCTOP, mtio.MTIOCGET, mtio.MTIOCPOS) == (0x40086D01, 0x80306D02, 0x80086D03)


@pytest.mark.parametrize("name", names("*_status-*"))
def test_flags_mean_what_mt_prints(name: str) -> None:
    printed = recorded(name).stdout
    bits = re.search(r"General status bits on \(([0-9a-f]+)\):\n(.*)", printed)
    code = re.search(r"Density code 0x([0-9a-f]+)", printed)
    size = re.search(r"Tape block size (\d+) bytes", printed)
    assert bits and code and size, printed
    status = mtio.status(raw(int(bits[1], 16), int(code[1], 16) << 24 | int(size[1])))
    assert {flag.name for flag in status.flags} == set(bits[2].split()) & SHOWN
    assert (status.density, status.block_bytes) == (int(code[1], 16), int(size[1]))
    assert status.online == ("ONLINE" in bits[2])
    assert status.empty == ("DR_OPEN" in bits[2])
    assert status.write_protected == ("WR_PROT" in bits[2])
    assert status.wants_cleaning == ("CLN" in bits[2])


@given(st.integers(0, 2**63 - 1), st.integers(0, 255), st.integers(0, 2**24 - 1))
def test_whatever_bits_there_are(gstat: int, code: int, block_bytes: int) -> None:
    signed = (code << 24 | block_bytes) - (2**32 if code > 127 else 0)  # st shifts a signed number
    status = mtio.status(raw(gstat, signed))
    assert (status.density, status.block_bytes) == (code, block_bytes)
    assert int(status.flags) & ~gstat == 0


def test_counts_with_the_highest_bit_keep_their_bits() -> None:
    assert mtio.operation(Op.SEEK, 7) == bytes([22, 0, 0, 0, 7, 0, 0, 0])
    assert mtio.operation(Op.SETDRVBUFFER, 0x80000001)[4:] == bytes([1, 0, 0, 0x80])
    assert mtio.position(mtio._MTPOS.pack(123)) == 123
    assert mtio.position(mtio._MTPOS.pack(-1)) == 2**32 - 1


@given(st.integers(0, 0xFFFF))
def test_after_the_changes_no_unsafe_switch_is_set(bits: int) -> None:
    present = StOption(bits)
    after = int(present)
    for change in mtio.option_changes(present):
        kind, which = change & 0xF0000000, change & 0xFFFF
        after = after | which if kind == 0x30000000 else after & ~which
    assert not StOption(after) & UNSAFE
    assert StOption(after) & StOption.SCSI2LOGICAL
    assert mtio.option_changes(StOption(after)) == ()
    kept = StOption.CAN_BSR | StOption.SILI | StOption.DEF_WRITES
    assert StOption(after) & kept == present & kept


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("ULT3580-TD6", "LTO-6"),
        ("ULT3580-HH8", "LTO-8"),
        ("ULTRIUM-TD5", "LTO-5"),
        ("Ultrium 9-SCSI", "LTO-9"),
        ("LTO-7 HH", "LTO-7"),
        ("SIM-LTO8", "LTO-8"),
        ("DLT8000", None),
        ("3573-TL", None),
        ("", None),
    ],
)
def test_a_product_name_tells_the_generation(product: str, model: str | None) -> None:
    assert density.model(product) == model


def test_densities_are_those_mt_knows() -> None:
    printed = dict(re.findall(r"0x([0-9a-f]{2})   (LTO-\d(?:-M8)?)(?=\s|$)", recorded("densities").stdout))
    assert len(printed) >= 6
    for code, name in printed.items():
        assert density.generation(int(code, 16)) == name.replace("LTO-7-M8", "LTO-M8")
    assert density.generation(0) is None


class TestWhatIsNoTapeDrive:
    """Errors of the kernel come through as they are."""

    def test_a_file_has_no_position_and_knows_no_operation(self, tmp_path: Path) -> None:
        path = tmp_path / "nst0"
        path.write_bytes(b"a record")
        device = TapeDevice(path)
        assert device.read() == b"a record"
        assert device.write(b"more") == 4
        for call in (device.status, device.position, lambda: device.do(Op.REWIND)):
            with pytest.raises(OSError) as caught:
                call()
            assert caught.value.errno == errno.ENOTTY
        device.close()
        with pytest.raises(OSError):
            device.close()
        assert path.read_bytes() == b"a recordmore"

    def test_what_is_only_to_be_read_is_not_written(self, tmp_path: Path) -> None:
        path = tmp_path / "nst0"
        path.touch()
        device = TapeDevice(path, writable=False)
        with pytest.raises(OSError):
            device.write(b"x")
        device.close()

    def test_what_is_not_there_cannot_be_opened(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            setting.opened(tmp_path / "nst0")

    def test_what_can_be_opened_is(self, tmp_path: Path) -> None:
        (tmp_path / "nst0").touch()
        setting.opened(tmp_path / "nst0").close()


class Recorded(TapeDevice):
    """A device that takes every operation down, over a file, and refuses what it is told to."""

    def __init__(self, path: Path, refused: dict[Op, int], block_bytes: int = 0) -> None:
        path.touch()
        super().__init__(path)
        self.refused, self.block_bytes = refused, block_bytes
        self.done: list[tuple[Op, int]] = []

    def status(self) -> MtStatus:
        return MtStatus(Flag.ONLINE, 0x5E, self.block_bytes)

    def do(self, op: Op, count: int = 1) -> None:
        if op in self.refused:
            raise OSError(self.refused[op], os.strerror(self.refused[op]))
        self.done.append((op, count))


class TestSettings:
    @pytest.fixture
    def device(self, tmp_path: Path) -> AttachedDevice:
        return AttachedDevice(AttachedKind.TAPE, "S1", "IBM", "ULT3580-TD8", "1", tmp_path / "sg1", tmp_path / "nst0")

    def options(self, tmp_path: Path, text: str) -> Path:
        folder = tmp_path / "sys" / "class" / "scsi_tape" / "nst0"
        folder.mkdir(parents=True)
        (folder / "options").write_text(text)
        return tmp_path / "sys"

    def test_fixed_blocks_and_compression_are_switched_off(self, tmp_path: Path, device: AttachedDevice) -> None:
        tape = Recorded(tmp_path / "nst0", {}, block_bytes=65536)
        setting.settle(tape, device, TapeOptions(), "d", tmp_path)
        assert tape.done == [(Op.SETBLK, 0), (Op.COMPRESSION, 0)]

    def test_a_user_without_rights_leaves_harmless_switches(self, tmp_path: Path, device: AttachedDevice) -> None:
        tape = Recorded(tmp_path / "nst0", {Op.SETDRVBUFFER: errno.EPERM, Op.COMPRESSION: errno.EIO})
        setting.settle(tape, device, TapeOptions(), "d", self.options(tmp_path, "0x00000107\n"))
        assert tape.done == []

    def test_a_switch_that_makes_flushes_untrue_is_refused(self, tmp_path: Path, device: AttachedDevice) -> None:
        tape = Recorded(tmp_path / "nst0", {Op.SETDRVBUFFER: errno.EPERM})
        with pytest.raises(DeviceError, match="NOWAIT_EOF"):
            setting.settle(tape, device, TapeOptions(), "d", self.options(tmp_path, "0x00008107\n"))

    def test_other_errors_of_a_switch_come_through(self, tmp_path: Path, device: AttachedDevice) -> None:
        tape = Recorded(tmp_path / "nst0", {Op.SETDRVBUFFER: errno.EIO})
        with pytest.raises(OSError):
            setting.settle(tape, device, TapeOptions(compression=True), "d", self.options(tmp_path, "0x107"))

    def test_what_the_user_may_switch_is_switched(self, tmp_path: Path, device: AttachedDevice) -> None:
        tape = Recorded(tmp_path / "nst0", {})
        setting.settle(tape, device, TapeOptions(compression=True), "d", self.options(tmp_path, "0x107"))
        assert [op for op, _ in tape.done] == [Op.SETDRVBUFFER, Op.SETDRVBUFFER, Op.COMPRESSION]
        assert tape.done[-1] == (Op.COMPRESSION, 1)
