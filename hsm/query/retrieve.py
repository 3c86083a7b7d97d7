"""From what a C-MOVE, C-GET or WADO asks for to the instances it means.

Source: PS3.4 C.4.2.1 and C.4.3.1.
"""

from hsm.catalog import Catalog
from hsm.facts import StoredInstance
from hsm.query.answers import answers
from hsm.query.matching import AnyUid
from hsm.query.model import UNIQUE_KEYS, Condition, Level, Query, Retrieval, Wanted

_STUDY = UNIQUE_KEYS[Level.STUDY]


def wanted_instances(catalog: Catalog, retrieval: Retrieval) -> list[StoredInstance]:
    """The instances, study by study; empty when nothing matches.

    Raises: CatalogUnavailable.
    """
    found: list[StoredInstance] = []
    for study_uid in _studies(catalog, retrieval):
        found.extend(catalog.studies.instances(study_uid, retrieval.series_uids, retrieval.sop_uids))
    return found


def _studies(catalog: Catalog, retrieval: Retrieval) -> list[str]:
    """The UIDs of the studies to look into, each once."""
    conditions = []
    if retrieval.patient_id is not None:
        conditions.append(Condition(UNIQUE_KEYS[Level.PATIENT], AnyUid((retrieval.patient_id,))))
    if retrieval.study_uids:
        if not conditions:
            return list(dict.fromkeys(retrieval.study_uids))
        conditions.append(Condition(_STUDY, AnyUid(retrieval.study_uids)))
    level = Level.STUDY
    if not retrieval.study_uids and retrieval.sop_uids:  # relational: from below
        level = Level.IMAGE
        conditions.append(Condition(UNIQUE_KEYS[Level.IMAGE], AnyUid(retrieval.sop_uids)))
    elif not retrieval.study_uids and retrieval.series_uids:
        level = Level.SERIES
        conditions.append(Condition(UNIQUE_KEYS[Level.SERIES], AnyUid(retrieval.series_uids)))
    query = Query(level, tuple(conditions), (Wanted(_STUDY, "UI"),))
    said = (answer.attributes[f"{_STUDY:08X}"]["Value"][0] for answer in answers(catalog.database, query, ""))
    return list(dict.fromkeys(said))
