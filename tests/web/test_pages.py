"""Every page, as a whole: answers, keeps to the strict policy, and leads on."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from flask.testing import FlaskClient

from hsm.catalog import Catalog
from hsm.catalog.figures import Usage
from hsm.facts import DiskFacts
from hsm.figures.observer import Observer
from hsm.states import JobState
from tests.web.reader import Page, read
from tests.web.world import CHINESE, World, browser, busy, stock, world_over
from web.words import person

PAGES = (
    "/",
    "/studies",
    "/studies?show=unsafe",
    "/studies?q=nobody",
    "/studies?page=9",
    "/studies/1.2.3.1",
    "/studies/1.2.3.2",
    "/studies/1.2.3.3",
    "/studies/1.2.3.9",
    "/studies/1.2.3.10",
    "/requests",
    "/requests?who=all",
    "/requests/1",
    "/worklist",
    "/worklist?day=2026-03-09&show=all",
    "/worklist/1",
    "/cart",
    "/deliveries",
    "/library",
    "/library?library=tape",
    "/library/tape/drives/0",
    "/library/jukebox/drives/0",
    "/volumes",
    "/volumes?state=lost",
    "/volumes?sort=-mounts&q=a0&stale=30",
    "/volumes?page=9",
    "/volumes/D00001",
    "/volumes/A00001L8",
    "/volumes/A00003L8",
    "/jobs",
    "/jobs?state=active&kind=migrate",
    "/jobs?study=1.2.3.4",
    "/jobs/1",
    "/jobs/2",
    "/policies",
    "/policies/1",
    "/policies/dry-run",
    "/policies/dry-run?when=year",
    "/events",
    "/events?level=error",
    "/events?name=nothing",
    "/events?by=anna&from=2026-03-01&to=2026-03-06",
    "/audit",
    "/audit?outcome=refused&kind=study",
    "/jobs?drive=TD0001&by=policy&from=2026-03-01",
    "/quarantine",
)


def get(client: FlaskClient, path: str) -> Page:
    answer = client.get(path)
    assert answer.status_code == 200, f"{path}: {answer.status}"
    return read(answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_and_keeps_to_the_strict_policy(busy_client: FlaskClient, path: str) -> None:
    page = get(busy_client, path)
    assert page.faults == []
    assert all(load.startswith("/static/") for load in page.loads)
    assert "h1" in page.tags


def test_every_link_leads_somewhere(busy_client: FlaskClient) -> None:
    seen, waiting = set(), ["/"]
    while waiting:
        address = waiting.pop()
        if address in seen or address.startswith("#"):
            continue
        seen.add(address)
        if urlsplit(address).path.endswith((".csv", ".pdf")):
            assert busy_client.get(address).status_code == 200, address
            continue
        waiting += get(busy_client, address).links
    reached = {unquote(urlsplit(address).path) for address in seen}
    assert {"/studies/1.2.3.3", "/volumes/A00001L8", "/jobs/1", "/policies/1", "/policies/dry-run"} <= reached


@pytest.mark.parametrize("path", PAGES)
def test_a_refreshing_part_finds_itself_in_the_answer(busy_client: FlaskClient, path: str) -> None:
    whole = busy_client.get(path).text
    bare = busy_client.get(path, headers={"HX-Request": "true"})
    assert "<html" not in bare.text
    assert read(bare.text).faults == []
    assert "HX-Request" in bare.headers["Vary"]
    for name in ("overview", "way-back", "places-1", "wanted", "drive", "jobs", "job", "results"):
        assert (f'id="{name}"' in whole) == (f'id="{name}"' in bare.text)


def test_going_back_gets_a_whole_page(busy_client: FlaskClient) -> None:
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in busy_client.get("/studies", headers=headers).text


def test_static_files_are_there(busy_client: FlaskClient) -> None:
    page = get(busy_client, "/")
    for load in {urlsplit(load).path for load in page.loads}:
        assert busy_client.get(load).status_code == 200, load
    icons = busy_client.get("/static/icons.svg").text
    for path in PAGES:
        for load in get(busy_client, path).loads:
            if "#" in load:
                assert f'id="{urlsplit(load).fragment}"' in icons


def test_hostile_text_is_shown_as_text_on_every_page(busy_client: FlaskClient) -> None:
    for path in PAGES:
        page = get(busy_client, path)
        html = busy_client.get(path).text
        assert "img" not in page.tags, path
        assert not {"i", "b"} & page.tags, path
        assert not set("\x00\u202e\x1b") & set(html), path
        assert "<script>alert" not in html, path
    study = get(busy_client, "/studies/1.2.3.3").text
    assert "<script>alert(1)</script>⟨U+202E⟩EVIL" in study
    assert "␛[31m" in study
    assert "<i>desc</i>" in study


def test_names_of_any_length_and_direction_are_isolated(busy_client: FlaskClient) -> None:
    html = busy_client.get("/studies").text
    assert f"<bdi>{CHINESE}</bdi>" in html
    assert f"<bdi>{person('Yamada^Tarou=山田^太郎=やまだ^たろう')}</bdi>" in html


def test_an_empty_house_says_the_next_step(client: FlaskClient) -> None:
    assert "firn import" in get(client, "/studies").text
    assert "Send a study" in get(client, "/jobs").text
    assert "The quarantine is empty" in get(client, "/quarantine").text
    assert "Nothing is running" in get(client, "/").text
    for path in ("/", "/library", "/volumes", "/events", "/policies", "/policies/dry-run"):
        assert get(client, path).faults == []


def test_the_overview_counts_and_links(busy_client: FlaskClient) -> None:
    page = get(busy_client, "/")
    assert "/jobs?kind=verify&state=failed" in page.links
    assert "/studies?show=unsafe" in page.links
    assert "/volumes?pool=tape_a" in page.links
    assert "72 %" in page.text
    assert "archive-1:engine:4711" in page.text
    assert "locating block 81234 on A00002L8" in page.text
    assert "in 70 s" in page.text


def test_the_overview_reads_what_the_clock_worked_out(world: World) -> None:
    busy(world)
    catalog, now = world.catalog, world.clock.now()
    seen = {
        "devices": [
            {"kind": "tape", "serial": "TD0001", "name": "IBM ULT3580", "node": "/dev/nst0", "state": "running"},
            {"kind": "tape", "serial": "X", "name": "HP Ultrium", "node": "/dev/nst1", "state": "running"},
        ],
        "udev": False,
    }
    for days in range(20, 0, -1):
        used = world.disk.used_bytes - days * 20 * 10**9
        catalog.figures.sample({"online": Usage(used, world.disk.capacity_bytes)}, now - timedelta(days=days))
        catalog.figures.sample({"pool:tape_a": Usage(0, 240 * 10**9)}, now - timedelta(days=days))
    Observer(catalog, lambda: world.disk, [world.pool.directories[0]], world.clock, lambda: seen).observe()
    running = catalog.jobs.list(states=(JobState.RUNNING,))[0]
    catalog.jobs.progress(running.id, 80_000_000, "writing to A00002L8", rate_bytes_s=143_000_000)
    catalog.drives.said("tape", 0, ["clean_now"], True, now)
    catalog.events.record("info", "catalog_copied", "A00001L8", {}, now - timedelta(hours=5))
    page = get(browser(world.services()), "/")
    assert page.faults == []
    assert "Full in 55 days" in page.text
    assert "Not filling up" in page.text
    assert page.text.count("143 MB/s") == 2
    assert "wants cleaning" in page.text and "clean now" in page.text
    assert "5 h ago on A00001L8" in page.text
    assert "studies a day over 30 days: 6 in all, 3 at most, 2 today" in browser(world.services()).get("/").text
    assert page.text.count("in no configured library") == 1
    assert "udev does not run there" in page.text
    world.clock.sleep(3600)
    catalog.leases.take("engine", "archive-1:engine:4711", world.clock.now(), 3600)
    assert "Some figures are from 60 min ago" in get(browser(world.services()), "/").text


def test_a_silent_engine_is_said_first(client: FlaskClient) -> None:
    assert "No engine is running" in get(client, "/").text


def test_a_missing_pool_is_said_instead_of_shown(world: World) -> None:
    def usage() -> DiskFacts:
        world.pool.usage()
        return world.disk

    (world.pool.directories[0] / ".firn-pool").unlink()
    world.receive("1.2.3.1")
    client = browser(replace(world.services(), pool_usage=usage))
    assert "The online pool is not there" in get(client, "/").text
    assert "cannot be worked out" in get(client, "/policies/dry-run").text
    assert "cannot be worked out" in get(client, "/studies/1.2.3.1").text


def test_times_are_relative_with_the_absolute_one_in_the_title(busy_client: FlaskClient) -> None:
    html = busy_client.get("/studies/1.2.3.1").text
    assert '<time datetime="2026-03-03T14:30:00+00:00" title="2026-03-03 14:30:00 UTC">2 days ago</time>' in html


def test_the_library_shows_what_stands_side_by_side(busy_client: FlaskClient) -> None:
    page = get(busy_client, "/library")
    assert "label not readable" in page.text  # a full mail slot without barcode
    assert "CLN001L8 no data volume" in page.text
    assert "three errors in a row on different volumes" in page.text
    assert "6 of 12 slots full" in page.text
    assert "copy 1 : locating block 81234 on A00002L8" in page.text


def test_a_dry_run_shows_the_real_catalog(busy_client: FlaskClient) -> None:
    page = get(busy_client, "/policies/dry-run?when=now")
    assert "Now: 2 studies" in page.text or "Now: 3 studies" in page.text
    assert "two tapes for everything" in page.text
    assert "/studies/1.2.3.1" in page.links


@pytest.mark.parametrize(("start", "entry"), [("/studies", "/studies/1.5."), ("/events?name=met", "/events?subject=")])
def test_a_list_is_cut_into_pages_that_lead_to_each_other(world: World, start: str, entry: str) -> None:
    for number in range(7):
        world.receive(f"1.5.{number}", day=None)
        world.catalog.events.record("info", "met", str(number), {}, world.clock.now())
    client = browser(world.services(page_size=3))
    seen: list[str] = []
    address: str | None = start
    pages = 0
    while address:
        page = get(client, address)
        seen += [link for link in page.links if link.startswith(entry) and "#" not in link]
        address = page.labelled.get("Older")
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 7


def test_a_full_volume_is_shown_in_pages(world: World) -> None:
    for number in range(5):
        for pack in world.seal(world.receive(f"1.6.{number}")):
            world.write(pack, "tape_a", "A00001L8")
    client = browser(world.services(page_size=2))
    address: str | None = "/volumes/A00001L8"
    seen: list[str] = []
    while address:
        page = get(client, address)
        seen += [link for link in page.links if link.startswith("/studies/1.6.")]
        address = page.labelled.get("Further")
    assert seen == [f"/studies/1.6.{number}" for number in range(5)]
    assert "1 to 2 of 5 packs" in get(client, "/volumes/A00001L8").text
    assert "past its end" in get(client, "/volumes/A00001L8?page=9").text


@pytest.mark.postgres
def test_the_pages_say_the_same_over_postgresql(tmp_path: Path, postgres_url: str, busy_client: FlaskClient) -> None:
    catalog = Catalog.open(postgres_url)
    stock(catalog)
    world = world_over(tmp_path, catalog)
    busy(world)
    client = browser(world.services())
    paths = (*PAGES, "/studies?q=lindqvist+asa", "/studies?q=2025-11", "/studies?q=ACC-1001", "/studies?show=nearline")
    different = [path for path in paths if get(client, path).text != get(busy_client, path).text]
    uid = client.get("/api/v1/studies").get_json()["items"][0]["study_instance_uid"]
    told = [one.get(f"/api/v1/studies/{uid}/series").get_json() for one in (client, busy_client)]
    catalog.close()
    assert different == []
    assert told[0] == told[1]
    assert told[0]
