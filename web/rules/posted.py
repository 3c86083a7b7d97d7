"""From the fields that a browser sends to the form of a rule. Whatever is missing or makes no sense is left empty."""

from collections.abc import Iterator

from werkzeug.datastructures import MultiDict

from hsm.policy.form import ActionForm, FactForm, GroupForm, LimitForm, RuleForm, ScheduleForm

MOST_PARTS = 200  # of a rule; a form that holds more was not made by our page
DEEPEST = 8  # groups within groups

Fields = MultiDict[str, str]


def rule_in(fields: Fields) -> RuleForm:
    """The rule that a form holds."""
    return RuleForm(
        name=_line(fields, "name"),
        comment=_lines(fields, "comment").strip("\n"),
        title_note=_line(fields, "title_note"),
        when=_group(fields, "when", 0),
        when_note=_lines(fields, "when.note"),
        only=tuple(_schedule(fields, path) for path in _paths(fields, "only")),
        limits=tuple(_limit(fields, path) for path in _paths(fields, "limits")),
        do=tuple(_action(fields, path) for path in _paths(fields, "do")),
    )


def _line(fields: Fields, name: str) -> str:
    return fields.get(name, "").replace("\0", "")


def _lines(fields: Fields, name: str) -> str:
    return _line(fields, name).replace("\r\n", "\n").replace("\r", "\n")


def _paths(fields: Fields, prefix: str) -> Iterator[str]:
    for number in range(MOST_PARTS):
        path = f"{prefix}.{number}"
        if f"{path}.is" not in fields:
            return
        yield path


def _group(fields: Fields, path: str, depth: int) -> GroupForm:
    parts = tuple(_part(fields, part, depth + 1) for part in _paths(fields, path)) if depth < DEEPEST else ()
    return GroupForm("any" if fields.get(f"{path}.joined") == "any" else "all", parts, f"{path}.not" in fields)


def _part(fields: Fields, path: str, depth: int) -> FactForm | GroupForm:
    if fields[f"{path}.is"] == "group":
        return _group(fields, path, depth)
    return FactForm(
        subject=_line(fields, f"{path}.subject"),
        test=_line(fields, f"{path}.test"),
        value=_line(fields, f"{path}.value"),
        unit=_line(fields, f"{path}.unit"),
        negated=f"{path}.not" in fields,
    )


def _schedule(fields: Fields, path: str) -> ScheduleForm:
    return ScheduleForm(
        kind=fields[f"{path}.is"],
        begin=_line(fields, f"{path}.begin"),
        end=_line(fields, f"{path}.end"),
        days=tuple(fields.getlist(f"{path}.days")),
        note=_lines(fields, f"{path}.note"),
    )


def _limit(fields: Fields, path: str) -> LimitForm:
    return LimitForm(
        amount=_line(fields, f"{path}.amount"),
        unit=_line(fields, f"{path}.unit"),
        period=_line(fields, f"{path}.period"),
        note=_lines(fields, f"{path}.note"),
    )


def _action(fields: Fields, path: str) -> ActionForm:
    return ActionForm(
        kind=fields[f"{path}.is"],
        pools=_line(fields, f"{path}.pools"),
        amount=_line(fields, f"{path}.amount"),
        unit=_line(fields, f"{path}.unit"),
        copies=_line(fields, f"{path}.copies"),
        kinds=_line(fields, f"{path}.kinds"),
        when_needed=f"{path}.when_needed" in fields,
        last=_line(fields, f"{path}.last"),
        same=_line(fields, f"{path}.same"),
        codec=_line(fields, f"{path}.codec"),
        note=_lines(fields, f"{path}.note"),
    )
