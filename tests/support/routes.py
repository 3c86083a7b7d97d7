"""The pages there are, from the routes themselves: what is added later is measured and looked at too."""

from collections.abc import Collection, Mapping

from flask import Flask
from werkzeug.routing import Rule

FOR_PROGRAMS = frozenset(
    {"api", "dicomweb", "dicomweb_committing", "dicomweb_rendered", "dicomweb_wado_uri", "health"}
)  # blueprints
NO_PAGES = frozenset({"static"})
ENDLESS = frozenset({"stream", "live", "progress-stream"})  # the end of an address that goes on for ever


def pages(app: Flask, examples: Mapping[str, str], without: Collection[str] = ()) -> dict[str, str]:
    """An address for every route that is asked with GET, by endpoint, but for some blueprints.

    `examples`: by "endpoint.part" or "part", what to put into an address. A route that has a part without an example
    is left out; `unknown` names those.
    """
    found: dict[str, str] = {}
    for rule, address in every(app, examples, without):
        found.setdefault(rule.endpoint, address)
    return found


def every(app: Flask, examples: Mapping[str, str], without: Collection[str] = ()) -> list[tuple[Rule, str]]:
    """All routes that are asked with GET, each with an address; otherwise as `pages`."""
    found: list[tuple[Rule, str]] = []
    with app.test_request_context("/"):
        for rule in _asked(app, without):
            if (values := _values(rule, examples)) is not None and (built := rule.build(values)) is not None:
                found.append((rule, built[1]))
    return found


def unknown(app: Flask, examples: Mapping[str, str], without: Collection[str] = ()) -> list[str]:
    """The routes for which an example is missing."""
    return [rule.rule for rule in _asked(app, without) if _values(rule, examples) is None]


def _asked(app: Flask, without: Collection[str]) -> list[Rule]:
    return [
        rule
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
        if "GET" in (rule.methods or ())
        and rule.endpoint not in NO_PAGES
        and rule.endpoint.split(".")[0] not in without
        and rule.rule.rsplit("/", 1)[-1] not in ENDLESS
    ]


def _values(rule: Rule, examples: Mapping[str, str]) -> dict[str, object] | None:
    values: dict[str, object] = {}
    for name in rule.arguments:
        example = examples.get(f"{rule.endpoint}.{name}", examples.get(name))
        if example is None:
            return None
        values[name] = int(example) if f"<int:{name}>" in rule.rule else example
    return values
