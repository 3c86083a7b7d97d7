"""Reads a page as a browser would: links, texts, and whatever a strict policy forbids."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
SELF_CLOSING = frozenset(["path", "circle", "ellipse", "rect", "line", "use"])


@dataclass
class Page:
    """What a page holds."""

    links: list[str] = field(default_factory=list)
    labelled: dict[str, str] = field(default_factory=dict)  # text of a link -> where it leads
    forms: list[dict[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    faults: list[str] = field(
        default_factory=list
    )  # inline script or style, unbalanced elements, a thing without a name
    loads: list[str] = field(default_factory=list)  # what the browser fetches by itself

    @property
    def text(self) -> str:
        """All that can be read, blanks folded."""
        return " ".join(" ".join(self.texts).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []
        self.link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.page.tags.add(tag)
        self.page.faults += [f"{tag} {name}" for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.page.faults.append(f"inline {tag}")
        if values.get("href", "").lower().startswith("javascript:"):
            self.page.faults.append(f"{tag} with javascript")
        if tag == "a" and "href" in values:
            self.page.links.append(values["href"])
            self.link = values["href"]
        if tag == "form":
            self.page.forms.append(values)
        if "id" in values:
            self.page.ids.append(values["id"])
        if tag in ("script", "img", "iframe"):
            self.page.loads.append(values.get("src", ""))
        if tag in ("link", "use"):
            self.page.loads.append(values.get("href", ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.page.faults.append(f"unexpected </{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.page.texts.append(data)
        if "a" in self.open:
            self.page.labelled[data.strip()] = self.link


def read(html: str) -> Page:
    """Read one page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    page = reader.page
    page.faults += [f"<{tag}> is never closed" for tag in reader.open]
    page.faults += [f"id {name} twice" for name in set(page.ids) if page.ids.count(name) > 1]
    return page
