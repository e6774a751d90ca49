"""How events are told to people, in a terminal and on a page: amounts, times, and what a sender wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from datetime import UTC
from itertools import pairwise

from flask_pooled.events import KINDS
from flask_pooled.inbox.listing import Life
from flask_pooled.inbox.listing import Listed
from flask_pooled.inbox.listing import Step
from flask_pooled.money import from_cents
from flask_pooled.news import written_out
from flask_pooled.payload import is_storable

#: Reasons that say no more than the state.
PLAIN_REASONS = ("attempts", "repeat")

#: What an event is when that was decided about it.
DECIDED = {"retry": "retried", "release": "released", "discard": "discarded"}

_FAIRNESS = {
    "text": "the seed matches its commitment (SHA-256 of its text)",
    "hex": "the seed matches its commitment (SHA-256 of its bytes)",
    "none": "the seed does not match its commitment",
}

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|m|min|h|d|w)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def safe(text: object) -> str:
    """What a sender or anybody else wrote, harmless to a terminal."""
    return written_out(str(text))


def searchable(text: str) -> str:
    """Text that a database can look for.

    :raises ValueError: it is none.
    """
    if not is_storable(text):
        raise ValueError("it holds bytes that are no text")
    return text


def whole_kind(text: str) -> str:
    """The name of an event; one that Pooled documents may be written without ``pool.``."""
    full = f"pool.{text}"
    return full if full in KINDS else text


def dollars(cents: int | None) -> str:
    """An amount as in ``1,000.00``; empty for none."""
    return "" if cents is None else f"{from_cents(cents):,}"


def moment(at: int | None) -> str:
    """A time in UTC to the minute, for tables; empty for none.

    :param at: milliseconds since the epoch.
    """
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M}"


def exact(at: int | None) -> str:
    """A time in UTC to the millisecond; empty for none.

    :param at: milliseconds since the epoch.
    """
    if at is None:
        return ""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}.{at % 1000:03} UTC"


def iso(at: int | None) -> str | None:
    """A time for scripts, ISO 8601 in UTC.

    :param at: milliseconds since the epoch.
    """
    return (
        None
        if at is None
        else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    )


def span(seconds: float) -> str:
    """A length of time by its two largest units, as in ``2 h 5 min``."""
    whole = int(seconds)
    units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)]
    for (large, size), (small, part) in pairwise(units):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def read_moment(text: str, now: float) -> int:
    """A moment, as ``2h`` (so long ago) or in ISO 8601 (UTC unless it says otherwise).

    :param now: seconds since the epoch.
    :returns: milliseconds since the epoch.
    :raises ValueError: it is neither.
    """
    text = text.strip()
    if found := _SPAN.fullmatch(text):
        return int((now - float(found[1]) * _SECONDS[found[2]]) * 1000)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "it is no time: write it as in 90s, 15m, 2h, 3d, 1w or 2026-05-29T14:32"
        ) from None
    return int(read.replace(tzinfo=read.tzinfo or UTC).timestamp() * 1000)


def state_words(event: Listed) -> str:
    """The state of an event, with the reason where that says more."""
    reason = telling_reason(event)
    return event.state if reason is None else f"{event.state} {reason}"


def telling_reason(event: Listed) -> str | None:
    """The reason of an event's state, where it says more than that."""
    return None if event.reason in PLAIN_REASONS else event.reason


def properties(life: Life) -> Iterator[tuple[str, str]]:
    """What is known of an event, each with its name."""
    event = life.event
    relation = "Repeats" if event.state == "duplicate" else "Contradicts"
    size = "" if event.pool_size is None else f" of {event.pool_size:,} USD"
    told = {
        "Received": exact(event.received_at),
        "Player": event.player_id,
        "Pool": None if event.pool_id is None else event.pool_id + size,
        "Entry": event.entry_type,
        "Amount": None if event.cents is None else f"{dollars(event.cents)} USD",
        "Fairness": _FAIRNESS.get(life.fairness or ""),
        relation: None if event.original_id is None else f"event {event.original_id}",
        "Attempts": str(event.attempts),
        "Due": exact(event.due_at),
        "Done" if event.state == "done" else "Settled": exact(event.settled_at),
        "By": ", ".join(life.receivers),
        "Key": life.idempotency_key,
    }
    yield from ((name, value) for name, value in told.items() if value)


def step_reason(step: Step) -> str:
    """Why a step was taken, on one line."""
    reason = step.reason or ""
    # The inbox gives a traceback: what it ends with says most.
    return reason if step.actor else "".join(reason.rstrip().splitlines()[-1:])


def text_of(body: bytes) -> str:
    """A body as text, whatever it holds."""
    return body.decode("utf-8", "backslashreplace")
