"""The online bytes of a study go, against a proof and nothing else.

Source: the invariant "no release without proof".
"""

import structlog

from hsm.facts import JobRecord
from hsm.mover.context import MoverContext

log = structlog.get_logger()


def release(context: MoverContext, job: JobRecord) -> int:
    """Prove, delete, and tell the catalog; in that order.

    A crash between the steps is repaired by finish_releases(): what was proved is deleted then.

    Returns: bytes freed.
    Raises: ReleaseRefused with the reason; PoolError.
    """
    if job.study_instance_uid is None:
        raise ValueError(f"release job {job.id} names no study")
    proof = context.catalog.release.prove(
        job.study_instance_uid,
        int(job.payload["copies_needed"]),
        context.now(),
        context.stable_after_s,
        kinds_needed=int(job.payload["kinds_needed"]),
    )
    freed_bytes = context.pool.delete(proof)
    context.catalog.release.finish(proof, context.now())
    log.info("study_released", study=job.study_instance_uid, size_bytes=freed_bytes)
    return freed_bytes


def finish_releases(context: MoverContext) -> int:
    """Delete what was proved before an interruption. Returns: how many studies."""
    proofs = context.catalog.release.unfinished()
    for proof in proofs:
        context.pool.delete(proof)
        context.catalog.release.finish(proof, context.now())
        log.info("release_finished", study=proof.study_instance_uid)
    return len(proofs)
