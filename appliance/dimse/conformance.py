"""The parts of docs/CONFORMANCE.md that follow from the code: SOP classes, transfer syntaxes, statuses, settings.

`python -m appliance.dimse.conformance` writes them again; a test fails while the page differs from the code.
Source: PS3.2.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from appliance.config.keys import find, tables
from appliance.dimse.services import MESSAGE_SYNTAXES, STORAGE_SYNTAXES, Service, served
from appliance.dimse.settings import DimseSettings
from appliance.dimse.statuses import Status
from hsm.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PAGE = Path(__file__).resolve().parents[2] / "docs" / "CONFORMANCE.md"
_LIMITS = ("max_associations", "max_pdu_bytes", "max_object_bytes", "idle_timeout_s", "association_timeout_s",
           "network_timeout_s", "answer_timeout_s", "connect_timeout_s", "keepalive_s", "recall_patience_s",
           "find_limit", "recalls_per_day", "commitment_patience_s", "accept_callers", "accept_any_called_aet",
           "accept_unknown_sop_classes", "on_conflict")  # fmt: skip


def classes(wanted: Iterable[Service]) -> list[str]:
    """The SOP classes of the standard that are served so, by UID."""
    services = set(wanted)
    found = []
    for uid, (_, kind, *_) in UID_dictionary.items():
        known = served(uid, unrestricted=False) if kind in ("SOP Class", "Meta SOP Class") else None
        if known is not None and known.service in services:
            found.append(uid)
    return sorted(found, key=_numbers)


def _numbers(uid: str) -> tuple[int, ...]:
    return tuple(int(part) for part in uid.split("."))


def _named(uids: Iterable[str], head: str) -> Iterator[str]:
    yield f"| {head} | UID |"
    yield "|---|---|"
    for uid in uids:
        retired = " (retired)" if UID(uid).is_retired and "Retired" not in UID(uid).name else ""
        yield f"| {UID(uid).name}{retired} | {uid} |"


def _implementation() -> Iterator[str]:
    usual = DimseSettings()
    yield "| what | value |"
    yield "|---|---|"
    yield "| application context | 1.2.840.10008.3.1.1.1 |"
    yield f"| implementation class UID | {IMPLEMENTATION_CLASS_UID} |"
    yield f"| implementation version name | {IMPLEMENTATION_VERSION_NAME} |"
    yield f"| AE title unless configured otherwise | {usual.ae_title} |"
    yield f"| answers to one C-FIND at most | {usual.find_limit} |"


def _services() -> Iterator[str]:
    others = [service for service in Service if service is not Service.STORE]
    yield "| SOP class | UID | role | service |"
    yield "|---|---|---|---|"
    for uid in classes(others):
        known = served(uid, unrestricted=False)
        assert known is not None  # classes() asked before
        yield f"| {UID(uid).name} | {uid} | SCP | {known.service.value} |"


def _statuses() -> Iterator[str]:
    yield "| status | name |"
    yield "|---|---|"
    for status in sorted(Status):
        yield f"| {status:04X} | {status.name.lower().replace('_', ' ')} |"


def _settings() -> Iterator[str]:
    yield "| key | default | meaning |"
    yield "|---|---|---|"
    for section, names in (("dicom", _LIMITS), ("tls", _names("tls"))):
        for name in names:
            key = find(section, name)
            assert key is not None, f"there is no key {section}.{name}"
            shown = "unset" if key.default is None else str(key.default).lower() if key.base is bool else key.default
            yield f"| `{section}.{name}` | `{shown}` | {key.meaning} |"


def _names(section: str) -> tuple[str, ...]:
    return next(tuple(key.name for key in table.keys) for table in tables() if table.name == section)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "implementation": _implementation,
    "services": _services,
    "storage": lambda: _named(classes([Service.STORE]), "SOP class"),
    "storage-syntaxes": lambda: _named(sorted(STORAGE_SYNTAXES, key=_numbers), "transfer syntax"),
    "message-syntaxes": lambda: _named(sorted(MESSAGE_SYNTAXES, key=_numbers), "transfer syntax"),
    "statuses": _statuses,
    "settings": _settings,
}


def written(text: str) -> str:
    """The page with each generated part made anew between its marks. Raises: ValueError when a mark is missing."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->"
        at = text.index(begin) + len(begin)
        text = text[:at] + "\n".join(part()) + "\n" + text[text.index(end, at) :]
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
