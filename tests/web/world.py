"""A small hospital's archive in a real catalog, filled through the catalog's own methods."""

import hashlib
import secrets
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from appliance.labels import of_volumes
from drivers.base import Barcode, Element, ElementKind, Inventory, MediumKind
from drivers.clock import VirtualClock
from hsm.access.roles import Role
from hsm.archive import Archive
from hsm.catalog import Catalog
from hsm.catalog.records import JobRequest, VolumeEnd, WrittenCopy
from hsm.facts import Arrival, DiskFacts, Header, PackRecord, PoolFile, SeriesUid, SopInstanceUid, StudyUid, VolumePool
from hsm.orders.model import OrderFields
from hsm.pool import OnlinePool
from hsm.sealing import seal
from hsm.states import JobKind
from web.access.gate import TOKEN
from web.app import create_app
from web.services import Services, WebSettings

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
MB = 1_000_000
POOLS = {
    "tape_a": VolumePool("tape_a", MediumKind.TAPE, "tape", ("A*",)),
    "tape_b": VolumePool("tape_b", MediumKind.TAPE, "tape", ("B*",)),
    "disc": VolumePool("disc", MediumKind.DISC, "jukebox", ("D*",)),
}
RULES = """# The rules of the house.

rule "two tapes for everything":
    when stable for 10 minutes
    copy to tape_a, tape_b

rule "settle":
    when received more than 90 days ago and not accessed for 90 days
    release after 2 verified copies

rule "read again":
    verify every 2 years
"""
TAPE_DRIVES = ("TD0001", "TD0002")
HOSTILE = "\x00<script>alert(1)</script>\u202eEVIL^\"'><img src=x onerror=alert(1)>^\x1b[31m"
CHINESE = "王小明" * 22


def browser(services: Services, role: Role = Role.ADMINISTRATOR, app: Flask | None = None) -> FlaskClient:
    """A browser in which somebody of this role is signed in, at pages made anew or at these."""
    accounts, now, name = services.catalog.accounts, services.clock.now(), f"a-{role.value}"
    if accounts.find(name) is None:
        accounts.add(name, "Somebody", role, "no password fits this", False, "test", now)
    token = secrets.token_urlsafe(8)
    accounts.sign_in(name, token, "127.0.0.1", now)
    client = (app or create_app(services)).test_client()
    with client.session_transaction() as session:
        session[TOKEN] = token
    return client


