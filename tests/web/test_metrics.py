"""What Prometheus is told, and what is made of it."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from hsm.access.roles import Right, Role
from hsm.facts import DiskFacts
from hsm.pool import PoolMissing
from tests.web.api.conftest import program
from tests.web.world import World, browser, busy
from web.app import create_app

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bfirn_[a-z0-9_]+\b")


def scraped(world: World) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every sample by its name and labels."""
    answer = program(world, Role.VIEWER, Right.METRICS).ask("GET", "/metrics")
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain; version=0.0.4")
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            assert sample.name not in found or tuple(sorted(sample.labels.items())) not in found[sample.name]
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def families_named(world: World) -> set[str]:
    """Every family, also one without a sample now."""
    text = program(world, Role.VIEWER, Right.METRICS).ask("GET", "/metrics").text
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    return names | {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if line[:1] != "#"}


def test_a_busy_house_is_told_in_figures(world: World) -> None:
    busy(world)
    found = scraped(world)
    assert found["firn_engine_up"] == {(): 1}
    assert found["firn_studies"] == {(): 6}
    assert found["firn_unsafe_studies"] == {(): 4}
    assert found["firn_online_high_water_ratio"] == {(): 0.85}
    assert found["firn_pool_used_bytes"][(("kind", "tape"), ("pool", "tape_a"))] > 0
    assert found["firn_jobs"][(("kind", "verify"), ("state", "failed"))] == 1
    assert found["firn_recalls_waiting"] == {(): 1}
    failed = (("drive", "1"), ("kind", "tape"), ("library", "tape"), ("state", "failed"))
    assert found["firn_drive_state"][failed] == 1
    assert found["firn_drive_mounts_total"][(("drive", "0"), ("kind", "tape"), ("library", "tape"))] == 1
    assert found["firn_events_last_hour"][(("level", "error"),)] >= 1


def test_no_figure_names_a_patient_or_a_study(world: World) -> None:
    busy(world)
    text = program(world, Role.VIEWER, Right.METRICS).ask("GET", "/metrics").text
    for secret in ("Okafor", "EVIL", "1.2.3.9", "P9", "ACC-1001"):
        assert secret not in text


def test_a_pool_that_is_away_is_a_figure_too(world: World) -> None:
    def away() -> DiskFacts:
        raise PoolMissing("gone")

    text = browser(replace(world.services(), pool_usage=away)).get("/metrics").text
    assert "firn_online_up 0.0" in text
    assert not re.search(r"^firn_online_used_bytes ", text, re.MULTILINE)


def test_figures_need_their_scope_or_a_session(world: World) -> None:
    stranger = create_app(world.services()).test_client()
    assert stranger.get("/metrics").status_code == 401
    assert program(world, Role.ADMINISTRATOR, Right.ADMINISTER).ask("GET", "/metrics").status_code == 403
    assert program(world, Role.VIEWER, Right.METRICS).ask("GET", "/api/v1/studies").status_code == 403
    assert browser(world.services(), Role.VIEWER).get("/metrics").status_code == 200


def test_this_machine_needs_no_token_where_the_house_says_so(world: World) -> None:
    client = create_app(world.services(metrics_from_loopback=True)).test_client()
    assert client.get("/metrics").status_code == 200
    assert client.get("/api/v1/status").status_code == 401, "nothing else is opened by it"
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert client.get("/metrics", headers={name: "192.0.2.7"}).status_code == 401
    client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert client.get("/metrics").status_code == 401


def expressions() -> list[str]:
    """Every question that the dashboard and the alert rules ask."""
    board = json.loads((FOLDER / "grafana-firn.json").read_text())
    rules = yaml.safe_load((FOLDER / "firn-alerts.yml").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return asked + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_every_figure_that_dashboard_and_alerts_ask_for_exists(world: World) -> None:
    busy(world)
    there = families_named(world)
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(asked) > 25
    assert asked <= there | {f"{name}_info" for name in there}
    described = set(NAME.findall((FOLDER.parent / "MONITORING.md").read_text(encoding="utf-8")))
    assert there - {"firn_build", "firn_drive_mounts"} <= described


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((FOLDER / "firn-alerts.yml").read_text())["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Debian's package prometheus")
def test_promtool_accepts_the_alert_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", str(FOLDER / "firn-alerts.yml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
