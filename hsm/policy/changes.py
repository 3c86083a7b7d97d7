"""What differs between two texts of rules, line by line and rule by rule; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from hsm.policy.model import Policy
from hsm.policy.words import count_words

AROUND = 3  # unchanged lines that are shown beside a change


class Kind(StrEnum):
    """What happened to a line, or to a rule."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"  # of a rule: it says something else
    MOVED = "moved"  # of a rule: its order among the others is another
    SKIPPED = "skipped"  # of lines: unchanged ones that are left out


@dataclass(frozen=True)
class LineChange:
    """One line of a comparison."""

    kind: Kind
    text: str
    old: int | None = None  # its number in the old text
    new: int | None = None


@dataclass(frozen=True)
class RuleChange:
    """One rule that is not as it was."""

    kind: Kind
    name: str


def line_changes(old: str, new: str) -> list[LineChange]:
    """The lines that differ with a few around them, in order. Empty when none does."""
    before, after = old.split("\n"), new.split("\n")
    groups = list(SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(AROUND))
    found: list[LineChange] = []
    last = 0
    for group in groups:
        if group[0][1] > last:
            found.append(LineChange(Kind.SKIPPED, count_words(group[0][1] - last, "unchanged line")))
        for tag, old_begin, old_end, new_begin, new_end in group:
            if tag == "equal":
                found += [
                    LineChange(Kind.SAME, before[n], n + 1, n - old_begin + new_begin + 1)
                    for n in range(old_begin, old_end)
                ]
                continue
            found += [LineChange(Kind.REMOVED, before[n], n + 1, None) for n in range(old_begin, old_end)]
            found += [LineChange(Kind.ADDED, after[n], None, n + 1) for n in range(new_begin, new_end)]
        last = group[-1][2]
    return found


def rule_changes(old: Policy | None, new: Policy | None) -> list[RuleChange]:
    """The rules that came, went, say something else, or stand at another place; none when one cannot be read."""
    if old is None or new is None:
        return []
    before = {rule.name: rule for rule in old.rules}
    after = {rule.name: rule for rule in new.rules}
    return [*_of_new(list(before), list(after), before, after), *_gone(before, after)]


def _of_new(
    old_order: list[str], new_order: list[str], before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[RuleChange]:
    stayed = [name for name in old_order if name in after]
    again = [name for name in new_order if name in before]
    matcher = SequenceMatcher(None, stayed, again, autojunk=False)
    in_order = {name for block in matcher.get_matching_blocks() for name in stayed[block.a : block.a + block.size]}
    for name in new_order:
        if name not in before:
            yield RuleChange(Kind.ADDED, name)
        elif before[name] != after[name]:
            yield RuleChange(Kind.CHANGED, name)
        elif name not in in_order:
            yield RuleChange(Kind.MOVED, name)


def _gone(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[RuleChange]:
    return (RuleChange(Kind.REMOVED, name) for name in before if name not in after)
