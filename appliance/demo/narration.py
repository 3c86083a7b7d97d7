"""Says in calm lines what happens to studies, by comparing what the catalog says now with what it said before."""

from collections.abc import Collection, Iterable, Mapping

from hsm.catalog import Catalog
from hsm.catalog.records import StudyCopy, StudySummary
from hsm.states import Availability, CopyState
from web.words import count, size

SHOWN = 2  # studies named in one sentence; more are counted
UID_TAIL = 8  # of a study UID is enough to tell the studies of a demo apart


class Narrator:
    """Remembers the last look. In the demo all studies are looked at; an archive of a hospital has other pages."""

    def __init__(self, catalog: Catalog, limit: int = 200) -> None:
        self._catalog = catalog
        self._limit = limit
        self._seen = by_uid(catalog.studies.summary(limit=limit))
        self._growing: frozenset[str] = frozenset()

    def look(self) -> list[str]:
        """What changed since the last look, in sentences. Raises: CatalogUnavailable."""
        now = by_uid(self._catalog.studies.summary(limit=self._limit))
        grown = frozenset(uid for uid, entry in now.items() if _instances(self._seen.get(uid)) < _instances(entry))
        lines = changes(self._seen, now, arrived=self._growing - grown)
        self._seen, self._growing = now, grown
        return lines


def _instances(summary: StudySummary | None) -> int:
    return 0 if summary is None else summary.study.instance_count


def by_uid(summaries: Iterable[StudySummary]) -> dict[str, StudySummary]:
    """The summaries by Study Instance UID."""
    return {summary.study.study_instance_uid: summary for summary in summaries}


def changes(
    before: Mapping[str, StudySummary], after: Mapping[str, StudySummary], arrived: Collection[str] = ()
) -> list[str]:
    """Sentences for everything that became different; studies of which the same is to be said share one.

    arrived: the studies that grew before this look and no longer do.
    """
    subjects: dict[str, list[str]] = {}
    for uid, now in sorted(after.items(), key=lambda entry: entry[1].study.id):
        for news in _news(before.get(uid), now, uid in arrived):
            subjects.setdefault(news, []).append(_name(now))
    return [f"{_listed(names)} {news}" for news, names in subjects.items()]


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return f"study {names[0]}"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"studies {', '.join(names[:SHOWN])}{more}"


def _name(summary: StudySummary) -> str:
    study = summary.study
    return f"…{study.study_instance_uid[-UID_TAIL:]} ({study.description or '/'.join(study.modalities) or 'no name'})"


def _news(before: StudySummary | None, now: StudySummary, arrived: bool) -> list[str]:
    news = []
    if arrived:
        news.append(f"arrived: {count(now.study.instance_count, 'instance')}, {size(now.study.size_bytes)}")
    known = {} if before is None else {(copy.pool, copy.volume): copy.state for copy in before.copies}
    for copy in now.copies:
        told = _copy_news(known.get((copy.pool, copy.volume)), copy)
        if told:
            news.append(told)
    was = Availability.ONLINE if before is None else before.availability
    if was is not now.availability:
        if now.availability is Availability.ONLINE:
            news.append("back on disk: ONLINE")
        elif was is Availability.ONLINE:
            news.append(f"no longer on disk: {now.availability.value}")
        else:
            news.append(f"now {now.availability.value}")
    return news


def _copy_news(before: CopyState | None, copy: StudyCopy) -> str:
    if copy.volume is None or copy.state is before:
        return ""
    if copy.state is CopyState.WRITTEN:
        return f"copied to {copy.volume}"
    if copy.state is CopyState.VERIFIED:
        return f"verified on {copy.volume}: read back, digests agree"
    if copy.state is CopyState.SUSPECT:
        return f"could not be read back from {copy.volume}; another drive will try"
    if copy.state is CopyState.LOST:
        return f"lost its copy on {copy.volume}; a new one is made"
    return ""
