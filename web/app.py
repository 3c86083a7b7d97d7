"""Puts the pages together."""

import hashlib
from datetime import datetime
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

from flask import Flask, current_app, g, request, url_for
from markupsafe import Markup, escape

from hsm.access.roles import Right
from hsm.states import JobState
from web import bars, errors, security, words
from web.access import gate
from web.api import v1
from web.dicomweb import committing as dicomweb_committing
from web.dicomweb import crossing as dicomweb_crossing
from web.dicomweb import rendering as dicomweb_rendering
from web.dicomweb import storing as dicomweb_storing
from web.dicomweb import views as dicomweb
from web.dicomweb import wado_uri as dicomweb_wado_uri
from web.services import EXTENSION, Services
from web.services import services as present_services
from web.views import (
    audit,
    cards,
    cart,
    dashboard,
    deliveries,
    drafts,
    drives,
    events,
    health,
    holds,
    jobs,
    library,
    metrics,
    notice_changes,
    notifications,
    peers,
    people,
    policies,
    publishing,
    quarantine,
    requests,
    settings,
    sign_in,
    sign_in_oidc,
    stream,
    studies,
    tokens,
    trials,
    viewer,
    volume_actions,
    volumes,
    worklist,
)

VIEWS: tuple[ModuleType, ...] = (
    dashboard,
    studies,
    requests,
    worklist,
    deliveries,
    cart,
    cards,
    viewer,
    library,
    drives,
    volumes,
    volume_actions,
    jobs,
    policies,
    drafts,
    publishing,
    trials,
    holds,
    events,
    audit,
    quarantine,
    people,
    peers,
    notifications,
    notice_changes,
    settings,
    tokens,
    sign_in,
    sign_in_oidc,
    health,
    metrics,
    v1,
    stream,
    dicomweb,
    dicomweb_rendering,
    dicomweb_wado_uri,
    dicomweb_committing,
    dicomweb_crossing,
    dicomweb_storing,
)
NAVIGATION = (
    ("dashboard.show", "Overview", Right.LOOK),
    ("studies.index", "Studies", Right.LOOK),
    ("requests.index", "Requests", Right.LOOK),
    ("worklist.index", "Worklist", Right.LOOK),
    ("library.show", "Library", Right.LOOK),
    ("volumes.index", "Volumes", Right.LOOK),
    ("jobs.index", "Jobs", Right.LOOK),
    ("policies.show", "Policies", Right.LOOK),
    ("events.index", "Events", Right.LOOK),
    ("quarantine.index", "Quarantine", Right.LOOK),
    ("people.index", "People", Right.ADMINISTER),
    ("peers.index", "Peers", Right.ADMINISTER),
    ("notifications.index", "Notifications", Right.ADMINISTER),
    ("settings.index", "Settings", Right.ADMINISTER),
)
PART_OF = {
    "audit": "events",
    "drafts": "policies",
    "drives": "library",
    "holds": "policies",
    "notice_changes": "notifications",
    "publishing": "policies",
    "trials": "policies",
    "viewer": "studies",
    "volume_actions": "volumes",
}  # pages that have no entry of their own in the navigation
_PLACE, _AS_THEY_ARE = "THE-BARCODE", "!$&'()*+,/:;=@"  # as the map of routes leaves them
ASSET_MAX_AGE_S = 30 * 86400  # an address changes with its content, see asset()


class FirnPages(Flask):
    """Flask whose templates make foreign text harmless to look at, wherever it is put out."""

    jinja_options = {"finalize": words.visible, "trim_blocks": True, "lstrip_blocks": True}  # noqa: RUF012 - Flask reads it


def create_app(services: Services) -> Flask:
    """The pages over these services. Opens nothing and starts nothing; every request reads the catalog afresh."""
    app = FirnPages("web", static_folder="static", template_folder="templates")
    app.extensions[EXTENSION] = services
    security.protect(app, services.settings)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = ASSET_MAX_AGE_S
    errors.register(app)
    for view in VIEWS:
        app.register_blueprint(view.pages)
    gate.guard(app)
    app.jinja_env.globals.update(
        asset=asset,
        bar=bars.bar,
        Mark=bars.Mark,
        used_pct=bars.used_pct,
        bidi=words.bidi,
        count=words.count,
        day=words.day,
        details=words.details,
        duration=words.duration,
        exact=words.exact,
        icon=icon,
        job_state=lambda job: JobState(job.state),
        kind_words=words.kind_words,
        mine=requests.mine,
        length=words.length,
        navigation=NAVIGATION,
        person=words.person,
        rate=words.rate,
        said=words.said,
        size=words.size,
        tag_of=tag,
        volume_url=volume_url,
    )
    app.context_processor(of_this_request)
    return app


def asset(name: str) -> str:
    """The address of a static file with its content's digest, so that browsers keep it until it changes."""
    return url_for("static", filename=name, v=_digest(Path(str(current_app.static_folder)) / name))


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def icon(name: str) -> Markup:
    """A symbol of the icon sheet; decoration beside a word, so screen readers pass over it.

    A list has a thousand of them: the address of the sheet is looked up once a request.
    """
    if "icon_sheet" not in g:
        g.icon_sheet = escape(asset("icons.svg"))
    return _symbol(g.icon_sheet, name)


@lru_cache(maxsize=1000)
def _symbol(sheet: str, name: str) -> Markup:
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>').format(sheet, name)


def volume_url(barcode: str) -> str:
    """The address of a volume's page: in lists of hundreds, where asking the map of routes each time is slow."""
    if "volume_pages" not in g:
        g.volume_pages = url_for("volumes.show", barcode=_PLACE).rsplit(_PLACE, 1)
    before, after = g.volume_pages
    return f"{before}{quote(barcode, safe=_AS_THEY_ARE)}{after}"


def tag(value: StrEnum | str, word: str = "") -> Markup:
    """A state in its word and colour, with its icon and what it means."""
    it = words.said(value)
    return Markup(
        f'<span class="tag {escape(it.tone)}" title="{escape(it.meaning)}">{icon(it.icon)}'
        f"{escape(words.visible(word or it.word))}</span>"
    )


def of_this_request() -> dict[str, Any]:
    """What every template may use: the moment, and whether it answers a refreshing part or shows a whole page."""
    house = present_services()
    now = house.clock.now()

    def when(at: datetime | None, missing: str = "never") -> Markup:
        return words.when(at, now, house.settings.zone, missing)

    refreshes = "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers
    return {
        "absolute": lambda at: words.absolute(at, house.settings.zone),
        "here": request.full_path if request.query_string else request.path,
        "layout": "bare.html" if refreshes else "base.html",
        "now": now,
        "poll_s": house.settings.poll_s,
        "section": PART_OF.get(request.blueprint or "", request.blueprint or ""),
        "when": when,
        "zone_name": now.astimezone(house.settings.zone).tzname(),
    }
