"""A week of a hospital on a virtual clock: HL7 orders arrive, a simulated library brings the priors.

Everything follows from the seed.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hsm.engine import Engine
from hsm.orders.hl7_answer import take
from hsm.states import Availability, JobKind, OrderState
from tests.hsm.objects import dataset, part10
from tests.hsm.orders.messages import orm
from tests.support.world import TAPES_ONLY, World

RULES = (
    TAPES_ONLY
    + """
rule "priors for appointments":
    prefetch the last 3 priors of the same modality or body part 12 hours before the appointment
"""
)
MONDAY = datetime(2024, 1, 8, tzinfo=UTC)
KINDS = (("CT", "CHEST"), ("CT", "HEAD"), ("MR", "HEAD"), ("MR", "KNEE"), ("CR", "CHEST"))
OBJECT_BYTES = 120_000  # some twenty priors fill a cartridge of this library
TAPE_BYTES = 3_000_000


@dataclass(frozen=True)
class Plan:
    """One appointment, and when its order is sent."""

    number: int
    patient: str
    modality: str
    body_part: str
    at: datetime
    ordered_at: datetime


@dataclass(frozen=True)
class Figures:
    """What a week came to."""

    appointments: int
    priors: int  # that were wanted
    on_disk: int  # already, when they were first looked at
    in_time: int
    late: int
    mounts: int  # for prefetches and staff together
    recalls: int  # that were done
    staff_recalls: int
    staff_longest_s: float
    early_hours: float  # how long a recalled prior lay on disk before its appointment, on average

    @property
    def hit_pct(self) -> float:
        """Priors that were on disk when their appointment began."""
        return 100 * self.in_time / self.priors if self.priors else 100.0


class Hospital:
    """A world with priors on tape, and a week of appointments."""

    def __init__(self, root: Path, *, patients: int, days: int, seed: int = 7, ahead_s: float | None = None) -> None:
        """`ahead_s`: how far ahead a mounted cartridge is looked through; None: as the engine does."""
        self._random = random.Random(seed)
        self._days = days
        tapes = [f"{pool}{number:05}L8" for pool in "AB" for number in range(1, patients // 3 + 4)]
        self.world = World(root, RULES, tapes, (), tape_bytes=TAPE_BYTES)
        if ahead_s is not None:
            settings = replace(self.world.settings, prefetch_ahead_s=ahead_s)
            old = self.world.engine
            old.close()
            self.world.engine = Engine(
                *(self.world.catalog, self.world.pool, self.world.libraries, self.world.volume_pools, settings),
                self.world.clock,
            )
            self.world.engine.take_over()
        self._patients = [f"PAT{number:03}" for number in range(patients)]
        self.studies = list(self._receive_priors())
        self.world.settle(rounds=6)
        online = [uid for uid in self.studies if self.world.availability(uid) is not Availability.NEARLINE]
        assert not online, f"{len(online)} priors did not leave the disk"

    def _receive_priors(self) -> Iterator[str]:
        priors = [
            (patient, *self._random.choice(KINDS), date(2014 + self._random.randrange(9), 5, 1 + turn))
            for patient in self._patients
            for turn in range(4)
        ]
        self._random.shuffle(priors)  # a patient's studies lie on several cartridges
        for number, (patient, modality, body_part, day) in enumerate(priors):
            uid = f"1.2.826.77.{number}"
            content = dataset(
                PatientID=patient,
                PatientName="PRIOR^PAT",
                Modality=modality,
                BodyPartExamined=body_part,
                StudyDate=f"{day:%Y%m%d}",
                StudyInstanceUID=uid,
                SeriesInstanceUID=f"{uid}.1",
                SOPInstanceUID=f"{uid}.1.1",
                AccessionNumber=f"OLD{number}",
            )
            block = content.private_block(0x0009, "FIRN TEST", create=True)
            block.add_new(0x10, "OB", self._random.randbytes(OBJECT_BYTES))
            receipt = self.world.archive.receive_file(io.BytesIO(part10(content)), "OLD")
            assert receipt.kept, receipt.why
            yield uid

    def plans(self) -> list[Plan]:
        """Two appointments in three are ordered days before, the rest from an hour and a half before."""
        made = []
        for number in range(1, len(self._patients) + 1):
            day = MONDAY + timedelta(days=self._random.randrange(self._days))
            at = day + timedelta(hours=8 + self._random.randrange(9), minutes=30 * self._random.randrange(2))
            notice = self._random.choice((1.5, 30.0, 60.0))
            modality, body_part = self._random.choice(KINDS)
            patient = self._patients[number - 1]
            made.append(Plan(number, patient, modality, body_part, at, at - timedelta(hours=notice)))
        return sorted(made, key=lambda plan: plan.ordered_at)

    def run(self, step: timedelta, staff_recalls: int = 3) -> Figures:
        """Live through the week."""
        world, plans = self.world, self.plans()
        mounts, begin = self._mounts(), min(plans[0].ordered_at, MONDAY) - step
        staff_at = sorted(
            MONDAY + timedelta(hours=24 * self._days * self._random.random()) for _ in range(staff_recalls)
        )
        waiting, longest_s, now = list(plans), 0.0, begin
        while now < MONDAY + timedelta(days=self._days):
            now += step
            if now > world.clock.now():
                world.clock.sleep((now - world.clock.now()).total_seconds())
            while waiting and waiting[0].ordered_at <= now:
                self._send(waiting.pop(0))
            world.engine.tick()
            if staff_at and staff_at[0] <= now:
                staff_at.pop(0)
                longest_s = max(longest_s, self._staff_recall())
            world.engine.drain()
        figures = world.catalog.prefetches.figures(MONDAY - timedelta(days=30))
        orders = world.catalog.orders.list()
        assert len(orders) == len(plans)
        assert {order.state for order in orders} == {OrderState.SCHEDULED}
        return Figures(
            appointments=len(orders),
            priors=figures.priors,
            on_disk=figures.on_disk,
            in_time=figures.in_time,
            late=figures.late,
            mounts=self._mounts() - mounts,
            recalls=len(world.catalog.jobs.list(kinds=(JobKind.RECALL,), limit=10_000)),
            staff_recalls=staff_recalls,
            staff_longest_s=longest_s,
            early_hours=self._early_hours([order.id for order in orders]),
        )

    def _send(self, plan: Plan) -> None:
        raw = orm(
            f"C{plan.number}",
            at=plan.at,
            order=str(plan.number),
            patient=plan.patient,
            modality=plan.modality,
            body_part=plan.body_part,
            study_uid=f"1.2.826.78.{plan.number}",
        )
        answer = take(raw, "192.0.2.7", self.world.catalog, UTC, self.world.clock.now())
        assert b"MSA|AA|" in answer, answer

    def _staff_recall(self) -> float:
        """Somebody asks for a study and waits; the seconds until it is there."""
        world = self.world
        asked = world.clock.now()
        request = world.archive.request_recall(self._random.choice(self.studies), requested_by="staff")
        while not world.archive.recall_state(request).done:
            world.engine.step()
            world.engine.wait_for_a_drive(1.0)
        return (world.clock.now() - asked).total_seconds()

    def _mounts(self) -> int:
        return sum(volume.mounts for volume in self.world.catalog.volumes.list())

    def _early_hours(self, orders: list[int]) -> float:
        """How long recalled priors lay on disk before their appointments began, on average."""
        requests = {request.id: request.ended_at for request in self.world.catalog.requests.list(limit=10_000)}
        early = [
            (record.appointment_at - ended).total_seconds() / 3600
            for records in self.world.catalog.prefetches.of_orders(orders).values()
            for record in records
            if record.request_id is not None and (ended := requests.get(record.request_id)) is not None
        ]
        return sum(early) / len(early) if early else 0.0
