"""Did the player get the money? One sentence about each event."""

from __future__ import annotations

from flask_pooled.events import PAYING_KINDS
from flask_pooled.inbox.listing import Life
from flask_pooled.words import dollars
from flask_pooled.words import exact


def money_of(life: Life) -> str:
    """What became of the money that an event is about."""
    event = life.event
    if event.kind not in PAYING_KINDS or event.cents is None:
        return _of_no_payment(life)
    sum_ = f"{dollars(event.cents)} USD"
    match event.state:
        case "done":
            by = ", ".join(life.receivers) or "no receiver"
            return f"{sum_} went to {event.player_id} on {exact(event.settled_at)}, by {by}."
        case "pending":
            tried = f" Attempts so far: {event.attempts}." if event.attempts else ""
            return f"{sum_} for {event.player_id} will be paid: it is due {exact(event.due_at)}.{tried}"
        case "dead":
            return f"Not paid. {sum_} for {event.player_id}: every attempt failed, and nobody tries any more."
        case "held":
            return f"Not paid. {sum_} for {event.player_id} wait for somebody to release or discard them."
        case "discarded":
            return f"Not paid. Somebody decided that {sum_} for {event.player_id} are never paid by this event."
        case "duplicate" if event.waits:
            return f"Not paid. {sum_} for {event.player_id} are beyond the entries that are known."
        case _:
            return f"Nothing is paid for this one: it repeats event {event.original_id}."


def _of_no_payment(life: Life) -> str:
    event = life.event
    if event.state == "rejected":
        return (
            "Nothing is paid: it is signed by Pooled, and is no event that this version can read."
        )
    if event.kind == "pool.entry" and event.state == "done":
        return f"An entry. Receivers were told of it on {exact(event.settled_at)}; what it costs is theirs to say."
    return "No payment: Pooled credits nobody by this event."
