"""From a filled-in form to a rule; what is wrong is said for the field it is wrong in."""

import re
from collections.abc import Collection
from datetime import time

from hsm.policy.build import LARGEST_NUMBER, MOST_KINDS
from hsm.policy.faults import nearest_word
from hsm.policy.form import (
    COMPRESS,
    COPY,
    DAYS,
    KEEP,
    MORE_THAN,
    NEVER,
    PIN,
    PREFETCH,
    RELEASE,
    STUDIES,
    SUBJECTS,
    TESTS,
    VERIFY,
    ActionForm,
    FactForm,
    GroupForm,
    LimitForm,
    RuleForm,
    ScheduleForm,
    Shape,
)
from hsm.policy.model import (
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
from hsm.policy.notes import Noted
from hsm.policy.words import SIZE_UNITS, count_words
from hsm.states import Availability

_NAME = re.compile(r'\s*(?:"((?:[^"\\]|\\["\\])*)"|([^,"]*))\s*(,|$)')
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::00)?")
_WORDS = {
    KEEP: "keep online",
    RELEASE: "release",
    PIN: "pin",
    VERIFY: "verify",
    COMPRESS: "compress",
    PREFETCH: "prefetch",
}

Faults = dict[str, str]  # by the field's path: "when.0.value", "do.1.pools"


def read_form(
    form: RuleForm, pools: Collection[str] | None = None, taken: Collection[str] = ()
) -> tuple[Noted, Faults]:
    """The rule of a form with its notes, and what is wrong with it. With faults the rule is not to be used.

    `pools`: those there are, None: any. `taken`: the names of the other rules.
    """
    reader = _Reader(pools)
    if not form.name.strip():
        reader.faults["name"] = "Give the rule a name that tells what it is for."
    elif form.name in taken:
        reader.faults["name"] = "Another rule has this name already; reasons are told by it, so give it one of its own."
    elif _breaks(form.name):
        reader.faults["name"] = "A name has to stay on one line."
    condition = reader.group(form.when, "when", top=True) if form.when.parts else None
    schedules = tuple(reader.schedule(one, f"only.{n}") for n, one in enumerate(form.only))
    limits = tuple(reader.limit(one, f"limits.{n}") for n, one in enumerate(form.limits))
    actions = tuple(reader.action(one, f"do.{n}") for n, one in enumerate(form.do))
    reader.together(form.do)
    notes = [note.note for part in (form.only, form.limits, form.do) for note in part]
    if condition is not None:
        notes.insert(0, form.when_note)
    clauses = tuple(_lines(note) for note in notes)
    rule = Rule(form.name, condition, schedules, limits, actions)
    return Noted(rule, " ".join(form.title_note.split()), clauses), reader.faults


def comment_in(form: RuleForm) -> str:
    """What is to stand above the rule; with the note of a condition that was taken away."""
    kept = [form.comment, "" if form.when.parts else form.when_note]
    return "\n".join(_lines(part) for part in kept if part.strip())


def _lines(note: str) -> str:
    return "\n".join(line.strip() for line in note.strip().split("\n"))


def _breaks(text: str) -> bool:
    return bool(set(text) & set("\n\r\0"))


