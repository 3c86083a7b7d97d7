"""What Prometheus is told, as families of samples: read from the catalog at each scrape, kept nowhere.

No label names a patient or a study. Sizes are bytes, times seconds, shares run from 0 to 1, as Prometheus has it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from hsm.catalog.figures import Flow
from hsm.facts import DiskFacts
from hsm.states import ACTIVE_JOBS, DriveState, JobKind, JobState
from web.metrics.readings import Readings

DAY_S = 86400.0
Labels: TypeAlias = Mapping[str, str]
Samples: TypeAlias = Iterable[tuple[Labels, float]]


def gauge(name: str, words: str, samples: Samples, *labels: str) -> GaugeMetricFamily:
    """A family of values that go up and down."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for named, value in samples:
        family.add_metric([named[label] for label in labels], value)
    return family


def families(now: datetime, read: Readings) -> Iterator[Metric]:
    """Everything, in the order in which it is printed. Pure."""
    yield InfoMetricFamily("firn_build", "Which version answers.", value={"version": version("firn")})
    yield gauge("firn_engine_up", "1 while an engine holds its lease.", [({}, float(read.engine is not None))])
    yield from _disk(read.disk)
    yield from _pools(read)
    yield from _holdings(now, read)
    yield from _jobs(read)
    yield from _drives(read)
    yield from _flows("intake", "studies that arrived", read.intake)
    yield from _flows("recalled", "recalls that were done", read.recalled)
    yield from _errors(now, read)


def _disk(disk: DiskFacts | None) -> Iterator[Metric]:
    yield gauge("firn_online_up", "1 while the online pool is there.", [({}, float(disk is not None))])
    facts = [] if disk is None else [disk]
    for name, words, samples in (
        ("capacity_bytes", "Size of the online pool.", [float(d.capacity_bytes) for d in facts]),
        ("used_bytes", "What is used of it.", [float(d.used_bytes) for d in facts]),
        ("high_water_ratio", "Above this fill level studies are released.", [d.high_water_pct / 100 for d in facts]),
        ("low_water_ratio", "Releasing stops at this fill level.", [d.low_water_pct / 100 for d in facts]),
    ):
        yield gauge(f"firn_online_{name}", words, [({}, value) for value in samples])


def _pools(read: Readings) -> Iterator[Metric]:
    named = [({"pool": tier.name, "kind": tier.kind.value}, tier) for tier in read.tiers]
    for name, words, values in (
        ("capacity_bytes", "Size of the volumes of a pool.", [float(t.capacity_bytes) for _, t in named]),
        ("used_bytes", "What is used of it.", [float(t.used_bytes) for _, t in named]),
        ("writable_volumes", "Volumes that take more packs.", [float(t.writable) for _, t in named]),
        ("blank_volumes", "Volumes that could be labelled for it.", [float(t.blank) for _, t in named]),
    ):
        labelled = zip((labels for labels, _ in named), values, strict=True)
        yield gauge(f"firn_pool_{name}", words, labelled, "pool", "kind")
    foretold = [
        (labels, tier.forecast.likely_days * DAY_S)
        for labels, tier in named
        if tier.forecast is not None and tier.forecast.likely_days is not None
    ]
    words = "Until a pool is full, as the intake of the last weeks foretells; absent when it cannot be foretold."
    yield gauge("firn_pool_full_in_seconds", words, foretold, "pool", "kind")
    groups = [
        ({"pool": g.pool or "", "kind": g.kind.value, "state": g.state.value, "place": g.place.value}, float(g.volumes))
        for g in read.groups
    ]
    yield gauge("firn_volumes", "Volumes by pool, state and place.", groups, "pool", "kind", "state", "place")
    yield gauge("firn_wanted_volumes", "Volumes that a person is asked to bring.", [({}, float(read.wanted))])


