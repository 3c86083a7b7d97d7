"""What is done with a medium that a person put into a drive: pure."""

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.base import Barcode, MediumKind
from hsm.catalog import Catalog
from hsm.facts import VolumeRecord
from hsm.library.by_hand import Asked, Verdict, judge_medium
from hsm.library.looking import Seen, SeenKind
from hsm.states import VolumeState
from tests.support.world import START

D1, D2 = Barcode("D00001"), Barcode("D00002")
BLANK = Seen(SeenKind.BLANK, "a blank disc")
FOREIGN = Seen(SeenKind.FOREIGN, "a foreign disc (X)")
SPOILT = Seen(SeenKind.UNREADABLE, "a disc that cannot be read")
OURS = Seen(SeenKind.LABELLED, "D00001", D1, "u1")


@pytest.fixture
def blank(tmp_path: Path) -> VolumeRecord:
    with Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}") as catalog:
        catalog.shelf.declare([D1], MediumKind.DISC, "desk", "drawer", START)
        return catalog.volumes.get(D1)


def judge(seen: Seen, volume: VolumeRecord | None = None, held: VolumeRecord | None = None, **asked: object) -> Verdict:
    return judge_medium(seen, MediumKind.DISC, volume, held, Asked(**asked))  # type: ignore[arg-type]


def test_our_label_is_believed_where_the_catalog_agrees(blank: VolumeRecord) -> None:
    burnt = replace(blank, uuid="u1", state=VolumeState.FULL, last_sequence=1)
    assert judge(OURS, burnt) == Verdict(D1)
    assert judge(OURS, burnt, volumes=(D2,)) == Verdict(D1), "whether it is wanted is another's question"
    duplicate = judge(OURS, replace(burnt, uuid="u2"))
    assert (duplicate.barcode, duplicate.give_back, duplicate.event) == (None, True, "wrong_medium")
    assert "one of the two is a duplicate" in duplicate.words


def test_what_the_catalog_does_not_know_is_sent_to_the_rebuild(blank: VolumeRecord) -> None:
    for known in (None, blank):
        verdict = judge(OURS, known)
        assert (verdict.barcode, verdict.give_back, verdict.event) == (None, True, "unknown_medium")
        assert "firn rebuild-catalog --volume D00001" in verdict.words
    tape = judge_medium(OURS, MediumKind.TAPE, blank, None, Asked())
    assert tape == Verdict(D1), "an interrupted labelling is completed"


def test_a_blank_medium_becomes_what_was_asked_for_and_keeps_that_name(blank: VolumeRecord) -> None:
    assert judge(BLANK, volumes=(D1,), blank=D1).barcode == D1
    assert judge(BLANK, None, blank) == Verdict(D1)
    assert judge(BLANK, None, replace(blank, state=VolumeState.LABELLED, uuid="u1")) == Verdict(D1)
    full = replace(blank, state=VolumeState.FULL, last_sequence=1)
    assert judge(BLANK, None, full).event == "blank_unasked"
    wrong = judge(BLANK, volumes=(D2,))
    assert (wrong.give_back, wrong.words) == (True, "asked for D00002, this is a blank disc")
    assert not judge(BLANK).give_back


def test_a_foreign_disc_stays_unless_its_recorder_is_needed() -> None:
    assert (judge(FOREIGN).give_back, judge(FOREIGN).event) == (False, "foreign_medium")
    assert judge(FOREIGN, volumes=(D1, D2)).words == "asked for D00001 or D00002, this is a foreign disc (X)"
    assert judge(FOREIGN, volumes=(D1,)).give_back
    assert judge(FOREIGN, volumes=(D1,), foreign=True) == Verdict(words="this is a foreign disc (X)")
    assert judge_medium(FOREIGN, MediumKind.TAPE, None, None, Asked()).give_back


def test_a_disc_that_cannot_be_read_is_the_one_whose_burn_was_interrupted() -> None:
    assert judge(SPOILT, volumes=(D1,), blank=D1, begun=True).spoilt == D1
    assert judge(SPOILT, volumes=(D1,), blank=D1).spoilt is None
    assert judge(SPOILT).give_back
    assert judge(Seen(SeenKind.NOT_READY, "still loading"), volumes=(D1,)) == Verdict()
