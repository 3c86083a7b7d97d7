"""What the check of a policy says."""

from drivers.base import MediumKind
from hsm.facts import VolumePool
from hsm.policy import check, parse
from tests.hsm.policy.worlds import POOLS

ALL = 'rule "c":\n copy to tape_a, tape_b, disc\n'
ROOM = 'rule "room":\n release when space is needed\n'


def findings(text: str, pools: dict[str, VolumePool] | None = None) -> list[str]:
    return [str(finding) for finding in check(parse(text), POOLS if pools is None else pools)]


def test_a_sound_policy_has_no_findings() -> None:
    assert findings(ALL + ROOM) == []


def test_an_unknown_pool_is_a_fault_with_the_nearest_name() -> None:
    result = check(parse('rule "x":\n keep online\n' + ALL.replace("disc", "disk, disc") + ROOM), POOLS)
    (fault,) = [finding for finding in result if finding.is_fault]
    assert result[0] is fault
    assert str(fault) == 'line 3: fault: rule "c" copies to "disk": no such pool. Did you mean "disc"?'


def test_without_a_like_name_all_pools_are_told() -> None:
    (fault,) = [f for f in check(parse(ALL + ROOM + 'rule "z":\n copy to zzz'), POOLS) if f.is_fault]
    assert fault.advice == "The pools are disc, tape_a, tape_b"
    assert [f.advice for f in check(parse(ALL), {}) if f.is_fault] == ["No pools are configured"] * 3


def test_a_pool_unknown_twice_is_named_once() -> None:
    assert len([f for f in check(parse('rule "a":\n copy to x\nrule "b":\n copy to x'), POOLS) if f.is_fault]) == 1


def test_a_release_after_one_copy_is_warned_of() -> None:
    text = ALL + 'rule "r":\n release after 1 verified copy'
    assert findings(text) == [
        (
            'line 3: warning: rule "r" releases after a single verified copy. '
            "If that volume is lost the study is; ask for 2 verified copies"
        )
    ]
    assert findings(ALL + 'rule "r":\n release after 2 verified copies') == []


def test_a_release_that_can_never_happen_is_warned_of() -> None:
    four = findings(ALL + 'rule "r":\n release after 4 verified copies')
    assert four == [
        (
            'line 3: warning: rule "r" asks for 4 verified copies and the rules make at most 3. '
            "It will never release anything; copy to more pools"
        )
    ]
    assert findings(ALL + 'rule "r":\n release after 3 verified copies') == []
    pools = {name: POOLS[name] for name in ("tape_a", "tape_b")}
    tapes = 'rule "c":\n copy to tape_a, tape_b\n'
    assert findings(tapes + 'rule "r":\n release after 2 verified copies on 2 kinds of media', pools) == [
        (
            'line 3: warning: rule "r" asks for 2 kinds of media and the rules copy to 1. '
            "It will never release anything; copy to the other kind"
        )
    ]
    assert findings(tapes + 'rule "r":\n release', pools) == []


def test_rules_that_are_never_reached_are_warned_of() -> None:
    result = findings(ALL + 'rule "k":\n keep online\n' + ROOM + 'rule "v":\n verify every 1 year')
    assert result == [
        (
            'line 5: warning: what rule "room" says about keeping or releasing is never reached. '
            'Rule "k" in line 3 decides for all: move it below, or give it a "when"'
        )
    ]
    assert findings(ALL + 'rule "k":\n when online\n keep online\n' + ROOM) == []
    assert findings(ALL + 'rule "k":\n only on sunday\n keep online\n' + ROOM) == []


def test_a_condition_said_twice_is_warned_of() -> None:
    twin = 'rule "k":\n when online\n keep online\nrule "r":\n when online\n release\n'
    assert findings(ALL + twin + ROOM) == [
        (
            'line 6: warning: rule "r" has the condition of rule "k" in line 3. '
            "Only the first of them decides about keeping and releasing"
        )
    ]
    apart = 'rule "k":\n when online\n only on sunday\n keep online\nrule "r":\n when online\n release\n'
    assert findings(ALL + apart + ROOM) == []
    copying = 'rule "k":\n when online\n verify every 1 year\nrule "r":\n when online\n release\n'
    assert findings(ALL + copying + ROOM) == []


def test_a_policy_that_copies_nothing_is_warned_of() -> None:
    assert findings('rule "r":\n keep online', {}) == [
        'line 1: warning: no rule copies anything. Add a rule with "copy to"',
        (
            "line 1: warning: no rule ever releases anything, so the disk fills up. "
            'Add a rule like "release when space is needed"'
        ),
    ]
    assert len(findings("", {})) == 2


def test_a_policy_with_one_copy_is_warned_of() -> None:
    pools = {"tape_a": POOLS["tape_a"]}
    one = 'rule "c":\n copy to tape_a\nrule "r":\n release after 1 verified copy'
    assert findings(one, pools)[0] == (
        "line 1: warning: every study has at most one copy. Copy to at least two pools: one volume can be lost"
    )


def test_copies_at_certain_hours_only_are_warned_of() -> None:
    night = 'rule "c":\n only between 20:00 and 06:00\n copy to tape_a, tape_b, disc\n'
    assert findings(night + ROOM) == [
        (
            "line 1: warning: copies are made at certain hours only. "
            "This is well if the volumes keep up; look at the oldest study not yet copied"
        )
    ]
    assert findings(night + 'rule "d":\n copy to disc\n' + ROOM) == []


def test_a_pool_nobody_copies_to_is_warned_of() -> None:
    pools = {**POOLS, "tape_z": VolumePool("tape_z", MediumKind.TAPE, "tape", ("Z*",))}
    assert findings(ALL + ROOM, pools) == [
        'line 1: warning: no rule copies to the pool "tape_z". Its volumes stay as they are'
    ]


def test_faults_come_first_and_then_the_order_of_the_text() -> None:
    text = 'rule "r":\n release after 1 verified copy\nrule "c":\n copy to tape_a, nowhere'
    result = check(parse(text), POOLS)
    assert [finding.is_fault for finding in result] == [True, False, False, False]
    assert [finding.line for finding in result] == [3, 1, 1, 1]
    assert all(finding.column == 1 for finding in result)


def test_compression_is_warned_of_where_discs_hold_it_and_where_nothing_is_copied() -> None:
    pressing = 'rule "smaller":\n compress losslessly\n'
    tapes = parse('rule "c":\n copy to tape_a, tape_b\n' + pressing)
    assert not [finding for finding in check(tapes, POOLS) if "compress" in finding.message]
    (disc,) = [f for f in check(parse(ALL + pressing), POOLS) if "compress" in f.message]
    assert "JPEG-LS" in disc.advice and not disc.is_fault
    (nothing,) = [f for f in check(parse(pressing), POOLS) if "compress" in f.message]
    assert "no rule copies" in nothing.message
