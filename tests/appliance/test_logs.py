"""Every process logs the same way."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from appliance.logs import LogFormat, set_up


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_of_text_has_time_level_event_and_fields() -> None:
    stream = io.StringIO()
    set_up("info", LogFormat.TEXT, "engine", stream)
    structlog.get_logger().info("pack_written", volume="A00001L8", size_bytes=4096, duration_s=1.5, reason='a "b" c')
    line = stream.getvalue()
    assert line.split(" ", 1)[1] == (
        'info pack_written volume=A00001L8 size_bytes=4096 duration_s=1.5 reason="a \\"b\\" c" service=engine\n'
    )
    assert line.split(" ")[0].endswith("Z")


def test_json_lines_hold_the_same_fields() -> None:
    stream = io.StringIO()
    set_up("info", LogFormat.JSON, "web", stream)
    structlog.get_logger().warning("drive_failed", serial="SIM1")
    entry = json.loads(stream.getvalue())
    assert {key: entry[key] for key in ("event", "level", "serial", "service")} == {
        "event": "drive_failed",
        "level": "warning",
        "serial": "SIM1",
        "service": "web",
    }


def test_the_standard_library_logs_the_same_way_and_says_where_from() -> None:
    stream = io.StringIO()
    set_up("info", stream=stream)
    logging.getLogger("some.library").error("it %s", "broke")
    assert 'error "it broke"' not in stream.getvalue()  # the event itself is never quoted
    assert "error it broke" in stream.getvalue()
    assert "logger=some.library" in stream.getvalue()


def test_what_is_below_the_level_and_chatter_of_libraries_is_left_out() -> None:
    stream = io.StringIO()
    set_up("info", stream=stream)
    structlog.get_logger().debug("seen")
    logging.getLogger("pynetdicom").info("chatter")
    assert stream.getvalue() == ""


def test_an_exception_is_shown_below_its_line() -> None:
    stream = io.StringIO()
    set_up("info", stream=stream)
    try:
        raise ValueError("no such block")
    except ValueError:
        structlog.get_logger().exception("read_failed", volume="A00001L8")
    lines = stream.getvalue().splitlines()
    assert "error read_failed volume=A00001L8" in lines[0]
    assert lines[-1] == "ValueError: no such block"


def test_a_line_feed_in_a_value_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    set_up("info", stream=stream)
    structlog.get_logger().info("object_refused", reason="x\n2026 info fake")
    assert len(stream.getvalue().splitlines()) == 1
