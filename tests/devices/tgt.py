"""The library of Debian's tgt: a second opinion, from people who never saw Firn."""

import os
from pathlib import Path

from drivers.attached import AttachedDevice, AttachedKind
from drivers.base import Barcode
from tests.devices.attach import LIBRARY, device, run

TAPES = (Barcode("T00001L8"), Barcode("T00002L8"))  # in slots 1 and 2 of ten
MAIL_SLOT = 11
DRIVES = ("FIRNTGT-T0", "FIRNTGT-T1")
ROBOT = "FIRNTGT-C0"
RECORDER = "FIRNTGT-D0"


class Tgt:
    """The library as hands and eyes know it."""

    def __init__(self) -> None:
        """Have it up."""
        self("up")
        self.media = Path(os.environ.get("FIRN_LIBRARY", "/var/lib/firn-library"))

    def __call__(self, *arguments: str) -> None:
        """One of the commands of library.sh."""
        run(LIBRARY, *arguments)

    @property
    def robot(self) -> AttachedDevice:
        return device(ROBOT, AttachedKind.CHANGER)

    @property
    def recorder(self) -> AttachedDevice:
        return device(RECORDER, AttachedKind.RECORDER)

    def drive(self, index: int) -> AttachedDevice:
        """A tape drive."""
        return device(DRIVES[index], AttachedKind.TAPE)
