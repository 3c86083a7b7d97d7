"""Peers in the catalog: two editors, and equipment that stops answering."""

from datetime import timedelta

import pytest

from hsm.catalog import Catalog
from hsm.catalog.errors import NotCatalogued
from hsm.commitment.levels import Level
from hsm.peers.model import EchoAnswer, PeerRecord, PeerRefused, PeerRight, checked, overlaid
from tests.hsm.catalog.world import START

WS1 = PeerRecord("WS1", "192.0.2.9", 104, 30.0, frozenset({PeerRight.RECEIVE}))
SILENT, THERE = EchoAnswer(False, "cannot be reached", 5.0), EchoAnswer(True, "", 0.01)


def test_peers_are_kept_changed_and_forgotten(catalog: Catalog) -> None:
    catalog.peers.add(WS1, (), "boss", START)
    with pytest.raises(PeerRefused, match="already"):
        catalog.peers.add(WS1, (), "boss", START)
    with pytest.raises(PeerRefused, match="already"):
        catalog.peers.add(PeerRecord("FILE", "h", 1), ("FILE",), "boss", START)
    other = PeerRecord("WS1", "192.0.2.10", 11112)
    catalog.peers.change(other, 1, "anna", START)
    with pytest.raises(PeerRefused, match="anna changed"):
        catalog.peers.change(other, 1, "boss", START)
    kept = catalog.peers.list()
    assert [(p.host, p.port, p.patience_s, len(p.rights), p.version) for p in kept] == [
        ("192.0.2.10", 11112, None, 5, 2)
    ]
    catalog.peers.remove("WS1", "boss", START)
    with pytest.raises(NotCatalogued):
        catalog.peers.remove("WS1", "boss", START)
    with pytest.raises(NotCatalogued):
        catalog.peers.change(other, 2, "boss", START)
    assert catalog.peers.find("WS1") is None


def test_the_second_silence_in_a_row_is_an_event_and_so_is_the_next_answer(catalog: Catalog) -> None:
    said = []
    for minute, answer in enumerate((THERE, SILENT, THERE, SILENT, SILENT, SILENT, THERE, THERE)):
        check = catalog.peers.checked("WS1", answer, START + timedelta(minutes=minute))
        said.append((check.failures, [event.name for event in catalog.events.list()]))
    lost, back = "peer_not_answering", "peer_answers_again"
    assert [failures for failures, _ in said] == [0, 1, 0, 1, 2, 3, 0, 0]
    assert said[3][1] == [] and said[4][1] == [lost] and said[5][1] == [lost] and said[7][1] == [back, lost]
    assert catalog.peers.checks()["WS1"].seen_at == START + timedelta(minutes=7)
    assert catalog.events.list(name=lost)[0].fields["seen_at"] == (START + timedelta(minutes=2)).isoformat()


def test_what_a_peer_may_expect_is_kept(catalog: Catalog) -> None:
    rights = [right.value for right in PeerRight]
    manners = {"commit": "two_sites", "tls": True, "recalls_per_day": "7", "addresses": "192.0.2.9/32, 198.51.100.9/24"}
    typed = checked("WS1", "h", "1", None, rights, **manners)  # type: ignore[arg-type]
    assert typed.addresses == ("192.0.2.9", "198.51.100.0/24")
    catalog.peers.add(typed, (), "boss", START)
    (kept,) = catalog.peers.list()
    assert (kept.commit, kept.tls, kept.recalls_per_day) == (Level.TWO_SITES, True, 7)
    assert kept.addresses == typed.addresses
    (told,) = catalog.events.list(name="peer_added")
    assert told.fields["addresses"] == "192.0.2.9, 198.51.100.0/24"
    catalog.peers.change(checked("WS1", "h", "1", None, rights, recalls_per_day="0"), 1, "boss", START)
    (kept,) = catalog.peers.list()
    assert (kept.commit, kept.tls, kept.recalls_per_day, kept.addresses) == (Level.DISK, False, 0, ())


def test_everything_that_is_wrong_with_a_peer_is_said_at_once() -> None:
    with pytest.raises(PeerRefused) as refused:
        checked("A\\B", "", "70000", "soon", ["fly"], commit="moon", recalls_per_day="-1", addresses="10.0.0.1," * 17)
    fields = {"ae_title", "host", "port", "patience_s", "rights", "commit", "recalls_per_day", "addresses"}
    assert set(refused.value.faults) == fields
    with pytest.raises(PeerRefused, match="1 to 16"):
        checked("  ", "h", "1", None, ["store"])
    assert checked(" WS ", " h ", "1", "2.5", ["store"]) == PeerRecord("WS", "h", 1, 2.5, frozenset({PeerRight.STORE}))


def test_the_file_counts_before_the_catalog() -> None:
    mine, files = PeerRecord("A", "kept", 1), PeerRecord("A", "file", 1, configured=True)
    assert overlaid([files], [mine, WS1]) == [files, WS1]
