"""Turns what arrived of a study since the last time into packs: the moment after which it no longer changes."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from hsm.catalog import Catalog
from hsm.catalog.records import UnpackedInstance, UnpackedStudy
from hsm.facts import PackRecord, StudyUid
from hsm.format.pack import PackInput, PackLayout, layout
from hsm.format.study_json import build

log = structlog.get_logger()


def portions(instances: Sequence[UnpackedInstance], max_bytes: int) -> list[list[UnpackedInstance]]:
    """Cut a study into packs of at most `max_bytes`; a single larger instance makes its own. Order is kept."""
    result: list[list[UnpackedInstance]] = []
    room_bytes = 0
    for instance in instances:
        if not result or instance.packed.member_bytes > room_bytes:
            result.append([])
            room_bytes = max_bytes
        result[-1].append(instance)
        room_bytes -= instance.packed.member_bytes
    return result


def lay_out(study: UnpackedStudy, max_bytes: int) -> list[PackLayout]:
    """The packs a study makes as it stands."""
    return [_layout(part) for part in portions(study.instances, max_bytes)]


def _layout(part: Sequence[UnpackedInstance]) -> PackLayout:
    inputs = [
        PackInput(
            i.packed.header.sop_instance_uid,
            i.packed.header.series_instance_uid,
            i.packed.member_bytes,
            i.packed.member_sha256,
            i.instance_id,
            i.packed.pressed is not None,
        )
        for i in part
    ]
    return layout(build([i.packed for i in part]), inputs)


def seal(
    catalog: Catalog, study_uid: StudyUid, max_bytes: int, stable_after_s: float, now: datetime
) -> list[PackRecord]:
    """Freeze what no pack holds yet, if the study has been stable long enough.

    Returns: the new packs; none when there is nothing to seal or the study is still arriving.
    Raises: StudyChanged when an instance arrives at this very moment; the next tick tries again.
    """
    study = catalog.packs.unpacked(study_uid)
    if not study.instances or study.changed_at + timedelta(seconds=stable_after_s) > now:
        return []
    packs = catalog.packs.seal(study_uid, lay_out(study, max_bytes), study.changed_at, now)
    log.info("study_sealed", study=study_uid, packs=len(packs), instances=len(study.instances))
    return packs
