"""How long a drive or a robot takes: pure functions over published models.

The simulator spends these times, the scheduler estimates with them. Positions are byte offsets of data from the
beginning of the tape; for a record of known number that is about `address * RECORD_BYTES`.

Sources: the locate fit is the one of the CERN Tape Archive (its cost heuristic for the recommended access order);
rates, load, rewind and unload times are vendors' data sheets for full-height drives; what was measured by nobody we
know of is marked "assumed" at the field.
"""

from dataclasses import dataclass, replace

_BANDS = 4  # data bands across an LTO tape
_SHORTEST_LOCATE_S = 1.5


@dataclass(frozen=True)
class DriveModel:
    """What a tape drive of one generation takes, with a cartridge of its own generation."""

    name: str
    capacity_bytes: int  # native
    wraps: int  # end to end passes over the whole tape; even ones run away from its beginning, odd ones back
    rate_bytes_s: float  # native
    slowest_rate_bytes_s: float  # below it the drive stops and repositions
    load_s: float  # from the robot's hand to ready
    unload_s: float  # after the rewind
    rewind_full_s: float  # from the far end
    locate_full_s: float  # the part of a locate that grows with the distance, for one length of tape
    backhitch_s: float = 3.0  # a stop and a new start, also a synchronous mark; assumed

    @property
    def wrap_bytes(self) -> float:
        """Data on one wrap."""
        return self.capacity_bytes / self.wraps


@dataclass(frozen=True)
class DiscModel:
    """What an optical recorder takes with one kind of disc."""

    name: str
    read_rate_bytes_s: float
    write_rate_bytes_s: float
    access_s: float
    spin_up_s: float  # from closing the tray to recognised
    close_s: float = 20.0  # lead-out and tables after the last byte; assumed
    unload_s: float = 4.0  # assumed


@dataclass(frozen=True)
class RobotModel:
    """What the robot takes."""

    move_s: float = 13.0  # one volume from one place to another


LTO7 = DriveModel("LTO-7", 6_000_000_000_000, 112, 300e6, 101e6, 15, 23, 118, 104.3)
LTO8 = DriveModel("LTO-8", 12_000_000_000_000, 208, 360e6, 112e6, 15, 24, 118, 104.3)
LTO9 = DriveModel("LTO-9", 18_000_000_000_000, 280, 400e6, 177e6, 17, 30, 110, 104.3 * 0.61)
DVD = DiscModel("DVD", 8 * 1.385e6, 11.5 * 1.385e6, 0.15, 20)
BD = DiscModel("BD", 8 * 4.5e6, 6 * 4.5e6, 0.18, 25)
ROBOT = RobotModel()

DRIVE_MODELS = {model.name: model for model in (LTO7, LTO8, LTO9)}
DISC_MODELS = {model.name: model for model in (DVD, BD)}


@dataclass(frozen=True)
class TapePosition:
    """Where the head is on a serpentine tape."""

    wrap: int
    longitudinal: float  # 0 at the beginning of tape, 1 at its far end

    @property
    def backwards(self) -> bool:
        """Whether this wrap runs towards the beginning of the tape."""
        return self.wrap % 2 == 1


def scaled(model: DriveModel, capacity_bytes: int) -> DriveModel:
    """The same drive with a cartridge of another capacity on the same length of tape.

    Its data are spread over all wraps, so a locate across a small cartridge costs what one across a full-size one does;
    rates stay as they are.
    """
    return replace(model, capacity_bytes=capacity_bytes)


def position(model: DriveModel, offset_bytes: float) -> TapePosition:
    """Where a byte lies. Offsets outside the tape are taken as its beginning or end."""
    wraps_done = min(max(offset_bytes, 0.0) / model.wrap_bytes, model.wraps)
    wrap = min(int(wraps_done), model.wraps - 1)
    along = wraps_done - wrap
    return TapePosition(wrap, 1.0 - along if wrap % 2 else along)


def locate_s(model: DriveModel, from_bytes: float, to_bytes: float) -> float:
    """Seconds to go from one byte offset to another; 0 when already there."""
    if from_bytes == to_bytes:
        return 0.0
    start, end = position(model, from_bytes), position(model, to_bytes)
    wraps_per_band = max(model.wraps // _BANDS, 1)
    wrap_change = start.wrap != end.wrap
    band_change = start.wrap // wraps_per_band != end.wrap // wraps_per_band
    zone_change = (start.longitudinal < 0.5) != (end.longitudinal < 0.5)
    direction_change = start.backwards != end.backwards
    step_back = not wrap_change and to_bytes < from_bytes
    distance = abs(end.longitudinal - start.longitudinal)
    cost_s = (
        4.29
        + 6.69 * wrap_change
        + 3.2 * band_change
        - 6.04 * zone_change
        + 5.22 * direction_change
        + 11.32 * step_back
        + model.locate_full_s * distance
    )
    return max(cost_s, _SHORTEST_LOCATE_S)


def rewind_s(model: DriveModel, from_bytes: float) -> float:
    """Seconds to go back to the beginning of the tape."""
    return model.rewind_full_s * position(model, from_bytes).longitudinal


def transfer_s(rate_bytes_s: float, size_bytes: int) -> float:
    """Seconds to stream that many bytes."""
    return size_bytes / rate_bytes_s


def mount_s(model: DriveModel, robot: RobotModel = ROBOT) -> float:
    """Seconds from asking for a volume to a ready drive, when the drive is empty."""
    return robot.move_s + model.load_s


def unmount_s(model: DriveModel, from_bytes: float, robot: RobotModel = ROBOT) -> float:
    """Seconds to rewind a mounted volume and bring it back to its slot."""
    return rewind_s(model, from_bytes) + model.unload_s + robot.move_s
