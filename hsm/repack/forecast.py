"""What emptying a volume would take, before anybody asks for it; pure, and an estimate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.base import Barcode
from hsm.repack.facts import RepackItem, Trouble
from hsm.repack.plan import read_from, sources, stand_in
from hsm.scheduler import Timing, VolumeFacts
from hsm.states import LABEL_VOLUMES, WRITABLE_VOLUMES, Place


@dataclass(frozen=True)
class Pack:
    """One pack that would be made again elsewhere, in the order they lie on the volume."""

    digest: str
    study_instance_uid: str
    size_bytes: int
    source: str  # "online pool", "made again already", a barcode, or "" when it cannot be read


@dataclass(frozen=True)
class Forecast:
    """What a repack would take."""

    barcode: Barcode
    packs: tuple[Pack, ...]
    size_bytes: int  # to be written
    read_bytes: int  # of these, from volumes
    sources: dict[Barcode, int] = field(default_factory=dict)  # packs, by the volume they are read from
    target_volumes: int = 0  # of its pool
    lacking_bytes: int = 0  # for which the pool has no room on any volume in its library
    mounts: int = 0
    duration_s: float = 0.0
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True)
class Means:
    """What there is to do it with."""

    volumes: Sequence[VolumeFacts]
    drives: int  # of the library and kind of the volume, in service
    room_bytes: int  # in the staging area
    timing: Timing


def forecast(volume: VolumeFacts, items: Sequence[RepackItem], means: Means) -> Forecast:
    """Estimate a repack: one mount for each volume that is read, and two for each that is written.

    With a single drive the source gives way to the target each time the staging area is full.
    """
    new = [item for item in items if stand_in(item) is None]
    chosen = read_from(new)
    packs = tuple(_pack(item, chosen) for item in items)
    lost = [item for item in new if not item.online and not sources(item)]
    to_write = [item for item in new if item.online or sources(item)]
    size_bytes = sum(item.copy.size_bytes for item in to_write)
    read_bytes = sum(item.copy.size_bytes for item in to_write if not item.online)
    targets, lacking_bytes = _targets(volume, size_bytes, means.volumes)
    rounds = max(1, math.ceil(read_bytes / max(means.room_bytes, 1))) if means.drives < 2 else 1
    unverified = len(items) > len(lost)
    mounts = len(chosen) * (rounds if means.drives < 2 else 1) + targets * rounds + (targets or int(unverified))
    return Forecast(
        barcode=volume.barcode,
        packs=packs,
        size_bytes=size_bytes,
        read_bytes=read_bytes,
        sources=chosen,
        target_volumes=targets,
        lacking_bytes=lacking_bytes,
        mounts=mounts if items else 0,
        duration_s=_duration_s(volume, read_bytes, size_bytes, mounts, means) if items else 0.0,
        troubles=tuple(
            Trouble(i.copy.pack_digest, i.copy.study_instance_uid, "it is not on disk, and no copy of it can be read")
            for i in lost
        ),
    )


def _pack(item: RepackItem, chosen: dict[Barcode, int]) -> Pack:
    if stand_in(item) is not None:
        source = "made again already"
    elif item.online:
        source = "online pool"
    else:
        known = [str(copy.barcode) for copy in sources(item)]
        source = next((barcode for barcode in known if barcode in chosen), "")
    copy = item.copy
    return Pack(copy.pack_digest, copy.study_instance_uid, copy.size_bytes, source)


def _targets(volume: VolumeFacts, size_bytes: int, volumes: Sequence[VolumeFacts]) -> tuple[int, int]:
    """How many volumes of the pool would take so much, filling ones first; and for how much there is no room."""
    usable = [
        v
        for v in volumes
        if v.pool == volume.pool
        and v.barcode != volume.barcode
        and v.place is Place.LIBRARY
        and v.state in WRITABLE_VOLUMES | LABEL_VOLUMES
    ]
    usable.sort(key=lambda v: (v.state not in WRITABLE_VOLUMES, v.free_bytes, v.barcode))
    count, left = 0, size_bytes
    for target in usable:
        if left <= 0:
            break
        if target.free_bytes > 0:
            count, left = count + 1, left - target.free_bytes
    if left > 0:  # about so many further ones
        count += math.ceil(left / max(volume.capacity_bytes, 1))
    return count, max(left, 0)


def _duration_s(volume: VolumeFacts, read_bytes: int, size_bytes: int, mounts: int, means: Means) -> float:
    timing = means.timing
    reading_s = timing.read_s(volume, read_bytes) if read_bytes else 0.0
    writing_s = timing.write_s(volume, size_bytes) if size_bytes else 0.0
    both_s = max(reading_s, writing_s) if means.drives > 1 else reading_s + writing_s
    return both_s + timing.read_s(volume, size_bytes) + mounts * (timing.mount_s(volume) + timing.unmount_s(volume, 0))
