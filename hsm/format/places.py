"""Where things lie on a disc: it follows from the sequence of the pack and the order of its members."""

from collections.abc import Iterator, Sequence
from typing import Final

from hsm.facts import Member
from hsm.format.pack import STUDY_NAME, PackLayout

ARCHIVE: Final = "ARCHIVE"
IMAGES: Final = "IMAGES"
FILES_NAME: Final = "FILES.sha256"
LABEL_PLACE: Final = "ARCHIVE/LABEL.TXT"
RESTORE_PLACE: Final = "ARCHIVE/RESTORE.PY"
PAR2_INDEX: Final = "ARCHIVE/PAR2/volume.par2"


def _image_places(sequence: int, members: Sequence[Member]) -> Iterator[str]:
    series, image, before = 0, 0, ""
    for member in members:
        if member.series_instance_uid != before:
            series, image, before = series + 1, 0, member.series_instance_uid
        image += 1
        yield f"{IMAGES}/P{sequence:07d}/S{series:07d}/I{image:07d}"


def image_places(sequence: int, members: Sequence[Member]) -> list[str]:
    """The path of each member of a pack: each component is a File ID component (PS3.10 8.2)."""
    return list(_image_places(sequence, members))


def file_list(sequence: int, layout: PackLayout) -> bytes:
    """FILES.sha256: the lines of the manifest with the places on the disc."""
    study = layout.frame.entries[0].sha256
    lines = [f"{study}  {ARCHIVE}/{sequence:04d}/{STUDY_NAME}\n"]
    places = image_places(sequence, layout.members)
    lines += [f"{member.sha256}  {place}\n" for member, place in zip(layout.members, places, strict=True)]
    return "".join(lines).encode("ascii")