@dataclass
class World:
    """The archive and what stands around it."""

    catalog: Catalog
    pool: OnlinePool
    clock: VirtualClock
    disk: DiskFacts

    def services(self, **settings: object) -> Services:
        """What the pages get."""
        values: dict[str, object] = {"secret_key": b"s" * 32, "patience_s": 30.0, **settings}
        return Services(
            catalog=self.catalog,
            archive=Archive(self.catalog, self.pool, self.clock),
            pool_usage=lambda: self.disk,
            pool_check=self.pool.check,
            volume_pools=POOLS,
            settings=WebSettings(**values),  # type: ignore[arg-type]
            clock=self.clock,
            label_sheet=of_volumes.sheet,
        )

    def receive(
        self,
        study: str,
        name: str = "Meyer^Anna",
        patient_id: str = "P1",
        description: str = "CT abdomen",
        modality: str = "CT",
        day: date | None = date(2026, 3, 1),
        age: timedelta = timedelta(days=2),
        objects: int = 4,
        size_bytes: int = 40 * MB,
        accession: str = "",
    ) -> StudyUid:
        """Catalogue a study of two series that arrived some time ago."""
        arrivals = []
        for number in range(1, objects + 1):
            series = 1 + number % 2
            content = hashlib.sha256(f"{study}.{number}".encode()).hexdigest()
            arrivals.append(
                Arrival(
                    header=Header(
                        sop_instance_uid=SopInstanceUid(f"{study}.{series}.{number}"),
                        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                        transfer_syntax_uid="1.2.840.10008.1.2.1",
                        study_instance_uid=StudyUid(study),
                        series_instance_uid=SeriesUid(f"{study}.{series}"),
                        patient_id=patient_id,
                        patient_name=name,
                        study_date=day,
                        accession_number=accession,
                        study_description=description,
                        modality=modality,
                        series_number=series,
                        series_description=f"Series {series}",
                        body_part="ABDOMEN",
                        instance_number=number,
                        institution="St. Mary",
                    ),
                    file=PoolFile(self.pool.directories[0], f"{study}/{study}.{series}/{number}.0badcafe.dcm"),
                    size_bytes=size_bytes,
                    sha256=content,
                    dataset_sha256=content,
                    dataset_offset=400,
                    received_at=self.clock.now() - age,
                    source_aet="CT_1",
                )
            )
        self.catalog.intake.record_many(arrivals)
        return StudyUid(study)

    def seal(self, study: StudyUid) -> list[PackRecord]:
        """Freeze what has arrived of a study."""
        return seal(self.catalog, study, 16 * 1024**3, 60, self.clock.now())

    def write(self, pack: PackRecord, pool: str, barcode: str, verified: bool = True) -> int:
        """Write a pack to a volume, and read it back by another drive."""
        now, volume = self.clock.now(), self.catalog.volumes.get(Barcode(barcode))
        sequence = volume.last_sequence + 1
        copy_id = self.catalog.copies.begin(pack.id, pool, volume.kind, volume.barcode, sequence, now)
        end = VolumeEnd(
            used_bytes=volume.used_bytes + pack.size_bytes, last_sequence=sequence, end_address=sequence * 100
        )
        stream = hashlib.sha256(f"{barcode}{sequence}".encode()).hexdigest()
        self.catalog.copies.written([WrittenCopy(copy_id, sequence * 100, stream)], end, TAPE_DRIVES[0], now)
        if verified:
            self.catalog.copies.verified(copy_id, TAPE_DRIVES[1], now)
        return copy_id

    def release(self, study: StudyUid) -> None:
        """Take a study off the disk, against a proof."""
        proof = self.catalog.release.prove(study, 2, self.clock.now(), 60)
        self.catalog.release.finish(proof, self.clock.now())

    def release_again(self, study: StudyUid) -> None:
        """Take a study off the disk that had come back."""
        self.catalog.studies.unpin(study)
        self.release(study)

    def nearline(self, study: str = "1.2.3.9", **about: object) -> StudyUid:
        """A study that lies on two tapes only."""
        uid = self.receive(study, **about)  # type: ignore[arg-type]
        for pack in self.seal(uid):
            self.write(pack, "tape_a", "A00001L8")
            self.write(pack, "tape_b", "B00001L8")
        self.release(uid)
        return uid


