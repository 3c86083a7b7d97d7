"""Writes the preamble and file meta that make a received data set a Part 10 file.

Made by hand, not by a library: it is written for every object, and its bytes must not change with a library's version.
Source: PS3.10 section 7.1.
"""

import struct

from hsm.format.text import is_uid
from hsm.header import HeaderInvalid

IMPLEMENTATION_CLASS_UID = "2.25.134216811276340203306262446862211463121"
IMPLEMENTATION_VERSION_NAME = "FIRN_01"
_LONG = struct.Struct("<HH2sHI")
_SHORT = struct.Struct("<HH2sH")


def file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_aet: str = "") -> bytes:
    """Preamble and file meta; the data set follows.

    Raises: HeaderInvalid when one of the UIDs is none.
    """
    for name, uid in (
        ("SOP Class UID", sop_class_uid),
        ("SOP Instance UID", sop_instance_uid),
        ("Transfer Syntax UID", transfer_syntax_uid),
    ):
        if not is_uid(uid):
            raise HeaderInvalid(f"{name} is not a UID: {uid[:80]!r}")
    body = b"".join(
        (
            _LONG.pack(2, 0x01, b"OB", 0, 2),
            b"\x00\x01",
            _uid(0x02, sop_class_uid),
            _uid(0x03, sop_instance_uid),
            _uid(0x10, transfer_syntax_uid),
            _uid(0x12, IMPLEMENTATION_CLASS_UID),
            _text(0x13, b"SH", IMPLEMENTATION_VERSION_NAME, b" "),
            _text(0x16, b"AE", source_aet[:16], b" ") if source_aet and source_aet.isascii() else b"",
        )
    )
    return b"".join((bytes(128), b"DICM", _SHORT.pack(2, 0, b"UL", 4), struct.pack("<I", len(body)), body))


def _uid(element: int, uid: str) -> bytes:
    return _text(element, b"UI", uid, b"\0")


def _text(element: int, vr: bytes, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += padding
    return _SHORT.pack(2, element, vr, len(value)) + value
