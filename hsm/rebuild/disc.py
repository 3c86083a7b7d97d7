"""What a disc tells about itself.

Source: docs/FORMAT.md section 5.
"""

from collections.abc import Callable

from drivers.base import DiscState, MediumKind
from drivers.errors import MediumError
from hsm.catalog.found import FoundPack, FoundVolume
from hsm.format.errors import FormatError
from hsm.format.reading import read_prefix
from hsm.library import DiscSession, WrongVolume
from hsm.rebuild.tape import VolumeContent


def read_disc(session: DiscSession, progress: Callable[[str], None]) -> VolumeContent | None:
    """Read the description of every pack on a disc.

    Returns: None for a blank disc.
    Raises: WrongVolume when it is not ours or carries another barcode; DriverError.
    """
    status = session.recorder.status()
    if status.state is DiscState.BLANK:
        return None
    reader = session.reader()
    label = reader.label()
    if label.barcode != session.barcode:
        raise WrongVolume(f"the disc with barcode {session.barcode} carries the label of {label.barcode}")
    content = VolumeContent(
        FoundVolume(
            barcode=session.barcode,
            uuid=label.uuid,
            kind=MediumKind.DISC,
            generation=label.generation,
            pool=label.pool,
            labelled_at=label.labelled_at,
            capacity_bytes=status.capacity_bytes or 0,
            used_bytes=status.size_bytes or 0,
            image_bytes=status.size_bytes,
            last_sequence=max(reader.sequences(), default=0),
            closed=True,
        )
    )
    for sequence in reader.sequences():
        try:
            prefix = read_prefix(reader.stream(sequence))
        except (FormatError, MediumError) as error:
            content.faults.append(f"{session.barcode}: pack {sequence} is damaged: {error}")
            continue
        content.packs.append(
            FoundPack(
                digest=prefix.digest,
                size_bytes=prefix.header.pack_bytes,
                study_json=prefix.study_json,
                members=prefix.members,
                barcode=session.barcode,
                sequence=sequence,
                address=sequence,
                stream_sha256=None,
                written_at=prefix.header.written_at,
                drive_serial=session.drive_serial,
            )
        )
        progress(f"{session.barcode}: pack {sequence}")
    return content
