"""Peers of the configuration and of the catalog together, and the regular look whether they answer."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from appliance.build import dimse_settings, peer_record
from appliance.config import Config
from appliance.dimse.echo import echo
from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.peers.model import Peering, PeerRecord, PeerRight, overlaid

AT_A_TIME = 8

log = structlog.get_logger()


def configured_peers(config: Config) -> tuple[PeerRecord, ...]:
    """The peers that stand in the configuration file."""
    return tuple(peer_record(peer) for peer in config.peers)


def peering(config: Config) -> Peering:
    """What pages and commands need to show peers and to ask one."""
    return Peering(configured_peers(config), partial(echo, dimse_settings(config)))


def destinations(config: Config, catalog: Catalog) -> list[str]:
    """The AE titles that studies can be sent to now. Raises: CatalogUnavailable."""
    known = overlaid(configured_peers(config), catalog.peers.list())
    return [peer.ae_title for peer in known if PeerRight.RECEIVE in peer.rights]


def check_all(catalog: Catalog, known: Peering, clock: Clock) -> Sequence[PeerRecord]:
    """Ask every peer, several at a time, and note the answers; those that did not answer.

    Raises: CatalogUnavailable.
    """
    peers = overlaid(known.configured, catalog.peers.list())
    silent = []
    with ThreadPoolExecutor(max_workers=AT_A_TIME, thread_name_prefix="echo") as threads:
        for peer, answer in zip(peers, threads.map(known.echo, peers), strict=True):
            catalog.peers.checked(peer.ae_title, answer, clock.now())
            if not answer.answered:
                silent.append(peer)
                log.warning("peer_silent", ae_title=peer.ae_title, reason=answer.text)
    return silent
