"""Peers that want to know are told of every change of availability, across failures and restarts."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from appliance.dimse.announcer import LEASE, Announcer
from appliance.dimse.announcing import AVAILABILITY
from appliance.dimse.services import VERIFICATION
from appliance.dimse.settings import DimseSettings, Peer
from drivers.base import Barcode
from hsm.catalog.announcements import GIVE_UP_AFTER, KEPT, STABLE
from hsm.states import Availability, Place
from tests.support.studies import small_ct
from tests.support.world import TAPES_ONLY, World


class Ris:
    """A node that takes notifications, or refuses them."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Dataset]] = []
        self.status = 0x0000
        self.told = threading.Event()
        ae = AE("RIS")
        ae.add_supported_context(AVAILABILITY)
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, self._hear)])
        assert server is not None
        self.server = server
        self.port = self.server.server_address[1]

    def _hear(self, event: Any) -> tuple[int, Dataset | None]:
        if self.status == 0:
            self.heard.append((str(event.request.AffectedSOPInstanceUID), event.attribute_list))
            self.told.set()
        return self.status, None

    def availabilities(self) -> list[set[str]]:
        """Of each notification: what it says of its instances."""
        return [
            {
                item.InstanceAvailability
                for series in said.ReferencedSeriesSequence
                for item in series.ReferencedSOPSequence
            }
            for _, said in self.heard
        ]


@pytest.fixture
def ris() -> Iterator[Ris]:
    made = Ris()
    yield made
    made.server.shutdown()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, TAPES_ONLY)
    yield made
    made.close()


def announcer(world: World, ris: Ris) -> Announcer:
    peers = {"RIS": Peer("127.0.0.1", ris.port, announce=True), "DEAF": Peer("127.0.0.1", ris.port)}
    return Announcer(world.archive, DimseSettings(ae_title="FIRN", peers=peers))


def test_every_change_is_told_once_and_an_offline_study_names_its_volume(world: World, ris: Ris) -> None:
    old = world.receive(small_ct("old"))
    ours = announcer(world, ris)
    world.later(120)
    assert ours.look() == 0, "what was before the first look is told to nobody"
    uid = world.receive(small_ct("new"))
    assert ours.look() == 0, "more may follow"
    world.later(STABLE.total_seconds() + 1)
    assert ours.look() == 1 and ours.look() == 0
    world.settle(rounds=8)
    assert world.availability(uid) is Availability.NEARLINE
    world.later(10)
    assert ours.look() == 2
    told = [str(said.StudyInstanceUID) for _, said in ris.heard]
    assert told[0] == uid and set(told[1:]) == {uid, old}
    assert ris.availabilities() == [{"ONLINE"}, {"NEARLINE"}, {"NEARLINE"}]
    for copy in world.copies(uid):
        assert copy.barcode is not None
        world.catalog.volumes.move(Barcode(copy.barcode), Place.SHELF, "room 3", world.clock.now())
    world.later(10)
    assert ours.look() == 2
    said = next(said for _, said in ris.heard[3:] if said.StudyInstanceUID == uid)
    item = said.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (item.InstanceAvailability, item.RetrieveAETitle) == ("OFFLINE", "FIRN")
    assert item.StorageMediaFileSetID in world.verified_volumes(uid) and item.StorageMediaFileSetUID
    assert len({sop for sop, _ in ris.heard}) == 5
    assert {one.state for one in world.catalog.announcements.list()} == {"told"}
    assert world.catalog.announcements.prune(world.clock.now() + KEPT + timedelta(days=1)) == 5


def test_a_peer_that_is_away_is_told_later_and_only_what_is_true_then(world: World, ris: Ris) -> None:
    ours = announcer(world, ris)
    ours.look()
    uid = world.receive(small_ct("later"))
    world.later(STABLE.total_seconds() + 1)
    ris.status = 0x0110
    assert ours.look() == 0
    (waits,) = world.catalog.announcements.list(pending_only=True)
    assert waits.tries == 1 and "0110" in waits.message
    world.settle(rounds=8)
    world.later(10)
    ris.status = 0
    restarted = announcer(world, ris)
    assert restarted.look() == 1, "the old news is not told any more"
    assert ris.availabilities() == [{"NEARLINE"}]
    nobody = Announcer(world.archive, DimseSettings(peers={"RIS": Peer("127.0.0.1", 1, announce=True)}))
    world.recall(uid)
    world.later(10)
    assert nobody.look() == 0
    (waits,) = world.catalog.announcements.list(pending_only=True)
    assert "cannot be reached" in waits.message
    gone = Announcer(world.archive, DimseSettings())
    world.later(GIVE_UP_AFTER.total_seconds())
    assert gone.look() == 0
    assert world.catalog.announcements.list(pending_only=True) == []
    assert [event.subject for event in world.catalog.events.list(name="availability_not_told")] == [uid]


def test_a_node_that_takes_no_notifications_is_named_and_a_thread_does_it_all(world: World, ris: Ris) -> None:
    ours = announcer(world, ris)
    ours.look()
    world.receive(small_ct("deaf"))
    world.later(STABLE.total_seconds() + 1)
    ae = AE("DEAF")
    ae.add_supported_context(VERIFICATION)
    deaf = ae.start_server(("127.0.0.1", 0), block=False)
    assert deaf is not None
    try:
        port = deaf.server_address[1]
        other = Announcer(world.archive, DimseSettings(peers={"RIS": Peer("127.0.0.1", port, announce=True)}))
        assert other.look() == 0
    finally:
        deaf.shutdown()
    (waits,) = world.catalog.announcements.list(pending_only=True)
    assert "takes no notifications" in waits.message
    world.later(60)
    quick = replace(ours._settings, report_poll_s=0.01)
    thread = Announcer(world.archive, quick)
    thread.start()
    assert ris.told.wait(20)
    thread.stop()
    assert len(ris.heard) == 1 and world.catalog.leases.holder(LEASE, world.clock.now()) is None


def test_an_answer_that_was_lost_is_no_reason_to_tell_again(world: World, ris: Ris) -> None:
    ours = announcer(world, ris)
    ours.look()
    world.receive(small_ct("lost"))
    world.later(STABLE.total_seconds() + 1)
    ris.status = 0x0111  # duplicate SOP instance: it has it of the try before
    assert ours.look() == 1
    assert replace(world.catalog.announcements.list()[0], id=0).state == "told"
