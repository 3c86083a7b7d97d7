"""The only thing that lets the pool delete: a value that says who proved what, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hsm.facts import ReleasedFile, StudyUid


class ProofForged(Exception):
    """Somebody other than hsm/catalog/release tried to make a ReleaseProof."""


PROVER: Final = object()  # handed over by hsm/catalog/release, the one module that may; a test looks for others


@dataclass(frozen=True)
class ReleaseProof:
    """The files of one study that may be deleted, because enough verified copies of each were proved at that moment.

    Made only by hsm/catalog/release, in the transaction that sets the instances RELEASING.

    Raises: ProofForged when made elsewhere.
    """

    study_instance_uid: StudyUid
    files: tuple[ReleasedFile, ...]
    proved_at: datetime
    copies: Mapping[int, tuple[int, ...]]  # pack id -> ids of its verified copies, on distinct volumes
    prover: object = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.prover is not PROVER:
            raise ProofForged("only the catalog can prove a release: ask catalog.release.prove")
