"""C-MOVE and C-GET of what lies on tape, with a simulated library behind a real engine."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from appliance.dimse.bring import Bringer
from appliance.dimse.commands import Code, Field
from appliance.dimse.deliver import Deliverer
from appliance.dimse.settings import DimseSettings, Peer
from appliance.dimse.statuses import Status
from hsm.catalog import NotRecallable
from hsm.catalog.audit import AuditFilter
from hsm.mover.outcome import RetrySettings
from hsm.query.model import Level, Retrieval
from hsm.query.retrieve import wanted_instances
from hsm.states import Availability, Place
from tests.appliance.dimse.conftest import Node, Receiver, peers
from tests.appliance.dimse.raw import EXPLICIT, STUDY_FIND, STUDY_GET, STUDY_MOVE, keys
from tests.appliance.dimse.test_retrieve import get, move
from tests.hsm.objects import CT
from tests.support.studies import small_ct
from tests.support.world import TAPES, TAPES_ONLY, World

Started = Callable[..., Node]
Receivers = Callable[..., Receiver]


STUDIES = 16


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, list[str]]]:
    """An archive whose studies lie on two tapes only."""
    made = World(tmp_path_factory.mktemp("world"), TAPES_ONLY, TAPES, ())
    uids = [str(made.receive(small_ct(f"recall {n}"))) for n in range(STUDIES)]
    for _ in range(10):
        made.settle(1)
    yield made, uids
    made.close()


@pytest.fixture
def world(settled: tuple[World, list[str]]) -> Iterator[World]:
    """The archive; its tapes are back in the library after each test."""
    yield settled[0]
    for volume in settled[0].catalog.volumes.list():
        settled[0].catalog.volumes.move(volume.barcode, Place.LIBRARY, "", settled[0].clock.now())


@pytest.fixture
def uid(settled: tuple[World, list[str]]) -> str:
    """A study on tape that no other test touches."""
    world, uids = settled
    found = uids.pop()
    assert world.availability(found) is Availability.NEARLINE
    return found


def sender(node: Node) -> Deliverer:
    """What sends deliveries, one when asked."""
    return Deliverer(node.archive, node.settings, RetrySettings(first_s=0.0, max_s=0.0), workers=0)


def to_shelf(world: World) -> None:
    """A person takes all tapes out of the library."""
    for volume in world.catalog.volumes.list():
        world.catalog.volumes.move(volume.barcode, Place.SHELF, "vault 7", world.clock.now())


def test_a_study_on_tape_is_brought_back_and_sent_while_the_peer_is_kept_waiting(
    world: World, uid: str, start: Started, receiver: Receivers
) -> None:
    destination = receiver()
    node = start(world.archive, peers=peers(destination), keepalive_s=0.01)
    with node.peer((STUDY_MOVE, EXPLICIT), calling="WS1") as peer:
        peer.ask(Code.C_MOVE, STUDY_MOVE, keys("STUDY", StudyInstanceUID=uid), message_id=3, destination="DEST")
        waiting = [peer.next()[0] for _ in range(3)]  # nobody works on the recall yet
        assert [one.number(Field.STATUS) for one in waiting] == [0xFF00] * 3
        assert [(one.number(Field.REMAINING), one.number(Field.COMPLETED)) for one in waiting] == [(3, 0)] * 3
        request = world.catalog.recalls.list()[0]
        assert (request.requested_by, request.done) == ("WS1", False)
        entry = world.catalog.audit.list(AuditFilter(action="recall_requested"), limit=1)[0]
        assert (entry.actor, entry.via, entry.address, entry.object) == ("WS1", "dicom", "127.0.0.1", uid)
        world.engine.drain()
        _, final, _ = peer.answers()
    assert (final.number(Field.STATUS), final.number(Field.COMPLETED)) == (0, 3)
    assert len(destination.objects) == 3
    for sop, data in destination.objects.items():
        assert data == node.stored(sop)[0]
    assert world.availability(uid) is Availability.ONLINE


def test_a_get_waits_for_the_tape_too(world: World, uid: str, start: Started) -> None:
    node = start(world.archive, keepalive_s=0.01)
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        engine = threading.Thread(target=world.engine.drain)

        before = len(world.catalog.recalls.list(limit=1000))  # other tests asked, too

        def recall_wanted() -> None:
            while len(world.catalog.recalls.list(limit=1000)) == before:
                threading.Event().wait(0.01)
            engine.start()

        watcher = threading.Thread(target=recall_wanted)
        watcher.start()
        final, got = get(peer, keys("STUDY", StudyInstanceUID=uid))
        watcher.join()
        engine.join()
    assert (final.number(Field.STATUS), len(got)) == (0, 3)


def test_a_wish_to_stop_is_heard_while_waiting(world: World, uid: str, start: Started, receiver: Receivers) -> None:
    node = start(world.archive, peers=peers(receiver()), keepalive_s=0.01, recall_poll_s=60.0)
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        peer.ask(Code.C_MOVE, STUDY_MOVE, keys("STUDY", StudyInstanceUID=uid), message_id=3, destination="DEST")
        peer.cancel(3)
        _, final, _ = peer.answers()
    assert (final.number(Field.STATUS), final.number(Field.REMAINING)) == (0xFE00, 3)
    assert not world.catalog.recalls.list()[0].failed  # the recall itself goes on


def test_a_peer_whose_timer_runs_out_gets_the_study_pushed(
    world: World, uid: str, start: Started, receiver: Receivers
) -> None:
    destination = receiver()
    node = start(world.archive, peers=peers(destination), keepalive_s=0.01)
    with node.peer((STUDY_MOVE, EXPLICIT), calling="WS2") as peer:
        peer.ask(Code.C_MOVE, STUDY_MOVE, keys("STUDY", StudyInstanceUID=uid), message_id=9, destination="DEST")
        peer.next()
        peer.sock.close()
    node.server.stop()  # returns when the association has noticed
    assert node.server.associations == 0
    world.engine.drain()
    assert sender(node).deliver_one("a")
    assert len(destination.objects) == 3 and set(destination.originators) == {("WS2", 9)}


def test_a_get_whose_association_ends_is_pushed_nowhere(world: World, uid: str, start: Started) -> None:
    node = start(world.archive, keepalive_s=0.01)
    before = len(world.catalog.deliveries.list())
    with node.peer((STUDY_GET, EXPLICIT), (CT, EXPLICIT), roles=[CT]) as peer:
        peer.ask(Code.C_GET, STUDY_GET, keys("STUDY", StudyInstanceUID=uid))
        peer.next()
        peer.sock.close()
    node.server.stop()
    assert len(world.catalog.deliveries.list()) == before


def test_a_study_that_was_brought_from_the_shelf_is_pushed(
    world: World, uid: str, start: Started, receiver: Receivers
) -> None:
    destination = receiver()
    to_shelf(world)
    node = start(world.archive, peers=peers(destination))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        assert move(peer, keys("STUDY", StudyInstanceUID=uid))[0] == 0xC310
    assert not sender(node).deliver_one("a")
    for volume in world.catalog.volumes.list():
        world.catalog.volumes.move(volume.barcode, Place.LIBRARY, "", world.clock.now())
    world.engine.drain()
    assert sender(node).deliver_one("a")
    assert len(destination.objects) == 3


def test_after_its_patience_a_peer_is_told_that_the_study_will_be_pushed(
    world: World, uid: str, start: Started, receiver: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = receiver()
    impatient = {"DEST": Peer("127.0.0.1", destination.port), "WS1": Peer("127.0.0.1", 1, patience_s=0.0)}
    node = start(world.archive, peers=impatient)
    real = world.catalog.recalls.state
    with node.peer((STUDY_MOVE, EXPLICIT), calling="WS1") as peer:
        status, words, counters, failed = move(peer, keys("STUDY", StudyInstanceUID=uid))
        assert (status, counters, len(failed)) == (0xC312, (0, 3, 0), 3)
        number = world.catalog.recalls.list()[0].request_id
        assert words == f"recall {number} goes on, will be pushed"
        eta = world.clock.now() + timedelta(minutes=20)
        monkeypatch.setattr(world.catalog.recalls, "state", lambda n: replace(real(n), eta_at=eta))
        status, words, _, _ = move(peer, keys("STUDY", StudyInstanceUID=uid))
        assert words == f"recall {number + 1}, ready about {eta:%H:%M} UTC, will be pushed"
        assert len(words) <= 64
    monkeypatch.undo()
    assert not sender(node).deliver_one("a"), "nothing is sent before it is back"
    world.engine.drain()
    assert sender(node).deliver_one("a")
    assert not sender(node).deliver_one("a"), "the same wish twice is one delivery"
    assert set(destination.objects) == set(failed)
    assert {title for title, _ in destination.originators} == {"WS1"}
    with node.peer((STUDY_MOVE, EXPLICIT), calling="WS1") as peer:
        assert move(peer, keys("STUDY", StudyInstanceUID=uid))[0] == 0


def test_a_peer_has_no_more_studies_brought_back_in_a_day_than_it_may(
    world: World, settled: tuple[World, list[str]], start: Started, receiver: Receivers
) -> None:
    first, second = settled[1].pop(), settled[1].pop()
    limited = {
        "DEST": Peer("127.0.0.1", receiver().port),
        "ONE": Peer("h", 1, patience_s=0.0, recalls_per_day=1),
        "NONE": Peer("h", 1, recalls_per_day=0),
    }
    node = start(world.archive, peers=limited)
    before = len(world.catalog.recalls.list())
    with node.peer((STUDY_MOVE, EXPLICIT), calling="NONE") as peer:
        status, words, _, failed = move(peer, keys("STUDY", StudyInstanceUID=first))
        assert (status, words, len(failed)) == (0xC314, "this peer may have nothing recalled", 3)
    assert len(world.catalog.recalls.list()) == before
    with node.peer((STUDY_MOVE, EXPLICIT), calling="ONE") as peer:
        assert move(peer, keys("STUDY", StudyInstanceUID=first))[0] == 0xC312
        status, words, _, _ = move(peer, keys("STUDY", StudyInstanceUID=second))
        assert (status, words) == (0xC314, "recalls are barred here: 1 studies a day")
        assert move(peer, keys("STUDY", StudyInstanceUID=first))[0] == 0xC312, "what it asked for before counts once"
        world.clock.sleep(86401.0)
        assert move(peer, keys("STUDY", StudyInstanceUID=second))[0] == 0xC312
    told = world.catalog.events.list(name="recalls_barred")
    assert [(event.subject, event.fields["limit_per_day"]) for event in told] == [("ONE", 1), ("NONE", 0)]


def test_a_study_on_the_shelf_fails_at_once_and_names_the_volume_to_bring(
    world: World, uid: str, start: Started, receiver: Receivers
) -> None:
    to_shelf(world)
    node = start(world.archive, peers=peers(receiver()))
    with node.peer((STUDY_MOVE, EXPLICIT), (STUDY_FIND, EXPLICIT)) as peer:
        status, words, counters, _ = move(peer, keys("STUDY", StudyInstanceUID=uid))
        assert (status, counters) == (0xC310, (0, 3, 0))
        number = world.catalog.recalls.list()[0].request_id
        assert words == f"offline: bring A00001L8 (recall {number}), will be pushed"
        peer.ask(Code.C_FIND, STUDY_FIND, keys("STUDY", StudyInstanceUID=uid), context_id=3)
        found, _, _ = peer.answers()
    answer: Any = found[0]
    assert (answer.InstanceAvailability, answer.StorageMediaFileSetID) == ("OFFLINE", "A00001L8")
    assert answer.StorageMediaFileSetUID.startswith("2.25.")


def test_what_is_on_disk_is_sent_though_the_rest_cannot_come(
    world: World, uid: str, start: Started, receiver: Receivers
) -> None:
    late = small_ct("late arrival")
    for instance in late.instances:
        instance.StudyInstanceUID = uid
    world.receive(late)
    to_shelf(world)
    node = start(world.archive, peers=peers(receiver()))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        status, words, counters, failed = move(peer, keys("STUDY", StudyInstanceUID=uid))
    assert (status, counters, len(failed)) == (0xB000, (3, 3, 0), 3)
    assert words.startswith("offline: bring")


def test_a_study_without_a_readable_copy_is_unavailable(
    world: World, uid: str, start: Started, receiver: Receivers
) -> None:
    for copy in world.copies(uid):
        world.catalog.copies.doubt(copy.id, "DRIVE1", "unreadable", world.clock.now())
        world.catalog.copies.lose(copy.id, "unreadable by two drives", world.clock.now())
    node = start(world.archive, peers=peers(receiver()))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        assert move(peer, keys("STUDY", StudyInstanceUID=uid))[:2] == (0xC311, "no copy of this study can be read")


def test_a_recall_that_fails_is_quoted(
    world: World, uid: str, start: Started, receiver: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = world.catalog.recalls.state
    monkeypatch.setattr(
        world.catalog.recalls, "state", lambda n: replace(real(n), failed=True, message="A00001L8: medium error")
    )
    node = start(world.archive, peers=peers(receiver()))
    with node.peer((STUDY_MOVE, EXPLICIT)) as peer:
        status, words, _, _ = move(peer, keys("STUDY", StudyInstanceUID=uid))
    assert (status, "failed: A00001L8: medium error" in words) == (0xC313, True)


def test_a_volume_that_goes_between_two_looks_is_no_error(
    world: World, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_args: Any, **_options: Any) -> int:
        raise NotRecallable(uid, ["abc"])

    instances = wanted_instances(world.catalog, Retrieval(Level.STUDY, None, (uid,)))
    monkeypatch.setattr(world.catalog.recalls, "request", gone)
    bringer = Bringer(world.archive, DimseSettings(), "WS1")
    ready, stuck = bringer.bring(instances, lambda _seconds: None)
    assert ready == []
    assert {obstacle.status for _, obstacle in stuck} == {Status.UNAVAILABLE}
    to_shelf(world)
    _, stuck = bringer.bring(instances, lambda _seconds: None)
    assert {obstacle.text for _, obstacle in stuck} == {"offline: bring A00001L8"}


def test_what_is_released_again_before_it_is_sent_is_a_failure(
    world: World, uid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instances = wanted_instances(world.catalog, Retrieval(Level.STUDY, None, (uid,)))
    real = world.catalog.recalls.state
    monkeypatch.setattr(world.catalog.recalls, "state", lambda n: replace(real(n), done=True))
    _, stuck = Bringer(world.archive, DimseSettings(), "WS1").bring(instances, lambda _seconds: None)
    assert {obstacle.text for _, obstacle in stuck} == {"released again before it could be sent"}
