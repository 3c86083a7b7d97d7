"""Robots, driven with mtx."""

from drivers.changer.mtx import Limits, MtxChanger

__all__ = ["Limits", "MtxChanger"]
