"""An archive whose engine drives real devices: the whole-life world of tests/support with another library in it.

The archive's clock is advanced by hand, so that nobody waits for a policy; the devices take the time they take.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from drivers.attached import attached
from drivers.clock import SystemClock, VirtualClock
from drivers.hardware import ManualKind, ScsiKind, open_drives, open_robot
from drivers.kinds import Devices
from drivers.options import settled
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.engine import Engine, EngineSettings
from hsm.facts import VolumePool
from hsm.library import Library
from hsm.pool import OnlinePool
from tests.devices.simulated import Simulated
from tests.support.world import POLICY, START, World, volume_pools


def robot(library: Simulated, **options: object) -> Devices:
    """The simulated library as the driver kind "scsi" opens it; the robot is asked which drive is which."""
    stable = library.robot.stable
    assert stable is not None, "udev made no name that stays for the robot"
    given = {"load_settle_s": 3.0, **options}
    return open_robot("test", stable, settled(ScsiKind.options, given), SystemClock(), attached())
