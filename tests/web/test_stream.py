"""Progress as it happens, without starving those who only ask."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.wrappers import Response

from drivers.base import Barcode
from hsm.access.roles import Right, Role
from hsm.catalog.errors import CatalogUnavailable
from tests.web.api.conftest import Program, program
from tests.web.reader import read
from tests.web.world import World, browser, busy
from web.live.broadcast import LONGEST_QUEUE, Broadcast, Message, Picture, Stream, StreamsFull, changes
from web.views.stream import lines

PATH = "/api/v1/events/stream"


def told(answer: Response) -> Iterator[tuple[str, Any]]:
    """The events of a stream as they come."""
    kind, text = "", ""
    for chunk in answer.iter_encoded():
        text += chunk.decode()
        while "\n\n" in text:
            block, _, text = text.partition("\n\n")
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if kind := fields.get("event", ""):
                yield kind, json.loads(fields["data"])


def open_stream(asker: Program) -> Response:
    """A stream that is read while it goes on."""
    return asker.client.get(PATH, headers={"Authorization": f"Bearer {asker.token}"}, buffered=False)


def test_a_stream_tells_how_things_are_and_then_what_changes(world: World) -> None:
    busy(world)
    asker = program(world, Role.VIEWER, stream_every_s=0.01)
    with open_stream(asker) as answer:
        assert answer.mimetype == "text/event-stream" and answer.headers["Cache-Control"] == "no-store"
        events = told(answer)
        first = [next(events) for _ in range(7)]
        assert sorted(kind for kind, _ in first) == ["drive"] * 3 + ["job"] * 3 + ["recall"]
        (running,) = [data for kind, data in first if kind == "job" and data["state"] == "running"]
        world.catalog.jobs.progress(running["id"], 90_000_000, "writing pack 7", None, Barcode("A00002L8"))
        kind, data = next(events)
        assert (kind, data["id"], data["phase"], data["done_bytes"]) == (
            "job",
            running["id"],
            "writing pack 7",
            90_000_000,
        )
        world.catalog.jobs.finish(running["id"], world.clock.now())
        kind, data = next(events)
        assert (kind, data["id"], data["state"]) == ("job", running["id"], "done")
        world.catalog.drives.change("tape", 0, "down", world.clock.now(), reason="noisy")
        assert next(events)[1]["reason"] == "noisy"


def test_only_so_many_streams_are_open_and_the_others_are_told_to_poll(world: World) -> None:
    asker = program(world, Role.VIEWER, streams=2, streams_of_one=2)
    other = Program(asker.client, program(world, Role.STAFF).token)
    with open_stream(asker), open_stream(asker):
        refused = open_stream(other)
        assert (refused.status_code, refused.content_type) == (503, "application/problem+json")
        assert refused.headers["Retry-After"]
        assert asker.get("/api/v1/jobs")["items"] == []
    with open_stream(other) as again:
        assert again.status_code == 200, "a closed stream makes room"


def test_who_opens_one_too_many_loses_the_oldest(world: World) -> None:
    asker = program(world, Role.VIEWER, streams=2, streams_of_one=1)
    with open_stream(asker) as first, open_stream(asker) as second:
        assert second.status_code == 200
        assert len(list(told(first))) == 3, "it ends after what it had to say: three drives"


def test_a_stream_needs_the_right_to_look(world: World) -> None:
    assert open_stream(program(world, Role.VIEWER, Right.METRICS)).status_code == 403
    with browser(world.services(), Role.VIEWER).get(PATH, buffered=False) as answer:
        assert answer.status_code == 200


def test_a_stream_ends_when_its_listener_may_not_listen_any_more_and_when_its_time_is_over() -> None:
    text = list(lines(Stream("anna"), lambda: False, 0.01))
    assert text == ["retry: 5000\n\n"]
    assert list(lines(Stream("anna"), lambda: True, 0.0)) == ["retry: 5000\n\n"]
    beaten = lines(Stream("anna"), lambda: True, 0.01)
    assert [next(beaten), next(beaten)] == ["retry: 5000\n\n", ": still here\n\n"]


def test_only_what_changed_is_told() -> None:
    before: Picture = {("job", 1): "a", ("job", 2): "b"}
    assert changes(before, {("job", 1): "a", ("job", 2): "c", ("drive", "t/0"): "d"}) == [
        Message("job", "c"),
        Message("drive", "d"),
    ]


def test_a_listener_that_hears_nothing_any_more_is_let_go() -> None:
    stream = Stream("anna")
    stream.tell(Message("job", str(number)) for number in range(LONGEST_QUEUE + 5))
    heard = [stream.next(1.0) for _ in range(LONGEST_QUEUE)]
    assert len(heard) == LONGEST_QUEUE
    with pytest.raises(StopIteration):
        stream.next(1.0)


def test_a_lame_catalog_is_asked_again() -> None:
    pictures: list[Picture | None] = [{("job", 1): "a"}, None, {("job", 1): "b"}]
    looks = iter(pictures)

    def look(before: Picture) -> Picture:
        found = next(looks, pictures[-1])
        if found is None:
            raise CatalogUnavailable("gone")
        return found

    broadcast = Broadcast(look, 0.001, 1, 1)
    stream = broadcast.open("anna")
    with pytest.raises(StreamsFull, match="1 streams"):
        broadcast.open("bert")
    assert [stream.next(10.0), stream.next(10.0)] == [Message("job", "a"), Message("job", "b")]
    broadcast.close(stream)
    broadcast.close(stream)
    broadcast.close(broadcast.open("bert"))


def test_pages_that_refresh_name_what_they_are_about(world: World) -> None:
    busy(world)
    client = browser(world.services(), Role.VIEWER)
    for path in ("/", "/jobs", "/jobs/1", "/requests", "/requests/1"):
        text = client.get(path).text
        assert 'data-live="' in text and "/static/live.js" in text and read(text).faults == [], path
