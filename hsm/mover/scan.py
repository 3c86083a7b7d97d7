"""Looking at a medium: what it says it is, and whether the catalog agrees. Nothing is written."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from drivers.base import Barcode, DiscState
from drivers.errors import Blame, DriverError
from hsm.facts import VolumeRecord
from hsm.format.errors import FormatError
from hsm.library import DiscSession, EndOfDataMoved, Library, TapeSession, WrongVolume
from hsm.library.looking import Seen, SeenKind, look_at_disc, look_at_tape


@dataclass(frozen=True)
class Finding:
    """What was found in a drive."""

    kind: str  # a SeenKind
    agrees: bool  # with the catalog
    what: str  # in a sentence
    advice: str = ""
    label: str | None = None  # the barcode that its label names
    uuid: str | None = None
    packs: int | None = None  # as far as that was looked at

    def as_fields(self) -> dict[str, Any]:
        """For an event and for the job."""
        return asdict(self)


def scan(library: Library, volume: VolumeRecord, drive: int, told: Callable[[str], None]) -> Finding:
    """Bring a volume to a drive and look at it.

    Raises: DriverError that speaks against the drive or the robot; what speaks against the medium is the finding.
    """
    try:
        with library.mount_unproved(volume.barcode, drive) as session:
            told(f"looking at {volume.barcode}")
            return _look(session, volume)
    except DriverError as error:
        if error.blame not in (Blame.VOLUME, Blame.CALLER):
            raise
        return Finding(SeenKind.UNREADABLE, False, f"{volume.barcode} cannot be used in drive {drive}: {error}")


def _look(session: TapeSession | DiscSession, volume: VolumeRecord) -> Finding:
    is_tape = isinstance(session, TapeSession)
    seen = look_at_tape(session.drive) if isinstance(session, TapeSession) else look_at_disc(session.recorder)
    if seen is None or seen.kind is SeenKind.NOT_READY:
        return Finding(SeenKind.NOT_READY, False, f"the drive sees nothing it can say more of{_why(seen)}")
    if seen.kind is not SeenKind.LABELLED:
        return _without_label(volume, seen)
    if seen.barcode != volume.barcode:
        what = f"the {'tape' if is_tape else 'disc'} with barcode {volume.barcode} carries the label of {seen.barcode}"
        advice = "barcodes were swapped: put the right barcode on it"
        return Finding(seen.kind, False, what, advice, seen.barcode, seen.uuid)
    if volume.uuid is None and seen.uuid == volume.former_uuid:
        what = "it was emptied, and still carries its former label until it is labelled again"
        return Finding(seen.kind, True, what, "", seen.barcode, seen.uuid)
    if volume.uuid is None:
        return _unknown(session, volume, seen)
    if seen.uuid != volume.uuid:
        what = f"it carries label {seen.uuid}, but the catalog knows {volume.barcode} as {volume.uuid}"
        return Finding(seen.kind, False, what, "find out which of the two is the right one", seen.barcode, seen.uuid)
    return _known(session, volume, seen)


def _why(seen: Seen | None) -> str:
    return "" if seen is None else f": {seen.what}"


def _without_label(volume: VolumeRecord, seen: Seen) -> Finding:
    if volume.uuid is not None:
        what = f"this is {seen.what}, but the catalog knows {volume.barcode} as {volume.uuid}"
        return Finding(seen.kind, False, what, f"set it aside: firn volumes doubt {volume.barcode} --reason ...")
    if seen.kind is SeenKind.BLANK:
        return Finding(seen.kind, True, f"this is {seen.what}")
    return Finding(seen.kind, False, f"this is {seen.what}", "it is not used; take it out: firn volumes export")


def _unknown(session: TapeSession | DiscSession, volume: VolumeRecord, seen: Seen) -> Finding:
    """Ours, and the catalog takes it for blank."""
    if isinstance(session, TapeSession):
        packs = None if session.holds_packs() else 0
    else:
        packs = len(session.reader().sequences())
    if packs == 0:
        what, advice = "it has our label and holds nothing", f"complete it: firn volumes label {volume.barcode}"
    else:
        what = "it is ours and holds packs that the catalog does not know"
        advice = f"enter them: firn rebuild-catalog --volume {volume.barcode}"
    return Finding(seen.kind, packs == 0, what, advice, seen.barcode, seen.uuid, packs)


def _known(session: TapeSession | DiscSession, volume: VolumeRecord, seen: Seen) -> Finding:
    packs = volume.last_sequence
    try:
        if isinstance(session, TapeSession):
            if volume.end_address is not None:
                session.prove_end(volume)
        elif session.recorder.status().state is DiscState.COMPLETE:
            packs = len(session.reader().sequences())
    except (EndOfDataMoved, WrongVolume, FormatError) as error:
        advice = f"read it back: firn verify {volume.barcode}"
        return Finding(seen.kind, False, str(error), advice, seen.barcode, seen.uuid, None)
    agrees = packs == volume.last_sequence
    what = f"it is {volume.barcode} and holds {packs} packs, as the catalog says"
    if not agrees:
        what = f"it holds {packs} packs, the catalog knows {volume.last_sequence}"
    advice = "" if agrees else f"enter them: firn rebuild-catalog --volume {volume.barcode}"
    return Finding(seen.kind, agrees, what, advice, Barcode(str(seen.barcode)), seen.uuid, packs)
