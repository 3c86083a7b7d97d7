"""Reading a volume back because a person wants to know."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drivers.base import Barcode
from hsm.catalog import Catalog
from hsm.catalog.records import JobRequest
from hsm.catalog.rows import chunks
from hsm.facts import CopyRecord
from hsm.media.refusal import MediaRefused
from hsm.states import CopyState, JobKind

VERIFIABLE = frozenset({CopyState.WRITTEN, CopyState.VERIFIED, CopyState.SUSPECT})


@dataclass(frozen=True)
class Verifying:
    """What will be read back."""

    job_ids: tuple[int, ...]
    copies: tuple[CopyRecord, ...]

    @property
    def size_bytes(self) -> int:
        """Of all of it."""
        return sum(copy.size_bytes for copy in self.copies)


def ask_verify_volume(catalog: Catalog, barcode: Barcode, by: str, now: datetime) -> Verifying:
    """Have everything on a volume read back. Raises: MediaRefused when nothing is on it, NotCatalogued."""
    catalog.volumes.get(barcode)
    copies = [copy for copy in catalog.copies.of_volume(barcode) if copy.state in VERIFIABLE]
    if not copies:
        raise MediaRefused(f"{barcode} holds no copy that could be read back")
    asked = ask_verify(catalog, copies, by, now)
    fields = {"copies": len(copies), "bytes": asked.size_bytes, "by": by}
    catalog.events.record("info", "volume_verify_wanted", barcode, fields, now)
    return asked


def ask_verify(catalog: Catalog, copies: Iterable[CopyRecord], by: str, now: datetime) -> Verifying:
    """Have some copies read back, each by a job of its own that equal wishes share."""
    chosen = tuple(copies)
    numbers: list[int] = []
    for part in chunks(chosen):  # others get a turn in between
        requests = [
            JobRequest(
                kind=JobKind.VERIFY,
                key=f"verify:{copy.id}",
                study_instance_uid=copy.study_instance_uid,
                pack_id=copy.pack_id,
                copy_id=copy.id,
                size_bytes=copy.size_bytes,
                barcode=copy.barcode,
                reason=f"asked for by {by}",
                requested_by=by,
            )
            for copy in part
        ]
        numbers += [number for number, _ in catalog.jobs.submit_many(requests, now)]
    return Verifying(tuple(numbers), chosen)
