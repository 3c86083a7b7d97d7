"""Whole sample studies, each made again byte for byte from its seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta

from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from appliance.demo import documents, images, radiotherapy
from appliance.demo.objects import SeriesPlan, StudyPlan
from appliance.demo.people import PEOPLE, Person

FIRST_DAY = date(2024, 1, 8)


@dataclass(frozen=True)
class SampleStudy:
    """One generated study, instances in the order in which a modality would send them."""

    plan: StudyPlan
    instances: tuple[FileDataset, ...]

    @property
    def study_uid(self) -> str:
        """The Study Instance UID."""
        return str(self.plan.study_uid)


def planned(seed: str, description: str, person: Person, day: date = FIRST_DAY, at: time = time(9, 30)) -> StudyPlan:
    """The frame of a study; its accession number follows from the seed."""
    return StudyPlan(seed, person, day, at, description, accession_number=f"A{seed[-15:]}".upper())


def ct_study(
    seed: str,
    person: Person = PEOPLE[0],
    slices: int = 8,
    size_px: int = 128,
    description: str = "CT Thorax",
    syntax: str = ExplicitVRLittleEndian,
) -> SampleStudy:
    """One axial CT series."""
    plan = planned(seed, description, person)
    series = SeriesPlan(plan, 1, "CT", "Axial 2.5", "CHEST")
    return SampleStudy(plan, tuple(images.ct_series(series, slices, size_px, syntax)))


def mr_study(
    seed: str, person: Person = PEOPLE[1], slices: int = 6, size_px: int = 128, series_count: int = 2
) -> SampleStudy:
    """Several axial MR series, Implicit VR Little Endian, the last one compressed with RLE."""
    plan = planned(seed, "MR Brain", person, FIRST_DAY + timedelta(days=40), time(14, 5))
    made: list[FileDataset] = []
    for number in range(1, series_count + 1):
        series = SeriesPlan(plan, number, "MR", f"T2 run {number}", "BRAIN")
        last = number == series_count and series_count > 1
        syntax = ExplicitVRLittleEndian if last else ImplicitVRLittleEndian
        for image in images.mr_series(series, slices, size_px, syntax):
            made.append(images.compress_rle(image) if last else image)
    return SampleStudy(plan, tuple(made))


def us_study(seed: str, person: Person = PEOPLE[2], clips: int = 2, frames: int = 12) -> SampleStudy:
    """Multi-frame ultrasound clips, the first one compressed with RLE, and a colour photograph."""
    plan = planned(seed, "Echocardiography", person, FIRST_DAY + timedelta(days=90), time(8, 15))
    series = SeriesPlan(plan, 1, "US", "Apical", "HEART")
    made = [images.ultrasound_clip(series, number, frames) for number in range(1, clips + 1)]
    made[0] = images.compress_rle(made[0])
    made.append(images.photograph(SeriesPlan(plan, 2, "OT", "Screen", "HEART"), 1))
    return SampleStudy(plan, tuple(made))


def rt_study(seed: str, person: Person = PEOPLE[3], slices: int = 8, size_px: int = 128) -> SampleStudy:
    """A planning CT with structure set, plan and dose that refer to it."""
    plan = planned(seed, "RT planning", person, FIRST_DAY + timedelta(days=150), time(11, 45))
    ct = tuple(images.ct_series(SeriesPlan(plan, 1, "CT", "Planning", "CHEST"), slices, size_px))
    structures = radiotherapy.structure_set(SeriesPlan(plan, 2, "RTSTRUCT", "Structures"), ct)
    treatment = radiotherapy.plan(SeriesPlan(plan, 3, "RTPLAN", "Plan"), structures)
    grid = radiotherapy.dose(SeriesPlan(plan, 4, "RTDOSE", "Dose"), treatment, slices)
    return SampleStudy(plan, (*ct, structures, treatment, grid))


def cr_study(seed: str, person: Person = PEOPLE[4], size_px: int = 512) -> SampleStudy:
    """One radiograph, a structured report about it, and the report as PDF."""
    plan = planned(seed, "Chest PA", person, FIRST_DAY + timedelta(days=210), time(16, 20))
    picture = images.radiograph(SeriesPlan(plan, 1, "CR", "PA", "CHEST"), 1, size_px)
    lines = documents.FINDINGS[:1]  # the others need Latin-1
    report = documents.report(SeriesPlan(plan, 2, "SR", "Report"), 1, (picture,), lines)
    letter = documents.encapsulated_pdf(SeriesPlan(plan, 3, "DOC", "Letter"), 1, "Findings", lines)
    return SampleStudy(plan, (picture, report, letter))


def every_kind(seed: str = "demo") -> Iterator[SampleStudy]:
    """One study of each kind, for people of all character sets; about 30 MB."""
    yield ct_study(f"{seed}-1", PEOPLE[0], slices=24, size_px=256)
    yield mr_study(f"{seed}-2", PEOPLE[1], slices=12, size_px=192)
    yield us_study(f"{seed}-3", PEOPLE[2], clips=2, frames=20)
    yield rt_study(f"{seed}-4", PEOPLE[3], slices=12, size_px=256)
    yield cr_study(f"{seed}-5", PEOPLE[4], size_px=1024)
    yield ct_study(f"{seed}-6", PEOPLE[5], slices=10, size_px=256, description="CT Abdomen")
    yield mr_study(f"{seed}-7", PEOPLE[6], slices=8, size_px=192, series_count=3)
    yield cr_study(f"{seed}-8", PEOPLE[7], size_px=768)
