"""What can be decided about which events, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_pooled.inbox.bulk import DECIDABLE
from flask_pooled.inbox.listing import Listed


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of decision."""

    name: str
    #: What it does, for the person who is about to do it.
    means: str
    reason_required: bool = False


ACTIONS: Mapping[str, Action] = {
    "retry": Action(
        "retry",
        "What is retried gets all its attempts again: mend the receiver first. Real money moves.",
    ),
    "release": Action(
        "release",
        "What is released is paid, whatever it was held for: real money moves.",
    ),
    "discard": Action(
        "discard",
        "What is discarded is never paid. This cannot be taken back.",
        reason_required=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """Events in a state that waits for a person."""

    title: str
    about: str
    actions: tuple[str, ...]


QUEUES: Mapping[str, Queue] = {
    "held": Queue(
        "Held",
        "The inbox did not dare to pay these. Release what is owed, discard what is not.",
        ("release", "discard"),
    ),
    "dead": Queue(
        "Dead",
        "Their receivers failed at every attempt, and nobody was paid. Mend the receiver, then retry.",
        ("retry", "discard"),
    ),
}


def actions_on(event: Listed) -> list[Action]:
    """What can be decided about an event now."""
    return [
        action
        for name, action in ACTIONS.items()
        if event.state in DECIDABLE[name] and (event.state != "duplicate" or event.waits)
    ]