class _Reader:
    def __init__(self, pools: Collection[str] | None) -> None:
        self.faults: Faults = {}
        self._pools = pools

    def group(self, group: GroupForm, path: str, top: bool = False) -> Condition:
        if not group.parts:
            self.faults[path] = "This group is empty: add a condition to it, or remove it."
            return OnlineCondition()
        parts = tuple(
            self.group(part, f"{path}.{n}") if isinstance(part, GroupForm) else self.fact(part, f"{path}.{n}")
            for n, part in enumerate(group.parts)
        )
        whole = parts[0] if len(parts) == 1 else Any(parts) if group.joined == "any" else All(parts)
        return Not(whole) if group.negated and not top else whole

    def fact(self, fact: FactForm, path: str) -> Condition:
        made = self._fact(fact, path)
        return Not(made) if fact.negated else made

    def _fact(self, fact: FactForm, path: str) -> Condition:
        shape = SUBJECTS.get(fact.subject)
        if shape is None:
            self.faults[path] = "Choose what the condition looks at."
            return OnlineCondition()
        test = fact.test
        if TESTS[shape] and test not in TESTS[shape]:
            self.faults[f"{path}.test"] = f"Choose one of: {', '.join(TESTS[shape])}."
            test = TESTS[shape][0]
        if shape is Shape.TEXT:
            values = (
                self.names(fact.value, f"{path}.value", "Write what it is to be")
                if test == "is"
                else (self.one(fact.value, f"{path}.value"),)
            )
            return TextCondition(TextField(fact.subject), TextTest(test), values)
        if shape is Shape.SIZE:
            return SizeCondition(Comparison(test), self.size(fact.value, fact.unit, path, "value"))
        if shape is Shape.NUMBER:
            return InstancesCondition(Comparison(test), self.number(fact.value, f"{path}.value"))
        if shape is Shape.CHOICE:
            return AvailabilityCondition(self.availability(fact.value, f"{path}.value"))
        if shape is Shape.NOTHING:
            return NeverAccessed() if fact.subject == NEVER else OnlineCondition()
        duration = self.duration(fact.value, fact.unit, path, "value")
        comparison = Comparison.AT_LEAST
        if shape is Shape.AGO:
            comparison = Comparison.ABOVE if test == MORE_THAN else Comparison.BELOW
        elif shape is Shape.AGE:
            comparison = Comparison(test)
        return TimeCondition(TimeSubject(fact.subject), comparison, duration)

    def schedule(self, schedule: ScheduleForm, path: str) -> Schedule:
        if schedule.kind == DAYS:
            days = tuple(day for day in Weekday if day.value in schedule.days)
            if not days:
                self.faults[f"{path}.days"] = "Choose at least one day."
            return OnDays(days)
        return BetweenTimes(self.clock(schedule.begin, f"{path}.begin"), self.clock(schedule.end, f"{path}.end"))

    def limit(self, limit: LimitForm, path: str) -> Limit:
        period = Period.DAY if limit.period == Period.DAY else Period.TICK
        if limit.unit == STUDIES:
            return Limit(self.number(limit.amount, f"{path}.amount", 1), None, period)
        return Limit(None, self.size(limit.amount, limit.unit, path, "amount", 1), period)

    def action(self, action: ActionForm, path: str) -> Action:
        if action.kind == COPY:
            return Copy(self.copied_to(action.pools, f"{path}.pools"))
        if action.kind == KEEP:
            return Keep()
        if action.kind == PIN:
            return Pin(self.duration(action.amount, action.unit, path, "amount"))
        if action.kind == VERIFY:
            return Verify(self.duration(action.amount, action.unit, path, "amount", 1))
        if action.kind == PREFETCH:
            if action.same not in set(Same):
                self.faults[f"{path}.same"] = "Choose what has to be the same."
            same = Same(action.same) if action.same in set(Same) else Same.ANYTHING
            before = self.duration(action.amount, action.unit, path, "amount", 1)
            return Prefetch(self.number(action.last, f"{path}.last", 1), same, before)
        if action.kind == COMPRESS:
            return Compress(self.codec(action.codec, f"{path}.codec"))
        if action.kind != RELEASE:
            self.faults[path] = "Choose what the rule does."
        copies = self.number(action.copies, f"{path}.copies", 1)
        kinds = self.number(action.kinds, f"{path}.kinds", 1)
        if kinds > MOST_KINDS:
            self.faults[f"{path}.kinds"] = f"There are no {kinds} kinds of media: tape and disc are two."
        elif kinds > copies:
            copy = count_words(copies, "copy", "copies")
            self.faults[f"{path}.kinds"] = (
                f"{copy} cannot be on {kinds} kinds of media: ask for {kinds} verified copies."
            )
        return Release(copies, kinds, action.when_needed)

    def codec(self, name: str, path: str) -> Codec:
        for codec in Codec:
            if name.strip().upper() in ("", codec.value):
                return codec
        self.faults[path] = f"Choose one of {', '.join(Codec)}."
        return Codec.JPEG_LS

    def together(self, actions: tuple[ActionForm, ...]) -> None:
        kinds = [action.kind for action in actions]
        if not kinds:
            self.faults["do"] = "The rule says nothing to do: add an action."
        for kind, word in _WORDS.items():
            if kinds.count(kind) > 1:
                self.faults["do"] = f'The rule says "{word}" more than once: leave one of them.'
        if KEEP in kinds and RELEASE in kinds:
            self.faults["do"] = "The rule both keeps and releases: make two rules; the first that matches decides."

    def copied_to(self, text: str, path: str) -> tuple[str, ...]:
        names = self.names(text, path, "Write the pools to copy to")
        twice = next((name for n, name in enumerate(names) if name in names[:n]), None)
        if twice is not None:
            self.faults[path] = f'"{twice}" is named twice: one copy is made in each pool.'
        unknown = next((name for name in names if self._pools is not None and name not in self._pools), None)
        if unknown is not None and self._pools is not None and path not in self.faults:
            nearest = nearest_word(unknown, self._pools)
            known = ", ".join(sorted(self._pools)) or "none configured"
            self.faults[path] = f'There is no pool "{unknown}". ' + (
                f'Did you mean "{nearest}"?' if nearest else f"The pools are: {known}."
            )
        return names

    def names(self, text: str, path: str, ask: str) -> tuple[str, ...]:
        """Names with commas between them; one that has a comma in it stands in quotes."""
        names, offset = [], 0
        while True:
            match = _NAME.match(text, offset)
            if match is None or _breaks(text):
                self.faults[path] = (
                    'Write names with commas between them; one with a comma or " in it in quotes: "a, b".'
                )
                return ()
            quoted, plain, comma = match.groups()
            if quoted is None and not plain.strip():
                self.faults[path] = f"{ask}; several with commas between them."
                return ()
            names.append(plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
            offset = match.end()
            if not comma:
                return tuple(names)

    def one(self, text: str, path: str) -> str:
        """One text; in quotes when it begins or ends with a blank."""
        stripped = text.strip()
        if not stripped:
            self.faults[path] = "Write what it is to be."
        elif _breaks(text):
            self.faults[path] = "A text has to stay on one line."
        if stripped.startswith('"'):
            return next(iter(self.names(stripped, path, "Write what it is to be")), "")
        return stripped

    def number(self, text: str, path: str, least: int = 0) -> int:
        digits = text.strip()
        if not re.fullmatch(r"[0-9]+", digits):
            instead = " Take a smaller unit for a part of one." if re.fullmatch(r"[0-9]+[.,][0-9]+", digits) else ""
            self.faults[path] = f"Write a whole number.{instead}"
            return least
        if len(digits) > len(str(LARGEST_NUMBER)) or int(digits) > LARGEST_NUMBER:
            self.faults[path] = f"Write at most {LARGEST_NUMBER}, or take a larger unit."
            return least
        if int(digits) < least:
            self.faults[path] = f"Write at least {least}."
            return least
        return int(digits)

    def duration(self, amount: str, unit: str, path: str, name: str, least: int = 0) -> Duration:
        number = self.number(amount, f"{path}.{name}", least)
        if unit not in set(Unit):
            self.faults[f"{path}.unit"] = "Choose a unit of time."
            return Duration(number, Unit.DAY)
        return Duration(number, Unit(unit))

    def size(self, amount: str, unit: str, path: str, name: str, least: int = 0) -> int:
        number = self.number(amount, f"{path}.{name}", least)
        if unit not in SIZE_UNITS:
            self.faults[f"{path}.unit"] = "Choose a unit of size."
            return number
        return number * SIZE_UNITS[unit]

    def clock(self, text: str, path: str) -> time:
        match = _TIME.fullmatch(text.strip())
        if match is None or int(match[1]) > 23 or int(match[2]) > 59:
            self.faults[path] = "Write a time between 00:00 and 23:59."
            return time()
        return time(int(match[1]), int(match[2]))

    def availability(self, text: str, path: str) -> Availability:
        if text not in set(Availability):
            self.faults[path] = f"Choose one of: {', '.join(Availability)}."
            return Availability.ONLINE
        return Availability(text)
