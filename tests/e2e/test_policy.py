"""What a dry run names is what the next evaluation does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.house import RULES, House, wait_until
from tests.support.studies import small_ct, write_study


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An archive in which nothing runs."""
    made = House(tmp_path / "archive")
    made.build(RULES)
    yield made
    made.close()


def named(plan: Any) -> Any:
    """The plan without its reasons, which say for how many seconds something has been so."""
    return {
        kind: [{key: value for key, value in row.items() if key != "reason"} for row in plan[kind]]
        for kind in ("copies", "verifies", "releases", "pins")
    }


def totals(plan: Any) -> dict[str, int]:
    return {kind: len(plan[kind]) for kind in ("copies", "verifies", "releases")}


def test_a_dry_run_names_what_the_next_tick_does_and_a_second_tick_adds_nothing(house: House, tmp_path: Path) -> None:
    studies = [small_ct("plan-1"), small_ct("plan-2", slices=2)]
    for study in studies:
        write_study(tmp_path / "inbox", study)
    house.firn("import", str(tmp_path / "inbox"))
    uids = {study.study_uid for study in studies}
    wait_until(lambda: len(house.json("policy", "plan")["copies"]) == 6, "both studies are stable")

    plan = house.json("policy", "plan")
    assert named(house.json("policy", "plan")) == named(plan), "a dry run changed something"
    assert {(row["study_instance_uid"], row["pool"]) for row in plan["copies"]} == {
        (uid, pool) for uid in uids for pool in ("tape_a", "tape_b", "disc")
    }
    first = house.json("tick")
    assert first["planned"] == totals(plan)
    assert first["new_jobs"] == 6
    assert {(job["kind"], job["study_instance_uid"], job["pool"]) for job in first["jobs"]} == {
        ("migrate", row["study_instance_uid"], row["pool"]) for row in plan["copies"]
    }
    second = house.json("tick")
    assert second["new_jobs"] == 0
    assert [job["id"] for job in second["jobs"]] == [job["id"] for job in first["jobs"]]

    # carried out to the end
    house.firn("tick", "--wait", "--limit-s", "60")
    house.wait_settled(uids)
