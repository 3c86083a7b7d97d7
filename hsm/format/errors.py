"""What can be wrong with what lies on a medium."""

from collections.abc import Sequence


class FormatError(Exception):
    """Bytes do not follow docs/FORMAT.md, or something cannot be written that way."""


class FormatTooNew(FormatError):
    """Written by a later version of the format: a newer Firn is needed to read it."""


class NotALabel(FormatError):
    """The volume does not begin with a Firn label: it is blank or somebody else's."""


class LabelDamaged(FormatError):
    """The volume begins like one of ours, but its label does not have its own digest or misses a line."""


class TextInvalid(FormatError):
    """A text cannot be written into a label or header: too long, or not printable ASCII."""


class HeaderDamaged(FormatError):
    """A 00_HEADER.json does not have its own digest or misses a key."""


class ManifestDamaged(FormatError):
    """A 01_MANIFEST.sha256 does not follow its grammar."""


class StudyJsonInvalid(FormatError):
    """A 02_STUDY.json cannot be read as docs/FORMAT.md section 2.4 says."""


class LayoutInvalid(FormatError):
    """These instances cannot make a pack: double, misnamed, or not those of the study description."""


class MemberChanged(FormatError):
    """A member's bytes are not those that were planned: nothing written of this stream may be trusted."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"{path} changed under the hand: {why}; the stream was stopped, write it again from a good copy"
        )
        self.path = path


class PackDamaged(FormatError):
    """A frame that was read back is not what was written."""

    def __init__(self, message: str, members: Sequence[str] = ()) -> None:
        """`members`: the paths inside the frame that are bad; empty when the fault is not one member's."""
        super().__init__(message)
        self.members = tuple(members)


class WrongPack(PackDamaged):
    """A frame is whole, but it is not the one that should be here."""


class DiscDamaged(FormatError):
    """The file system of a disc, or the part of it that says what is where, cannot be read."""
