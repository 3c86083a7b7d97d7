"""Header blocks of the tar that carries a pack: made by hand, so that they depend on name and size only.

Source: IEEE Std 1003.1 pax, "ustar Interchange Format"; docs/FORMAT.md section 2.1.
"""

from typing import Final

from hsm.format.errors import FormatError

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
_OCTAL_LIMIT: Final = 8**11  # what 11 octal digits cannot say any more
PAX_TYPE: Final = b"x"
_PAX_FOLDER: Final = "PaxHeaders/"


def padding(size_bytes: int) -> int:
    """How many NULs follow content of that size."""
    return -size_bytes % BLOCK


def _block(path: str, size_bytes: int, typeflag: bytes) -> bytes:
    prefix, name = "", path
    if len(path) > 100:
        prefix, _, name = path.rpartition("/")
    raw_name, raw_prefix = name.encode("ascii"), prefix.encode("ascii")
    if not raw_name or len(raw_name) > 100 or len(raw_prefix) > 155:
        raise FormatError(f"member name {path[:200]!r} does not fit a tar header")
    block = b"".join(
        (
            raw_name.ljust(100, b"\0"),
            b"0000644\0" + b"0000000\0" * 2,
            b"%011o\0" % size_bytes,
            b"00000000000\0",
            b" " * 8,
            typeflag,
            bytes(100),
            b"ustar\00000",
            b"firn".ljust(32, b"\0") * 2,
            b"0000000\0" * 2,
            raw_prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax_record(size_bytes: int) -> bytes:
    body = f" size={size_bytes}\n"
    length = len(body) + 2  # sizes of 10 to 19 digits make records of two-digit length
    return f"{length}{body}".encode("ascii")


def header(path: str, size_bytes: int) -> bytes:
    """What precedes a member: one block, or three when its size needs a pax record.

    Raises: FormatError when the name does not fit.
    """
    if size_bytes < _OCTAL_LIMIT:
        return _block(path, size_bytes, b"0")
    record = _pax_record(size_bytes)
    pax_name = _PAX_FOLDER + path.rpartition("/")[2].removesuffix(".dcm")
    return _block(pax_name, len(record), PAX_TYPE) + record.ljust(BLOCK, b"\0") + _block(path, 0, b"0")


def header_bytes(size_bytes: int) -> int:
    """How long `header` is for a member of that size."""
    return BLOCK if size_bytes < _OCTAL_LIMIT else 3 * BLOCK


def parse(block: bytes) -> tuple[str, int, bytes] | None:
    """Name, size and typeflag of a header block, or None when it is none (wrong magic, wrong sum)."""
    if len(block) != BLOCK or block[257:265] != b"ustar\00000":
        return None
    try:
        checksum = int(block[148:156].rstrip(b"\0 "), 8)
        size_bytes = int(block[124:136].rstrip(b"\0 "), 8)
        name = block[:100].rstrip(b"\0").decode("ascii")
        prefix = block[345:500].rstrip(b"\0").decode("ascii")
    except ValueError:
        return None
    if checksum != sum(block[:148]) + 8 * 0x20 + sum(block[156:]):
        return None
    return (f"{prefix}/{name}" if prefix else name), size_bytes, block[156:157]


def parse_pax_size(content: bytes) -> int | None:
    """The size in a pax extended header as we write them, or None."""
    length, blank, rest = content.partition(b" ")
    value = rest.removeprefix(b"size=").rstrip(b"\n")
    if not blank or not rest.startswith(b"size=") or not value.isdigit() or not length.isdigit():
        return None
    return int(value)
