"""What a stored object says, as DICOM JSON: every attribute, long values as addresses to fetch them from.

Addresses are written relative to the object's bulk data, behind a mark; `addressed` puts the real one in their
place, so that what was written once can be kept.

Source: PS3.18 sections 10.4.1.1.2 and annex F.2.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from hsm.elements import FileSource, encoding_of, read_element_header

INLINE_BYTES = 1024  # longer values of binary kinds are fetched by themselves
MOST_TEXT_BYTES = 4 << 20  # of one object that is kept apart from it
MARK = "@"  # stands for the address of the object's bulk data
_KEY = b'"BulkDataURI": "'  # quotes inside a value are written with a backslash before them, so this is always a key
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})
_PIXELS: Mapping[int, str] = {0x7FE00008: "OF", 0x7FE00009: "OD", 0x7FE00010: "OW"}


class MetadataUnreadable(Exception):
    """A stored object cannot be read as a data set."""


def metadata(stream: BinaryIO) -> dict[str, Any]:
    """Everything an object says, group 2 apart. Raises: MetadataUnreadable."""
    dataset = _read(stream)
    found = _json(dataset, MARK)
    transfer_syntax_uid = str(dataset.file_meta.TransferSyntaxUID)
    pixels = _pixel_element(stream, transfer_syntax_uid)
    if pixels is not None:
        vr = _PIXELS[pixels] if transfer_syntax_uid in _NATIVE else "OB"
        found[f"{pixels:08X}"] = {"vr": vr, "BulkDataURI": f"{MARK}/{pixels:08X}"}
    return dict(sorted(found.items()))


def text_of(said: Mapping[str, Any]) -> bytes:
    """As JSON text in UTF-8, on one line."""
    return json.dumps(said, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def addressed(text: bytes, address: str) -> bytes:
    """JSON text of an object with real addresses. `address`: of its bulk data, without a slash at its end."""
    return text.replace(_KEY + MARK.encode() + b"/", _KEY + address.encode() + b"/")


def _read(stream: BinaryIO) -> pydicom.FileDataset:
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True)
        str(dataset.file_meta.TransferSyntaxUID)  # nothing can be said without
        return dataset
    except (InvalidDicomError, AttributeError, ValueError, TypeError) as error:
        raise MetadataUnreadable(f"the object cannot be read: {type(error).__name__}") from error


def _pixel_element(stream: BinaryIO, transfer_syntax_uid: str) -> int | None:
    """The tag of the pixels, where reading stopped."""
    if encoding_of(transfer_syntax_uid).deflated:
        return None
    source = FileSource(stream)
    if source.peek_end():
        return None
    tag = read_element_header(source, encoding_of(transfer_syntax_uid))[0]
    return tag if tag in _PIXELS else None


def _json(dataset: Dataset, address: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating a data set reads every element, broken ones too
        key = f"{int(tag):08X}"
        try:
            said = _element(dataset[tag], f"{address}/{key}")
        except (ValueError, TypeError, AttributeError, NotImplementedError, OverflowError):
            continue  # what breaks the rules of its own kind cannot be said in JSON; the object has it
        if int(tag) & 0xFFFF:
            found[key] = said
    return found


def _element(element: DataElement, address: str) -> dict[str, Any]:
    """Raises: ValueError for a number that JSON has no word for; and what pydicom raises."""
    if element.VR == "SQ":
        items = [_json(item, f"{address}/{number}") for number, item in enumerate(element.value, 1)]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if element.VR in _BINARY and isinstance(element.value, bytes) and len(element.value) > INLINE_BYTES:
        return {"vr": element.VR, "BulkDataURI": address}
    said = dict(element.to_json_dict(None, 0))
    if any(isinstance(value, float) and not math.isfinite(value) for value in said.get("Value") or ()):
        raise ValueError("not a finite number")
    return said
