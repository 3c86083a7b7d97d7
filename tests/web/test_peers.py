"""Peers on the page: added, changed, asked and removed, with what is wrong said beside the field."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from hsm.access.roles import Role
from hsm.peers.model import EchoAnswer, Peering, PeerRecord, PeerRight
from tests.web.reader import read
from tests.web.world import World, browser

FILE_PEER = PeerRecord("INFILE", "192.0.2.1", 104, 120.0, configured=True)


def answers(peer: PeerRecord) -> EchoAnswer:
    """DEAD is silent, all others answer; the way to the network has tests of its own."""
    return EchoAnswer(False, "DEAD cannot be reached", 5.0) if peer.ae_title == "DEAD" else EchoAnswer(True, "", 0.012)


@pytest.fixture
def admin(world: World) -> Iterator[FlaskClient]:
    yield browser(replace(world.services(), peering=Peering((FILE_PEER,), answers)))


def send(client: FlaskClient, path: str, **fields: object) -> tuple[int, str]:
    with client.session_transaction() as session:
        session["form_token"] = "t"
    data = {"form_token": "t", **fields}
    answer = client.post(path, data=data, headers={"Origin": "http://localhost"}, follow_redirects=False)
    if answer.status_code == 303:
        return 303, client.get(answer.headers["Location"]).text
    return answer.status_code, answer.text


def good(**changes: object) -> dict[str, object]:
    return {"ae_title": "WS1", "host": "192.0.2.9", "port": "104", "patience_s": "", "rights": ["query"], **changes}


def test_a_peer_is_added_changed_asked_and_removed(world: World, admin: FlaskClient) -> None:
    status, html = send(admin, "/peers", **good())
    assert status == 303 and "WS1 is known now." in html
    kept = world.catalog.peers.find("WS1")
    assert kept is not None and kept.rights == {PeerRight.QUERY}
    assert (kept.version, kept.changed_by) == (1, "a-administrator")
    manners = {"commit": "two_copies", "tls": "on", "recalls_per_day": "5", "addresses": "192.0.2.0/24"}
    status, html = send(admin, "/peers/WS1", **good(host="192.0.2.10", patience_s="30", version="1", **manners))
    kept = world.catalog.peers.find("WS1")
    assert kept is not None and (kept.commit.value, kept.tls, kept.recalls_per_day) == ("two_copies", True, 5)
    assert 'value="192.0.2.0/24"' in html and 'value="two_copies" selected' in html
    assert status == 303 and "192.0.2.10" in html
    assert "answered the C-ECHO after 12 ms" in send(admin, "/peers/WS1/check", back="one")[1]
    assert "answers" in admin.get("/peers").text
    assert send(admin, "/peers/WS1/remove", typed="WS2")[0] == 422
    assert send(admin, "/peers/WS1/remove", typed="WS1")[0] == 303
    assert world.catalog.peers.list() == []
    names = [event.name for event in world.catalog.events.list(subject="WS1")]
    assert names == ["peer_removed", "peer_changed", "peer_added"]


def test_what_is_wrong_stands_beside_its_field(world: World, admin: FlaskClient) -> None:
    status, html = send(
        admin,
        "/peers",
        **good(
            ae_title="A" * 17,
            host="a b",
            port="0",
            patience_s="-1",
            rights=[],
            addresses="x",
            recalls_per_day="x",
            commit="x",
        ),
    )
    page = read(html)
    assert status == 422 and page.faults == []
    assert {
        "ae_title-says",
        "host-says",
        "port-says",
        "patience_s-says",
        "rights-says",
        "addresses-says",
        "commit-says",
    } <= set(page.ids)
    assert send(admin, "/peers", **good(ae_title="INFILE"))[0] == 422
    assert world.catalog.peers.list() == []


def test_a_stale_form_changes_nothing(world: World, admin: FlaskClient) -> None:
    send(admin, "/peers", **good())
    send(admin, "/peers/WS1", **good(host="192.0.2.10", version="1"))
    status, html = send(admin, "/peers/WS1", **good(host="192.0.2.66", version="1"))
    assert status == 409 and "changed this peer meanwhile" in html
    kept = world.catalog.peers.find("WS1")
    assert kept is not None and kept.host == "192.0.2.10"


def test_a_peer_of_the_file_is_shown_asked_and_left_alone(admin: FlaskClient) -> None:
    assert "It stands in the configuration file" in admin.get("/peers/INFILE").text
    assert send(admin, "/peers/INFILE/check")[0] == 303
    assert send(admin, "/peers/INFILE", **good())[0] == 409
    assert send(admin, "/peers/INFILE/remove", typed="INFILE")[0] == 409


def test_a_silent_peer_is_said_to_be_with_its_reason(admin: FlaskClient) -> None:
    send(admin, "/peers", **good(ae_title="DEAD"))
    html = send(admin, "/peers/DEAD/check")[1]
    assert "DEAD cannot be reached" in html and "silent" in html
    page = read(html)
    assert page.faults == []


def test_unknown_peers_and_people_without_the_right_get_nothing(world: World, admin: FlaskClient) -> None:
    assert admin.get("/peers/NOBODY").status_code == 404
    assert browser(world.services(), Role.ARCHIVIST).get("/peers").status_code == 403
    alone = browser(world.services())
    assert "started without its DICOM part" not in alone.get("/peers").text  # there is no peer and so no button
    send(alone, "/peers", **good())
    assert "started without its DICOM part" in alone.get("/peers").text
    assert send(alone, "/peers/WS1/check")[0] == 409
