"""What is to be delivered goes out to real receivers, is tried again, and knows what arrived."""

import threading
from collections.abc import Callable

import pytest

from appliance.dimse.deliver import Deliverer
from appliance.dimse.settings import Peer
from hsm.catalog.deliveries import DeliveryRecord, MoveOrigin
from hsm.catalog.errors import CatalogUnavailable
from hsm.mover.outcome import RetrySettings
from hsm.states import Availability, DeliveryState
from tests.appliance.dimse.conftest import Node, Receiver, peers, small_study
from tests.appliance.dimse.raw import IMPLICIT
from tests.appliance.dimse.test_recall import settled, uid, world  # noqa: F401 - fixtures
from tests.hsm.objects import CT, TEST_DATA, dataset, part10
from tests.support.world import World

Started = Callable[..., Node]
Receivers = Callable[..., Receiver]
AT_ONCE = RetrySettings(first_s=0.0, max_s=0.0)


def deliverer(node: Node, retry: RetrySettings = AT_ONCE, workers: int = 0) -> Deliverer:
    return Deliverer(node.archive, node.settings, retry, workers, poll_s=0.01)


def ask(node: Node, study: str = "1.2.3", to: str = "DEST", **more: object) -> int:
    return node.archive.deliver(study, to, requested_by="anna", **more)  # type: ignore[arg-type]


def record(node: Node, number: int) -> DeliveryRecord:
    return node.archive.catalog.deliveries.get(number)


def test_a_study_on_disk_is_sent_byte_for_byte(start: Started, receiver: Receivers) -> None:
    destination = receiver()
    node = start(peers=peers(destination))
    node.receive(*small_study(4))
    number, part = ask(node), ask(node, series_uids=("1.2.3.2",), origin=MoveOrigin("WS1", 7))
    sender = deliverer(node)
    assert sender.deliver_one("a")
    assert destination.objects == {sop: node.stored(sop)[0] for sop in destination.objects}
    assert {title for title, _ in destination.originators} == {"None"}
    assert sender.deliver_one("a")
    assert not sender.deliver_one("a")
    assert (record(node, number).state, record(node, number).sent) == (DeliveryState.DONE, 4)
    assert (record(node, part).state, record(node, part).sent) == (DeliveryState.DONE, 2)
    assert destination.originators[-2:] == [("WS1", 7)] * 2
    study = node.archive.catalog.studies.get("1.2.3")
    assert study is not None and study.accessed_at is not None


def test_a_node_that_is_away_is_tried_again_and_gets_the_rest(start: Started, receiver: Receivers) -> None:
    destination = receiver()
    node = start(peers=peers(destination))
    node.receive(*small_study(4))
    number = ask(node)
    answers = iter([0x0000, 0xA700])

    def full_after_one() -> None:
        destination.status = next(answers, 0x0000)

    destination.on_store = full_after_one
    sender = deliverer(node)
    sender.deliver_one("a")
    first = record(node, number)
    assert (first.state, first.sent, len(first.sent_uids), first.total) == (DeliveryState.QUEUED, 1, 1, 4)
    assert "no room (status A700)" in first.message
    sender.deliver_one("a")
    assert record(node, number).state is DeliveryState.DONE
    assert len(destination.originators) == 5, "what had arrived was not sent twice"


@pytest.mark.parametrize(
    ("to", "words"), [("DEST", "cannot be reached"), ("ELSEWHERE", "is no peer of the configuration")]
)
def test_a_node_that_cannot_be_reached_is_named_until_the_deadline(start: Started, to: str, words: str) -> None:
    node = start(peers={"DEST": Peer("127.0.0.1", 1)})
    node.receive(*small_study(1))
    number = ask(node, to=to)
    deliverer(node).deliver_one("a")
    assert record(node, number).state is DeliveryState.QUEUED
    assert words in record(node, number).message
    deliverer(node, RetrySettings(first_s=1e9, max_s=1e9)).deliver_one("a")
    assert record(node, number).state is DeliveryState.FAILED, "the next try would come after its deadline"


