"""Fills in and sends forms as a browser does: every field that the page holds goes with it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.test_security import ORIGIN

Fields = list[tuple[str, str]]


@dataclass
class Form:
    """One form of a page with the fields a browser would send."""

    action: str
    fields: Fields = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def has(self, name: str, value: str) -> "Form":
        """With another value in a field, which must be there."""
        assert name in [key for key, _ in self.fields], f"no field {name}"
        return Form(self.action, [(k, value if k == name else v) for k, v in self.fields], self.buttons)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inside = False
        self.area: str | None = None
        self.text = ""
        self.select: str | None = None
        self.options: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
            self.inside = True
        elif not self.inside:
            return
        elif tag == "input" and name and ("checked" in given or given.get("type") not in ("checkbox", "radio")):
            self.forms[-1].fields.append((name, given.get("value", "on" if "checked" in given else "")))
        elif tag == "button":
            self.forms[-1].buttons.append((name, given.get("value", "")))
        elif tag == "textarea":
            self.area, self.text = name, ""
        elif tag == "select":
            self.select, self.options = name, []
        elif tag == "option" and self.select is not None:
            self.options.append((given.get("value", "\0"), "selected" in given))
            self.text = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "textarea" and self.area is not None:
            self.forms[-1].fields.append((self.area, self.text.removeprefix("\n").replace("\n", "\r\n")))
            self.area = None
        elif tag == "option" and self.options and self.options[-1][0] == "\0":
            self.options[-1] = (self.text, self.options[-1][1])
        elif tag == "select" and self.select is not None:
            chosen = [value for value, selected in self.options if selected] or [value for value, _ in self.options[:1]]
            self.forms[-1].fields += [(self.select, value) for value in chosen]
            self.select = None

    def handle_data(self, data: str) -> None:
        self.text += data


def forms(html: str) -> list[Form]:
    """The forms of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def form_with(html: str, name: str) -> Form:
    """The first form of a page that has a field or button of this name."""
    return next(f for f in forms(html) if name in [key for key, _ in (*f.fields, *f.buttons)])


def send(client: FlaskClient, form: Form, button: tuple[str, str] | None = None, **changed: str) -> TestResponse:
    """Press a button of a form, some fields filled in otherwise; what comes back, redirects followed."""
    for name, value in changed.items():
        form = form.has(name, value)
    fields: dict[str, list[str]] = {}
    for name, value in [*form.fields, *([button] if button else [])]:
        fields.setdefault(name, []).append(value)
    return client.post(form.action, headers={"Origin": ORIGIN}, data=fields, follow_redirects=True)
