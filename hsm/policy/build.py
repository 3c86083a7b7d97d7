"""From the tree of a text to rules; what is well formed and still makes no sense is a fault."""

import re
from datetime import time

from lark import Token, Tree

from hsm.policy.faults import Fault, nearest_word
from hsm.policy.model import (
    DEFAULT_COPIES,
    DEFAULT_KINDS,
    Action,
    All,
    Any,
    AvailabilityCondition,
    BetweenTimes,
    Codec,
    Comparison,
    Compress,
    Condition,
    Copy,
    Duration,
    InstancesCondition,
    Keep,
    Limit,
    NeverAccessed,
    Not,
    OnDays,
    OnlineCondition,
    Period,
    Pin,
    Prefetch,
    Release,
    Rule,
    Same,
    Schedule,
    SizeCondition,
    TextCondition,
    TextField,
    TextTest,
    TimeCondition,
    TimeSubject,
    Unit,
    Verify,
    Weekday,
)
from hsm.policy.words import SIZE_UNITS, count_words
from hsm.states import Availability

LARGEST_NUMBER = 10**12
MOST_KINDS = 2  # tape and disc

_WEEK = tuple(Weekday)
_DAYS = {"WEEKDAYS": _WEEK[:5], "WEEKENDS": _WEEK[5:], **{day.name: (day,) for day in _WEEK}}
_SIZES = {unit.upper(): factor for unit, factor in SIZE_UNITS.items()}
_TEXT_TESTS = {
    "text_is": TextTest.IS,
    "text_is_not": TextTest.IS,
    "text_contains": TextTest.CONTAINS,
    "text_matches": TextTest.MATCHES,
}
_TIME_SUBJECTS = {
    "study_age": TimeSubject.STUDY_AGE,
    "patient_age": TimeSubject.PATIENT_AGE,
    "patient_age_at_study": TimeSubject.PATIENT_AGE_AT_STUDY,
    "received": TimeSubject.RECEIVED,
    "accessed": TimeSubject.ACCESSED,
}
_SAME = {
    "same_modality": Same.MODALITY,
    "same_body_part": Same.BODY_PART,
    "same_either": Same.EITHER,
    "same_both": Same.BOTH,
}
_SPANS = {"idle": TimeSubject.IDLE, "stable": TimeSubject.STABLE}

Node = Tree[Token]


def build(tree: Node) -> tuple[tuple[Rule, ...], list[Fault]]:
    """The rules of a tree and what is wrong with them. With faults the rules are not to be used."""
    builder = _Builder()
    return tuple(builder.rule(child) for child in _trees(tree)), builder.faults


def _trees(tree: Node) -> list[Node]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _tokens(tree: Node) -> list[Token]:
    return [child for child in tree.children if isinstance(child, Token)]


