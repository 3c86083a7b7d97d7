"""The large house in small: what bulk SQL wrote is what the catalog's own methods expect."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hsm.catalog import Catalog
from hsm.catalog.standing import standing
from hsm.states import Availability, CopyState, JobState
from tests.support.big import BigHouse, fill

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
SMALL = BigHouse(studies=2000, volumes=40, jobs=300, events=200)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_large_house_hangs_together(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'big.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with Catalog.open(url) as catalog:
        fill(catalog, SMALL, NOW)
        counts = catalog.studies.counts()
        assert (counts.studies, counts.patients) == (2000, 600)
        assert counts.packs == 1998 and counts.copies[CopyState.VERIFIED] > 3000
        assert len(catalog.volumes.list()) == 40
        uids = catalog.search.find("", 2000).study_uids
        assert len(uids) == 2000
        for uid in uids[50::97]:
            study = catalog.studies.get(uid)
            instances = catalog.studies.instances(uid)
            assert study is not None and study.instance_count == len(instances)
            assert study.size_bytes == sum(instance.size_bytes for instance in instances)
            assert len(catalog.copies.of_study(uid)) >= 2
            assert catalog.studies.availability(uid) in set(Availability)
        assert all(
            standing(catalog.database, 2).by_availability[kind] for kind in (Availability.ONLINE, Availability.NEARLINE)
        )
        assert catalog.jobs.list(states=(JobState.FAILED,)) and catalog.events.list()
        facts = list(catalog.facts.studies_for_policy(NOW, only=uids[:50]))
        assert len(facts) == 50
