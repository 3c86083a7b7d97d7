"""Every status we answer with, on one screen. docs/DICOM.md explains them; a test compares the two.

Source: PS3.4 tables B.2-1, C.4-1, C.4-2 and C.4-3; values in the C000 range are ours to assign.
"""

from enum import IntEnum


class Status(IntEnum):
    """A status of a response."""

    SUCCESS = 0x0000
    PENDING = 0xFF00
    PENDING_WITH_UNSUPPORTED_KEYS = 0xFF01  # C-FIND: some wanted keys come back empty
    CANCELLED = 0xFE00
    SOME_FAILED = 0xB000  # C-MOVE, C-GET: not all sub-operations succeeded
    OUT_OF_RESOURCES = 0xA700  # C-STORE, C-FIND: no room, no catalog; try again later
    NOTHING_SENT = 0xA702  # C-MOVE, C-GET: no sub-operation succeeded
    DESTINATION_UNKNOWN = 0xA801  # C-MOVE
    DOES_NOT_MATCH = 0xA900  # identifier or data set contradicts its SOP class or what was announced
    CANNOT_UNDERSTAND = 0xC000  # data set or identifier cannot be read
    INTERNAL_ERROR = 0xC001  # our fault; the log has more
    CONFLICT = 0xC111  # C-STORE: another content is stored under this UID
    TOO_LARGE = 0xC112  # C-STORE: larger than the configuration allows
    OFFLINE = 0xC310  # C-MOVE, C-GET: a person must bring the volume that the comment names
    UNAVAILABLE = 0xC311  # C-MOVE, C-GET: no copy can be read
    RECALL_GOES_ON = 0xC312  # C-MOVE, C-GET: not back within the peer's patience; the comment says when
    RECALL_FAILED = 0xC313  # C-MOVE, C-GET
    RECALLS_BARRED = 0xC314  # C-MOVE, C-GET: on a volume, and this peer may have nothing (more today) brought back
    NOT_AUTHORISED = 0x0124  # the peer has no right to this service
    UNRECOGNISED_OPERATION = 0x0211
    # N-ACTION, N-CREATE, N-SET. Source: PS3.7 annex C
    INVALID_VALUE = 0x0106  # an attribute has a value it may not have, or may not be changed
    PROCESSING_FAILURE = 0x0110  # no way to tell the outcome; no catalog; a step that has ended
    DUPLICATE_INSTANCE = 0x0111  # N-CREATE: there is a step with this UID
    NO_SUCH_INSTANCE = 0x0112
    INVALID_ARGUMENT = 0x0115  # what is asked about cannot be understood
    MISSING_ATTRIBUTE = 0x0120  # N-CREATE, N-SET: a required attribute is absent
    MISSING_VALUE = 0x0121  # N-CREATE, N-SET: a required attribute is empty
    NO_SUCH_ACTION = 0x0123
    DUPLICATE_TRANSACTION = 0x0131


def comment(text: str) -> str:
    """A text fit for Error Comment: one line of ASCII, at most 64 characters. Source: PS3.7 table E.1-1 (LO)."""
    line = " ".join(text.replace("\\", "/").split())
    return line.encode("ascii", "replace").decode("ascii")[:64]
