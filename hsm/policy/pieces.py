"""A text of rules in pieces: each rule with its comments, so that only what was changed is written anew.

What stands directly above a rule belongs to it and moves with it; what stands above the first rule and a blank line
belongs to the text as a whole.
"""

from dataclasses import dataclass, replace

from hsm.policy.tokens import lex


@dataclass(frozen=True)
class Piece:
    """One rule as it was written."""

    lead: str  # blank lines and comments above it
    body: str  # from the word "rule" to the end of its last line
    line: int = 0  # of the text, where the body begins


@dataclass(frozen=True)
class Pieces:
    """A whole text: what stands above its rules, the rules, and what stands below them."""

    head: str
    rules: tuple[Piece, ...]
    tail: str

    def text(self) -> str:
        """The text again; exactly the one that was taken apart, if nothing was changed."""
        return self.head + "".join(piece.lead + piece.body for piece in self.rules) + self.tail

    def put(self, at: int, *pieces: Piece, instead: int = 0) -> "Pieces":
        """With pieces put in at a place, in the place of `instead` others; each on lines of its own."""
        rules = [*self.rules[:at], *pieces, *self.rules[at + instead :]]
        return replace(self, rules=tuple(_apart(rules, self.head)), tail=self.tail)

    def moved(self, at: int, to: int) -> "Pieces":
        """With one piece at another place."""
        rules = list(self.rules)
        rules.insert(to, rules.pop(at))
        return replace(self, rules=tuple(_apart(rules, self.head)))


def split(text: str) -> Pieces:
    """Take a text apart, also one that cannot be read yet: a piece begins at every word "rule"."""
    tokens = lex(text)
    starts = [index for index, token in enumerate(tokens) if token.type == "RULE"]
    if not starts:
        return Pieces(text, (), "")
    offsets = [tokens[index].start_pos or 0 for index in starts]
    last_words = [*(tokens[index - 1].end_pos or 0 for index in starts[1:]), tokens[-1].end_pos or 0]
    limits = [*offsets[1:], len(text)]
    ends = [_end_of_line(text, word, limit) for word, limit in zip(last_words, limits, strict=True)]
    head = _without_own_comments(text[: offsets[0]])
    begin = len(head)
    pieces = []
    for offset, end in zip(offsets, ends, strict=True):
        pieces.append(Piece(text[begin:offset], text[offset:end], text.count("\n", 0, offset) + 1))
        begin = end
    return Pieces(head, tuple(pieces), text[begin:])


def _end_of_line(text: str, after: int, limit: int) -> int:
    """Behind the end of the line, where that comes before the limit; else the limit."""
    end = text.find("\n", after, limit)
    return limit if end < 0 else end + 1


def _without_own_comments(text: str) -> str:
    """What stands above the first rule, without the comments that touch it."""
    lines = text.split("\n")
    own = len(lines) - 1  # the last one is the line on which the rule begins
    while own and lines[own - 1].lstrip().startswith("#"):
        own -= 1
    return "\n".join(lines[:own]) + "\n" if own else ""


def _apart(pieces: list[Piece], head: str) -> list[Piece]:
    """Each rule on lines of its own, and a blank line between two of them."""
    apart = []
    above = head
    for piece in pieces:
        lead = piece.lead
        if not above or above.endswith("\n\n"):
            lead = lead.lstrip("\n")
        elif not lead.startswith("\n"):
            lead = "\n" + lead
        body = piece.body if piece.body.endswith("\n") else piece.body + "\n"
        apart.append(replace(piece, lead=lead, body=body))
        above = body
    return apart


def comment_of(lead: str) -> str:
    """The comments above a rule, a line each, as they are read."""
    return "\n".join(line.strip().removeprefix("#").strip() for line in lead.strip().split("\n"))


def lead_of(comment: str, before: str = "") -> str:
    """Comments as they are written above a rule; `before`: what stands there now, and stays when it says the same."""
    if comment_of(before) == comment:
        return before
    blank = before[: len(before) - len(before.lstrip())]
    lines = comment.split("\n") if comment else []
    return blank[: blank.rfind("\n") + 1] + "".join(f"# {line}".rstrip() + "\n" for line in lines)
