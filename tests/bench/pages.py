"""How soon every page answers over a large catalog: through gunicorn as the product starts it, on both databases."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from sqlalchemy import text

from appliance.web_server import pages as web_pages
from hsm.catalog import Catalog
from tests.bench.clock import cpu_s, family
from tests.bench.figures import Figure, Section, of_times
from tests.bench.ground import PASSWORD, PERSON, Ground, Site, serving
from tests.support.big import RULES
from tests.support.routes import every, unknown
from tests.support.visitor import Visitor

TIMES = 30
PAGE_MS, SEARCH_MS = 150, 100
# Blueprints: the provider that people are sent to is elsewhere, and the house has no notifications to change.
ROUTES_WITHOUT = frozenset({"health", "notice_changes", "sign_in_oidc"})
# Evaluations of all rules over all studies and lists to the last row, which take as long as the house is large: they
# are worked out beside the requests, or sent as they are found. They come last, for they keep the server busy.
WHOLE = {
    *(f"{page}.as_csv" for page in ("audit", "events", "jobs", "volumes")),
    *("api.try_policy_out", "policies.try_out", "trials.of_version", "trials.show"),
}
UNLIMITED = frozenset({"/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances"})
NEEDS_MORE = frozenset({"volumes.label_sheet"})  # asked with what it needs, in VARIANTS
# This house has no order, no notification target of this name, no commitment over the web and no identity provider.
NOT_THERE = ("/worklist/", "/api/v1/orders/", "/notifications/", "/dicom-web/commitment-requests/", "/sign-in/oidc")
SEARCHES = {
    "beginning of a name": ("ackermann", "sch", "hart", "vogel", "yilm"),
    "middle of a name": ("mann", "quist", "ovi", "ilmaz", "feld"),
    "family and given name": ("Holm, Anna", "dahl emma", "WEISS, ZOE", "nowak paul"),
    "other scripts": ("山田", "王", "やまだ"),
    "patient ID": ("1007919", "1791", "90017", "8000000"),
    "accession number": ("A160", "A250190000", "A20010", "0012345"),
    "study UID": ("1.2.826.0.1.3680043.10.1474.20221102.1", "1.2.826.0.1", "1474.2019"),
    "date": ("2024-03-01", "2019", "2017-11", "1.2.2021"),
    "date range": ("2024-03-01..2024-03-31", "2019-2020", "2017-11-01 - 2017-11-30"),
    "modality": ("CT", "mg", "OT"),
    "description": ("schadel", "coronary", "screening", "thorax p.a."),
    "several words": ("ct 2019 hart", "mr knee petra", "us 2024-05 schm", "mg screening 2016 anna"),
    "one or two letters": ("a", "xz", "q", "mr k"),
    "nothing fits": ("zzzzzz", "qqq www", "2031-01-01", "99999999999"),
}
VARIANTS = (
    "/volume-labels.pdf?barcode=A00001L8",
    "/dicom-web/studies?limit=100",
    "/dicom-web/series?limit=100",
    "/dicom-web/instances?limit=100",
    "/studies?page=2",
    "/studies?page=3000",
    "/studies?show=online",
    "/studies?show=nearline",
    "/studies?show=offline",
    "/studies?show=unavailable",
    "/studies?show=unsafe",
    "/studies?show=nearline&q=anna",
    "/volumes?pool=tape_a",
    "/volumes?state=suspect",
    "/jobs?state=failed",
    "/jobs?state=active",
    "/jobs?kind=recall",
    "/jobs?barcode=A00100L8",
    "/jobs?pool=tape_b",
    "/events?level=error",
    "/events?name=drive_failed",
    "/events?subject=A00100L8",
    "/audit?actor=person001",
    "/audit?action=signed_in",
)


def measure(ground: Ground) -> Iterator[Section]:
    """Both databases, one after the other."""
    for database in ground.options.databases:
        yield from over(ground.site(database, ground.house()), ground.options.times or TIMES)


def over(site: Site, times: int) -> Iterator[Section]:
    """All pages of one site."""
    with Catalog.open(site.config.catalog_url) as catalog:
        if catalog.drafts.get(PERSON) is None:
            catalog.drafts.begin(PERSON, RULES, 3, datetime.now(UTC))
        app = web_pages(site.config, catalog)
        known = examples(catalog)
        missing = [rule for rule in unknown(app, known, ROUTES_WITHOUT) if not not_here(rule)]
        found = every(app, known, ROUTES_WITHOUT)
        wanted = [(r.endpoint, a) for r, a in found if not not_here(r.rule) and r.endpoint not in NEEDS_MORE]
        whole = {a: (a,) for e, a in wanted if e in WHOLE or a in UNLIMITED}
    words = f"{site.words}; each address {times} times, one request at a time, until the last byte."
    with serving(site) as process:
        roots = [process.pid, *([site.server_pid] if site.server_pid else [])]
        visitor = Visitor(site.config.web.port)
        visitor.sign_in(PERSON, PASSWORD)
        searches = {kind: tuple(f"/studies?q={quote(word)}" for word in words) for kind, words in SEARCHES.items()}
        yield _measured(Section(f"Study search on {site.database}", words), visitor, roots, searches, times, SEARCH_MS)
        pages = {one: (one,) for one in (*(a for _, a in wanted if a not in whole), *VARIANTS)}
        section = Section(f"Pages on {site.database}", words)
        for rule in missing:
            section.add(Figure(rule, "not asked: no example for its address", "", False))
        yield _measured(section, visitor, roots, pages, times, PAGE_MS)
        words = "Lists to the last row and evaluations of all rules; they grow with the house, so there is no target."
        yield _measured(Section(f"Whole lists on {site.database}", words), visitor, roots, whole, 1, None)


def _measured(
    section: Section,
    visitor: Visitor,
    roots: list[int],
    wanted: Mapping[str, tuple[str, ...]],
    times: int,
    target_ms: float | None,
) -> Section:
    print(section.title, flush=True)
    for what, several in wanted.items():
        answers = [visitor.get(address) for address in several]  # those that were never asked before do not count
        if wrong := next((answer.status for answer in answers if answer.status >= 400), 0):
            section.add(Figure(what, f"answers {wrong}", "", False))
            continue
        samples, costs = [], []
        for number in range(times):
            pids = family(roots)
            before_s = cpu_s(pids)
            samples.append(visitor.get(several[number % len(several)]).took_s)
            costs.append(cpu_s(pids) - before_s)
        section.add(of_times(what, samples, target_ms, costs))
    return section


def not_here(rule: str) -> bool:
    """Whether a route sends bytes of objects or pictures, or shows one thing of a kind of which this house has none.

    What bytes cost, their size says.
    """
    last = rule.rsplit("/", 1)[-1]
    of_objects = rule.startswith("/dicom-web/studies/<study>") and last not in ("series", "instances")
    return of_objects or rule.startswith(NOT_THERE) or rule == "/dicom-web/wado" or last.endswith((".jpg", ".values"))


def examples(catalog: Catalog) -> dict[str, str]:
    """What to put into addresses: a study with a past, a tape in the middle of its life, a job."""
    statement = text(
        "SELECT s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid FROM studies s"
        " JOIN series e ON e.study_fk = s.id JOIN instances i ON i.series_fk = e.id"
        " WHERE s.id = (SELECT max(id) / 2 FROM studies) LIMIT 1"
    )
    study, series, instance = catalog.database.read(lambda connection: connection.execute(statement).one())
    job = catalog.jobs.list(limit=1)[0]
    tape = next(volume for volume in catalog.volumes.list() if volume.pool == "tape_a" and volume.last_sequence)
    metadata = {f"dicomweb.retrieve_metadata.{what}": uid for what, uid in (("study", study), ("series", series))}
    searched = {f"dicomweb.search_{what}.study": study for what in ("series", "instances")}
    return {
        "uid": study,
        "study_instance_uid": study,
        "study": study,
        "series": series,
        "instance": instance,
        **metadata,
        **searched,
        "barcode": tape.barcode,
        "job_id": str(job.id),
        "number": "3",
        "index": "0",
        "drives.show.name": "tape",
        "library": "tape",
        "api.get_policy.version": "3",
        "hold_id": "3",
        "recall_id": "5",
        "delivery_id": "5",
        "ae_title": "PEER003",
        "name": PERSON,
    }
