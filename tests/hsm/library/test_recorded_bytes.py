"""A disc as a file: what lies before a bad place is not lost to whoever reads ahead."""

import io
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Recorder
from drivers.errors import MediumError
from hsm.library.disc import READ_BYTES, SECTOR_BYTES, RecordedBytes

CONTENT = b"".join(number.to_bytes(2, "big") * (SECTOR_BYTES // 2) for number in range(1, 1500))


class Scratched:
    """A recorder whose disc has one bad sector."""

    def __init__(self, sector: int) -> None:
        self.bad = sector * SECTOR_BYTES

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        if offset_bytes < self.bad + SECTOR_BYTES and self.bad < offset_bytes + size_bytes:
            raise MediumError("scratched")
        return CONTENT[offset_bytes : offset_bytes + size_bytes]


@given(st.integers(0, 1498), st.integers(0, len(CONTENT)), st.integers(1, 400_000))
def test_every_byte_outside_the_bad_sector_can_be_had(sector: int, start: int, size: int) -> None:
    scratched = Scratched(sector)
    recorder = cast(Recorder, cast(Any, scratched))
    stream = io.BufferedReader(RecordedBytes(recorder, len(CONTENT)), READ_BYTES)
    end = min(start + size, len(CONTENT))
    touched = start < scratched.bad + SECTOR_BYTES and scratched.bad < end
    stream.seek(start)
    if not touched or start == end:
        assert stream.read(size) == CONTENT[start:end]
        return
    if start < scratched.bad:
        assert stream.read(scratched.bad - start) == CONTENT[start : scratched.bad]
    try:
        stream.read(end - max(start, scratched.bad))
    except MediumError:
        return
    raise AssertionError("the bad sector was read")
