"""Tells peers that asked for storage commitment what is true, when it is. One process of all does it at a time."""

import structlog

from appliance.dimse.commitment import ReportRefused, send_report
from appliance.dimse.outgoing import DestinationRefused
from appliance.dimse.rounds import Rounds
from appliance.dimse.settings import DimseSettings
from hsm.archive import Archive
from hsm.catalog.commitments import CommitmentRecord
from hsm.catalog.errors import CatalogUnavailable
from hsm.commitment.levels import asked_over_web

_log = structlog.get_logger()
LEASE = "commitment-reports"


class Reporter(Rounds):
    """Looks at the requests that are due."""

    def __init__(self, archive: Archive, settings: DimseSettings) -> None:
        super().__init__(archive, settings, LEASE)

    def look(self) -> int:
        """Look once at every request that is due, and tell what can be told; how many peers were told.

        Raises: CatalogUnavailable.
        """
        commitments, clock = self._archive.catalog.commitments, self._archive.clock
        told = 0
        for request in commitments.due(clock.now()):
            if not self.may_go_on():
                break
            try:
                told += self._tell(request)
            except CatalogUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - one bad request must not silence all others
                _log.exception("commitment_report_failed", transaction=request.transaction_uid)
                commitments.not_told(request, f"internal error: {type(error).__name__}", clock.now())
        return told

    def _tell(self, request: CommitmentRecord) -> bool:
        commitments, clock = self._archive.catalog.commitments, self._archive.clock
        verdict = commitments.verdict(request, clock.now(), self._settings.commitment_patience)
        if not verdict.final:
            commitments.postpone(request.id, clock.now())
            return False
        if asked_over_web(request.peer_aet):
            commitments.answered(request, verdict, clock.now())
            return True
        peer = self._settings.peers.get(request.peer_aet)
        if peer is None:
            commitments.not_told(request, f"{request.peer_aet} is no peer any more", clock.now())
            return False
        try:
            send_report(self._settings, request.peer_aet, peer, request.transaction_uid, verdict)
        except (ReportRefused, DestinationRefused) as error:
            transaction = request.transaction_uid
            _log.warning("commitment_not_told", peer=request.peer_aet, transaction=transaction, why=str(error))
            commitments.not_told(request, str(error), clock.now())
            return False
        commitments.answered(request, verdict, clock.now())
        _log.info(
            "commitment_told",
            peer=request.peer_aet,
            transaction=request.transaction_uid,
            committed=len(verdict.committed),
            refused=len(verdict.refused),
        )
        return True
