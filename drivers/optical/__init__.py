"""Optical recorders under Linux: xorriso burns, the block device is read."""

from drivers.optical.recorder import RecorderOptions, XorrisoRecorder

__all__ = ["RecorderOptions", "XorrisoRecorder"]
