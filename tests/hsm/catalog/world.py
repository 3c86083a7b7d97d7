"""A small archive in few words: studies that arrive, packs, volumes and copies."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from drivers.base import Barcode, Element, ElementKind, Inventory, MediumKind
from hsm.catalog import Catalog, FoundPack, Outcome, VolumeEnd, WrittenCopy
from hsm.facts import (
    Arrival,
    Header,
    Member,
    PackDigest,
    PackRecord,
    PoolFile,
    SeriesUid,
    SopInstanceUid,
    StoredInstance,
    StudyUid,
)
from hsm.format.pack import PackInput, PackLayout, layout
from hsm.format.study_json import build
from hsm.proof import ReleaseProof

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
STABLE_S = 300.0
LATER = START + timedelta(days=1)
POOL = Path("/pool")
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
TAPES = (Barcode("A00001L8"), Barcode("A00002L8"), Barcode("A00003L8"))
DISCS = (Barcode("D0001"), Barcode("D0002"))
_tokens = count(1)


def study_uid(study: int) -> StudyUid:
    """The UID of the n-th study."""
    return StudyUid(f"1.2.{study}")


def series_uid(study: int, series: int) -> SeriesUid:
    """The UID of a series of the n-th study."""
    return SeriesUid(f"1.2.{study}.{series}")


def sop_uid(study: int, series: int, number: int) -> SopInstanceUid:
    """The UID of an instance."""
    return SopInstanceUid(f"1.2.{study}.{series}.{number}")


def digest(text: str) -> str:
    """Some SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def pool_file(sop: str) -> PoolFile:
    """A new place in the pool for another arrival of an instance."""
    return PoolFile(POOL, f"x/y/{sop}.{next(_tokens):08x}.dcm")


def arrival(
    study: int = 1,
    series: int = 1,
    number: int = 1,
    *,
    content: str = "",
    at: datetime = START,
    size_bytes: int = 1000,
    **header: Any,
) -> Arrival:
    """One CT image that lies in the pool; other `content` makes other digests."""
    sop = sop_uid(study, series, number)
    known: dict[str, Any] = {
        "sop_instance_uid": sop,
        "sop_class_uid": CT_IMAGE,
        "transfer_syntax_uid": EXPLICIT,
        "study_instance_uid": study_uid(study),
        "series_instance_uid": series_uid(study, series),
        "patient_id": f"P{study}",
        "patient_name": f"Doe^Person{study}",
        "modality": "CT",
        "study_date": date(2026, 2, 1),
        "instance_number": number,
    }
    named = Header(**(known | header))
    return Arrival(
        header=named,
        file=pool_file(named.sop_instance_uid),
        size_bytes=size_bytes,
        sha256=digest(f"file {named.sop_instance_uid} {content}"),
        dataset_sha256=digest(f"data {named.sop_instance_uid} {content}"),
        dataset_offset=400,
        received_at=at,
        source_aet="CT1",
    )


def layout_of(catalog: Catalog, study: int) -> tuple[PackLayout, datetime]:
    """All that is unpacked of a study as one pack, and when the study had changed last."""
    free = catalog.packs.unpacked(study_uid(study))
    inputs = [
        PackInput(
            i.packed.header.sop_instance_uid,
            i.packed.header.series_instance_uid,
            i.packed.size_bytes,
            i.packed.sha256,
            i.instance_id,
        )
        for i in free.instances
    ]
    return layout(build([i.packed for i in free.instances]), inputs), free.changed_at


