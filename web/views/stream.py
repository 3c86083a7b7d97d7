"""The stream of what changes, for pages and programs that would otherwise ask again and again."""

import time
from collections.abc import Callable, Iterator
from typing import cast

from flask import Blueprint, Response, current_app, request, session

from hsm.access.roles import Right
from hsm.catalog.errors import CatalogUnavailable
from web.access import tokens
from web.access.gate import TOKEN, known_person, needs
from web.api.operations import PREFIX
from web.live.broadcast import Broadcast, Stream, StreamsFull
from web.live.picture import picture
from web.problems import Refused
from web.services import Services, services

pages = Blueprint("stream", __name__, url_prefix=PREFIX)
TRY_AGAIN_MS = 5000  # who lost the stream comes back after so long
TRY_LATER_S = 30  # who was refused
BEAT_S = 5.0  # a silent stream says that it lives, and so learns whether somebody listens; who, is looked at again
LONGEST_S = 600.0  # then it ends, and whoever still listens opens another


@pages.get("/events/stream")
@needs(Right.LOOK)
def show() -> Response:
    """Jobs, recalls and drives as they are, and then whatever changes of them, as server-sent events."""
    house = services()
    broadcast = _broadcast()
    try:
        stream = broadcast.open(known_person().name)
    except StreamsFull as error:
        headers = {"Retry-After": str(TRY_LATER_S)}
        raise Refused(503, "Too many streams are open: ask again and again instead.", headers=headers) from error
    response = Response(lines(stream, _may_still(house), LONGEST_S), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"  # a proxy that waits for more would hold it all back
    response.call_on_close(lambda: broadcast.close(stream))
    return response


def lines(stream: Stream, may_still: Callable[[], bool], longest_s: float) -> Iterator[str]:
    """The text of a stream, until its time is over, its listener was let go, or may not listen any more."""
    yield f"retry: {TRY_AGAIN_MS}\n\n"
    ends_s = time.monotonic() + longest_s
    looked_s = time.monotonic()
    while time.monotonic() < ends_s:
        try:
            message = stream.next(min(BEAT_S, longest_s))
        except StopIteration:
            return
        if time.monotonic() - looked_s >= BEAT_S or message is None:
            looked_s = time.monotonic()
            if not may_still():
                return
        yield ": still here\n\n" if message is None else message.lines()


def _broadcast() -> Broadcast:
    """The streams of this application."""
    house = services()
    settings = house.settings
    fresh = Broadcast(
        lambda before: picture(house.catalog, before),
        settings.stream_every_s,
        settings.streams,
        settings.streams_of_one,
    )
    return cast(Broadcast, current_app.extensions.setdefault("firn.broadcast", fresh))


def _may_still(house: Services) -> Callable[[], bool]:
    """Asks, without a request, whether whoever opened the stream could open it now."""
    shown, signed_in, address = tokens.offered(), str(session.get(TOKEN, "")), request.remote_addr or ""

    def ask() -> bool:
        now, settings = house.clock.now(), house.settings
        try:
            if shown is not None:
                token = house.catalog.tokens.use(shown, address, now)
                return token is not None and token.may(Right.LOOK)
            person = house.catalog.accounts.signed_in(
                signed_in, now, settings.session_idle_s, settings.session_longest_s
            )
        except CatalogUnavailable:
            return True  # nothing can be told meanwhile
        return person is not None and person.may(Right.LOOK)

    return ask
