"""A study is sealed into packs whose members are compressed without loss, where that was proved for each of them.

The compressed files wait in the staging area until they are written. They are worth nothing but time: what was received
lies in the online pool, and the same bytes are made of it again.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import structlog

from hsm.catalog.errors import NotCatalogued, PackNotDissolvable, StudyChanged
from hsm.catalog.records import UnpackedInstance
from hsm.facts import Member, PackRecord, PoolFile, Pressed
from hsm.format.pack import PackLayout
from hsm.format.study_json import parse
from hsm.lossless.presses import NO_ROOM, PressTask
from hsm.mover.context import MoverContext, PressedDiffers
from hsm.sealing import lay_out

AT_A_TIME: Final = 64  # objects between two looks at the job
KEEP_FREE_BYTES: Final = 2 * 1024**3  # of the file system of the staging area: disc images are made there, too
NOT_ONLINE: Final = "it is not on disk"
RESTORING: Final = "restoring."  # what is on its way back, compressed
_FOLDER: Final = "pressing"

log = structlog.get_logger()


class PressingCancelled(Exception):
    """Somebody wished the job away; nothing was sealed."""


@dataclass(frozen=True)
class Sealing:
    """What became of a study."""

    packs: tuple[PackRecord, ...] = ()
    pressed: int = 0
    from_bytes: int = 0  # of what is compressed, as received
    to_bytes: int = 0
    left: tuple[tuple[str, int], ...] = ()  # why the others stay as they are, and how many

    def message(self) -> str:
        """In a sentence for the log of the job."""
        if not self.packs:
            return "nothing to compress: the study is packed already, or still arriving"
        kept = sum(count for _, count in self.left)
        said = f"{self.pressed} of {self.pressed + kept} objects compressed"
        if self.pressed:
            saved, ratio = self.from_bytes - self.to_bytes, self.from_bytes / max(self.to_bytes, 1)
            said += f" {ratio:.2f} : 1 ({self.from_bytes} to {self.to_bytes} bytes, {saved} saved)"
        reasons = "; ".join(f"{count}: {reason}" for reason, count in self.left)
        return f"{said}; {kept} stay as they are ({reasons})" if kept else said


def tidy(context: MoverContext) -> None:
    """Forget what an interruption left, and what is written."""
    shutil.rmtree(context.staging / _FOLDER, ignore_errors=True)
    for left in context.staging.glob(f"{RESTORING}*"):
        left.unlink()
    forget_written(context)


def forget_written(context: MoverContext) -> None:
    """Keep no compressed files of packs that nobody is going to write any more."""
    waiting = context.pressed.digests()
    if waiting:
        context.pressed.keep(context.catalog.packs.to_be_written(waiting))


def seal_pressed(
    context: MoverContext,
    study_uid: str,
    max_bytes: int,
    moved: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> Sealing:
    """Compress what no pack holds yet and freeze it, if the study has been stable long enough.

    `moved` is told how many bytes are done.

    Raises: PressingCancelled; NotCatalogued, StudyChanged: nothing was sealed; OSError.
    """
    study = context.catalog.packs.unpacked(study_uid)
    if not study.instances or study.changed_at + timedelta(seconds=context.stable_after_s) > context.now():
        return Sealing()
    home = context.staging / _FOLDER
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=home))
    try:
        instances, files, left = _pressed(context, study.instances, folder, moved, cancelled)
        layouts = lay_out(replace(study, instances=tuple(instances)), max_bytes)
        for layout in layouts:
            _keep(context, layout, files)
        try:
            packs = context.catalog.packs.seal(study_uid, layouts, study.changed_at, context.now())
        except StudyChanged:
            for layout in layouts:
                context.pressed.drop(layout.digest)
            raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    done = [item.packed for item in instances if item.packed.pressed is not None]
    result = Sealing(
        tuple(packs),
        len(done),
        sum(item.size_bytes for item in done),
        sum(item.member_bytes for item in done),
        tuple(left.most_common()),
    )
    fields = {"instances": len(instances), "compressed": result.pressed, "left": dict(result.left)}
    fields |= {"from_bytes": result.from_bytes, "to_bytes": result.to_bytes}
    context.catalog.events.record("info", "study_compressed", study_uid, fields, context.now())
    log.info("study_compressed", study=study_uid, packs=len(packs), **fields)
    return result


def _pressed(
    context: MoverContext,
    instances: Sequence[UnpackedInstance],
    folder: Path,
    moved: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> tuple[list[UnpackedInstance], dict[int, Path], Counter[str]]:
    """The instances as they are to be packed, where the compressed ones lie, and why others are not compressed."""
    result: list[UnpackedInstance] = []
    files: dict[int, Path] = {}
    left: Counter[str] = Counter()
    done_bytes = 0
    for at in range(0, len(instances), AT_A_TIME):
        if cancelled():
            raise PressingCancelled
        part = instances[at : at + AT_A_TIME]
        tasks = {item.instance_id: _task(context, item, item.file, folder) for item in part if item.file}
        size_bytes = sum(item.packed.size_bytes for item in part)
        if context.pressed.free_bytes() - KEEP_FREE_BYTES < size_bytes:
            answers: dict[int, Pressed | str] = dict.fromkeys(tasks, NO_ROOM)
        else:
            answers = dict(zip(tasks, context.presses.press(list(tasks.values())), strict=True))
        for item in part:
            answer = answers.get(item.instance_id, NOT_ONLINE)
            if isinstance(answer, Pressed):
                files[item.instance_id] = tasks[item.instance_id].target
                item = replace(item, packed=replace(item.packed, pressed=answer))
            else:
                left[answer] += 1
            result.append(item)
        done_bytes += size_bytes
        moved(done_bytes)
    return result, files, left


def _task(context: MoverContext, item: UnpackedInstance, file: PoolFile, folder: Path) -> PressTask:
    packed = item.packed
    source, target = context.pool.locate(file), folder / str(item.instance_id)
    return PressTask(source, target, packed.dataset_offset, packed.sha256, packed.header.transfer_syntax_uid)


def _keep(context: MoverContext, layout: PackLayout, files: dict[int, Path]) -> None:
    for member in layout.members:
        if member.pressed:
            context.pressed.take(layout.digest, member, files[member.instance_id])


def press_again(
    context: MoverContext, record: PackRecord, members: Sequence[Member], files: dict[int, PoolFile]
) -> None:
    """Make compressed members of a sealed pack once more from what was received.

    Raises: PressedDiffers when other bytes come out than those that the pack has; OSError.
    """
    described = {item.header.sop_instance_uid: item for item in parse(record.study_json.encode())}
    home = context.staging / _FOLDER
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=home))
    try:
        tasks = []
        for member in members:
            packed = described[member.sop_instance_uid]
            source, target = context.pool.locate(files[member.instance_id]), folder / str(member.instance_id)
            syntax = packed.header.transfer_syntax_uid
            tasks.append(PressTask(source, target, packed.dataset_offset, packed.sha256, syntax))
        for member, task, answer in zip(members, tasks, context.presses.press(tasks), strict=True):
            if not isinstance(answer, Pressed) or answer.sha256 != member.sha256:
                why = answer if isinstance(answer, str) else "the codec gives other bytes than it gave before"
                raise PressedDiffers(
                    f"pack {record.digest[:12]}: {member.sop_instance_uid} cannot be compressed as it was: {why}; "
                    "a pack that lies on no volume is sealed anew; otherwise bring back the former codec"
                )
            context.pressed.take(record.digest, member, task.target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    log.info("pack_compressed_again", pack=record.digest, instances=len(members))


def seal_anew(context: MoverContext, pack_id: int | None, error: Exception) -> None:
    """After an error of a migration: take a pack apart that can never be written, so that the next tick seals another.

    Only one that lies on no volume, whose objects are all on disk. Raises: CatalogError.
    """
    if pack_id is None or not isinstance(error, PressedDiffers):
        return
    try:
        context.catalog.packs.dissolve(pack_id, context.now())
    except (PackNotDissolvable, NotCatalogued) as obstacle:
        log.warning("pack_not_sealed_anew", pack_id=pack_id, reason=str(obstacle))
