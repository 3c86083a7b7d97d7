"""When safekeeping may be promised."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hsm.commitment.levels import Held, Level, Reason, Reference, decide, next_try_at, reached
from hsm.states import Place

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE = timedelta(days=30)
CT = "1.2.840.10008.5.1.4.1.1.2"

held_things = st.builds(
    Held,
    st.sampled_from([CT, "1.2"]),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["A1", "B1", "C1"]), st.sampled_from([Place.LIBRARY, Place.SHELF, Place.VAULT]), max_size=3
    ),
)


def test_the_levels() -> None:
    nothing = Held(CT, False)
    disk = Held(CT, True)
    one = Held(CT, False, {"A1": Place.LIBRARY})
    two = Held(CT, True, {"A1": Place.LIBRARY, "B1": Place.SHELF})
    away = Held(CT, False, {"A1": Place.LIBRARY, "B1": Place.VAULT})
    for level, good in (
        (Level.DISK, [disk, one, two, away]),
        (Level.TWO_COPIES, [two, away]),
        (Level.TWO_SITES, [away]),
    ):
        assert [each for each in (nothing, disk, one, two, away) if reached(each, level)] == good


@given(held_things)
def test_a_higher_level_promises_no_less(held: Held) -> None:
    if reached(held, Level.TWO_SITES):
        assert reached(held, Level.TWO_COPIES)
    if reached(held, Level.TWO_COPIES):
        assert reached(held, Level.DISK)


@given(
    st.dictionaries(st.sampled_from(["1.1", "1.2", "1.3"]), held_things, max_size=3),
    st.sampled_from(list(Level)),
    st.timedeltas(timedelta(0), timedelta(days=60)),
)
def test_every_object_has_exactly_one_fate_and_only_safe_ones_are_promised(
    held: dict[str, Held], level: Level, age: timedelta
) -> None:
    asked = [Reference(CT, uid) for uid in ("1.1", "1.2", "1.3")]
    verdict = decide(asked, held, level, NOW - age, NOW, PATIENCE)
    told = [each.reference for each in verdict.committed] + [each.reference for each in verdict.refused]
    assert len(set(told)) == len(told) == 3 - verdict.waiting
    for each in verdict.committed:
        found = held[each.reference.sop_instance_uid]
        assert reached(found, level) and found.sop_class_uid == each.reference.sop_class_uid
    for other in verdict.refused:
        found_or_not = held.get(other.reference.sop_instance_uid)
        assert (found_or_not is None) is (other.reason is Reason.NO_SUCH_OBJECT)
        if other.reason is Reason.RESOURCE_LIMITATION:
            assert age >= PATIENCE
    if age >= PATIENCE:
        assert verdict.final


def test_a_peer_that_does_not_answer_is_asked_less_and_less_often() -> None:
    waits = [(next_try_at(NOW, tries) - NOW).total_seconds() for tries in range(1, 40)]
    assert waits[:4] == [30, 60, 120, 240] and waits == sorted(waits) and waits[-1] == 3600
