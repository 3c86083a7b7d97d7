"""A whole library in a folder: robot, drives, recorders, cartridges and discs with real bytes, time and faults."""

from drivers.simulator.hands import Hands
from drivers.simulator.library import SimulatedLibrary
from drivers.simulator.spec import DriveSpec, LibrarySpec, VolumeSpec, demo_specs

__all__ = ["DriveSpec", "Hands", "LibrarySpec", "SimulatedLibrary", "VolumeSpec", "demo_specs"]
