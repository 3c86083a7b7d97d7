"""The copy of the catalog on a volume."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm.facts import PackDigest
from hsm.format.catalog_file import CATALOG_NAME, CatalogStream, read
from hsm.format.errors import FormatError, PackDamaged
from hsm.format.header import KIND_CATALOG, PackHeader
from hsm.format.reading import verify_stream
from hsm.format.survey import survey
from tests.hsm.format.samples import records, sample

PACK = sample((10,))
LINES = b"".join(b'{"row":%d}\n' % number for number in range(2000))


def header_for(digest: PackDigest, size: int) -> PackHeader:
    return PACK.header(kind=KIND_CATALOG, pack_digest=digest, pack_bytes=size, study_instance_uid="")


def written(lines: bytes) -> bytes:
    with CatalogStream(io.BytesIO(lines), header_for) as stream:
        data = stream.read()
        assert len(data) == stream.header.pack_bytes
        verify_stream(records(data), stream.stream_sha256, stream.header.pack_digest)
        return data


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=200).map(lambda line: line.replace(b"\n", b"")), max_size=20))
def test_the_lines_of_a_catalog_come_back(lines: list[bytes]) -> None:
    header, found = read(records(written(b"".join(line + b"\n" for line in lines)), 777))
    assert header.kind == KIND_CATALOG
    assert list(found) == lines


def test_tar_and_gzip_alone_read_a_catalog_file() -> None:
    with tarfile.open(fileobj=io.BytesIO(written(LINES))) as tar:
        assert tar.getnames() == ["00_HEADER.json", "01_MANIFEST.sha256", CATALOG_NAME]
        member = tar.extractfile(CATALOG_NAME)
        assert member is not None
        assert gzip.decompress(member.read()) == LINES


def test_the_same_catalog_has_the_same_bytes() -> None:
    assert written(LINES) == written(LINES)


def test_a_pack_is_not_a_catalog_file_and_the_other_way_round() -> None:
    with pytest.raises(FormatError, match="not a catalog file"):
        read(records(PACK.bytes()))
    with pytest.raises(FormatError, match="kind 'pack'"):
        CatalogStream(io.BytesIO(b""), lambda digest, size: PACK.header(pack_digest=digest, pack_bytes=size))


@settings(max_examples=60)
@given(st.data())
def test_a_change_of_any_byte_is_noticed(data: st.DataObject) -> None:
    good = written(LINES)
    wrong = bytearray(good)
    wrong[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PackDamaged):
        verify_stream(records(bytes(wrong)))


def test_lines_of_a_damaged_catalog_end_with_an_error() -> None:
    good = bytearray(written(LINES))
    _, found = read(records(bytes(good[:-2000])))
    with pytest.raises(PackDamaged):
        list(found)
    good[-1500] ^= 255
    _, found = read(records(bytes(good)))
    with pytest.raises(PackDamaged):
        list(found)


def test_a_catalog_whose_last_line_is_not_complete_ends_with_an_error() -> None:
    _, found = read(records(written(b'{"row":1}\n{"row"')))
    assert next(found) == b'{"row":1}'
    with pytest.raises(PackDamaged, match="last line"):
        next(found)


def test_a_catalog_file_is_surveyed() -> None:
    found = survey(records(written(LINES)))
    assert [(m.path, m.good) for m in found.members][-1] == (CATALOG_NAME, True)