class World:
    """A catalog and short ways to bring it into a state."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.ends: dict[Barcode, int] = {}

    def receive(self, study: int = 1, numbers: int | range = 2, series: int = 1, at: datetime = START) -> list[Outcome]:
        """Some instances of a study arrive."""
        wanted = range(1, numbers + 1) if isinstance(numbers, int) else numbers
        return self.catalog.intake.record_many([arrival(study, series, number, at=at) for number in wanted])

    def seal(self, study: int = 1, now: datetime = START) -> PackRecord:
        """All that is unpacked of a study becomes one pack."""
        plan, changed_at = layout_of(self.catalog, study)
        return self.catalog.packs.seal(study_uid(study), [plan], changed_at, now)[0]

    def packed(self, study: int = 1, numbers: int = 2) -> PackRecord:
        """A study that arrived and was sealed."""
        self.receive(study, numbers)
        return self.seal(study)

    def library(self, *barcodes: Barcode, name: str = "lib", now: datetime = START) -> None:
        """A library that holds these volumes, and nothing else."""
        slots = [Element(ElementKind.SLOT, n, True, barcode) for n, barcode in enumerate(barcodes, 1)]
        drive = Element(ElementKind.DRIVE, 0, drive_serial="S0")
        self.catalog.volumes.upsert_inventory(Inventory(name, (*slots, drive)), volume_kind, now)

    def labelled(self, *barcodes: Barcode, pool: str = "lto") -> None:
        """These volumes are in the library and carry our label."""
        self.library(*barcodes)
        for barcode in barcodes:
            kind = kind_of(barcode)
            where = pool if kind is MediumKind.TAPE else "discs"
            self.catalog.volumes.labelled(barcode, f"uuid-{barcode}", where, "LTO-8", 10**12, 3, START)

    def begin(self, pack: PackRecord, barcode: Barcode, pool: str = "lto") -> int:
        """A copy is about to be written."""
        sequence = self.ends.get(barcode, 0) + 1
        return self.catalog.copies.begin(pack.id, pool, kind_of(barcode), barcode, sequence, START)

    def flush(self, copy_id: int, pack: PackRecord, barcode: Barcode, now: datetime = START) -> None:
        """A copy was flushed."""
        sequence = self.ends[barcode] = self.ends.get(barcode, 0) + 1
        stream = digest(f"{barcode} {pack.digest}")
        end = VolumeEnd(
            used_bytes=sequence * 10**6,
            last_sequence=sequence,
            end_address=sequence * 100 + 3,
            last_address=sequence * 100 - 97,
            last_digest=pack.digest,
            last_stream_sha256=stream,
        )
        self.catalog.copies.written([WrittenCopy(copy_id, sequence * 100 - 97, stream)], end, "W1", now)

    def copy(self, pack: PackRecord, barcode: Barcode, verified: bool = True, pool: str = "lto") -> int:
        """A copy on a labelled volume, read back or not."""
        copy_id = self.begin(pack, barcode, pool)
        self.flush(copy_id, pack, barcode)
        if verified:
            self.catalog.copies.verified(copy_id, "V1", START)
        return copy_id

    def superseded(self, pack: PackRecord, old: int, barcode: Barcode = TAPES[2]) -> int:
        """A copy that was made again elsewhere, read back and given up; the new one."""
        if self.catalog.volumes.find(barcode) is None:
            self.library(*(v.barcode for v in self.catalog.volumes.list()), barcode)
            self.catalog.volumes.labelled(barcode, f"uuid-{barcode}", "lto", "LTO-8", 10**12, 3, START)
        new = self.copy(pack, barcode)
        self.catalog.copies.supersede(old, START)
        return new

    def safe(self, study: int = 1, numbers: int = 2) -> PackRecord:
        """A study with verified copies on two tapes."""
        pack = self.packed(study, numbers)
        if not self.catalog.volumes.list():
            self.labelled(*TAPES[:2])
        for barcode in TAPES[:2]:
            self.copy(pack, barcode)
        return pack

    def prove(self, study: int = 1, copies: int = 2, now: datetime = LATER, kinds: int = 1) -> ReleaseProof:
        """Ask for a release a day later."""
        return self.catalog.release.prove(study_uid(study), copies, now, STABLE_S, kinds)

    def released(self, study: int = 1, numbers: int = 2) -> PackRecord:
        """A study that is only on two tapes."""
        pack = self.safe(study, numbers)
        self.catalog.release.finish(self.prove(study), LATER)
        return pack

    def instances(self, study: int = 1) -> list[StoredInstance]:
        """The instances of a study."""
        return self.catalog.studies.instances(study_uid(study))

    def names(self) -> list[str]:
        """The names of all events, newest first."""
        return [event.name for event in self.catalog.events.list(limit=1000)]


def kind_of(barcode: Barcode) -> MediumKind:
    """Barcodes of discs begin with D."""
    return MediumKind.DISC if barcode.startswith("D") else MediumKind.TAPE


def volume_kind(barcode: Barcode) -> MediumKind | None:
    """The same, knowing that CLN begins the barcode of a cleaning cartridge."""
    return None if barcode.startswith("CLN") else kind_of(barcode)


def found_pack(plan: PackLayout, barcode: Barcode, sequence: int, **changes: Any) -> FoundPack:
    """A pack as it is read back from a volume, which knows no ids."""
    found = FoundPack(
        digest=PackDigest(plan.digest),
        size_bytes=plan.size_bytes,
        study_json=plan.study_json,
        members=tuple(replace(member, instance_id=0) for member in plan.members),
        barcode=barcode,
        sequence=sequence,
        address=sequence * 100,
        stream_sha256=digest(f"{barcode} {plan.digest}"),
        written_at=START,
    )
    return replace(found, **changes)


def only(members: tuple[Member, ...]) -> list[str]:
    """The UIDs of some members."""
    return [member.sop_instance_uid for member in members]
