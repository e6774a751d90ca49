"""The console's pages that only show: how the inbox stands, which events there are, and one event's life."""

from __future__ import annotations

import time
from datetime import datetime
from datetime import UTC
from typing import Any

from flask import redirect
from flask import request
from werkzeug.wrappers import Response

from flask_pooled.console.alarms import alarms_of
from flask_pooled.console.chart import Chart
from flask_pooled.console.chart import draw
from flask_pooled.console.filters import Asked
from flask_pooled.console.filters import read_filter
from flask_pooled.console.filters import read_id
from flask_pooled.console.money import money_of
from flask_pooled.console.notice import current_notice
from flask_pooled.console.queues import ACTIONS
from flask_pooled.console.queues import actions_on
from flask_pooled.console.queues import QUEUES
from flask_pooled.console.rendering import address_of
from flask_pooled.console.rendering import current_state
from flask_pooled.console.rendering import message
from flask_pooled.console.rendering import page
from flask_pooled.errors import InboxError
from flask_pooled.events import KINDS
from flask_pooled.inbox.bulk import DECIDABLE
from flask_pooled.inbox.holds import EXPLANATIONS
from flask_pooled.inbox.listing import Filter
from flask_pooled.inbox.listing import MOST_REPEATS
from flask_pooled.inbox.listing import STATES
from flask_pooled.inbox.spool import SpoolError
from flask_pooled.stats import read_stats
from flask_pooled.stats import spool_stats
from flask_pooled.words import properties
from flask_pooled.words import step_reason
from flask_pooled.words import text_of

#: Events on a page.
PAGE = 50

_MINUTE, _HOUR = 60, 3600


def overview() -> Response:
    """How the inbox stands."""
    stats = read_stats(current_state())
    return page(
        "overview",
        stats=stats,
        states=STATES,
        alarms=list(alarms_of(stats)),
        charts=_charts(current_state().inbox.clock()),
        notice=None,
    )


def events() -> Response:
    """The delivery log."""
    asked = read_filter(request.args, time.time())
    if asked.faults:
        return page("log", 400, asked=asked, events=(), after=None, **_choices(asked))
    listing = current_state().inbox.listing
    found = listing.list_events(asked.which, limit=PAGE, after=asked.after)
    return page("log", asked=asked, events=found.events, after=found.after, **_choices(asked))


def queue(state: str) -> Response:
    """What waits for a person's decision, of one state."""
    if state not in QUEUES:
        return nothing_here()
    asked = read_filter(
        {name: request.args.get(name, "") for name in ("player", "pool", "after")}, time.time()
    )
    found = None
    if not asked.faults:
        which = Filter(state=state, player_id=asked.which.player_id, pool_id=asked.which.pool_id)
        listing = current_state().inbox.listing
        found = listing.list_events(which, limit=PAGE, after=asked.after)
    return page(
        "queue",
        400 if found is None else 200,
        state=state,
        queue=QUEUES[state],
        asked=asked,
        events=found.events if found else (),
        after=found.after if found else None,
        explanations=EXPLANATIONS,
        notice=current_notice(),
    )


def event(event_id: str) -> Response:
    """One event's life, and its money."""
    number = read_id(event_id)
    if number is None:
        return nothing_here()
    try:
        life = current_state().inbox.listing.life(number)
    except InboxError as error:
        return message(404, "No such event", f"{error}.")
    return page(
        "event",
        life=life,
        event=life.event,
        properties=list(properties(life)),
        explanation=EXPLANATIONS.get(life.event.reason or ""),
        money=money_of(life),
        trail=[(step, step_reason(step)) for step in life.trail],
        more_repeats=len(life.repeats) == MOST_REPEATS,
        body=None if life.body is None else text_of(life.body),
        actions=actions_on(life.event),
        notice=current_notice(),
    )


def find() -> Response:
    """Look for a player, a pool or an event of that name, and go to the only one that there is."""
    text = request.args.get("q", "").strip()
    # A player may be called as an event is numbered.
    asked = [read_filter({name: text}, 0) for name in ("player", "pool")]
    if not text or any(each.faults for each in asked):
        return page("find", 400, text=text[:255], hits=[], fault=bool(text))
    listing = current_state().inbox.listing
    hits = []
    number = read_id(text.removeprefix("#"))
    if number is not None:
        try:
            listing.life(number)
            hits.append(("event", address_of("event", event_id=number)))
        except InboxError:
            pass
    for name, each in zip(("player", "pool"), asked, strict=True):
        if listing.list_events(each.which, limit=1).events:
            hits.append((name, address_of("events", **{name: text})))
    if len(hits) == 1:
        return redirect(hits[0][1])
    return page("find", 200 if hits else 404, text=text, hits=hits, fault=False)


def nothing_here() -> Response:
    """The answer to an address that no page has."""
    return message(404, "No such page", "The console has no page at this address.")


def unavailable(error: Exception) -> Response:
    """The answer where the database cannot be reached."""
    try:
        spool = spool_stats(current_state())
    except SpoolError:
        spool = None
    # Its text may hold the address with its password.
    return page("unavailable", 503, error=type(error).__name__, spool=spool)


def spool_unreadable(error: SpoolError) -> Response:
    """The answer where nobody can tell what waits in the spool."""
    return message(
        503,
        "The spool cannot be read",
        f"Nobody can tell what waits in it: {error}.",
        "The log and the queues are to be seen all the same.",
    )


def _choices(asked: Asked) -> dict[str, Any]:
    """What the fields of the log's form can be set to, and what can be decided about what it finds."""
    kind = asked.which.kind
    kinds = tuple(KINDS) if kind is None or kind in KINDS else (*KINDS, kind)
    actions = [name for name in ACTIONS if asked.which.state in (None, *DECIDABLE[name])]
    return {"states": STATES, "kinds": kinds, "kind": kind, "actions": actions}


def _charts(now: float) -> tuple[Chart, Chart]:
    return (
        _chart("Deliveries of the last hour, by the minute", now, _MINUTE, 60, every=10),
        _chart("Deliveries of the last day, by the hour", now, _HOUR, 24, every=4),
    )


def _chart(title: str, now: float, seconds: int, count: int, *, every: int) -> Chart:
    """The deliveries of the last so many spans of time, of which the last is not over."""
    begun = int(now) // seconds
    spans = range(begun - count + 1, begun + 2)
    counts = current_state().inbox.figures.count_received_between(
        [each * seconds * 1000 for each in spans]
    )
    labels = [f"{datetime.fromtimestamp(each * seconds, UTC):%H:%M}" for each in spans[:-1]]
    return draw(title, counts, labels, every=every)
