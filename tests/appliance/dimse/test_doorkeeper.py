"""Who may associate, from where, and how often a refusal is told."""

from collections.abc import Callable

import pytest

from appliance.dimse import doorkeeper
from appliance.dimse.doorkeeper import Doorkeeper, addresses_of
from appliance.dimse.settings import Callers, DimseSettings, Peer
from appliance.dimse.wire import PduType
from hsm.catalog.errors import CatalogUnavailable
from tests.appliance.dimse.conftest import Node
from tests.appliance.dimse.raw import EXPLICIT, VERIFICATION

Started = Callable[..., Node]
PEERS = {
    "AT": Peer("ct.example", 104),
    "NET": Peer("ct.example", 104, addresses=("198.51.100.0/24", "2001:db8::/32")),
}


@pytest.mark.parametrize(
    ("callers", "aet", "address", "refused"),
    [
        (Callers.ANYBODY, "NOBODY", "203.0.113.1", ""),
        (Callers.ANYBODY, "AT", "203.0.113.1", ""),
        (Callers.ANYBODY, "NET", "203.0.113.1", "NET does not call from 203.0.113.1"),
        (Callers.ANYBODY, "NET", "::ffff:198.51.100.7", ""),
        (Callers.PEERS, "NOBODY", "192.0.2.7", "caller NOBODY is no peer"),
        (Callers.PEERS, "AT", "203.0.113.1", ""),
        (Callers.PEERS_AT_THEIR_ADDRESS, "AT", "192.0.2.7", ""),
        (Callers.PEERS_AT_THEIR_ADDRESS, "AT", "fe80::1%eth0", ""),
        (Callers.PEERS_AT_THEIR_ADDRESS, "AT", "203.0.113.1", "AT does not call from 203.0.113.1"),
        (Callers.PEERS_AT_THEIR_ADDRESS, "NET", "2001:db8::9", ""),
        (Callers.PEERS_AT_THEIR_ADDRESS, "NET", "nonsense", "NET does not call from nonsense"),
    ],
)
def test_callers_are_judged_by_title_and_address(
    node: Node, callers: Callers, aet: str, address: str, refused: str
) -> None:
    settings = DimseSettings(callers=callers, peers=PEERS)
    door = Doorkeeper(node.archive, settings, lambda host: ("192.0.2.7", "fe80::1"))
    assert door.stranger(aet, address) == refused


def test_a_name_server_that_goes_away_does_not_shut_the_door(node: Node) -> None:
    now_s, answers = [0.0], [("192.0.2.7",), (), ("192.0.2.8",)]
    settings = DimseSettings(callers=Callers.PEERS_AT_THEIR_ADDRESS, peers=PEERS)
    door = Doorkeeper(node.archive, settings, lambda host: answers.pop(0), lambda: now_s[0])
    for minute, address in enumerate(("192.0.2.7", "192.0.2.7", "192.0.2.8")):
        now_s[0] = 61.0 * minute
        assert door.stranger("AT", address) == ""
        assert door.stranger("AT", address) == "", "it is not asked again within the minute"
    assert addresses_of("127.0.0.1") == ("127.0.0.1",)
    assert addresses_of("no such host.invalid") == ()


def test_a_stranger_is_refused_with_the_right_reason_and_one_event(start: Started) -> None:
    node = start(callers=Callers.PEERS, peers=PEERS)
    for _ in range(2):
        peer = node.peer((VERIFICATION, EXPLICIT), calling="NOBODY")
        assert (peer.answer_type, peer.answer[7:10]) == (PduType.ASSOCIATE_RJ, b"\x01\x01\x03")
        peer.sock.close()
    with node.peer((VERIFICATION, EXPLICIT), calling="AT") as known:
        assert known.answer_type == PduType.ASSOCIATE_AC
    (told,) = node.archive.catalog.events.list(name="association_refused")
    assert (told.level, told.subject) == ("warning", "NOBODY")
    assert told.fields == {"address": "127.0.0.1", "reason": "caller NOBODY is no peer"}


def test_refusals_without_end_fill_no_catalog(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorkeeper, "MOST_KNOWN", 3)
    now_s = [0.0]
    door = Doorkeeper(node.archive, DimseSettings(), clock_s=lambda: now_s[0])
    events = node.archive.catalog.events

    def told() -> int:
        return len(events.list(name="association_refused"))

    for number in range(5):
        door.refused(f"AE{number}", "203.0.113.1", "no")
    assert told() == 3
    now_s[0] = 3601.0
    door.refused("AE9", "203.0.113.1", "no")
    assert told() == 4

    def away(*_: object) -> None:
        raise CatalogUnavailable("away")

    monkeypatch.setattr(events, "record", away)
    door.refused("AE10", "203.0.113.1", "no")  # only in the log
