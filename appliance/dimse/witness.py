"""What an association did, for the audit trail: studies received and sent, and what was asked. Only where it is wanted.

Source: PS3.15 A.5.3 (DICOM Instances Transferred, Begin Transferring, Query).
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping

import structlog
from pydicom.dataset import Dataset

from appliance.dimse.identifiers import encode_identifier
from hsm.access.actor import Actor, Via, present
from hsm.archive import Archive
from hsm.catalog.audit import AuditOutcome, ObjectKind
from hsm.catalog.errors import CatalogError
from hsm.facts import StoredInstance
from hsm.receive import Receipt

_log = structlog.get_logger()


class Witness:
    """Notes what one association did. Nothing here raises: an audit that cannot be written is logged."""

    def __init__(self, archive: Archive, wanted: bool) -> None:
        self._archive = archive
        self._wanted = wanted
        self._received: dict[str, Counter[str]] = {}

    def received(self, receipt: Receipt) -> None:
        """An object was kept."""
        if self._wanted and receipt.kept and receipt.header is not None:
            study = self._received.setdefault(str(receipt.header.study_instance_uid), Counter())
            study[receipt.header.sop_class_uid] += 1

    def ended(self) -> None:
        """The association is over: one entry for each study that came."""
        for study, classes in self._received.items():
            self._note("instances_received", ObjectKind.STUDY, study, {"sop_classes": dict(classes)})
        self._received = {}

    def asked(self, sop_class_uid: str, transfer_syntax_uid: str, identifier: Dataset) -> None:
        """A query came. Names of persons are left out of what is kept of it."""
        if not self._wanted:
            return
        kept = Dataset()
        for element in identifier:
            if element.VR not in ("PN", "SQ"):
                kept.add(element)
        try:
            query = base64.b64encode(encode_identifier(kept, transfer_syntax_uid)).decode("ascii")
        except ValueError:
            query = ""
        fields = {"sop_class": sop_class_uid, "transfer_syntax": transfer_syntax_uid, "query": query}
        self._note("queried", ObjectKind.PEER, self._who(), fields)

    def sending(self, studies: Iterable[str], destination: str) -> None:
        """Objects are about to go out."""
        for study in dict.fromkeys(studies) if self._wanted else ():
            self._note("sending_began", ObjectKind.STUDY, study, {"destination": destination})

    def sent(self, instances: Iterable[StoredInstance], failed: Iterable[str], destination: str) -> None:
        """Objects went out; those whose SOP Instance UIDs are in `failed` did not."""
        if not self._wanted:
            return
        lost, missed = set(failed), Counter[str]()
        arrived: dict[str, Counter[str]] = {}
        for one in instances:
            classes = arrived.setdefault(one.study_instance_uid, Counter())
            if one.sop_instance_uid in lost:
                missed[one.study_instance_uid] += 1
            else:
                classes[one.sop_class_uid] += 1
        for study, classes in arrived.items():
            outcome = AuditOutcome.REFUSED if missed[study] else AuditOutcome.SUCCESS
            fields = {"destination": destination, "sop_classes": dict(classes), "failed": missed[study]}
            self._note("instances_sent", ObjectKind.STUDY, study, fields, outcome)

    @staticmethod
    def _who() -> str:
        actor = present()
        return actor.name if actor is not None else ""

    def _note(
        self,
        action: str,
        kind: ObjectKind,
        subject: str,
        fields: Mapping[str, object],
        outcome: AuditOutcome = AuditOutcome.SUCCESS,
    ) -> None:
        actor = present() or Actor("unknown", Via.DICOM)
        try:
            self._archive.catalog.audit.record(actor, action, kind, subject, self._archive.clock.now(), outcome, fields)
        except CatalogError as error:
            _log.error("audit_not_written", action=action, subject=subject, reason=str(error))
