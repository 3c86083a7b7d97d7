"""The metadata of objects, from the objects or from what is kept of them, and their long values one by one.

Source: PS3.18 sections 10.4.1.1.2 and 10.4.1.1.5.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from hsm.archive import Archive
from hsm.cards.shelf import CardShelf, Head
from hsm.dicom_json import MetadataUnreadable, metadata, text_of
from hsm.facts import StoredInstance
from hsm.states import OnlineState

MAX_VALUE_BYTES = 1 << 30  # of one bulk value


class NoSuchValue(Exception):
    """The object has no bulk value at that place."""


class Heads:
    """What is kept of the objects of one study, a series at a time."""

    def __init__(self, shelf: CardShelf | None) -> None:
        self._shelf = shelf
        self._series = ""
        self._of: Mapping[str, Head] = {}

    def of(self, instance: StoredInstance) -> bytes | None:
        """What an object says, as JSON text (see hsm/dicom_json); None when that is not kept of what it is now."""
        if self._shelf is None:
            return None
        if instance.series_instance_uid != self._series:
            self._series = instance.series_instance_uid
            self._of = self._shelf.heads(instance.study_instance_uid, self._series)
        head = self._of.get(instance.sop_instance_uid)
        return head.said if head is not None and head.sha256 == instance.sha256 and head.said else None


def away(found: Sequence[StoredInstance], shelf: CardShelf | None) -> list[StoredInstance]:
    """Those of which nothing can be said without their being brought back."""
    heads = Heads(shelf)
    return [one for one in found if one.online_state is not OnlineState.ONLINE and heads.of(one) is None]


def texts(
    archive: Archive, found: Sequence[StoredInstance], shelf: CardShelf | None
) -> Iterator[tuple[StoredInstance, bytes]]:
    """What each object says, as JSON text: what is kept, else what the object itself says.

    Raises: MetadataUnreadable, and what `Archive.open` raises.
    """
    heads = Heads(shelf)
    for one in found:
        kept = heads.of(one)
        if kept is None:
            with archive.open(one) as stream:
                kept = text_of(metadata(stream))
        yield one, kept


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
