"""The metadata of a stored object as DICOM JSON: every attribute, long values as addresses to fetch them from.

Source: PS3.18 sections 10.4.1.1.2 and annex F.2.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from hsm.elements import FileSource, encoding_of, read_element_header
from web.dicomweb.objects import is_native

INLINE_BYTES = 1024  # longer values of binary kinds are fetched by themselves
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_PIXELS: Mapping[int, str] = {0x7FE00008: "OF", 0x7FE00009: "OD", 0x7FE00010: "OW"}
MAX_VALUE_BYTES = 1 << 30  # of one bulk value


class MetadataUnreadable(Exception):
    """A stored object cannot be read as a data set."""


class NoSuchValue(Exception):
    """The object has no bulk value at that place."""


def metadata(stream: BinaryIO, address: str) -> dict[str, Any]:
    """Everything an object says, group 2 apart. `address`: of the object's bulk data, without a slash at its end.

    Raises: MetadataUnreadable.
    """
    dataset = _read(stream)
    found = _json(dataset, address)
    pixels = _pixel_element(stream, str(dataset.file_meta.TransferSyntaxUID))
    if pixels is not None:
        vr = "OB" if not is_native(str(dataset.file_meta.TransferSyntaxUID)) else _PIXELS[pixels]
        found[f"{pixels:08X}"] = {"vr": vr, "BulkDataURI": f"{address}/{pixels:08X}"}
    return dict(sorted(found.items()))


def bulk_value(stream: BinaryIO, path: str) -> bytes:
    """One long value: a tag, or tag/item/tag for one inside a sequence; items are counted from 1.

    Raises: NoSuchValue, MetadataUnreadable.
    """
    try:
        dataset: Dataset = pydicom.dcmread(stream)
        *outer, last = path.split("/")
        for tag, item in zip(outer[::2], outer[1::2], strict=True):
            dataset = dataset[int(tag, 16)].value[int(item) - 1]
        value = dataset[int(last, 16)].value
    except (InvalidDicomError, AttributeError, TypeError) as error:
        raise MetadataUnreadable(f"the object cannot be read: {type(error).__name__}") from error
    except (KeyError, IndexError, ValueError, OverflowError):
        raise NoSuchValue(f"the object has no bulk value at {path[:200]}") from None
    if not isinstance(value, bytes):
        raise NoSuchValue(f"what lies at {path[:200]} is no bulk value")
    return value


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
    if element.VR == "SQ":
        items = [_json(item, f"{address}/{number}") for number, item in enumerate(element.value, 1)]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if element.VR in _BINARY and isinstance(element.value, bytes) and len(element.value) > INLINE_BYTES:
        return {"vr": element.VR, "BulkDataURI": address}
    return dict(element.to_json_dict(None, 0))
