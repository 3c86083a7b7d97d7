"""The label at the beginning of every volume: read by people, by stock tools and by us (docs/FORMAT.md section 3)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from drivers.base import RECORD_BYTES, Barcode, MediumKind
from hsm.format.errors import FormatTooNew, LabelDamaged, NotALabel, TextInvalid
from hsm.format.text import FORMAT_VERSION, parse_utc, plain, utc_text

LABEL_BYTES: Final = 65536
MAGIC: Final = b"FIRN VOLUME LABEL\n"
_BEGIN: Final = "--- BEGIN FIRN LABEL ---\n"
_END: Final = "--- END FIRN LABEL ---\n"
_ZEROS: Final = "0" * 64

_TAPE_TEXT: Final = """\
FIRN VOLUME LABEL

This tape holds medical images (DICOM), written by the Firn archive. No Firn is needed to read it.

  tape file 0     this label
  tape file 1     a tar with README.TXT and restore.py (Python 3.6 or newer, nothing else)
  tape file 2..   one tar per pack: a part of one study, or a copy of the catalog

To look at the label          mt -f /dev/nst0 rewind; mt -f /dev/nst0 setblk 0
                              dd if=/dev/nst0 bs=1M count=1 | cat -s
To get the restore program    mt -f /dev/nst0 rewind; mt -f /dev/nst0 fsf 1
                              dd if=/dev/nst0 bs=1M | tar -xf -
                              python3 restore.py --help
To restore by hand the pack in tape file N (2 is the first), in an empty folder:
                              mt -f /dev/nst0 rewind; mt -f /dev/nst0 fsf N
                              dd if=/dev/nst0 bs=1M of=pack.tar
                              tar -i -xf pack.tar
                              sha256sum -c 01_MANIFEST.sha256
Use tar -i, and dd without conv=sync. Believe sha256sum -c and nothing else: tar ends without an error in front of a
damaged place. If dd stops at an unreadable record:  dd if=/dev/nst0 bs=256k conv=noerror of=pack.tar
Each pack says in 00_HEADER.json which number it has on which volume and what was written before it, and in
02_STUDY.json whose images these are.

To check this label itself, saved as "label" (the sum must be the one below):
  sed 's/^sha256: .*/sha256: {zeros}/' label | sha256sum

"""

_DISC_TEXT: Final = """\
FIRN VOLUME LABEL

This disc holds medical images (DICOM), written by the Firn archive. No Firn is needed to read it: the disc is a DICOM
File-set (see DICOMDIR) that any DICOM viewer opens.

  IMAGES/              the images, byte for byte as they were archived
  ARCHIVE/0001/ ..     one folder per pack, a part of one study: what is in it, with digests
  ARCHIVE/RESTORE.PY   a program that checks and copies (Python 3.6 or newer, nothing else)
  ARCHIVE/PAR2/        recovery data, if present: par2 verify, par2 repair

To check a pack, at the root of the disc:   sha256sum -c ARCHIVE/0001/FILES.sha256

To check this label itself, saved as "label" (the sum must be the one below):
  sed 's/^sha256: .*/sha256: {zeros}/' label | sha256sum

"""


@dataclass(frozen=True)
class VolumeLabel:
    """What a volume says it is."""

    barcode: Barcode
    uuid: str
    kind: MediumKind
    generation: str  # for example "LTO-8", "BD-R"
    pool: str  # the volume pool it was labelled for
    labelled_at: datetime
    record_bytes: int = RECORD_BYTES
    format_version: int = FORMAT_VERSION


def encode(label: VolumeLabel) -> bytes:
    """The label as it lies on the volume: LABEL_BYTES of ASCII.

    Raises: TextInvalid when a value cannot stand in a label.
    """
    for name in ("barcode", "uuid"):
        if not getattr(label, name):
            raise TextInvalid(f"{name} of a label must not be empty")
    text = _TAPE_TEXT if label.kind is MediumKind.TAPE else _DISC_TEXT
    lines = {
        "format_version": str(label.format_version),
        "barcode": label.barcode,
        "uuid": label.uuid,
        "kind": label.kind.value,
        "generation": label.generation,
        "pool": label.pool,
        "record_bytes": str(label.record_bytes),
        "labelled_at": utc_text(label.labelled_at),
    }
    body = "".join(f"{key}: {plain(key, value)}\n" for key, value in lines.items())
    machine = f"{_BEGIN}{body}sha256: {_ZEROS}\n{_END}"
    blank = (text.replace("{zeros}", _ZEROS) + machine).encode("ascii").ljust(LABEL_BYTES, b"\n")
    return _with_digest(blank, hashlib.sha256(blank).hexdigest())


def _with_digest(blank: bytes, digest: str) -> bytes:
    head, mark, tail = blank.rpartition(b"\nsha256: ")
    return head + mark + digest.encode("ascii") + tail[64:]


def _lines(data: bytes) -> dict[str, str]:
    """The machine-readable part. Raises: LabelDamaged."""
    try:
        text = data.decode("ascii")
        body = text[text.index("\n" + _BEGIN) + 1 + len(_BEGIN) : text.index("\n" + _END) + 1]
        pairs = [line.split(": ", 1) for line in body.splitlines()]
        found = dict(pairs)
    except ValueError:
        raise LabelDamaged("the label has no readable part between its BEGIN and END lines") from None
    if len(found) != len(pairs):
        raise LabelDamaged("the label says something twice")
    return found


def decode(data: bytes) -> VolumeLabel:
    """Read a label, and believe it only if it has its own digest.

    Raises: NotALabel, LabelDamaged, FormatTooNew.
    """
    if not data.startswith(MAGIC):
        raise NotALabel(f"the volume does not begin with a Firn label but with {data[:18]!r}")
    if len(data) != LABEL_BYTES:
        raise LabelDamaged(f"the label has {len(data)} bytes instead of {LABEL_BYTES}")
    found = _lines(data)
    digest = found.get("sha256", "")
    if len(digest) != 64 or hashlib.sha256(_with_digest(data, _ZEROS)).hexdigest() != digest:
        raise LabelDamaged(f"the label of {found.get('barcode', '?')} does not have its own digest")
    try:
        version = int(found["format_version"])
        if version > FORMAT_VERSION:
            raise FormatTooNew(
                f"volume {found.get('barcode', '?')} has format {version}; this Firn reads {FORMAT_VERSION}"
            )
        return VolumeLabel(
            barcode=Barcode(found["barcode"]),
            uuid=found["uuid"],
            kind=MediumKind(found["kind"]),
            generation=found["generation"],
            pool=found["pool"],
            labelled_at=parse_utc(found["labelled_at"]),
            record_bytes=int(found["record_bytes"]),
            format_version=version,
        )
    except KeyError as missing:
        raise LabelDamaged(f"the label has no line {missing}") from None
    except ValueError as wrong:
        raise LabelDamaged(f"the label has a line that cannot be read: {wrong}") from None