def test_what_a_receiver_never_takes_is_final_and_the_rest_arrives(start: Started, receiver: Receivers) -> None:
    destination = receiver((CT, [IMPLICIT]))
    node = start(peers=peers(destination))
    compressed = (TEST_DATA / "test_files" / "JPEG2000.dcm").read_bytes()
    node.receive(part10(dataset(Rows=5)), compressed)
    (other,) = {s.study.study_instance_uid for s in node.archive.catalog.studies.summary()} - {"1.2.3"}
    good, bad = ask(node), ask(node, other)
    sender = deliverer(node)
    sender.deliver_one("a")
    sender.deliver_one("a")
    assert record(node, good).state is DeliveryState.DONE
    failed = record(node, bad)
    assert failed.state is DeliveryState.FAILED
    assert failed.message.startswith("1 of 1 objects were not taken: ")
    destination.status = 0xC001
    again = ask(node)
    sender.deliver_one("a")
    assert "status C001" in record(node, again).message


def test_a_study_on_tape_is_sent_after_its_recall(
    world: World,  # noqa: F811
    uid: str,  # noqa: F811
    start: Started,
    receiver: Receivers,
) -> None:
    destination = receiver()
    node = start(world.archive, peers=peers(destination))
    number = ask(node, uid)
    sender = deliverer(node)
    assert not sender.deliver_one("a")
    assert record(node, number).state is DeliveryState.WAITING
    world.engine.drain()
    assert world.availability(uid) is Availability.ONLINE
    assert sender.deliver_one("a")
    assert record(node, number).state is DeliveryState.DONE
    assert len(destination.objects) == 3


def test_what_leaves_the_disk_before_it_is_sent_is_recalled_again(
    world: World,  # noqa: F811
    uid: str,  # noqa: F811
    start: Started,
    receiver: Receivers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = start(world.archive, peers=peers(receiver()))
    with monkeypatch.context() as patch:
        patch.setattr("hsm.catalog.deliveries.wanted_of", lambda *_: [])  # as if it were on disk while it is asked for
        number = ask(node, uid)
    deliverer(node).deliver_one("a")
    assert record(node, number).state is DeliveryState.WAITING
    node.archive.cancel_delivery(number, by="anna")

    with monkeypatch.context() as patch:
        patch.setattr("hsm.catalog.deliveries.wanted_of", lambda *_: [])
        number = ask(node, uid)
    copies = [copy.id for copy in world.catalog.copies.of_study(uid)]
    for copy in copies:
        world.catalog.copies.doubt(copy, "S0", "unreadable", world.clock.now())
    deliverer(node).deliver_one("a")
    assert "cannot be recalled" in record(node, number).message
    assert record(node, number).state is DeliveryState.QUEUED
    node.archive.cancel_delivery(number, by="anna")


def test_a_delivery_that_is_taken_back_stops(
    start: Started, receiver: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.dimse.deliver.TELL_EVERY_S", 0.0)
    destination = receiver()
    node = start(peers=peers(destination))
    node.receive(*small_study(4))
    number = ask(node)
    destination.on_store = lambda: node.archive.cancel_delivery(number, by="anna") if not destination.objects else None
    deliverer(node).deliver_one("a")
    assert record(node, number).state is DeliveryState.CANCELLED
    assert len(destination.objects) == 1


def test_threads_send_by_themselves_and_a_stop_leaves_the_rest_to_the_next(start: Started, receiver: Receivers) -> None:
    destination = receiver()
    node = start(peers=peers(destination))
    node.receive(*small_study(4))
    number = ask(node)
    sender = deliverer(node, workers=2)
    stopper = threading.Thread(target=sender.stop)
    first = threading.Event()

    def stop_once() -> None:
        if not first.is_set():
            stopper.start()
            first.set()
            sender._stopping.wait(10)

    destination.on_store = stop_once
    sender.start()
    assert first.wait(30)
    stopper.join()
    left = record(node, number)
    assert (left.state, left.sent, left.message) == (DeliveryState.QUEUED, 1, "interrupted")
    after = deliverer(node, workers=1)
    after.start()
    while record(node, number).state is not DeliveryState.DONE:
        threading.Event().wait(0.02)
    after.stop()
    assert len(destination.objects) == 4


def test_a_catalog_that_is_away_is_waited_for(start: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    node = start()
    asked = threading.Event()

    def away(now: object) -> int:
        asked.set()
        raise CatalogUnavailable("restarting")

    monkeypatch.setattr(node.archive.catalog.deliveries, "expire", away)
    sender = deliverer(node, workers=1)
    sender.start()
    assert asked.wait(30)
    sender.stop()
