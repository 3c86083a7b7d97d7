"""The loop that runs jobs: asks the scheduler what runs next, mounts, and lets the mover carry it out."""

from hsm.engine.engine import Engine, EngineBusy
from hsm.engine.settings import EngineSettings

__all__ = ["Engine", "EngineBusy", "EngineSettings"]
