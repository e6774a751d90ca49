"""What an operator does: first a page that says what would happen, then the form of that page.

The form holds, signed, which decision it is and about which events. So nothing is decided that was not shown, and what
came meanwhile is not decided about.
"""

from __future__ import annotations

import time
from typing import Any

from flask import redirect
from flask import request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from flask_pooled.console.access import operator
from flask_pooled.console.csrf import is_foreign
from flask_pooled.console.csrf import seal
from flask_pooled.console.csrf import unseal
from flask_pooled.console.filters import read_filter
from flask_pooled.console.filters import read_id
from flask_pooled.console.notice import FIELD
from flask_pooled.console.notice import Notice
from flask_pooled.console.notice import sealed_notice
from flask_pooled.console.pages import nothing_here
from flask_pooled.console.queues import Action
from flask_pooled.console.queues import ACTIONS
from flask_pooled.console.queues import actions_on
from flask_pooled.console.queues import QUEUES
from flask_pooled.console.rendering import address_of
from flask_pooled.console.rendering import current_state
from flask_pooled.console.rendering import message
from flask_pooled.console.rendering import page
from flask_pooled.inbox.bulk import choose
from flask_pooled.inbox.bulk import choose_by_id
from flask_pooled.inbox.bulk import Chosen
from flask_pooled.inbox.bulk import DECIDABLE
from flask_pooled.inbox.bulk import decide_all
from flask_pooled.inbox.bulk import Outcome
from flask_pooled.inbox.listing import Filter
from flask_pooled.words import DECIDED
from flask_pooled.words import searchable

#: Events that one form decides about: each is a transaction, and somebody waits for the page.
MOST = 500

_NOTHING = "There is no event that this could be about."

#: Events that the question lists.
_SHOWN = 20

#: The longest reason, characters.
LONGEST_REASON = 1000

#: The largest form, bytes.
_LARGEST_FORM = 65_536


def confirm(action: str) -> Response:
    """Say what would be decided, and ask."""
    if action not in ACTIONS:
        return nothing_here()
    given = request.args.getlist("id")
    asked = read_filter(request.args, time.time())
    ids = [number for text in given if (number := read_id(text)) is not None]
    if asked.faults or len(ids) != len(given) or bool(ids) == (asked.which != Filter()):
        return message(
            400, "Nothing to decide", "Choose events in a list, or a filter that finds them."
        )
    listing = current_state().inbox.listing
    if asked.which.state is not None and asked.which.state not in DECIDABLE[action]:
        chosen = Chosen()
    elif ids:
        chosen = choose_by_id(listing, list(dict.fromkeys(ids))[:MOST])
    else:
        chosen = choose(listing, action, asked.which, limit=MOST)
    return _ask(ACTIONS[action], chosen)


def decide(action: str) -> Response:
    """Do what the page before has said, and go on to where it can be seen."""
    if action not in ACTIONS:
        return nothing_here()
    request.max_content_length = _LARGEST_FORM
    try:
        token, why = request.form.get("token", ""), request.form.get("reason", "").strip()
    except HTTPException:
        return message(413, "Nothing was done", "The form is too large.")
    form = None if is_foreign() else unseal("decision", token)
    if form is None or form["action"] != action:
        return message(
            403,
            "Nothing was done",
            "The form was not one that this console made for you within the last twelve hours.",
            "Go back to the event, and decide again.",
        )
    # By their numbers, the states in which they were shown.
    shown: dict[int, str] = dict(form["events"])
    ids = list(shown)
    if fault := _fault(ACTIONS[action], why):
        chosen = choose_by_id(current_state().inbox.listing, ids)
        return _ask(ACTIONS[action], chosen, fault=fault, why=why)
    decider = getattr(current_state().inbox.decisions, action)
    outcome = decide_all(
        lambda each: decider(each, who=operator(), why=why or None, state=shown[each]), ids
    )
    if outcome.outage is not None:
        return _cut_short(ACTIONS[action], outcome, len(ids))
    refusals = list(dict.fromkeys(outcome.refused.values()))
    notice = Notice(DECIDED[action], len(outcome.done), len(ids), refusals)
    return redirect(_afterwards(action, ids, notice), 303)


def _fault(action: Action, why: str) -> str | None:
    """What is wrong with a reason; ``None``: nothing."""
    if action.reason_required and not why:
        return "Say why: somebody will ask."
    if len(why) > LONGEST_REASON:
        return f"Say it in at most {LONGEST_REASON:,} characters."
    try:
        searchable(why)
    except ValueError:
        return "It holds characters that are no text."
    return None


def _ask(action: Action, chosen: Chosen, *, fault: str | None = None, why: str = "") -> Response:
    fitting = Chosen()
    for event in chosen.events:
        if action in actions_on(event):
            fitting.add(event)
    left_out = [each for each in chosen.events if each not in fitting.events][:_SHOWN]
    if not fitting.events:
        lines = [f"Event {each.id} is {each.state}." for each in left_out]
        return message(404, f"Nothing to {action.name}", *(lines or [_NOTHING]))
    content: dict[str, Any] = {
        "action": action.name,
        "events": [(each.id, each.state) for each in fitting.events],
    }
    return page(
        "confirm",
        200 if fault is None else 400,
        action=action,
        chosen=fitting,
        left_out=left_out,
        groups=sorted(fitting.groups.items(), key=str),
        shown=fitting.events[:_SHOWN],
        most=MOST,
        longest=LONGEST_REASON,
        token=seal("decision", content),
        fault=fault,
        why=why[: LONGEST_REASON * 2],
        back=_back(fitting.ids, request.args.get("state")),
    )


def _cut_short(action: Action, outcome: Outcome, asked: int) -> Response:
    left = asked - len(outcome.done) - len(outcome.refused)
    return message(
        503,
        "The database could not be reached",
        f"{len(outcome.done)} of {asked} {DECIDED[action.name]}; nothing was decided about {left}.",
        "The first of those may have been decided all the same: look at it before you do it again.",
    )


def _back(ids: list[int], state: str | None) -> str:
    if len(ids) == 1:
        return address_of("event", event_id=ids[0])
    return address_of("queue", state=state) if state in QUEUES else address_of("events")


def _afterwards(action: str, ids: list[int], notice: Notice) -> str:
    """Where the outcome can be seen."""
    told = {FIELD: sealed_notice(notice)}
    if len(ids) == 1:
        return address_of("event", event_id=ids[0], **told)
    return address_of("queue", state="dead" if action == "retry" else "held", **told)
