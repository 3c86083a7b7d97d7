"""Another version of an instance takes the place of the old one, without anything that lies on media changing.

What happens depends on where the old version is: not packed, it simply goes; in a pack that lies nowhere yet, the pack
is taken apart; in a pack with copies, the pack stays as it is and remembers a superseded member.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from hsm.catalog.database import RunAgain
from hsm.catalog.packing import dissolve_in, pack_obstacle
from hsm.catalog.rows import insert_row, study_id
from hsm.facts import StoredInstance
from hsm.models import Copy, Instance, SupersededMember
from hsm.states import READABLE_COPIES, CopyState, OnlineState


def remove(connection: Connection, old: StoredInstance, now: datetime) -> str | None:
    """Take the old version out of the catalog, or say in words why that cannot be now (nothing is changed then)."""
    study_id(connection, old.study_instance_uid, lock=True)
    row = connection.execute(
        select(
            Instance.online_state,
            Instance.pack_fk,
            Instance.pack_offset_bytes,
            func.coalesce(Instance.pack_size_bytes, Instance.size_bytes).label("member_bytes"),
            func.coalesce(Instance.pack_sha256, Instance.sha256).label("member_sha256"),
        )
        .where(Instance.id == old.id)
        .with_for_update(of=Instance)
    ).first()
    if row is None:
        raise RunAgain(f"instance {old.sop_instance_uid} was replaced by another process")
    if row.online_state == OnlineState.RELEASING:
        return "its file is being released"
    if row.pack_fk is not None:
        states = set(connection.execute(select(Copy.state).where(Copy.pack_fk == row.pack_fk)).scalars())
        if CopyState.WRITING in states:
            return "its pack is being written"
        if states & READABLE_COPIES:
            insert_row(
                connection,
                SupersededMember,
                {
                    "pack_fk": row.pack_fk,
                    "sop_instance_uid": old.sop_instance_uid,
                    "series_instance_uid": old.series_instance_uid,
                    "offset_bytes": row.pack_offset_bytes,
                    "size_bytes": row.member_bytes,
                    "sha256": row.member_sha256,
                    "replaced_at": now,
                },
            )
        else:
            obstacle = pack_obstacle(connection, row.pack_fk)
            if obstacle is not None:
                return obstacle
            dissolve_in(connection, row.pack_fk, now)
    connection.execute(delete(Instance).where(Instance.id == old.id))
    return None
