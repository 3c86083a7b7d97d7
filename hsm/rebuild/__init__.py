"""Makes a catalog from the media and the online pool alone; may be repeated at any time."""

from hsm.rebuild.rebuild import RebuildReport, rebuild

__all__ = ["RebuildReport", "rebuild"]
