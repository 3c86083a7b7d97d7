"""How long mounting, going and streaming take: by the published models, or by what the drives have shown so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from drivers import timing as models
from drivers.base import RECORD_BYTES, MediumKind
from drivers.timing import BD, DISC_MODELS, DRIVE_MODELS, DVD, LTO8, ROBOT, DiscModel, DriveModel
from hsm.scheduler.work import VolumeFacts

_MB = 10**6


class Timing(Protocol):
    """Estimates in seconds. Addresses are those of the volume; None stands for its beginning."""

    def mount_s(self, volume: VolumeFacts) -> float:
        """From its slot to ready in an empty drive."""
        ...

    def unmount_s(self, volume: VolumeFacts, address: int | None) -> float:
        """From an address back to its slot."""
        ...

    def locate_s(self, volume: VolumeFacts, start: int | None, end: int | None) -> float:
        """From one address to another."""
        ...

    def read_s(self, volume: VolumeFacts, size_bytes: int) -> float:
        """Streaming off it."""
        ...

    def write_s(self, volume: VolumeFacts, size_bytes: int) -> float:
        """Streaming onto it, what ends a session included."""
        ...


@dataclass(frozen=True)
class Learned:
    """What the drives of one generation have shown; None where nothing was measured."""

    read_mb_s: float | None = None
    write_mb_s: float | None = None
    load_s: float | None = None  # from the robot's hand to ready


@dataclass(frozen=True)
class MediaTiming:
    """The published models of drivers/timing, corrected by measured rates (by generation of the medium)."""

    learned: Mapping[str, Learned] = field(default_factory=dict)

    def mount_s(self, volume: VolumeFacts) -> float:
        """From its slot to ready in an empty drive."""
        load_s = self._learned(volume).load_s
        if volume.kind is MediumKind.DISC:
            return ROBOT.move_s + (load_s if load_s is not None else disc_model(volume.generation).spin_up_s)
        model = tape_model(volume.generation, volume.capacity_bytes)
        return models.mount_s(model if load_s is None else replace(model, load_s=load_s))

    def unmount_s(self, volume: VolumeFacts, address: int | None) -> float:
        """From an address back to its slot."""
        if volume.kind is MediumKind.DISC:
            return disc_model(volume.generation).unload_s + ROBOT.move_s
        return models.unmount_s(tape_model(volume.generation, volume.capacity_bytes), offset_bytes(address))

    def locate_s(self, volume: VolumeFacts, start: int | None, end: int | None) -> float:
        """From one address to another."""
        if volume.kind is MediumKind.DISC:
            return disc_model(volume.generation).access_s
        model = tape_model(volume.generation, volume.capacity_bytes)
        return models.locate_s(model, offset_bytes(start), offset_bytes(end))

    def read_s(self, volume: VolumeFacts, size_bytes: int) -> float:
        """Streaming off it."""
        measured = self._learned(volume).read_mb_s
        if measured:
            return size_bytes / (measured * _MB)
        if volume.kind is MediumKind.DISC:
            return models.transfer_s(disc_model(volume.generation).read_rate_bytes_s, size_bytes)
        return models.transfer_s(tape_model(volume.generation, volume.capacity_bytes).rate_bytes_s, size_bytes)

    def write_s(self, volume: VolumeFacts, size_bytes: int) -> float:
        """Streaming onto it, what ends a session included."""
        measured = self._learned(volume).write_mb_s
        if volume.kind is MediumKind.DISC:
            disc = disc_model(volume.generation)
            rate, end_s = disc.write_rate_bytes_s, disc.close_s
        else:
            tape = tape_model(volume.generation, volume.capacity_bytes)
            rate, end_s = tape.rate_bytes_s, tape.backhitch_s
        return size_bytes / (measured * _MB if measured else rate) + end_s

    def _learned(self, volume: VolumeFacts) -> Learned:
        return self.learned.get(volume.generation, Learned())


def offset_bytes(address: int | None) -> float:
    """About where a tape record lies."""
    return float((address or 0) * RECORD_BYTES)


@lru_cache(maxsize=256)
def tape_model(generation: str, capacity_bytes: int) -> DriveModel:
    """The model of a medium's own generation, LTO-8 when it is not known, spread over the medium's capacity."""
    model = DRIVE_MODELS.get(generation, LTO8)
    return models.scaled(model, capacity_bytes) if capacity_bytes > 0 else model


def disc_model(generation: str) -> DiscModel:
    """The model of a disc: "BD-R" and "BD" are Blu-ray, anything else is timed as a DVD."""
    return DISC_MODELS.get(generation) or (BD if generation.startswith("BD") else DVD)
