"""00_HEADER.json: the one member that differs from copy to copy (docs/FORMAT.md section 2.2)."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from drivers.base import Barcode
from hsm.facts import PackDigest
from hsm.format.errors import FormatTooNew, HeaderDamaged, TextInvalid
from hsm.format.text import FORMAT_VERSION, canonical_json, is_digest, parse_utc, plain, utc_text

HEADER_NAME: Final = "00_HEADER.json"
HEADER_BYTES: Final = 4096
KIND_PACK: Final = "pack"
KIND_CATALOG: Final = "catalog"
_FORMAT: Final = "firn-frame"
_ZEROS: Final = "0" * 64


@dataclass(frozen=True)
class PackHeader:
    """Which frame this is, where it lies, and what lies before it."""

    kind: str  # KIND_PACK or KIND_CATALOG
    pack_digest: PackDigest
    pack_bytes: int  # size of the whole frame
    barcode: Barcode
    volume_uuid: str
    sequence: int  # number on the volume, from 1; 0 in an object store
    previous_address: int | None
    previous_digest: PackDigest | None
    previous_stream_sha256: str | None
    study_instance_uid: str  # empty for a catalog file
    written_at: datetime
    format_version: int = FORMAT_VERSION


def encode(header: PackHeader) -> bytes:
    """The member's content: HEADER_BYTES.

    Raises: TextInvalid when a value cannot stand in a header.
    """
    for name in ("pack_digest", "previous_digest", "previous_stream_sha256"):
        value = getattr(header, name)
        if value is not None and not is_digest(value):
            raise TextInvalid(f"{name} {value!r} is not a SHA-256 in lower-case hexadecimal")
    if header.kind not in (KIND_PACK, KIND_CATALOG):
        raise TextInvalid(f"kind {header.kind!r} is neither {KIND_PACK!r} nor {KIND_CATALOG!r}")
    value = {
        "format": _FORMAT,
        "format_version": header.format_version,
        "kind": header.kind,
        "pack_digest": header.pack_digest,
        "pack_bytes": header.pack_bytes,
        "barcode": plain("barcode", header.barcode),
        "volume_uuid": plain("volume_uuid", header.volume_uuid),
        "sequence": header.sequence,
        "previous_address": header.previous_address,
        "previous_digest": header.previous_digest,
        "previous_stream_sha256": header.previous_stream_sha256,
        "study_instance_uid": plain("study_instance_uid", header.study_instance_uid),
        "written_at": utc_text(header.written_at),
    }
    return _spell(value)


def _spell(value: dict[str, Any]) -> bytes:
    def padded(digest: str) -> bytes:
        return canonical_json({**value, "sha256": digest}).ljust(HEADER_BYTES - 1, b" ") + b"\n"

    return padded(hashlib.sha256(padded(_ZEROS)).hexdigest())


def decode(data: bytes) -> PackHeader:
    """Read a header, and believe it only if it has its own digest.

    Raises: HeaderDamaged, FormatTooNew.
    """
    try:
        value = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError):
        raise HeaderDamaged("00_HEADER.json is not JSON") from None
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise HeaderDamaged("00_HEADER.json does not describe a frame of Firn")
    if _spell({key: item for key, item in value.items() if key != "sha256"}) != data:
        raise HeaderDamaged("00_HEADER.json does not have its own digest")
    try:
        version = int(value["format_version"])
        if version > FORMAT_VERSION:
            raise FormatTooNew(f"the frame has format {version}; this Firn reads up to {FORMAT_VERSION}")
        return PackHeader(
            kind=value["kind"],
            pack_digest=PackDigest(value["pack_digest"]),
            pack_bytes=int(value["pack_bytes"]),
            barcode=Barcode(value["barcode"]),
            volume_uuid=value["volume_uuid"],
            sequence=int(value["sequence"]),
            previous_address=value["previous_address"],
            previous_digest=value["previous_digest"],
            previous_stream_sha256=value["previous_stream_sha256"],
            study_instance_uid=value["study_instance_uid"],
            written_at=parse_utc(value["written_at"]),
            format_version=version,
        )
    except (KeyError, TypeError, ValueError) as wrong:
        raise HeaderDamaged(f"00_HEADER.json lacks or misspells something: {wrong}") from None
