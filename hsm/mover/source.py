"""What is written of a pack: its members from the online pool, or from where they wait to be written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from hsm.facts import Member, PackRecord
from hsm.format.pack import PackInput, PackLayout, layout
from hsm.mover.context import MoverContext, PackInconsistent, SourceNotOnline
from hsm.mover.pressing import press_again


@dataclass(frozen=True)
class PackSource:
    """One pack, ready to be written again and again with the same bytes."""

    record: PackRecord
    layout: PackLayout
    open_member: Callable[[Member], BinaryIO]


def pack_source(context: MoverContext, pack_id: int) -> PackSource:
    """Lay a sealed pack out from the online pool, and from the staging area where it was read from another volume.

    Members that lie compressed in the pack are compressed again where they do not wait in the staging area any more.

    Raises: SourceNotOnline; PackInconsistent when the catalog's record does not give the pack's own digest; OSError.
    """
    record = context.catalog.packs.get(pack_id)
    files = context.catalog.packs.files(pack_id)
    stage = context.stage
    pressed = context.pressed
    staged, waiting = stage.present(record.digest), pressed.present(record.digest)
    elsewhere = [m for m in record.members if m.offset_bytes not in staged | waiting]
    absent = [m.sop_instance_uid for m in elsewhere if m.instance_id not in files]
    if absent:
        raise SourceNotOnline(
            f"pack {record.digest[:12]}: {len(absent)} of {len(record.members)} instances are not on disk (first "
            f"{absent[0]}); they have to be read from another volume first"
        )
    plan = layout(
        record.study_json.encode(),
        [
            PackInput(m.sop_instance_uid, m.series_instance_uid, m.size_bytes, m.sha256, m.instance_id, m.pressed)
            for m in record.members
        ],
    )
    if plan.digest != record.digest:
        raise PackInconsistent(
            f"pack {record.digest[:12]}: the catalog's members give {plan.digest[:12]}; nothing is written"
        )

    if again := [member for member in elsewhere if member.pressed]:
        press_again(context, record, again, files)

    def open_member(member: Member) -> BinaryIO:
        if member.pressed:
            return (stage if member.offset_bytes in staged else pressed).open(record.digest, member)
        file = files.get(member.instance_id)
        return stage.open(record.digest, member) if file is None else context.pool.open(file)

    return PackSource(record, plan, open_member)
