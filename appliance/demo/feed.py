"""Sends the sample studies to a DICOM node, one after the other, as a modality would; those it has are left out."""

import threading
from collections.abc import Callable, Collection

import structlog
from pydicom.dataset import FileDataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from appliance.config import Config
from appliance.demo.studies import SampleStudy, every_kind

CALLING_AET = "DEMOMODALITY"
SUCCESS = 0x0000

log = structlog.get_logger()


class SampleRefused(Exception):
    """The archive did not accept a sample study."""


def send_samples(
    config: Config,
    have: Callable[[str], int],
    stop: threading.Event,
    pause_s: float = 1.0,
    samples: Collection[SampleStudy] | None = None,
) -> int:
    """Send every sample study that is not complete there. `have` says how many instances of a study are stored.

    Returns: how many studies were sent.
    Raises: SampleRefused.
    """
    sent = 0
    for study in every_kind() if samples is None else samples:
        if stop.is_set():
            break
        if have(study.study_uid) >= len(study.instances):
            continue
        send(config, study)
        sent += 1
        log.info("sample_sent", study=study.study_uid, instances=len(study.instances))
        stop.wait(pause_s)
    return sent


def send(config: Config, study: SampleStudy) -> None:
    """Store one study over one association.

    Raises: SampleRefused when the association or one of its objects is not accepted.
    """
    entity = AE(ae_title=CALLING_AET)
    wanted = {(str(i.SOPClassUID), str(i.file_meta.TransferSyntaxUID)) for i in study.instances}
    entity.requested_contexts = [build_context(sop_class, syntax) for sop_class, syntax in sorted(wanted)]
    address = "127.0.0.1" if config.dicom.host in ("0.0.0.0", "::") else config.dicom.host
    association = entity.associate(address, config.dicom.port, ae_title=config.dicom.ae_title)
    if not association.is_established:
        raise SampleRefused(f"{config.dicom.ae_title} at {address}:{config.dicom.port} accepts no association")
    try:
        for instance in study.instances:
            _store(association, instance)
    finally:
        association.release()


def _store(association: Association, instance: FileDataset) -> None:
    status = association.send_c_store(instance)
    if "Status" not in status or status.Status != SUCCESS:
        answer = f"0x{status.Status:04X} {status.get('ErrorComment', '')}" if "Status" in status else "no answer"
        raise SampleRefused(f"instance {instance.SOPInstanceUID} was refused: {answer}")
