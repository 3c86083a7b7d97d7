"""Making a blank tape ours."""

from uuid import uuid4

import structlog

from drivers.base import MediumKind
from hsm.facts import VolumePool, VolumeRecord
from hsm.format.label import VolumeLabel
from hsm.library import TapeSession, WrongVolume
from hsm.mover.context import MoverContext

log = structlog.get_logger()


def label_tape(session: TapeSession, volume: VolumeRecord, pool: VolumePool, context: MoverContext) -> VolumeRecord:
    """Make a blank tape a volume of a pool, or one that a person emptied. Anything else is refused.

    An interrupted labelling is completed.

    Returns: the volume as catalogued after.
    Raises: WrongVolume and its kinds, DriverError; the catalog then still takes the tape for blank, or emptied.
    """
    now = context.now()
    status = session.drive.status()
    generation = status.generation or volume.generation
    present = session.read_label()
    emptied = present is not None and present.uuid == volume.former_uuid
    fresh = VolumeLabel(
        barcode=volume.barcode,
        uuid=str(uuid4()),
        kind=MediumKind.TAPE,
        generation=generation,
        pool=pool.name,
        labelled_at=now,
    )
    if emptied and status.worm:
        raise WrongVolume(f"{volume.barcode} can be written only once and was used: retire it")
    label = fresh if emptied or present is None else present
    end = session.replace_label(label, str(volume.former_uuid)) if emptied else session.write_label(label)
    capacity_bytes = status.capacity_bytes or volume.capacity_bytes
    context.catalog.volumes.labelled(volume.barcode, label.uuid, pool.name, generation, capacity_bytes, end, now)
    log.info("volume_labelled", volume=volume.barcode, pool=pool.name, uuid=label.uuid)
    return context.catalog.volumes.get(volume.barcode)
