"""What the console's pages take of a large inbox: run by ``python -m benchmarks.inbox``."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial

from flask import Flask

from flask_pooled.inbox.listing import Filter
from flask_pooled.state import State


def pages(app: Flask, state: State, count: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every page of the console, as an operator opens it.

    :param count: events in the inbox.
    """
    client = app.test_client()
    held = state.inbox.listing.list_events(Filter(state="held"), limit=1).events[0]

    def get(path: str, **query: object) -> None:
        answer = client.get(f"/pooled-console{path}", query_string=query)
        if answer.status_code not in (200, 302):
            raise RuntimeError(f"{path} was answered with {answer.status}")

    yield "console: overview", partial(get, "/")
    yield "console: log", partial(get, "/events")
    yield "console: log of one player", partial(get, "/events", player="player_7919")
    yield (
        "console: log, repeats of wins (none)",
        partial(get, "/events", kind="win", state="duplicate"),
    )
    yield "console: held events", partial(get, "/queues/held")
    yield "console: find a player", partial(get, "/find", q="player_7919")
    yield "console: one event", partial(get, f"/events/{count // 2}")
    yield "console: ask about one event", partial(get, "/decide/release", id=held.id)
    yield "console: ask about 500 events", partial(get, "/decide/release", state="held")
