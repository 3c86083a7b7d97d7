"""Asks a peer whether it is there: C-ECHO. Source: PS3.4 annex A, PS3.7 section 9.1.5."""

import time
from dataclasses import replace

from appliance.dimse.outgoing import DestinationRefused, Outgoing
from appliance.dimse.services import IMPLICIT, VERIFICATION
from appliance.dimse.settings import DimseSettings, Peer
from appliance.dimse.statuses import Status
from appliance.dimse.wire import ProtocolError, WireClosed
from hsm.peers.model import EchoAnswer, PeerRecord

PATIENCE_S = 5.0  # of each step; somebody looks at a page meanwhile


def echo(settings: DimseSettings, peer: PeerRecord) -> EchoAnswer:
    """Open an association, send one C-ECHO, release. Raises nothing of the peer's."""
    quick = replace(settings, connect_s=PATIENCE_S, artim_s=PATIENCE_S, network_s=PATIENCE_S, answer_s=PATIENCE_S)
    began_s = time.monotonic()

    def answer(text: str) -> EchoAnswer:
        return EchoAnswer(not text, text, round(time.monotonic() - began_s, 3))

    try:
        with Outgoing(quick, peer.ae_title, Peer.of(peer), [(VERIFICATION, IMPLICIT)]) as outgoing:
            contexts = outgoing.contexts_for(VERIFICATION)
            if not contexts:
                return answer(f"{peer.ae_title} associates, but does not take a C-ECHO")
            status = outgoing.echo(next(iter(contexts.values())))
    except (DestinationRefused, WireClosed, ProtocolError, OSError) as error:
        return answer(str(error))
    return answer("" if status == Status.SUCCESS else f"{peer.ae_title} answers the C-ECHO with status {status:04X}")
