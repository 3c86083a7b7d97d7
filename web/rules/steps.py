"""What the buttons of the form do: each sends the whole form and gets it back with a part added, removed or moved."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from hsm.policy.form import (
    COMPRESS,
    COPY,
    DAYS,
    HOURS,
    KEEP,
    PIN,
    PREFETCH,
    RELEASE,
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
from hsm.policy.model import Codec, Same, Unit
from hsm.policy.words import SIZE_UNITS

SAVE = "save"
SHOW = "show"  # nothing but fitting fields to what was chosen
NEW_ACTIONS = {
    COPY: ActionForm(COPY),
    KEEP: ActionForm(KEEP),
    RELEASE: ActionForm(RELEASE, copies="2", kinds="1"),
    PIN: ActionForm(PIN, amount="30", unit=Unit.DAY.value),
    VERIFY: ActionForm(VERIFY, amount="2", unit=Unit.YEAR.value),
    PREFETCH: ActionForm(PREFETCH, amount="12", unit=Unit.HOUR.value, last="3", same=Same.EITHER.value),
    COMPRESS: ActionForm(COMPRESS, codec=Codec.JPEG_LS.value),
}
NEW_SCHEDULES = {HOURS: ScheduleForm(HOURS, "20:00", "06:00"), DAYS: ScheduleForm(DAYS)}
TIMES = tuple(unit.value for unit in Unit)
UNITS = {Shape.AGE: TIMES, Shape.AGO: TIMES, Shape.SPAN: TIMES, Shape.SIZE: tuple(SIZE_UNITS)}
USUAL_UNITS = {Shape.AGE: "year", Shape.AGO: "day", Shape.SPAN: "day", Shape.SIZE: "GB"}
MAX_NUMBER = 10**6
P = TypeVar("P")
Change = Callable[[GroupForm], GroupForm]


def stepped(form: RuleForm, step: str) -> tuple[RuleForm, str]:
    """The form after a button was pressed, and the path of what the keyboard should be at; "" where it was.

    An unknown button changes nothing: the form may be from an older page.
    """
    verb, _, rest = step.partition(":")
    form = replace(form, when=_fitted(form.when))
    match verb:
        case "add-action" if rest in NEW_ACTIONS:
            return replace(form, do=(*form.do, NEW_ACTIONS[rest])), f"do.{len(form.do)}"
        case "add-schedule" if rest in NEW_SCHEDULES:
            return replace(form, only=(*form.only, NEW_SCHEDULES[rest])), f"only.{len(form.only)}"
        case "add-limit":
            return replace(form, limits=(*form.limits, LimitForm("500"))), f"limits.{len(form.limits)}"
        case "add-fact":
            return _added(form, rest, FactForm(test="is"))
        case "add-group":
            return _added(form, rest, GroupForm("any", (FactForm(test="is"),)))
        case "remove":
            return _removed(form, rest), ""
        case "up":
            return _moved_up(form, rest), ""
    return form, ""


def _added(form: RuleForm, path: str, part: FactForm | GroupForm) -> tuple[RuleForm, str]:
    where = _numbers(path, "when")
    if where is None:
        return form, ""
    group = form.when
    for number in where:
        inner = group.parts[number] if number < len(group.parts) else None
        if not isinstance(inner, GroupForm):
            return form, ""
        group = inner
    when = _changed(form.when, where, lambda found: replace(found, parts=(*found.parts, part)))
    return replace(form, when=when), f"{path}.{len(group.parts)}"


def _removed(form: RuleForm, path: str) -> RuleForm:
    where = _numbers(path, "when")
    if where:
        *outer, last = where
        when = _changed(form.when, outer, lambda group: replace(group, parts=_without(group.parts, last)))
        return replace(form, when=when)
    name, _, number = path.partition(".")
    at = int(number) if number.isdecimal() else MAX_NUMBER
    match name:
        case "only":
            return replace(form, only=_without(form.only, at))
        case "limits":
            return replace(form, limits=_without(form.limits, at))
        case "do":
            return replace(form, do=_without(form.do, at))
    return form


def _moved_up(form: RuleForm, path: str) -> RuleForm:
    name, _, number = path.partition(".")
    if name != "do" or not number.isdecimal() or not 0 < int(number) < len(form.do):
        return form
    at, actions = int(number), list(form.do)
    actions[at - 1 : at + 1] = actions[at], actions[at - 1]
    return replace(form, do=tuple(actions))


def _without(parts: Sequence[P], number: int) -> tuple[P, ...]:
    return (*parts[:number], *parts[number + 1 :])


def _numbers(path: str, root: str) -> list[int] | None:
    name, *numbers = path.split(".")
    return [int(number) for number in numbers] if name == root and all(n.isdecimal() for n in numbers) else None


def _changed(group: GroupForm, where: Sequence[int], change: Change) -> GroupForm:
    if not where:
        return change(group)
    first, *rest = where
    inner = group.parts[first] if first < len(group.parts) else None
    if not isinstance(inner, GroupForm):
        return group
    return replace(group, parts=(*group.parts[:first], _changed(inner, rest, change), *group.parts[first + 1 :]))


def _fitted(group: GroupForm) -> GroupForm:
    """Every condition with a test and a unit that its subject has, so that the next choice is among those."""
    parts = tuple(_fitted(part) if isinstance(part, GroupForm) else _fitted_fact(part) for part in group.parts)
    return replace(group, parts=parts)


def _fitted_fact(fact: FactForm) -> FactForm:
    shape = SUBJECTS.get(fact.subject, Shape.NOTHING)
    tests = TESTS[shape]
    test = fact.test if fact.test in tests else next(iter(tests), "")
    units = UNITS.get(shape, ())
    unit = fact.unit if fact.unit in units else USUAL_UNITS.get(shape, "")
    return replace(fact, test=test, unit=unit, value="" if shape is Shape.NOTHING else fact.value)
