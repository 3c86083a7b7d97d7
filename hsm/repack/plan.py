"""What is to be done next so that a volume can be emptied; pure.

A copy goes through these stages: read from somewhere (unless its pack is online), written elsewhere in the same pool,
read back there, superseded. What is found half done after an interruption goes on from where it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from drivers.base import Barcode
from hsm.facts import CopyRecord
from hsm.policy.need import MAX_DOUBTS
from hsm.repack.facts import Phase, Progress, RepackItem, Trouble
from hsm.states import READABLE_COPIES, READABLE_VOLUMES, TRUSTED_VOLUMES, CopyState, Place


def stage_key(copy: CopyRecord) -> str:
    """The key of the job that reads the pack of a copy into the staging area: one for each pack."""
    return f"repack:{copy.pack_id}"


def write_key(copy: CopyRecord) -> str:
    """The key of the job that writes the pack of a copy to its pool: the same as when a policy asks for it."""
    return f"migrate:{copy.pack_id}:{copy.pool}"


def verify_key(copy: CopyRecord) -> str:
    """The key of the job that reads a copy back: the same as when a policy asks for it."""
    return f"verify:{copy.id}"


def keys(items: Sequence[RepackItem]) -> list[str]:
    """The keys of all jobs that may work on a repack."""
    found = {key for item in items for key in (stage_key(item.copy), write_key(item.copy))}
    return sorted(found | {verify_key(copy) for item in items for copy in item.others})


@dataclass(frozen=True)
class Staged:
    """What waits in the staging area."""

    complete: Collection[int]  # packs of which all that is not online is there
    used_bytes: int
    room_bytes: int  # all that may lie there at a time


@dataclass(frozen=True)
class Steps:
    """What to ask for now."""

    stage: tuple[CopyRecord, ...] = ()  # in the order they lie on the volume
    write: tuple[CopyRecord, ...] = ()
    verify: tuple[CopyRecord, ...] = ()  # the new copies
    give_up: tuple[str, ...] = ()  # keys of jobs that nothing can come of
    troubles: tuple[Trouble, ...] = ()
    phase: Phase = Phase.COPYING


def stand_in(item: RepackItem) -> CopyRecord | None:
    """The copy that is to take the place of one on the volume: written or read back, and worth being read again."""
    found = [copy for copy in item.others if _stands_in(item.copy, copy)]
    return min(found, key=lambda copy: (copy.state is not CopyState.VERIFIED, copy.id), default=None)


def _stands_in(old: CopyRecord, copy: CopyRecord) -> bool:
    if copy.pool != old.pool or copy.barcode == old.barcode or copy.volume_state not in TRUSTED_VOLUMES:
        return False
    if copy.volume_place is Place.MISSING:
        return False
    return copy.state in READABLE_COPIES or (copy.state is CopyState.SUSPECT and copy.doubts < MAX_DOUBTS)


def sources(item: RepackItem) -> list[CopyRecord]:
    """The copies its pack can be read from, the volume itself last."""
    return [copy for copy in (*item.others, item.copy) if _may_be_read(copy)]


def _may_be_read(copy: CopyRecord) -> bool:
    return copy.state in READABLE_COPIES | {CopyState.SUSPECT} and copy.volume_state in READABLE_VOLUMES


def next_steps(items: Sequence[RepackItem], working: Mapping[str, int], staged: Staged) -> Steps:
    """Decide. `items`: in the order they lie on the volume; `working`: the keys of the jobs that are active."""
    written = {item.copy.id: new for item in items if (new := stand_in(item)) is not None}
    lacking = [item for item in items if item.copy.id not in written]
    ready, to_read, unreadable = list[RepackItem](), list[RepackItem](), list[RepackItem]()
    for item in lacking:
        if item.online or item.copy.pack_id in staged.complete:
            ready.append(item)
        elif not sources(item):
            unreadable.append(item)
        elif write_key(item.copy) not in working:
            to_read.append(item)
    troubles = tuple(
        Trouble(item.copy.pack_digest, item.copy.study_instance_uid, _why_unreadable(item)) for item in unreadable
    )
    copying = len(lacking) > len(unreadable)
    return Steps(
        stage=_that_fit(to_read, working, staged),
        write=tuple(item.copy for item in ready if write_key(item.copy) not in working),
        verify=() if copying else _to_verify(list(written.values()), working),
        give_up=tuple(sorted({stage_key(item.copy) for item in unreadable} & working.keys())),
        troubles=troubles,
        phase=Phase.COPYING if copying else Phase.VERIFYING if written else Phase.BLOCKED,
    )


def _to_verify(copies: Sequence[CopyRecord], working: Mapping[str, int]) -> tuple[CopyRecord, ...]:
    open_ones = (copy for copy in copies if copy.state is not CopyState.VERIFIED)
    return tuple(copy for copy in open_ones if verify_key(copy) not in working)


def _that_fit(items: Sequence[RepackItem], working: Mapping[str, int], staged: Staged) -> tuple[CopyRecord, ...]:
    """What to read next: half of the room at a time, so that one half is read while the other is written.

    A pack that is larger than that is read alone.
    """
    asked = [item for item in items if stage_key(item.copy) in working]
    used_bytes = staged.used_bytes + sum(item.copy.size_bytes for item in asked)
    if asked:
        return ()
    limit_bytes = min(staged.room_bytes // 2, staged.room_bytes - used_bytes)
    chosen: list[CopyRecord] = []
    packs: set[int] = set()
    for item in items:
        if item.copy.pack_id in packs:
            continue
        alone = not chosen and used_bytes == 0 and item.copy.size_bytes <= staged.room_bytes
        if item.copy.size_bytes > limit_bytes and not alone:
            break
        limit_bytes -= item.copy.size_bytes
        packs.add(item.copy.pack_id)
        chosen.append(item.copy)
    return tuple(chosen)


def _why_unreadable(item: RepackItem) -> str:
    bad = [copy for copy in (item.copy, *item.others) if copy.barcode is not None]
    where = ", ".join(f"{copy.barcode} ({copy.state.value})" for copy in bad)
    return f"it is not on disk, and no copy of it can be read: {where}"


def progress(items: Sequence[RepackItem]) -> Progress:
    """How far a repack is."""
    open_ones = [item for item in items if stand_in(item) is None]
    unreadable = sum(not item.online and not sources(item) for item in open_ones)
    size_bytes = sum(item.copy.size_bytes for item in items)
    return Progress(len(items), size_bytes, len(items) - len(open_ones), unreadable)


def read_from(items: Sequence[RepackItem]) -> dict[Barcode, int]:
    """How many packs come from which volume, as few volumes as a greedy choice finds; the volume itself last."""
    open_ones = {
        item.copy.pack_id: (item, [copy for copy in sources(item) if copy.volume_place is Place.LIBRARY])
        for item in items
        if not item.online and stand_in(item) is None
    }
    chosen: dict[Barcode, int] = {}
    while open_ones:
        votes: dict[Barcode, list[int]] = {}
        for pack, (item, copies) in open_ones.items():
            others = [copy for copy in copies if copy.id != item.copy.id] or sources(item)
            for copy in others:
                if copy.barcode is not None:
                    votes.setdefault(copy.barcode, []).append(pack)
        if not votes:
            break
        best = min(votes, key=lambda barcode: (-len(votes[barcode]), barcode))
        chosen[best] = len(votes[best])
        for pack in votes[best]:
            del open_ones[pack]
    return chosen
