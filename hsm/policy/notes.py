"""A rule together with the comments inside it, so that a rule that is written anew keeps them."""

from dataclasses import dataclass

from lark import Tree

from hsm.policy.model import Rule
from hsm.policy.parse import parse
from hsm.policy.text import clauses_of, quoted
from hsm.policy.tokens import GRAMMAR, comments

_INDENT = "    "
_WIDTH = 120


@dataclass(frozen=True)
class Noted:
    """A rule, and what is noted at it. A note of several lines has line ends in it."""

    rule: Rule
    title: str = ""  # behind its name
    clauses: tuple[str, ...] = ()  # at each clause, in their order: when, only, at most, actions


def read_rule(body: str) -> Noted:
    """One rule with its comments. Raises: PolicyInvalid; ValueError when the text is not one rule."""
    policy = parse(body)
    if len(policy.rules) != 1:
        raise ValueError(f"{len(policy.rules)} rules where one was to be read")
    tree = GRAMMAR.parse(body).children[0]
    clauses = [child for child in tree.children if isinstance(child, Tree)] if isinstance(tree, Tree) else []
    places = [(clause.meta.start_pos, clause.meta.end_pos) for clause in clauses]
    title: list[str] = []
    notes: list[list[str]] = [[] for _ in places]
    for offset, comment in comments(body):
        at = _belongs_to(body, offset, places)
        (title if at < 0 else notes[at]).append(comment.removeprefix("#").strip())
    return Noted(policy.rules[0], " ".join(title), tuple("\n".join(lines) for lines in notes))


def _belongs_to(body: str, offset: int, places: list[tuple[int, int]]) -> int:
    """The clause a comment stands at: the one on its line, or inside which it is; else the one below. -1: the title."""
    line_begin = body.rfind("\n", 0, offset) + 1
    alone = not body[line_begin:offset].strip()
    for index, (begin, end) in enumerate(places):
        if begin < offset < end or (alone and begin > offset):
            return index
    return max((index for index, (begin, _) in enumerate(places) if begin < offset), default=-1)


def rule_text(noted: Noted) -> str:
    """A rule with its notes: behind the clause where there is room, else above it."""
    title = f"rule {quoted(noted.rule.name)}:"
    lines = [f"{title}  # {noted.title}" if noted.title else title]
    clauses = clauses_of(noted.rule)
    for clause, note in zip(clauses, (*noted.clauses, *[""] * len(clauses)), strict=False):
        behind = f"{_INDENT}{clause}  # {note}"
        if not note:
            lines.append(_INDENT + clause)
        elif "\n" not in note and len(behind) <= _WIDTH:
            lines.append(behind)
        else:
            lines += [f"{_INDENT}# {line}".rstrip() for line in note.split("\n")]
            lines.append(_INDENT + clause)
    return "\n".join(lines) + "\n"
