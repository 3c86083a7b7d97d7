"""What a rebuild finds on media, before it is a row: facts that a medium tells of itself."""

from dataclasses import dataclass
from datetime import datetime

from drivers.base import Barcode, MediumKind
from hsm.facts import Member, PackDigest
from hsm.states import Place


@dataclass(frozen=True)
class FoundVolume:
    """A volume as its own label tells."""

    barcode: Barcode
    uuid: str
    kind: MediumKind
    generation: str
    pool: str
    labelled_at: datetime
    library: str | None = None
    place: Place = Place.LIBRARY
    capacity_bytes: int = 0
    used_bytes: int = 0
    end_address: int | None = None
    last_sequence: int = 0
    last_address: int | None = None
    last_digest: str | None = None
    last_stream_sha256: str | None = None
    image_sha256: str | None = None
    image_bytes: int | None = None
    closed: bool = False  # nothing more may be written: a disc, or the end of data is not known


@dataclass(frozen=True)
class FoundPack:
    """One pack that was found on a volume."""

    digest: PackDigest
    size_bytes: int
    study_json: bytes  # 02_STUDY.json
    members: tuple[Member, ...]  # in pack order; their instance_id is not looked at
    barcode: Barcode
    sequence: int
    address: int | None
    stream_sha256: str | None  # None when the stream was not read to its end
    written_at: datetime
    verified: bool = False  # the whole stream was read and every digest agrees
    drive_serial: str | None = None  # that read it