def stock_libraries(catalog: Catalog, now: datetime) -> None:
    """A tape library and a jukebox with volumes, some of them labelled."""
    tapes = {1: "A00001L8", 2: "A00002L8", 3: "B00001L8", 4: "B00002L8", 5: "A00003L8", 8: "CLN001L8"}
    slots = [Element(ElementKind.SLOT, n, n in tapes, Barcode(tapes[n]) if n in tapes else None) for n in range(1, 13)]
    mail = [Element(ElementKind.MAIL_SLOT, 13, True, None), Element(ElementKind.MAIL_SLOT, 14)]
    drives = [Element(ElementKind.DRIVE, n, drive_serial=serial) for n, serial in enumerate(TAPE_DRIVES)]
    catalog.volumes.upsert_inventory(
        Inventory("tape", (*slots, *mail, *drives)), lambda b: None if b.startswith("CLN") else MediumKind.TAPE, now
    )
    discs = [Element(ElementKind.SLOT, n, n < 6, Barcode(f"D0000{n}") if n < 6 else None) for n in range(1, 9)]
    catalog.volumes.upsert_inventory(
        Inventory("jukebox", (*discs, Element(ElementKind.MAIL_SLOT, 9), Element(ElementKind.DRIVE, 0))),
        lambda _: MediumKind.DISC,
        now,
    )
    for number, (barcode, pool) in enumerate(
        {"A00001L8": "tape_a", "A00002L8": "tape_a", "B00001L8": "tape_b", "B00002L8": "tape_b"}.items()
    ):
        uuid = f"00000000-0000-4000-8000-{number:012d}"
        catalog.volumes.labelled(Barcode(barcode), uuid, pool, "LTO-8", 12_000_000 * MB // 100, 2, now)
    for index, serial in enumerate(TAPE_DRIVES):
        catalog.drives.seen("tape", index, serial, MediumKind.TAPE, now)
    catalog.drives.seen("jukebox", 0, "BD0001", MediumKind.DISC, now)


def stock(catalog: Catalog) -> None:
    """Stocked libraries and rules in force."""
    stock_libraries(catalog, NOW - timedelta(days=30))
    catalog.policies.publish(RULES, "A. Archivist", NOW - timedelta(days=20))


def new_catalog(folder: Path) -> Path:
    """The database of an archive with stocked libraries, rules in force and no study; closed."""
    database = folder / "catalog.db"
    catalog = Catalog.open(f"sqlite:///{database}")
    stock(catalog)
    catalog.close()
    return database


def new_world(folder: Path, database: Path) -> World:
    """An archive of its own over a copy of a database."""
    shutil.copy(database, folder / "world.db")
    return world_over(folder, Catalog.open(f"sqlite:///{folder / 'world.db'}"))


def world_over(folder: Path, catalog: Catalog) -> World:
    """An archive over a catalog that is open."""
    pool = OnlinePool.create([folder / "online"], 0, folder / "quarantine")
    disk = DiskFacts(capacity_bytes=4_000_000 * MB, used_bytes=2_900_000 * MB, high_water_pct=85, low_water_pct=75)
    return World(catalog, pool, VirtualClock(NOW), disk)


def busy(world: World) -> None:
    """Much going on at once: studies everywhere, jobs of every outcome, a hold, events, quarantine."""
    catalog, now = world.catalog, world.clock.now()
    catalog.leases.take("engine", "archive-1:engine:4711", now, 3600)
    catalog.orders.place(OrderFields("P9", "MR", now + timedelta(hours=18), study_instance_uid="1.2.9.1"), "ris", now)
    world.nearline(
        "1.2.3.9", name="Okafor^Chidi", patient_id="P9", description="MR knee", modality="MR", day=date(2025, 9, 1)
    )
    world.nearline("1.2.3.10", name="Lindqvist^Åsa", patient_id="P10", description="CT chest", day=date(2025, 11, 3))
    safe = world.receive("1.2.3.1", accession="ACC-1001")
    for pack in world.seal(safe):
        world.write(pack, "tape_a", "A00001L8")
        world.write(pack, "tape_b", "B00001L8", verified=False)
    fresh = world.receive(
        "1.2.3.2", "Yamada^Tarou=山田^太郎=やまだ^たろう", "P2", "MG screening", "MG", age=timedelta(minutes=2)
    )
    world.receive("1.2.3.3", HOSTILE, "<b>P3</b>", "<i>desc</i>", "OT", None, timedelta(hours=3))
    world.receive("1.2.3.4", CHINESE, "P4", "US thyroid", "US", date(2026, 3, 4), timedelta(hours=20))
    catalog.holds.place(fresh, "court case 17/2026", "L. Counsel", now)
    catalog.studies.pin(safe, now + timedelta(days=7))
    catalog.intake.quarantined("/srv/quarantine/a.dcm", "no SOP Instance UID", now, source_aet="<AE>", size_bytes=1234)
    catalog.events.record("error", "drive_failed", "TD0002", {"errors": 3, "volume": "B00001L8"}, now)
    submit_jobs(world)


def submit_jobs(world: World) -> None:
    """One job of most outcomes."""
    catalog, now = world.catalog, world.clock.now()
    early = now - timedelta(minutes=20)

    def submit(kind: JobKind, study: str, pool: str | None = None, size_bytes: int = 160 * MB) -> int:
        key = f"{kind}:{study}:{pool or ''}"
        request = JobRequest(kind, key, StudyUid(study), pool=pool, size_bytes=size_bytes, reason="a rule asked for it")
        return catalog.jobs.submit(request, early)[0]

    running = submit(JobKind.MIGRATE, "1.2.3.4", "tape_a")
    catalog.jobs.start(running, now - timedelta(minutes=3), Barcode("A00002L8"))
    eta = now + timedelta(seconds=70)
    catalog.jobs.progress(running, 60 * MB, "locating block 81234 on A00002L8", eta, Barcode("A00002L8"))
    failed = submit(JobKind.VERIFY, "1.2.3.1")
    catalog.jobs.start(failed, early, Barcode("B00001L8"))
    catalog.jobs.fail(failed, "drive TD0002 could not read block 812", now)
    again = submit(JobKind.MIGRATE, "1.2.3.3", "tape_b")
    catalog.jobs.start(again, early)
    catalog.jobs.fail(again, "the robot did not answer", now, retry_at=now + timedelta(minutes=12))
    done = submit(JobKind.RELEASE, "1.2.3.9")
    catalog.jobs.start(done, early)
    catalog.jobs.finish(done, now - timedelta(minutes=4))
    catalog.recalls.request("1.2.3.10", requested_by="PACS VIEWER_1", now=early)
    catalog.drives.change("tape", 0, "load", now - timedelta(minutes=3), Barcode("A00002L8"))
    catalog.drives.change("tape", 1, "fail", now, None, "three errors in a row on different volumes")
