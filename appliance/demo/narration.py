"""Says in calm lines what happens to studies, by comparing what the catalog says now with what it said before."""

from collections.abc import Iterable, Mapping

from hsm.catalog import Catalog
from hsm.catalog.records import StudyCopy, StudySummary
from hsm.states import Availability, CopyState
from web.words import count, size

UID_TAIL = 8  # of a study UID is enough to tell the studies of a demo apart


class Narrator:
    """Remembers the last look. In the demo all studies are looked at; an archive of a hospital has other pages."""

    def __init__(self, catalog: Catalog, limit: int = 200) -> None:
        self._catalog = catalog
        self._limit = limit
        self._seen: Mapping[str, StudySummary] = by_uid(catalog.studies.summary(limit=limit))

    def look(self) -> list[str]:
        """What changed since the last look, in sentences. Raises: CatalogUnavailable."""
        now = by_uid(self._catalog.studies.summary(limit=self._limit))
        lines = changes(self._seen, now)
        self._seen = now
        return lines


def by_uid(summaries: Iterable[StudySummary]) -> dict[str, StudySummary]:
    """The summaries by Study Instance UID."""
    return {summary.study.study_instance_uid: summary for summary in summaries}


def changes(before: Mapping[str, StudySummary], after: Mapping[str, StudySummary]) -> list[str]:
    """Sentences for everything that became different; oldest studies first."""
    lines = []
    for uid, now in sorted(after.items(), key=lambda entry: entry[1].study.id):
        lines += [f"study {_name(now)} {news}" for news in _news(before.get(uid), now)]
    return lines


def _name(summary: StudySummary) -> str:
    study = summary.study
    return f"…{study.study_instance_uid[-UID_TAIL:]} ({study.description or '/'.join(study.modalities) or 'no name'})"


def _news(before: StudySummary | None, now: StudySummary) -> list[str]:
    news = []
    if before is None or before.study.instance_count < now.study.instance_count:
        images = count(now.study.instance_count, "instance")
        news.append(f"arrived: {images}, {size(now.study.size_bytes)}")
    known = {} if before is None else {(copy.pool, copy.volume): copy.state for copy in before.copies}
    for copy in now.copies:
        told = _copy_news(known.get((copy.pool, copy.volume)), copy)
        if told:
            news.append(told)
    was = Availability.ONLINE if before is None else before.availability
    if was is not now.availability:
        if now.availability is Availability.ONLINE:
            news.append("is back on disk: ONLINE")
        elif was is Availability.ONLINE:
            news.append(f"left the disk: {now.availability.value}")
        else:
            news.append(f"is {now.availability.value} now")
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
