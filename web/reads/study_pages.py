"""Lists of studies that programs read page by page, each beginning behind the last study of the one before."""

from hsm.catalog import Catalog
from hsm.catalog.records import StudySummary
from web.reads.studies import Show, confined


def studies_behind(
    catalog: Catalog, text: str, show: Show, safe_copies: int, limit: int, last: int | None
) -> list[StudySummary]:
    """The next studies that have every word of the text, newest study date first; `last` is the id of the last seen.

    Raises: NotCatalogued when that study is gone, CatalogUnavailable.
    """
    among, _ = confined(catalog, show, safe_copies)
    uids = catalog.search.behind(text, limit, last, among)
    found = (
        {row.study.study_instance_uid: row for row in catalog.studies.summary(uids, limit=len(uids))} if uids else {}
    )
    return [found[uid] for uid in uids if uid in found]
