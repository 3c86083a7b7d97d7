"""Tar header blocks, judged by the tar of the standard library and by GNU tar."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.format import ustar
from hsm.format.errors import FormatError

uid = st.from_regex(r"[0-9]{1,10}(\.[0-9]{1,10}){0,5}", fullmatch=True).filter(lambda text: len(text) <= 64)
LONG = "1" * 64


@given(uid, uid, st.integers(0, 2**63 - 1))
def test_a_header_says_name_and_size_to_other_readers(series: str, instance: str, size: int) -> None:
    path = f"{series}/{instance}.dcm"
    blocks = ustar.header(path, size)
    assert len(blocks) == ustar.header_bytes(size)
    with tarfile.open(fileobj=io.BytesIO(blocks + bytes(1024))) as tar:
        found = tar.next()
    assert found is not None
    assert (found.name, found.size, found.mode, found.mtime, found.uname) == (path, size, 0o644, 0, "firn")


def test_the_longest_names_fit() -> None:
    path = f"{LONG}/{LONG}.dcm"
    assert ustar.parse(ustar.header(path, 7)) == (path, 7, b"0")


@pytest.mark.parametrize("path", ["", "x" * 101, "y" * 156 + "/z", "y" * 120 + "/"])
def test_a_name_that_does_not_fit_is_refused(path: str) -> None:
    with pytest.raises(FormatError, match="does not fit"):
        ustar.header(path, 1)


@given(st.integers(0, 511), st.integers(1, 255))
def test_a_block_with_any_changed_byte_is_none(at: int, flip: int) -> None:
    block = bytearray(ustar.header("1.2/3.4.dcm", 77))
    block[at] ^= flip
    found = ustar.parse(bytes(block))
    assert found is None or found == ("1.2/3.4.dcm", 77, b"0")  # the blanks and NULs that end a number may vary
    assert bytes(block) != ustar.header("1.2/3.4.dcm", 77)


def test_a_block_that_is_too_short_or_says_no_number_is_none() -> None:
    assert ustar.parse(b"ustar") is None
    block = bytearray(ustar.header("1.2/3.4.dcm", 77))
    block[124:136] = b"seventyseven"
    assert ustar.parse(bytes(block)) is None


@pytest.mark.parametrize("content", [b"", b"20 path=x\n", b"x size=5\n", b"20 size=many\n", b"20"])
def test_a_pax_record_that_is_not_ours_says_no_size(content: bytes) -> None:
    assert ustar.parse_pax_size(content) is None


def test_gnu_tar_reads_the_size_of_a_member_beyond_8_gib(tmp_path: Path) -> None:
    size = 8 * 1024**3 + 5
    with (tmp_path / "big.tar").open("wb") as file:
        file.write(ustar.header("1.2/3.4.dcm", size))
        file.seek(size + ustar.padding(size) - 1, io.SEEK_CUR)
        file.write(b"\0")
        file.write(ustar.header("1.2/5.dcm", 3) + b"abc".ljust(512, b"\0") + ustar.END)
    argv = ["tar", "--numeric-owner", "-tvf", str(tmp_path / "big.tar")]
    listed = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split("\n")
    assert f" {size} " in listed[0]
    assert listed[0].endswith(" 1.2/3.4.dcm")
    assert listed[1].endswith(" 1.2/5.dcm")
