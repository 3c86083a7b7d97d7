"""TapeAlert: what a tape drive says about itself and its medium, flag by flag.

A flag is told once: reading the page clears it. Whoever reads keeps what it was told.

Source: SSC-4, log page 0x2E; the texts are those of sg_logs (sg3-utils 1.46).
"""

from collections.abc import Iterable

# Flags worth acting on have a name; the others are told by number.
ALERTS = {
    3: "hard_error",
    4: "media_at_risk",
    5: "read_failure",
    6: "write_failure",
    7: "media_life",
    9: "write_protected",
    13: "snapped_tape",
    14: "unrecoverable_mechanical_failure",
    15: "memory_chip_failure",
    18: "tape_directory_corrupted",
    20: "clean_now",
    21: "clean_periodic",
    22: "expired_cleaning_media",
}

CLEANING_WANTED = frozenset({20, 21})
CLEANING_FAILED = frozenset({22, 23})  # the cleaning cartridge is used up, or is none
OF_THE_VOLUME = frozenset({4, 5, 6, 7, 13, 15, 18})  # a failed write under one of these speaks against the cartridge

# The lines of sg_logs for flags 1, 2, 3 ...
TEXTS = (
    "Read warning",
    "Write warning",
    "Hard error",
    "Media",
    "Read failure",
    "Write failure",
    "Media life",
    "Not data grade",
    "Write protect",
    "No removal",
    "Cleaning media",
    "Unsupported format",
    "Recoverable mechanical cartridge failure",
    "Unrecoverable mechanical cartridge failure",
    "Memory chip in cartridge failure",
    "Forced eject",
    "Read only format",
    "Tape directory corrupted on load",
    "Nearing media life",
    "Cleaning required",
    "Cleaning requested",
    "Expired cleaning media",
    "Invalid cleaning tape",
    "Retension requested",
    "Dual port interface error",
    "Cooling fan failing",
    "Power supply failure",
    "Power consumption",
    "Drive maintenance",
    "Hardware A",
    "Hardware B",
    "Interface",
    "Eject media",
    "Microcode update fail",
    "Drive humidity",
    "Drive temperature",
    "Drive voltage",
    "Predictive failure",
    "Diagnostics required",
    "Obsolete (28h)",
    "Obsolete (29h)",
    "Obsolete (2Ah)",
    "Obsolete (2Bh)",
    "Obsolete (2Ch)",
    "Obsolete (2Dh)",
    "Obsolete (2Eh)",
    "Reserved (2Fh)",
    "Reserved (30h)",
    "Reserved (31h)",
    "Lost statistics",
    "Tape directory invalid at unload",
    "Tape system area write failure",
    "Tape system area read failure",
    "No start of data",
    "Loading failure",
    "Unrecoverable unload failure",
    "Automation interface failure",
    "Firmware failure",
    "WORM medium - integrity check failed",
    "WORM medium - overwrite attempted",
    "Reserved parameter code 0x3d, flag",
    "Reserved parameter code 0x3e, flag",
    "Reserved parameter code 0x3f, flag",
    "Reserved parameter code 0x40, flag",
)


def names(flags: Iterable[int]) -> tuple[str, ...]:
    """The names of flags, by number."""
    return tuple(ALERTS.get(flag, f"alert_{flag}") for flag in sorted(set(flags)))
