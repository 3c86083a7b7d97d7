"""What streams tell of: the jobs and recalls that are under way, those that just ended, and every drive."""

from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued
from hsm.states import ACTIVE_JOBS, RequestState
from web.api.resources.jobs import job_shape
from web.api.resources.libraries import drive_shape
from web.api.resources.recalls import recall_line
from web.live.broadcast import Picture

MOST = 200  # jobs and recalls; the newest


def picture(catalog: Catalog, before: Picture) -> Picture:
    """Everything as it is now; what was under way in the last picture is there once more, as it ended.

    Raises: CatalogUnavailable.
    """
    found: dict[tuple[str, int | str], str] = {}
    for job in catalog.jobs.list(states=tuple(sorted(ACTIVE_JOBS)), limit=MOST):
        found["job", job.id] = job_shape(job).model_dump_json()
    for recall in catalog.requests.list(states=(RequestState.WAITING,), limit=MOST):
        found["recall", recall.id] = recall_line(recall).model_dump_json()
    for drive in catalog.drives.list():
        found["drive", f"{drive.library}/{drive.index}"] = drive_shape(drive).model_dump_json()
    for kind, name in before.keys() - found.keys():
        if isinstance(name, int) and not _is_over(before[kind, name]):
            found |= _ended(catalog, kind, name)
    return found


def _is_over(data: str) -> bool:
    return '"ended_at":null' not in data


def _ended(catalog: Catalog, kind: str, number: int) -> dict[tuple[str, int | str], str]:
    try:
        if kind == "job":
            return {(kind, number): job_shape(catalog.jobs.get(number)).model_dump_json()}
        return {(kind, number): recall_line(catalog.requests.get(number)).model_dump_json()}
    except NotCatalogued:  # forgotten in the same moment
        return {}
