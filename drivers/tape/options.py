"""What can be said about a tape drive in the configuration."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TapeOptions:
    """Settings of one tape drive; the defaults fit LTO drives in a robot."""

    model: str | None = None  # "LTO-8"; None: as the product name says
    compression: bool = False  # of the drive; images are compressed already, or kept as they are
    key_dir: Path | None = None  # where encryption keys lie, one a file: NAME.key; None: the drive does not encrypt
    key_name: str | None = None  # with which key blank volumes are written
    key_algorithm: int = 1  # index of the drive's algorithm; LTO drives have AES-GCM there
    settle_s: float = 30.0  # how long after a load a drive may still say that it is empty
    cleaning_limit_s: float = 900.0  # how long a cleaning may take
    poll_s: float = 1.0  # between two looks at a drive that is not ready
    turn_s: float = 2.0  # how long status() waits for its turn before it repeats its last answer
