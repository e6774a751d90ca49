"""What a page was asked for: its query, read so that no text in it can break anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from flask_pooled.inbox.listing import Filter
from flask_pooled.inbox.listing import STATES
from flask_pooled.inbox.tables import MAX_KIND_LENGTH
from flask_pooled.payload import MAX_ID_LENGTH
from flask_pooled.words import read_moment
from flask_pooled.words import searchable
from flask_pooled.words import whole_kind

#: Numbers of rows are 64 bits wide.
_LARGEST_ID = 2**63 - 1

#: The longest text of a time.
_MAX_TIME_LENGTH = 40


@dataclass(slots=True)
class Asked:
    """A filter as somebody wrote it, and as it was understood."""

    #: What was written, by the name of its field; what is empty is left out.
    written: dict[str, str] = field(default_factory=dict)
    #: What is wrong with a field, by its name.
    faults: dict[str, str] = field(default_factory=dict)
    which: Filter = field(default_factory=Filter)
    after: str | None = None


def read_filter(query: Mapping[str, str], now: float) -> Asked:
    """The filter of a query.

    :param now: seconds since the epoch.
    """
    asked = Asked()

    def text(name: str, longest: int) -> str | None:
        given = query.get(name, "").strip()
        if not given:
            return None
        asked.written[name] = given
        if len(given) > longest:
            asked.written[name] = given[:longest]
            asked.faults[name] = f"it has more than {longest} characters"
            return None
        try:
            return searchable(given)
        except ValueError as error:
            del asked.written[name]
            asked.faults[name] = str(error)
            return None

    def at(name: str) -> int | None:
        given = text(name, _MAX_TIME_LENGTH)
        try:
            return None if given is None else read_moment(given, now)
        except (ValueError, OverflowError) as error:
            asked.faults[name] = str(error)
            return None

    state = text("state", max(map(len, STATES)))
    if state is not None and state not in STATES:
        asked.faults["state"] = "there is no such state"
        state = None
    kind = text("kind", MAX_KIND_LENGTH)
    asked.which = Filter(
        state=state,
        kind=None if kind is None else whole_kind(kind),
        player_id=text("player", MAX_ID_LENGTH),
        pool_id=text("pool", MAX_ID_LENGTH),
        since=at("since"),
        until=at("until"),
    )
    asked.after = text("after", 32)
    if asked.after is not None and not re.fullmatch("[0-9a-f]{32}", asked.after):
        asked.faults["after"] = "it is no end of a page"
    asked.written.pop("after", None)
    return asked


def read_id(text: str) -> int | None:
    """The number of an event; ``None``: no event can have it."""
    if not re.fullmatch("[0-9]{1,19}", text):
        return None
    number = int(text)
    return number if 1 <= number <= _LARGEST_ID else None