class _Builder:
    """One method per kind of thing in the grammar; faults are collected on the way."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._lines: dict[str, int] = {}  # where each rule name stands

    def _fault(self, token: Token, message: str, advice: str, nearest: str | None = None) -> None:
        self.faults.append(Fault(token.line or 1, token.column or 1, message, nearest, advice))

    def rule(self, tree: Node) -> Rule:
        title = _tokens(tree)[0]
        name = self._title(title)
        clauses = _trees(tree)
        conditions = [self.condition(_trees(clause)[0]) for clause in clauses if clause.data == "when"]
        schedules = [self.schedule(clause) for clause in clauses if clause.data.startswith("only_")]
        limits = [self.limit(clause) for clause in clauses if clause.data.startswith("limit_")]
        actions = [self.action(clause) for clause in clauses if clause.data in _ACTIONS]
        self._check_together(title, actions)
        condition = conditions[0] if conditions else None
        return Rule(name, condition, tuple(schedules), tuple(limits), tuple(actions), title.line or 0)

    def _title(self, token: Token) -> str:
        name = self.name(token)
        if not name.strip():
            self._fault(token, "the rule has an empty name", "Give it a name that tells what it is for")
        elif name in self._lines:
            message = f'the name "{name}" is used already in line {self._lines[name]}'
            self._fault(token, message, "Give each rule a name of its own: reasons are told by it")
        self._lines.setdefault(name, token.line or 1)
        return name

    def _check_together(self, title: Token, actions: list[Action]) -> None:
        for kind, word in _ONCE:
            if sum(isinstance(action, kind) for action in actions) > 1:
                self._fault(title, f'the rule says "{word}" more than once', "Leave one of them")
        if any(isinstance(a, Keep) for a in actions) and any(isinstance(a, Release) for a in actions):
            self._fault(title, "the rule both keeps and releases", "Make two rules; the first that matches decides")

    def schedule(self, tree: Node) -> Schedule:
        if tree.data == "only_between":
            begin, end = _tokens(tree)
            return BetweenTimes(self.clock(begin), self.clock(end))
        wanted = {day for child in _trees(tree) for day in _DAYS[_tokens(child)[0].type]}
        return OnDays(tuple(day for day in _WEEK if day in wanted))

    def clock(self, token: Token) -> time:
        hour, minute = (int(part) for part in token.split(":"))
        try:
            return time(hour, minute)
        except ValueError:
            self._fault(token, f"{token} is no time of day", "Write a time between 00:00 and 23:59")
            return time()

    def limit(self, tree: Node) -> Limit:
        *_, period = _trees(tree)
        over = Period.TICK if period.data == "per_tick" else Period.DAY
        if tree.data == "limit_studies":
            return Limit(self.number(_tokens(tree)[0], least=1), None, over)
        return Limit(None, self.size(_trees(tree)[0], least=1), over)

    def action(self, tree: Node) -> Action:
        match tree.data:
            case "copy":
                return Copy(self.pools(tree))
            case "keep":
                return Keep()
            case "pin":
                return Pin(self.duration(_trees(tree)[0]))
            case "verify":
                return Verify(self.duration(_trees(tree)[0], least=1))
            case "prefetch":
                return self.prefetch(tree)
            case "compress":
                return Compress(self.codec(tree))
            case _:
                return self.release(tree)

    def prefetch(self, tree: Node) -> Prefetch:
        parts = {str(part.data): part for part in _trees(tree)}
        same = next((same for name, same in _SAME.items() if name in parts), Same.ANYTHING)
        return Prefetch(self.number(_tokens(tree)[0], least=1), same, self.duration(parts["duration"], least=1))

    def codec(self, tree: Node) -> Codec:
        names = [_tokens(child)[0] for child in _trees(tree)]
        if not names:
            return Codec.JPEG_LS
        known = {codec.value.upper(): codec for codec in Codec}
        name = self.name(names[0])
        if name.upper() not in known:
            words = list(known)
            nearest = nearest_word(name, words)
            advice = f'Did you mean "{nearest}"?' if nearest else f"Write {', '.join(words)}"
            self._fault(names[0], f'"{name}" is no way to compress without loss', advice, nearest)
            return Codec.JPEG_LS
        return known[name.upper()]

    def pools(self, tree: Node) -> tuple[str, ...]:
        names: list[str] = []
        for child in _trees(tree):
            token = _tokens(child)[0]
            name = self.name(token)
            if name in names:
                self._fault(token, f'the pool "{name}" is named twice', "One copy is made in each pool; name it once")
            names.append(name)
        return tuple(names)

    def release(self, tree: Node) -> Release:
        copies, kinds, needed, said = DEFAULT_COPIES, DEFAULT_KINDS, False, set[str]()
        for part in _trees(tree):
            tokens = _tokens(part)
            if part.data in said:
                word = '"after"' if part.data == "after_copies" else '"when space is needed"'
                self._fault(tokens[0], f"the release says {word} twice", "Leave one of them")
            said.add(part.data)
            if part.data == "when_needed":
                needed = True
                continue
            copies = self.number(tokens[0], least=1)
            if len(tokens) > 1:
                kinds = self.number(tokens[1], least=1)
                if kinds > MOST_KINDS:
                    self._fault(tokens[1], f"there are no {kinds} kinds of media", "Tape and disc are two kinds")
                elif kinds > copies:
                    advice = f"Ask for at least {kinds} verified copies"
                    self._fault(
                        tokens[1],
                        f"{count_words(copies, 'copy', 'copies')} cannot be on {kinds} kinds of media",
                        advice,
                    )
        return Release(copies, kinds, needed)

    def condition(self, tree: Node) -> Condition:
        match tree.data:
            case "all_of":
                return All(tuple(self.condition(part) for part in _trees(tree)))
            case "any_of":
                return Any(tuple(self.condition(part) for part in _trees(tree)))
            case "negation":
                return Not(self.condition(_trees(tree)[0]))
            case _:
                return self.fact(tree)

    def fact(self, tree: Node) -> Condition:
        kind, parts = str(tree.data), _trees(tree)
        if kind in _TEXT_TESTS:
            values = tuple(self.name(_tokens(part)[0]) for part in parts[1:])
            text = TextCondition(TextField(parts[0].data.replace("_", " ")), _TEXT_TESTS[kind], values)
            return Not(text) if kind == "text_is_not" else text
        if kind in _TIME_SUBJECTS:
            return TimeCondition(_TIME_SUBJECTS[kind], _comparison(parts[0]), self.duration(parts[1]))
        if kind in _SPANS:
            return TimeCondition(_SPANS[kind], Comparison.AT_LEAST, self.duration(parts[0]))
        if kind == "study_size":
            return SizeCondition(_comparison(parts[0]), self.size(parts[1]))
        if kind == "instances":
            return InstancesCondition(_comparison(parts[0]), self.number(_tokens(tree)[0]))
        if kind == "availability_is":
            names = _tokens(parts[0])  # none: the word "online", which belongs to the language
            return AvailabilityCondition(self.availability(names[0]) if names else Availability.ONLINE)
        return NeverAccessed() if kind == "never_accessed" else OnlineCondition()

    def availability(self, token: Token) -> Availability:
        try:
            return Availability(token.upper())
        except ValueError:
            words = [word.value for word in Availability]
            nearest = nearest_word(token, words)
            advice = f'Did you mean "{nearest}"?' if nearest else f"Write one of {', '.join(words)}"
            self._fault(token, f'"{token}" is no availability', advice, nearest)
            return Availability.ONLINE

    def duration(self, tree: Node, least: int = 0) -> Duration:
        amount, (unit,) = self.number(_tokens(tree)[0], least), _tokens(_trees(tree)[0])
        return Duration(amount, Unit(unit.type.lower()))

    def size(self, tree: Node, least: int = 0) -> int:
        amount, (unit,) = self.number(_tokens(tree)[0], least), _tokens(_trees(tree)[0])
        return amount * _SIZES[unit.type]

    def number(self, token: Token, least: int = 0) -> int:
        if len(token) > len(str(LARGEST_NUMBER)) or int(token) > LARGEST_NUMBER:
            self._fault(token, "the number is too large", f"Write at most {LARGEST_NUMBER}, or a larger unit")
            return LARGEST_NUMBER
        if int(token) < least:
            self._fault(token, f"{int(token)} is too small here", f"Write at least {least}")
            return least
        return int(token)

    def name(self, token: Token) -> str:
        if token.type != "TEXT":
            return str(token)
        return re.sub(r"\\(.)", r"\1", token[1:-1])


_ONCE: tuple[tuple[type[Action], str], ...] = (
    (Release, "release"),
    (Pin, "pin"),
    (Verify, "verify"),
    (Keep, "keep online"),
    (Compress, "compress"),
    (Prefetch, "prefetch"),
)
_ACTIONS = frozenset({"copy", "keep", "release", "pin", "verify", "compress", "prefetch"})


def _comparison(tree: Node) -> Comparison:
    return Comparison(str(tree.data).replace("_", " "))
