"""The pages there are, from the routes themselves: what is added later is measured and looked at too."""

from collections.abc import Mapping

from flask import Flask
from werkzeug.routing import Rule

# What is no page of its own: files, what changes something by being asked, and what goes on for ever.
NO_PAGES = frozenset({"static"})
ENDLESS = ("stream", "live", "sse")


class ExampleMissing(Exception):
    """A route has a part for which nobody said what to put there."""


def pages(app: Flask, examples: Mapping[str, str], without: frozenset[str] = NO_PAGES) -> dict[str, str]:
    """An address for every route that is asked with GET, by endpoint.

    `examples`: by "endpoint.part" or "part", what to put into the address. An endpoint whose example is "" is left out.

    Raises: ExampleMissing.
    """
    found: dict[str, str] = {}
    with app.test_request_context("/"):
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            endless = any(word in rule.rule.rsplit("/", 1)[-1].split(".") for word in ENDLESS)
            if "GET" not in (rule.methods or ()) or rule.endpoint in without or endless:
                continue
            address = _filled(rule, examples)
            if address:
                found.setdefault(rule.endpoint, address)
    return found


def _filled(rule: Rule, examples: Mapping[str, str]) -> str:
    if examples.get(rule.endpoint) == "":
        return ""
    values: dict[str, object] = {}
    for name in rule.arguments:
        example = examples.get(f"{rule.endpoint}.{name}", examples.get(name))
        if example is None:
            raise ExampleMissing(f"{rule.endpoint} ({rule.rule}) needs an example of {name}")
        if example == "":
            return ""
        values[name] = int(example) if example.isdigit() and "int" in rule.rule else example
    built = rule.build(values)
    return built[1] if built else ""
