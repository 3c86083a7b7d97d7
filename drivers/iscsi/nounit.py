"""What a target answers itself: which units there are, and that a unit is not there.

Source: SPC-4 sections 6.6.1 (INQUIRY of a missing unit), 6.39 (REQUEST SENSE) and 6.33 (REPORT LUNS).
"""

from collections.abc import Callable, Iterable

from drivers.iscsi.pdu import lun_field
from drivers.scsi.sense import Key, Sense
from drivers.scsi.unit import Outcome, Status

INQUIRY = 0x12
REQUEST_SENSE = 0x03
REPORT_LUNS = 0xA0

_ABSENT = bytes([0x7F, 0, 6, 2, 31, 0, 0, 0]) + b"FIRN    " + b"NO UNIT HERE    " + b"1   "


INVALID_FIELD_IN_CDB = (0x24, 0x00)
_UNIT_NOT_SUPPORTED = (0x25, 0x00)


def refusal(code: tuple[int, int]) -> Outcome:
    """CHECK CONDITION, illegal request."""
    return Outcome(Status.CHECK_CONDITION, sense=Sense(Key.ILLEGAL_REQUEST, code).encode())


class NoUnit:
    """Stands where no logical unit is, and reports the list of those there are."""

    def __init__(self, luns: Iterable[int]) -> None:
        self._luns = b"".join(lun_field(lun) for lun in sorted(luns))

    def execute(self, nexus: str, cdb: bytes, data_out: bytes, aborted: Callable[[], bool]) -> Outcome:
        """Answer REPORT LUNS, INQUIRY and REQUEST SENSE; refuse the rest."""
        if cdb[0] == REPORT_LUNS:
            return self._report(cdb)
        if cdb[0] == INQUIRY:
            if cdb[1] & 1 or cdb[2]:
                return refusal(INVALID_FIELD_IN_CDB)  # there are no pages of nothing
            return Outcome(data=_ABSENT[: int.from_bytes(cdb[3:5])])
        if cdb[0] == REQUEST_SENSE:
            return Outcome(data=Sense(Key.ILLEGAL_REQUEST, _UNIT_NOT_SUPPORTED).encode()[: cdb[4]])
        return refusal(_UNIT_NOT_SUPPORTED)

    def reset(self) -> None:
        """Nothing to reset."""

    def forget(self, nexus: str) -> None:
        """Nothing was kept."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _report(self, cdb: bytes) -> Outcome:
        allocation = int.from_bytes(cdb[6:10])
        if allocation < 16 or cdb[2] > 2:
            return refusal(INVALID_FIELD_IN_CDB)
        luns = b"" if cdb[2] == 1 else self._luns  # 1: well known logical units, of which there are none
        return Outcome(data=(len(luns).to_bytes(4) + bytes(4) + luns)[:allocation])
