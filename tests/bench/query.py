"""How soon C-FIND, QIDO-RS and the catalog itself answer the questions that peers ask, in a small and a large house."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from pydicom.dataset import Dataset
from sqlalchemy import text

from appliance.dimse.commands import Code, Field
from hsm.catalog import Catalog
from hsm.query.answers import answers
from hsm.query.model import Model
from hsm.query.parse import parse_query
from tests.appliance.dimse.raw import EXPLICIT, STUDY_FIND, RawPeer, keys
from tests.bench.clock import cpu_s, family
from tests.bench.figures import Figure, Section, of_times, percentile
from tests.bench.ground import PASSWORD, PERSON, START_LIMIT_S, Ground, Site, await_answer, started
from tests.support.visitor import Visitor

TIMES, FIRST, SMALL = 100, 100, 10_000
KEY_MS, SEARCH_MS, FLAT = 10, 50, 2.0
PENDING = (0xFF00, 0xFF01)
WANTED = ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "AccessionNumber", "StudyDescription")


@dataclass(frozen=True)
class Example:
    """One study that is asked for."""

    patient_id: str
    accession: str
    uid: str
    name: str
    day: str  # YYYYMMDD


def measure(ground: Ground) -> Iterator[Section]:
    """Each database in both sizes; the target of flatness is the large one beside the small one."""
    times = ground.options.times or TIMES
    large = ground.house()
    for database in ground.options.databases:
        before: dict[str, float] = {}
        for house in dict.fromkeys((ground.house_of(SMALL), large)):
            section, before = _one(ground.site(database, house), times, before)
            yield section


def _one(site: Site, times: int, before: Mapping[str, float]) -> tuple[Section, dict[str, float]]:
    examples = _examples(site, times)
    with Catalog.open(site.config.catalog_url) as catalog:
        rows = "SELECT (SELECT count(*) FROM studies), (SELECT count(*) FROM instances)"
        studies, instances = catalog.database.read(lambda connection: connection.execute(text(rows)).one())
        title = f"Queries on {site.database}: {studies} studies, {instances} instances"
        words = (
            f"Each question {times} times, each time for another study, one at a time: over an association and a"
            f" connection that are open, and asked of the catalog without a network. The first {FIRST} matches."
        )
        section, medians = Section(title, words), dict[str, float]()
        print(title, flush=True)
        with started(site, "pacs") as pacs, started(site, "web") as web:
            _await_port(site.config.dicom.port, pacs)
            await_answer(f"http://127.0.0.1:{site.config.web.port}/healthz", web)
            visitor = Visitor(site.config.web.port)
            visitor.sign_in(PERSON, PASSWORD)
            with RawPeer(site.config.dicom.port, [(STUDY_FIND, EXPLICIT)], called=site.config.dicom.ae_title) as peer:
                ways: tuple[tuple[str, Callable[[dict[str, str]], int]], ...] = (
                    ("C-FIND", lambda asked: _find(peer, asked)),
                    ("QIDO-RS", lambda asked: _qido(visitor, asked)),
                    ("catalog", lambda asked: _catalog(catalog, asked)),
                )
                server = [site.server_pid] if site.server_pid else []
                for what, target_ms, ask in _questions():
                    for way, answer in ways:
                        asking = [os.getpid()] if way == "catalog" else [pacs.pid, web.pid]
                        samples, costs, found = _sampled(answer, [ask(one) for one in examples], [*asking, *server])
                        name = f"{way} by {what}"
                        figure = of_times(name, samples, target_ms, costs)
                        section.add(Figure(name, f"{figure.measured}, {found} found", figure.target, figure.met))
                        medians[name] = percentile(samples, 50)
                        if name in before:
                            grown = medians[name] / before[name]
                            small = f"{SMALL} studies"
                            section.add(
                                Figure(f"{name}: median beside {small}", f"x {grown:.1f}", f"< x {FLAT}", grown < FLAT)
                            )
    return section, medians


def _questions() -> tuple[tuple[str, float, Callable[[Example], dict[str, str]]], ...]:
    return (
        ("patient ID", KEY_MS, lambda e: {"PatientID": e.patient_id}),
        ("accession number", KEY_MS, lambda e: {"AccessionNumber": e.accession}),
        ("study UID", KEY_MS, lambda e: {"StudyInstanceUID": e.uid}),
        ("name and a month", SEARCH_MS, lambda e: {"PatientName": f"{e.name[:3]}*", "StudyDate": _month(e.day)}),
        ("name and a year", SEARCH_MS, lambda e: {"PatientName": f"{e.name[:2]}*", "StudyDate": _year(e.day)}),
        ("name inside and years", SEARCH_MS, lambda e: {"PatientName": f"*{e.name[2:5]}*", "StudyDate": "2010-2040"}),
    )


def _month(day: str) -> str:
    return f"{day[:6]}01-{day[:6]}28"


def _year(day: str) -> str:
    return f"{day[:4]}0101-{day[:4]}1231"


def _sampled(
    answer: Callable[[dict[str, str]], int], questions: Sequence[dict[str, str]], roots: Sequence[int]
) -> tuple[list[float], list[float], int]:
    """Time and processor time of each, after one that does not count, and how many matches there were in all."""
    answer(questions[0])
    pids = family(roots)
    samples, costs, found = [], [], 0
    for asked in questions:
        before_s, began = cpu_s(pids), time.perf_counter()
        found += answer(asked)
        samples.append(time.perf_counter() - began)
        costs.append(cpu_s(pids) - before_s)
    return samples, costs, found


def _identifier(asked: Mapping[str, str]) -> Dataset:
    return keys("STUDY", **{**dict.fromkeys(WANTED, ""), **_dicom(asked)})


def _dicom(asked: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: "20100101-20401231" if key == "StudyDate" and value == "2010-2040" else value
        for key, value in asked.items()
    }


def _find(peer: RawPeer, asked: dict[str, str]) -> int:
    """The matches until there are enough; the rest is called off, as a workstation does."""
    peer.ask(Code.C_FIND, STUDY_FIND, _identifier(asked))
    found, cancelled = 0, False
    while True:
        answer, _ = peer.next()
        if answer.number(Field.STATUS) not in PENDING:
            return min(found, FIRST)
        found += 1
        if found >= FIRST and not cancelled:
            peer.cancel(1)
            cancelled = True


def _qido(visitor: Visitor, asked: dict[str, str]) -> int:
    query = "&".join(f"{key}={quote(value)}" for key, value in _dicom(asked).items())
    answer = visitor.get(f"/dicom-web/studies?limit={FIRST}&{query}")
    assert answer.status in (200, 204), answer.text
    return answer.text.count('"0020000D"')


def _catalog(catalog: Catalog, asked: dict[str, str]) -> int:
    query = parse_query(_identifier(asked), Model.STUDY_ROOT)
    return sum(1 for _ in islice(answers(catalog.database, query, "FIRN", FIRST), FIRST))


def _examples(site: Site, many: int) -> list[Example]:
    """Studies from everywhere in the house, the same in each run."""
    draw = random.Random(7)
    statement = text(
        "SELECT p.patient_id, s.accession_number, s.study_instance_uid, s.patient_name, s.study_date FROM studies s"
        " JOIN patients p ON p.id = s.patient_fk WHERE s.id = :id"
    )
    found: list[Example] = []
    with Catalog.open(site.config.catalog_url) as catalog:
        while len(found) < many:
            number = draw.randint(1, site.house.studies)
            row = catalog.database.read(lambda c, number=number: c.execute(statement, {"id": number}).one())  # type: ignore[misc]
            if row[4] is not None and row[3].isascii():
                found.append(Example(row[0], row[1], row[2], row[3], str(row[4]).replace("-", "")[:8]))
    return found


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # it says in no other way to us that it listens
