"""Who did what, newest first: for administrators."""

from collections.abc import Iterator

from flask import Blueprint, Response, render_template

from hsm.access.actor import Via
from hsm.access.roles import Right
from hsm.atna.shipper import FIGURE
from hsm.catalog.audit import AuditFilter, AuditOutcome, ObjectKind
from web import csv, paging
from web.access.gate import needs
from web.services import services
from web.words import details

pages = Blueprint("audit", __name__)
COLUMNS = ("entry", "at", "actor", "via", "address", "action", "kind", "object", "outcome", "details")

VIA_WORDS = {
    Via.WEB: "pages",
    Via.API: "API",
    Via.COMMAND_LINE: "command line",
    Via.DICOM: "DICOM",
    Via.ENGINE: "Firn itself",
}


def wanted() -> AuditFilter:
    """What the address asks for."""
    zone = services().settings.zone
    return AuditFilter(
        actor=paging.text("actor"),
        action=paging.text("action"),
        kind=paging.choice("kind", ObjectKind) or "",
        object=paging.text("object"),
        outcome=paging.choice("outcome", AuditOutcome) or "",
        since=paging.day("from", zone),
        until=paging.day("to", zone, behind=True),
    )


def _shipped() -> dict[str, object] | None:
    """How far the trail was sent to the syslog server; None when it is sent nowhere."""
    catalog = services().catalog
    known = catalog.figures.latest([FIGURE]).get(FIGURE)
    if known is None:
        return None
    up_to = int(known.value["up_to"])
    return {"up_to": up_to, "waiting": catalog.audit.waiting(up_to), "error": known.value["error"], "at": known.at}


@pages.get("/audit")
@needs(Right.ADMINISTER)
def index() -> str:
    """Entries, confined by person, action, object, outcome and time."""
    house = services()
    size, before, asked = house.settings.page_size, paging.number("before"), wanted()
    entries = house.catalog.audit.list(asked, size + 1, before)
    shown = entries[:size]
    return render_template(
        "audit.html",
        entries=shown,
        asked=asked,
        day_from=paging.text("from"),
        day_to=paging.text("to"),
        names=[person.name for person in house.catalog.accounts.list()],
        kinds=ObjectKind,
        outcomes=AuditOutcome,
        via_words=VIA_WORDS,
        shipped=_shipped(),
        filtered=asked != AuditFilter(),
        csv=paging.query("audit.as_csv"),
        newest=paging.here(before=None) if before else None,
        following=paging.here(before=shown[-1].id) if len(entries) > size else None,
    )


@pages.get("/audit.csv")
@needs(Right.ADMINISTER)
def as_csv() -> Response:
    """The entries that fit, all of them, newest first."""
    found = services().catalog.audit.stream(wanted())

    def rows() -> Iterator[list[csv.Cell]]:
        for e in found:
            told = details(e.fields)
            yield [e.id, e.at, e.actor, e.via, e.address, e.action, e.kind, e.object, e.outcome, told]

    return csv.download("firn-audit", COLUMNS, rows())
