"""The quick search finds what the simple one finds, on both databases, whatever is asked."""

from collections.abc import Iterable
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from hsm.catalog import Catalog
from hsm.catalog import search as search_module
from hsm.catalog.search import describe_all
from hsm.catalog.standing import standing
from hsm.models import Patient, Study
from hsm.search.tables import StudyText
from hsm.search.words import place_in_list, searchable, words
from hsm.states import Availability
from tests.hsm.catalog.world import START, TAPES, World, arrival, study_uid

NAMES = (
    "Müller^Åsa",
    "Muller^Anna=王^小明",
    'O"Hara^%_\\',
    "Yamada^Tarou=山田^太郎",
    "Anna^Ann Anna",
    "",
    "von der Heide^Jo",
)
IDS = ("P100", "P1001", "100-A", "", "'; --")
DESCRIPTIONS = ("CT Schädel nativ", "chest 100%", "a_b\\c", "", "MR\nknee")
DAYS = (date(2024, 3, 1), date(2024, 12, 31), None, date(2001, 1, 10))
PARTS = (
    "mull",
    "müller",
    "an",
    "ann",
    "anna",
    "王",
    "山田",
    "100",
    "p1",
    '"',
    "%",
    "_",
    "\\",
    "ct",
    "mr",
    "2024",
    "2024-03",
    "20240301",
    "10.1.2001",
    "01",
    "schadel",
    'o"hara',
    "heide",
    "zzz",
    "--",
    "1.2.5",
    "1.2.77",
    "and",
    "or",
    "NOT",
)


def corpus(catalog: Catalog) -> None:
    """Sixty studies, some of which get their date, description and second modality later."""
    for n in range(60):
        about: dict[str, Any] = {
            "patient_name": NAMES[n % 7],
            "patient_id": IDS[n % 5],
            "accession_number": f"ACC{n % 9}",
        }
        later: dict[str, Any] = {
            "study_date": DAYS[n % 4],
            "study_description": DESCRIPTIONS[n % 5],
            "study_time": f"{n % 24:02}0000",
        }
        first = about if n % 3 == 0 else about | later
        catalog.intake.record(arrival(n, **({"study_date": None} | first)))
        catalog.intake.record(arrival(n, 2, **(about | later), modality="MR" if n % 2 else "CT"))


def simply(catalog: Catalog, text: str, among: Iterable[int] | None = None) -> list[str]:
    """Every study is looked at."""
    statement = select(Study.__table__, Patient.patient_id).join(Patient, Patient.id == Study.patient_fk)
    rows = catalog.database.read(lambda connection: connection.execute(statement).all())
    found = {}
    for row in rows:
        whole = searchable(
            row.patient_name_folded,
            row.patient_id,
            row.accession_number,
            row.description,
            row.modalities,
            row.study_date,
        )
        if all(word.fits(whole, row.study_instance_uid) for word in words(text)):
            found[place_in_list(row.study_date, row.study_time, row.id)] = row.study_instance_uid
    allowed = found.keys() if among is None else set(among)
    return [found[place] for place in sorted(found, reverse=True) if place in allowed]


def test_the_quick_search_finds_what_looking_at_every_study_finds(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus(catalog)
    monkeypatch.setattr(search_module, "_BATCH", 7)  # many are searched for in parts
    monkeypatch.setattr(search_module, "COUNTED", 20)
    places = catalog.database.read(lambda c: list(c.scalars(select(StudyText.id).order_by(StudyText.id.desc()))))
    ids = dict(catalog.database.read(lambda c: c.execute(select(Study.study_instance_uid, Study.id)).all()))

    @given(st.lists(st.sampled_from(PARTS) | st.text(max_size=4), max_size=3), st.integers(0, 30), st.data())
    @settings(max_examples=40)
    def same(parts: list[str], offset: int, data: st.DataObject) -> None:
        text = " ".join(parts)
        chosen = data.draw(st.none() | st.sets(st.sampled_from(places)))
        among = None if chosen is None else sorted(chosen, reverse=True)
        expected = simply(catalog, text, among)
        found = catalog.search.find(text, 5, offset, among)
        assert list(found.study_uids) == expected[offset : offset + 5]
        if found.exact:
            assert found.total == len(expected)
        else:
            assert found.total == 20 < len(expected)
        paged: list[str] = []
        while part := catalog.search.behind(text, 9, ids[paged[-1]] if paged else None, among):
            paged += part
        assert paged == expected

    same()


def test_many_are_counted_no_further_than_a_thousand(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus(catalog)
    monkeypatch.setattr(search_module, "COUNTED", 10)
    assert (catalog.search.find("acc", 5).total, catalog.search.find("acc", 5).exact) == (10, False)
    assert (catalog.search.find("acc", 5, 58).total, catalog.search.find("acc", 5, 58).exact) == (60, True)
    assert (catalog.search.find("", 5).total, catalog.search.find("", 5).exact) == (60, True)


def test_the_texts_can_be_written_anew_at_any_time_and_come_with_a_dump(catalog: Catalog) -> None:
    corpus(catalog)

    def texts(connection: Connection) -> list[tuple[int, int, str]]:
        return [tuple(row) for row in connection.execute(select(StudyText.__table__).order_by(StudyText.id))]

    before = catalog.database.read(texts)
    assert len(before) == 60
    catalog.database.write(describe_all)
    assert catalog.database.read(texts) == before
    stream = BytesIO()
    catalog.dump.write(stream)
    assert b"study_texts" not in stream.getvalue()
    assert catalog.search.find("schadel 2024", 50).total > 0


def test_all_studies_at_once_stand_as_each_of_them_does(world: World) -> None:
    catalog = world.catalog
    world.labelled(*TAPES)
    world.released(1)
    world.safe(2)
    world.receive(3)
    both = world.packed(4)
    world.copy(both, TAPES[0])
    world.copy(both, TAPES[1], verified=False)
    only_third = world.released(5)
    world.copy(only_third, TAPES[2])
    world.receive(5, range(7, 9), at=START + timedelta(days=2))  # online beside a released pack
    world.library(TAPES[2])  # the others are missing now
    found = standing(catalog.database, 2)
    by_uid = {study_uid(n): catalog.studies.availability(study_uid(n)) for n in range(1, 6)}
    for kind in Availability:
        listed = catalog.search.find("", 50, 0, found.by_availability[kind]).study_uids
        assert set(listed) == {uid for uid, availability in by_uid.items() if availability is kind}
    assert by_uid[study_uid(1)] is Availability.OFFLINE and by_uid[study_uid(5)] is Availability.NEARLINE
    unsafe = catalog.search.find("", 50, 0, found.unsafe).study_uids
    assert unsafe == (study_uid(3), study_uid(4), study_uid(5))
