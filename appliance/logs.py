"""How every process of Firn logs: one past-tense event a line with fields, as text or as JSON, on standard error."""

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

# libraries that say at INFO what only a developer of theirs wants to know
QUIET_LOGGERS = ("apscheduler", "pynetdicom", "alembic", "sqlalchemy", "gunicorn.access")


class FirnHandler(logging.StreamHandler[TextIO]):
    """The one handler of ours on the root logger."""


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"  # 2026-01-31T09:30:00Z info event key=value
    JSON = "json"  # one object a line


def set_up(
    level: str = "info", log_format: LogFormat = LogFormat.TEXT, service: str = "", stream: TextIO | None = None
) -> None:
    """Send structlog's and the standard library's records the same way, to one stream.

    level is a name of the logging module in any case; service is added to each line when it is not empty. May be
    called again: the last call counts.
    """

    def name_service(logger: object, method: str, event: EventDict) -> EventDict:
        """By value and not by context variable: those do not reach the threads."""
        del logger, method
        if service:
            event.setdefault("service", service)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        name_service,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    if log_format is LogFormat.JSON:
        renderer: Processor = structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)
    else:
        renderer = _line
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=[*shared, _logger_field],
    )
    handler = FirnHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, FirnHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _logger_field(logger: logging.Logger | None, method: str, event: EventDict) -> EventDict:
    """Say which library a line came from that did not come from us."""
    del method
    record = event.get("_record")
    event["logger"] = record.name if record is not None else getattr(logger, "name", "")
    return event


def _line(logger: object, method: str, event: EventDict) -> str:
    """`2026-01-31T09:30:00Z info pack_written volume=A00001L8 size_bytes=4096`; values with blanks are quoted."""
    del logger, method
    at, level = event.pop("at", ""), event.pop("level", "")
    name, trouble = event.pop("event", ""), event.pop("exception", "")
    fields = " ".join(f"{key}={_value(value)}" for key, value in event.items())
    line = " ".join(part for part in (str(at), str(level), str(name), fields) if part)
    return f"{line}\n{trouble}" if trouble else line


def _value(value: object) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    if text == "" or any(character in text for character in ' "=\n\t'):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return text
