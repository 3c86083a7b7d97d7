"""Making a blank tape ours."""

from uuid import uuid4

import structlog

from drivers.base import MediumKind
from hsm.facts import VolumePool, VolumeRecord
from hsm.format.label import VolumeLabel
from hsm.library import TapeSession
from hsm.mover.context import MoverContext

log = structlog.get_logger()


def label_tape(session: TapeSession, volume: VolumeRecord, pool: VolumePool, context: MoverContext) -> VolumeRecord:
    """Make a blank tape a volume of a pool. An interrupted labelling is completed; anything else is refused.

    Returns: the volume as catalogued after.
    Raises: WrongVolume and its kinds, DriverError; the catalog then still takes the tape for blank.
    """
    now = context.now()
    status = session.drive.status()
    generation = status.generation or volume.generation
    label = session.read_label() or VolumeLabel(
        barcode=volume.barcode,
        uuid=str(uuid4()),
        kind=MediumKind.TAPE,
        generation=generation,
        pool=pool.name,
        labelled_at=now,
    )
    end = session.write_label(label)
    capacity_bytes = status.capacity_bytes or volume.capacity_bytes
    context.catalog.volumes.labelled(volume.barcode, label.uuid, pool.name, generation, capacity_bytes, end, now)
    log.info("volume_labelled", volume=volume.barcode, pool=pool.name, uuid=label.uuid)
    return context.catalog.volumes.get(volume.barcode)
