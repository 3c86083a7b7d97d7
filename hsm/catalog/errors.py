"""What the catalog refuses or cannot do, named after the fact."""

from collections.abc import Sequence


class CatalogError(Exception):
    """The catalog did not do what was asked; nothing was changed."""


class CatalogUnavailable(CatalogError):
    """The database is locked, gone or restarting; nothing was changed, unless the message calls the outcome unknown."""


class CatalogTooNew(CatalogError):
    """The database was made by a newer version of this program."""


class CatalogForeign(CatalogError):
    """What the URL names is no catalog: other tables, another kind of file, or an address nobody understands."""


class NotCatalogued(CatalogError):
    """The catalog knows nothing of that name."""


class StudyChanged(CatalogError):
    """The study is no longer as the caller saw it: look at it again."""


class PackNotDissolvable(CatalogError):
    """A volume may hold the pack, or some of its members are not online."""


class CopyRefused(CatalogError):
    """The volume cannot take this copy."""


class VolumeRefused(CatalogError):
    """What the volume holds, or who it is, forbids this."""


class JobRefused(CatalogError):
    """Another job does the same already."""


class DeliveryRefused(CatalogError):
    """Another delivery does the same already."""


class CartFull(CatalogError):
    """The cart of an account cannot hold so many studies; nothing was put in."""


class PolicyOutdated(CatalogError):
    """Other rules are in force than whoever wrote new ones saw."""


class DraftChanged(CatalogError):
    """A draft of rules was changed elsewhere since it was read: on another page, or by throwing it away."""


class HoldRefused(CatalogError):
    """A hold was not placed, changed or lifted; nothing was changed."""


class DumpDamaged(CatalogError):
    """The dump is cut, altered or of another schema; nothing was loaded."""


class ReleaseRefused(CatalogError):
    """The online bytes of a study must stay; `reason` says why, in a sentence."""

    def __init__(self, study_instance_uid: str, reason: str) -> None:
        super().__init__(f"study {study_instance_uid} stays online: {reason}")
        self.study_instance_uid = study_instance_uid
        self.reason = reason


class NotRecallable(CatalogError):
    """Some of what was asked for lies on no volume that can be read; `packs` names the packs."""

    def __init__(self, study_instance_uid: str, packs: Sequence[str]) -> None:
        names = ", ".join(digest[:12] for digest in packs)
        super().__init__(
            f"study {study_instance_uid} cannot be recalled: no readable copy of pack {names};"
            " look at the volumes that held it, a suspect copy may be verified again"
        )
        self.study_instance_uid = study_instance_uid
        self.packs = tuple(packs)
