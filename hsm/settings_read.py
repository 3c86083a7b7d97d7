"""One setting of the configuration as it was read, for people to look at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SettingRead:
    """One key: what it is, and where that was said. A secret is never in here."""

    table: str  # "web", or "peer 2" for the second of several
    key: str
    value: str
    source: str  # "default", the file with its line, or the variable
    meaning: str
    is_default: bool