def _holdings(now: datetime, read: Readings) -> Iterator[Metric]:
    counts, safe = read.figures.counts, read.figures.safe
    for name, words, value in (
        ("studies", "Studies in the archive.", counts.studies),
        ("instances", "Instances in the archive.", counts.instances),
        ("stored_bytes", "Their size.", counts.size_bytes),
        ("online_instances", "Instances that are on disk.", counts.online_instances),
        ("online_stored_bytes", "Their size.", counts.online_bytes),
        ("unsafe_studies", "Studies with too few verified copies.", safe.studies),
        ("unsafe_bytes", "Their size.", safe.size_bytes),
    ):
        yield gauge(f"firn_{name}", words, [({}, float(value))])
    copies = [({"state": state.value}, float(number)) for state, number in sorted(counts.copies.items())]
    yield gauge("firn_copies", "Copies of packs by state.", copies, "state")
    pressed = read.compression
    for name, words, value in (
        ("instances", "Instances that lie compressed without loss in their packs.", pressed.instances),
        ("from_bytes", "Their size as they were received.", pressed.from_bytes),
        ("to_bytes", "Their size in the packs.", pressed.to_bytes),
    ):
        yield gauge(f"firn_compressed_{name}", words, [({}, float(value))])
    waits = safe.oldest_received_at
    words = "Since the oldest study arrived that has too few verified copies; 0 when there is none."
    yield gauge("firn_oldest_unsafe_seconds", words, [({}, (now - waits).total_seconds() if waits else 0.0)])
    at = read.figures.at
    words = "Age of the figures that look at every study."
    yield gauge("firn_figures_age_seconds", words, [({}, (now - at).total_seconds() if at else 0.0)])


def _jobs(read: Readings) -> Iterator[Metric]:
    counts = [
        ({"kind": kind.value, "state": state.value}, float(number)) for (kind, state), number in read.jobs.items()
    ]
    yield gauge("firn_jobs", "Jobs that the catalog remembers, by kind and state.", counts, "kind", "state")
    waiting = sum(read.jobs.get((JobKind.RECALL, state), 0) for state in ACTIVE_JOBS)
    yield gauge("firn_recalls_waiting", "Recalls that are not done.", [({}, float(waiting))])
    stuck = sum(n for (_, state), n in read.jobs.items() if state is JobState.WAITING_OPERATOR)
    yield gauge("firn_jobs_waiting_for_person", "Jobs that wait for a person.", [({}, float(stuck))])
    waits = [
        ({"quantile": share}, float(seconds))
        for share, key in (("0.5", "median_s"), ("0.95", "p95_s"))
        if (seconds := read.figures.recalls.get(key)) is not None
    ]
    yield gauge("firn_recall_wait_seconds", "From wish to disk, over the last month.", waits, "quantile")


def _drives(read: Readings) -> Iterator[Metric]:
    named = [
        ({"library": d.drive.library, "drive": str(d.drive.index), "kind": d.drive.kind.value}, d) for d in read.drives
    ]
    labels = ("library", "drive", "kind")
    states = [
        ({**about, "state": state.value}, float(line.drive.state is state))
        for about, line in named
        for state in DriveState
    ]
    yield gauge("firn_drive_state", "1 for the state a drive is in.", states, *labels, "state")
    for name, words, values in (
        ("errors", "Errors of a drive in a row.", [float(line.drive.errors) for _, line in named]),
        ("alerts", "Alerts that a drive raises.", [float(len(line.drive.alerts)) for _, line in named]),
        ("wants_cleaning", "1 when it asks to be cleaned.", [float(line.drive.wants_cleaning) for _, line in named]),
        ("bytes_per_second", "What moves through it now.", [float(line.rate_bytes_s) for _, line in named]),
    ):
        samples = zip((about for about, _ in named), values, strict=True)
        yield gauge(f"firn_drive_{name}", words, samples, *labels)
    mounts = CounterMetricFamily("firn_drive_mounts", "Volumes that were put into a drive.", labels=labels)
    for about, line in named:
        mounts.add_metric([about[label] for label in labels], float(line.drive.mounts))
    yield mounts


def _flows(name: str, words: str, flow: Flow) -> Iterator[Metric]:
    yield gauge(f"firn_{name}_today", f"Today's {words}, in UTC.", [({}, float(flow.number))])
    yield gauge(f"firn_{name}_today_bytes", "Their size.", [({}, float(flow.size_bytes))])


def _errors(now: datetime, read: Readings) -> Iterator[Metric]:
    events = [({"level": level}, float(number)) for level, number in sorted(read.events.items())]
    yield gauge("firn_events_last_hour", "Events of the last hour by level.", events, "level")
    words = "Since the catalog was last copied to a volume; absent when that never was."
    ages = [] if read.copied_at is None else [max(now - read.copied_at, timedelta()).total_seconds()]
    yield gauge("firn_catalog_copy_age_seconds", words, [({}, age) for age in ages])
