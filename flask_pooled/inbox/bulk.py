"""One decision about many events: which they are, and each decided for itself, in a transaction of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from itertools import islice

from sqlalchemy.exc import SQLAlchemyError

from ..errors import InboxError
from ..errors import PooledError
from ..events import PAYING_KINDS
from .listing import Filter
from .listing import Listed
from .listing import Listing
from .listing import LONGEST_PAGE

#: In which states there are events that a decision can be about; ``duplicate``: refunds that wait for an entry.
DECIDABLE = {
    "release": ("held", "duplicate"),
    "discard": ("held", "dead", "duplicate"),
    "retry": ("dead", "pending"),
}

#: States that a decision is about only if they are asked for: what is pending is tried by itself.
_ONLY_IF_ASKED_FOR = ("pending",)


@dataclass(slots=True)
class Chosen:
    """Events that a decision is to be about."""

    #: Oldest first.
    events: list[Listed] = field(default_factory=list)
    #: How many of each kind, state and reason.
    groups: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    #: What those among them that bring money to a player would pay.
    cents: int = 0

    @property
    def ids(self) -> list[int]:
        """The numbers of the events."""
        return [event.id for event in self.events]

    def add(self, event: Listed) -> None:
        """Choose one more."""
        self.events.append(event)
        self.groups[event.kind, event.state, event.reason] += 1
        if event.kind in PAYING_KINDS:
            self.cents += event.cents or 0


@dataclass(slots=True)
class Outcome:
    """What became of a decision about many events."""

    done: list[int] = field(default_factory=list)
    #: What could not be done, and why.
    refused: dict[int, str] = field(default_factory=dict)
    #: The kind of error by which the database ended it; what is in neither list was not decided, except that the
    #: first of those may have been.
    outage: str | None = None


def choose(listing: Listing, action: str, which: Filter, *, limit: int | None = None) -> Chosen:
    """Everything that *action* could be about, of what a filter finds.

    A refund beyond the cap is most often a repeat, which nobody is owed. So such refunds are chosen only where they are
    asked for: by their state, or by kind together with pool.

    :param action: ``release``, ``discard`` or ``retry``.
    :param limit: choose at most so many, those that came last of the first state.
    :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
    """
    found = (
        event
        for state in _states(action, which)
        for event in _all(listing, replace(which, state=state))
        if state != "duplicate" or event.waits
    )
    chosen = Chosen()
    for event in sorted(islice(found, limit), key=lambda each: each.id):
        chosen.add(event)
    return chosen


def choose_by_id(listing: Listing, ids: Collection[int]) -> Chosen:
    """These events, as far as they exist, in the order in which they are given.

    :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
    """
    chosen = Chosen()
    for event_id in ids:
        try:
            chosen.add(listing.life(event_id).event)
        except InboxError:
            continue
    return chosen


def decide_all(
    decide: Callable[[int], object],
    ids: Collection[int],
    progress: Callable[[float], object] = lambda part: None,
) -> Outcome:
    """Decide about each event; what cannot be decided stops no other, a database that is gone stops all.

    :param decide: decides about one, see :class:`~flask_pooled.inbox.decisions.Decisions`.
    :param progress: is told after each which part of them is behind, 0 to 1.
    """
    outcome = Outcome()
    for number, event_id in enumerate(ids, start=1):
        try:
            decide(event_id)
        except PooledError as error:
            # Also a body that this version cannot read.
            outcome.refused[event_id] = str(error)
        except SQLAlchemyError as error:
            # Its text may hold the address with its password.
            outcome.outage = type(error).__name__
            break
        else:
            outcome.done.append(event_id)
        progress(number / len(ids))
    return outcome


def _states(action: str, which: Filter) -> list[str]:
    if which.state is not None:
        return [which.state]
    surplus = which.kind == "pool.refund" and which.pool_id is not None
    return [
        state
        for state in DECIDABLE[action]
        if state not in _ONLY_IF_ASKED_FOR and (state != "duplicate" or surplus)
    ]


def _all(listing: Listing, which: Filter) -> Iterator[Listed]:
    after = None
    while True:
        page = listing.list_events(which, limit=LONGEST_PAGE, after=after)
        yield from page.events
        after = page.after
        if after is None:
            return
