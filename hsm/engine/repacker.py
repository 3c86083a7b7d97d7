"""Has volumes emptied: asks the catalog how far each repack is, and submits the jobs that come next."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from hsm.catalog.records import JobRequest
from hsm.catalog.repacks import MARK
from hsm.facts import CopyRecord, PackDigest
from hsm.mover.context import MoverContext
from hsm.repack.facts import Phase, RepackItem, RepackRecord, Trouble
from hsm.repack.plan import Staged, Steps, keys, next_steps, stage_key, stand_in, verify_key, write_key
from hsm.states import IllegalTransition, JobKind, RepackState
from hsm.ticking import set_aside

KEEP_FREE_BYTES = 2 * 1024**3  # of the file system of the staging area: disc images are made there, too
TELL_AFTER = 3  # attempts: before that another drive or another copy may do

log = structlog.get_logger()


class Repacker:
    """One engine's repacks. Everything is worked out anew each time: it may be interrupted anywhere."""

    def __init__(self, context: MoverContext, window_bytes: int) -> None:
        """`window_bytes`: what may wait between two volumes at a time."""
        self._context = context
        self._catalog = context.catalog
        self._window_bytes = window_bytes

    def step(self, now: datetime) -> bool:
        """Take every repack one step on; whether anything was asked for or became true."""
        repacks = self._catalog.repacks.active()
        if not repacks:
            self._context.stage.keep(())
            return False
        for repack in repacks:
            if repack.state is RepackState.RUNNING and self._catalog.repacks.supersede(repack.barcode, now):
                log.info("copies_superseded", volume=repack.barcode)
        items = {repack.barcode: self._catalog.repacks.items(repack.barcode) for repack in repacks}
        used_bytes = self._context.stage.keep(_still_needed([i for some in items.values() for i in some]))
        news = False
        for repack in repacks:
            if repack.state is RepackState.RUNNING:
                news |= self._step(repack, items[repack.barcode], used_bytes, now)
        return news

    def _step(self, repack: RepackRecord, items: Sequence[RepackItem], used_bytes: int, now: datetime) -> bool:
        repacks = self._catalog.repacks
        if not items:
            repacks.finish(repack.barcode, now)
            log.info("volume_drained", volume=repack.barcode, copies=repack.copies)
            return True
        staged = Staged(self._complete(items), used_bytes, self._room_bytes(used_bytes))
        working = repacks.working(keys(items))
        steps = next_steps(items, working, staged)
        troubles = (*steps.troubles, *self._no_room(steps, items, working, staged), *self._failing(items))
        repacks.tell(repack.barcode, steps.phase, troubles, now)
        for key in steps.give_up:
            self._give_up(working[key], now)
        requests = [self._stage(repack, copy) for copy in steps.stage]
        requests += [self._write(repack, copy) for copy in steps.write]
        requests += [self._verify(repack, copy) for copy in steps.verify]
        requests = set_aside(self._catalog, requests, self._context.retry, now)
        return any(new for _, new in self._catalog.jobs.submit_many(requests, now))

    def _give_up(self, job: int, now: datetime) -> None:
        try:
            self._catalog.jobs.cancel(job, now)
        except IllegalTransition as error:  # it ended by itself meanwhile
            log.info("job_not_cancelled", job=job, reason=str(error))

    def _complete(self, items: Sequence[RepackItem]) -> set[int]:
        """The packs of which all that is not online waits in the staging area."""
        found = set()
        for item in items:
            present = self._context.stage.present(item.copy.pack_digest)
            if not item.online and present:
                pack, online = self._catalog.packs.get(item.copy.pack_id), self._catalog.packs.files(item.copy.pack_id)
                if all(m.instance_id in online or m.offset_bytes in present for m in pack.members):
                    found.add(pack.id)
        return found

    def _room_bytes(self, used_bytes: int) -> int:
        free_bytes = self._context.stage.free_bytes() - KEEP_FREE_BYTES
        return max(0, min(self._window_bytes, used_bytes + free_bytes))

    def _no_room(
        self, steps: Steps, items: Sequence[RepackItem], working: dict[str, int], staged: Staged
    ) -> list[Trouble]:
        """A pack that does not fit into the staging area even alone."""
        if steps.phase is not Phase.COPYING or steps.stage or steps.write or working or staged.used_bytes:
            return []
        large = (i for i in items if not i.online and i.copy.size_bytes > staged.room_bytes and stand_in(i) is None)
        room = f"the staging area has room for {staged.room_bytes} bytes"
        return [Trouble(i.copy.pack_digest, i.copy.study_instance_uid, f"{room}, and it is larger") for i in large][:1]

    def _failing(self, items: Sequence[RepackItem]) -> list[Trouble]:
        """What is tried again and again and does not work."""
        named = {key: item.copy for item in items for key in (stage_key(item.copy), write_key(item.copy))}
        failing = self._catalog.repacks.failing(named, TELL_AFTER)
        return [
            Trouble(named[key].pack_digest, named[key].study_instance_uid, message)
            for key, message in sorted(failing.items())
        ]

    def _stage(self, repack: RepackRecord, copy: CopyRecord) -> JobRequest:
        return self._request(JobKind.REPACK, stage_key(copy), repack, copy, "is read to be written elsewhere")

    def _write(self, repack: RepackRecord, copy: CopyRecord) -> JobRequest:
        return self._request(JobKind.MIGRATE, write_key(copy), repack, copy, f"is made again in {copy.pool}")

    def _verify(self, repack: RepackRecord, copy: CopyRecord) -> JobRequest:
        return self._request(JobKind.VERIFY, verify_key(copy), repack, copy, "is read back")

    def _request(self, kind: JobKind, key: str, repack: RepackRecord, copy: CopyRecord, what: str) -> JobRequest:
        migrates = kind is JobKind.MIGRATE
        return JobRequest(
            kind=kind,
            key=key,
            study_instance_uid=copy.study_instance_uid,
            pack_id=None if kind is JobKind.VERIFY else copy.pack_id,
            copy_id=copy.id if kind is JobKind.VERIFY else None,
            pool=copy.pool if migrates else None,
            payload={MARK: repack.barcode},
            reason=f"{repack.barcode} is being emptied ({repack.reason}): a pack on it {what}",
            size_bytes=copy.size_bytes,
            barcode=None if migrates else repack.barcode if kind is JobKind.REPACK else copy.barcode,
            requested_by=repack.requested_by,
        )


def _still_needed(items: Sequence[RepackItem]) -> set[PackDigest]:
    """The packs that are not written elsewhere yet."""
    return {item.copy.pack_digest for item in items if stand_in(item) is None}
