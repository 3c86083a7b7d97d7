"""An iSCSI target for logical units: see README.md."""

from drivers.iscsi.target import IscsiTarget

__all__ = ["IscsiTarget"]
