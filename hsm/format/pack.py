"""A pack: some instances of one study as one tar, with a name that follows from their content."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from hsm.facts import Member, PackDigest
from hsm.format import frame as frames
from hsm.format.errors import LayoutInvalid, StudyJsonInvalid
from hsm.format.frame import MANIFEST_NAME, Frame, FrameStream
from hsm.format.header import KIND_CATALOG, KIND_PACK, PackHeader
from hsm.format.study_json import STUDY_NAME, listing
from hsm.format.text import is_uid

__all__ = [
    "KIND_CATALOG",
    "KIND_PACK",
    "MANIFEST_NAME",
    "STUDY_NAME",
    "PackHeader",
    "PackInput",
    "PackLayout",
    "PackStream",
    "layout",
    "member_path",
]


@dataclass(frozen=True)
class PackInput:
    """One instance that goes into a pack."""

    sop_instance_uid: str
    series_instance_uid: str
    size_bytes: int
    sha256: str  # of the stored file
    instance_id: int = 0
    pressed: bool = False


@dataclass(frozen=True)
class PackLayout:
    """One pack as it will lie on every volume."""

    digest: PackDigest
    manifest: bytes
    study_json: bytes
    members: tuple[Member, ...]
    size_bytes: int  # of the whole stream
    frame: Frame


def member_path(series_instance_uid: str, sop_instance_uid: str) -> str:
    """The name of an instance inside a pack. Raises: LayoutInvalid for a UID that must not name anything."""
    for uid in (series_instance_uid, sop_instance_uid):
        if not is_uid(uid):
            raise LayoutInvalid(f"{uid[:100]!r} is not a UID: it cannot name a member of a pack")
    return f"{series_instance_uid}/{sop_instance_uid}.dcm"


def layout(study_json: bytes, inputs: Sequence[PackInput]) -> PackLayout:
    """Decide name, size and offsets of a pack. They depend on the content alone, not on a copy.

    `study_json` must come from `study_json.build` for the same instances in the same order: it is what readers know
    the sizes from.

    Raises: LayoutInvalid.
    """
    try:
        listed = [
            (item.sop_instance_uid, item.series_instance_uid, item.size_bytes, item.sha256)
            for item in listing(study_json)
        ]
    except StudyJsonInvalid as wrong:
        raise LayoutInvalid(f"the study description cannot be read: {wrong}") from wrong
    if listed != [(i.sop_instance_uid, i.series_instance_uid, i.size_bytes, i.sha256) for i in inputs]:
        raise LayoutInvalid("the study description does not list the same instances in the same order as the pack")
    if not inputs:
        raise LayoutInvalid("a pack needs at least one instance")
    contents = [(STUDY_NAME, len(study_json), hashlib.sha256(study_json).hexdigest())]
    contents += [(member_path(i.series_instance_uid, i.sop_instance_uid), i.size_bytes, i.sha256) for i in inputs]
    frame = frames.plan(contents)
    members = tuple(
        Member(
            instance_id=item.instance_id,
            sop_instance_uid=listed_uid,
            series_instance_uid=series_uid,
            offset_bytes=entry.offset_bytes,
            size_bytes=entry.size_bytes,
            sha256=entry.sha256,
            pressed=item.pressed,
        )
        for item, entry, (listed_uid, series_uid, _, _) in zip(inputs, frame.entries[1:], listed, strict=True)
    )
    return PackLayout(frame.digest, frame.manifest, study_json, members, frame.size_bytes, frame)


class PackStream(FrameStream):
    """The stream of one copy of a pack: read once, to its end, each member checked while it passes."""

    def __init__(self, layout: PackLayout, header: PackHeader, open_member: Callable[[Member], BinaryIO]) -> None:
        """`open_member` gives the stored file of an instance from its beginning; it is closed here.

        Raises: FormatError when the header is not of this pack.
        """
        by_path = {entry.path: member for entry, member in zip(layout.frame.entries[1:], layout.members, strict=True)}
        first = {STUDY_NAME: layout.study_json}
        super().__init__(
            layout.frame, header, frames.bytes_opener(first, lambda entry: open_member(by_path[entry.path]))
        )
