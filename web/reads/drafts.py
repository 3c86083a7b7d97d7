"""What a page says of a text of rules that is being written."""

from dataclasses import dataclass

from hsm.catalog.errors import NotCatalogued
from hsm.catalog.records import DraftRecord, PolicyVersion
from hsm.policy import Policy, PolicyInvalid, parse
from hsm.policy.changes import LineChange, RuleChange, line_changes, rule_changes
from hsm.policy.faults import Finding
from hsm.policy.form import RuleForm, form_of
from hsm.policy.notes import read_rule
from hsm.policy.pieces import Piece, Pieces, comment_of, split
from hsm.publishing import judge
from web.services import Services

NO_RULE = 'A text of rules begins with a line like: rule "a name of its own":'


@dataclass(frozen=True)
class RuleShown:
    """One rule of a draft."""

    piece: Piece
    name: str  # "" when it cannot be read
    findings: tuple[Finding, ...]  # about this rule, lines counted in the whole text

    @property
    def readable(self) -> bool:
        """Whether a form can show it."""
        return bool(self.name)


@dataclass(frozen=True)
class DraftShown:
    """A draft, rule by rule, with everything that is to be said about it."""

    pieces: Pieces
    rules: tuple[RuleShown, ...]
    findings: tuple[Finding, ...]  # about none of its rules
    valid: bool


@dataclass(frozen=True)
class Difference:
    """What differs between two texts of rules."""

    lines: tuple[LineChange, ...]
    rules: tuple[RuleChange, ...]


def shown(house: Services, text: str) -> DraftShown:
    """A draft as its page shows it. Pure apart from the pools that are configured."""
    judged = judge(text, house.volume_pools, "draft")
    pieces = split(text)
    rules, rest = [], list(judged.findings)
    for number, piece in enumerate(pieces.rules):
        end = pieces.rules[number + 1].line if number + 1 < len(pieces.rules) else None
        mine = [f for f in rest if _about(f, piece.line, end)]
        rest = [f for f in rest if f not in mine]
        rules.append(RuleShown(piece, _name(piece), tuple(mine)))
    return DraftShown(pieces, tuple(rules), tuple(rest), judged.valid)


def _about(finding: Finding, line: int, end: int | None) -> bool:
    whole = not finding.is_fault and finding.line == 1 and 'rule "' not in finding.message  # said of all rules together
    return not whole and line <= finding.line and (end is None or finding.line < end)


def _name(piece: Piece) -> str:
    try:
        return read_rule(piece.body).rule.name
    except (PolicyInvalid, ValueError):
        return ""


def form_at(pieces: Pieces, number: int) -> RuleForm | None:
    """The form of one rule of a draft; None when there is no such rule, or a form cannot show it."""
    if not 0 <= number < len(pieces.rules):
        return None
    piece = pieces.rules[number]
    try:
        return form_of(read_rule(piece.body), comment_of(piece.lead))
    except (PolicyInvalid, ValueError):
        return None


def names_besides(pieces: Pieces, number: int) -> list[str]:
    """The names of the other rules."""
    return [_name(piece) for at, piece in enumerate(pieces.rules) if at != number]


def difference(old: str, new: str) -> Difference:
    """What differs between two texts; of one that cannot be read only lines are compared. Pure."""
    return Difference(tuple(line_changes(old, new)), tuple(rule_changes(readable(old), readable(new))))


def readable(text: str) -> Policy | None:
    """The rules of a text, None when it cannot be read."""
    try:
        return parse(text)
    except PolicyInvalid:
        return None


def version_of(house: Services, number: int) -> PolicyVersion | None:
    """One version of the rules."""
    try:
        return house.catalog.policies.get(number)
    except NotCatalogued:
        return None


def others(house: Services, account: str) -> list[DraftRecord]:
    """The drafts of everybody else."""
    return [draft for draft in house.catalog.drafts.list() if draft.account != account]
