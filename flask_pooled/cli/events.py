"""``flask pooled events``: which events there are."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import replace
from typing import Any

import click
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.options import check_span
from flask_pooled.cli.options import filter_options
from flask_pooled.cli.options import json_option
from flask_pooled.cli.terminal import Cell
from flask_pooled.cli.terminal import coloured
from flask_pooled.cli.terminal import Field
from flask_pooled.cli.terminal import table
from flask_pooled.events import KINDS
from flask_pooled.inbox.listing import Filter
from flask_pooled.inbox.listing import Listed
from flask_pooled.inbox.listing import Listing
from flask_pooled.inbox.listing import LONGEST_PAGE
from flask_pooled.inbox.listing import STATES
from flask_pooled.words import dollars
from flask_pooled.words import iso
from flask_pooled.words import moment
from flask_pooled.words import safe
from flask_pooled.words import state_words

#: Exit code where nothing was found.
_NOTHING = 1

#: Between two looks of --follow, seconds.
_PAUSE = 1.0

#: --follow looks so far back behind the newest event, milliseconds: for those that are committed late, or change.
_OVERLAP = 30_000


def _cursor(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise click.BadParameter("it is no end of a page: copy what the page before has printed")
    return text


@click.command()
@click.option("--state", type=click.Choice(STATES), help="Only what is in this state.")
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(1, LONGEST_PAGE),
    default=20,
    show_default=True,
    metavar="N",
    help="Events on the page.",
)
@click.option(
    "--after", type=_cursor, metavar="CURSOR", help="The next page, as the last one said."
)
@click.option("-f", "--follow", is_flag=True, help="Go on, and print what comes and what changes.")
@json_option
@with_appcontext
def events(
    state: str | None,
    kind: str | None,
    player: str | None,
    pool: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    after: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """List events, those that came last first.

    With --follow the newest come last, and it goes on: an event is printed when it has come, and again whenever it is
    in another state. Ctrl-C ends it.

    Exit code 0: some were found, or --follow was ended. 1: none was found, or the database could not be reached. 2: an
    option makes no sense, or the app is set up wrongly.
    """
    if follow and (after is not None or until is not None):
        raise click.UsageError("--follow goes on from now: leave out --after and --until")
    check_span(since, until)
    which = Filter(state=state, kind=kind, player_id=player, pool_id=pool, since=since, until=until)
    found = app_state()
    with needs_database():
        if follow:
            _follow(found.inbox.listing, which, limit, as_json=as_json)
        else:
            page = found.inbox.listing.list_events(which, limit=limit, after=after)
    found.inbox.close()
    if follow:
        return
    if as_json:
        facts = {"events": [event_facts(event) for event in page.events], "after": page.after}
        click.echo(json.dumps(facts))
    elif page.events:
        click.echo("\n".join(_table(which, page.events)))
        if page.after is not None:
            click.echo(f"More with --after {page.after}")
    else:
        click.echo(f"Nothing found.{_hint(kind)}")
    if not page.events:
        raise click.exceptions.Exit(_NOTHING)


def _hint(kind: str | None) -> str:
    if kind is None or kind in KINDS or "." in kind:
        return ""
    # Any name may come one day, but this one more likely is a slip.
    return f" Is {safe(kind)!r} a kind of event? Those of the guide are win, refund and entry."


def event_facts(event: Listed) -> dict[str, Any]:
    """One event for scripts, its times in ISO 8601."""
    times = ("received_at", "due_at", "settled_at")
    return asdict(event) | {name: iso(getattr(event, name)) for name in times}


def _table(which: Filter, events: Sequence[Listed], *, in_parts: bool = False) -> list[str]:
    fields = [
        Field("ID", right=True, wide=7 * in_parts),
        Field("RECEIVED (UTC)"),
        Field("KIND", least=6, wide=7 * in_parts),
        Field("STATE", least=18, wide=14 * in_parts),
        Field("USD", right=True, wide=10 * in_parts),
    ]
    # What everything in the list has in common needs no column.
    ids = {"PLAYER": which.player_id, "POOL": which.pool_id}
    fields += [Field(title, least=4) for title, given in ids.items() if given is None]
    return table(fields, [_row(which, event) for event in events])


def _row(which: Filter, event: Listed) -> list[Cell | str]:
    ids = [(event.player_id, which.player_id), (event.pool_id, which.pool_id)]
    return [
        str(event.id),
        moment(event.received_at),
        event.kind.removeprefix("pool."),
        Cell(state_words(event), coloured(event.state).colour),
        dollars(event.cents),
        *(has or "" for has, given in ids if given is None),
    ]


def _follow(listing: Listing, which: Filter, limit: int, *, as_json: bool) -> None:
    """Print until Ctrl-C."""
    titles = not as_json
    try:
        for news in _news(listing, which, limit):
            if as_json:
                lines = [json.dumps(event_facts(event)) for event in news]
            else:
                lines = _table(which, news, in_parts=True)[0 if titles else 1 :]
                titles = False
            click.echo("\n".join(lines))
    except KeyboardInterrupt:
        return


def _news(listing: Listing, which: Filter, limit: int) -> Iterator[list[Listed]]:
    """The last events, and then, without end, what has come or changed since the look before; oldest first."""
    begun = int(time.time() * 1000)
    found = list(listing.list_events(which, limit=limit).events)
    seen = {event.id: event for event in found}
    last = max(seen, default=0)
    if found:
        yield found[::-1]
        # What came shortly before the page is no news either.
        recent = _since(listing, _within(which, found[0].received_at - _OVERLAP))
        seen.update((event.id, event) for event in recent if event.id < last)
    while True:
        newest = max((event.received_at for event in seen.values()), default=begun + _OVERLAP)
        found = _since(listing, _within(which, newest - _OVERLAP))
        if news := [event for event in reversed(found) if _is_news(event, seen)]:
            yield news
        seen = {event.id: event for event in found} or seen
        time.sleep(_PAUSE)


def _within(which: Filter, since: int) -> Filter:
    return replace(which, since=max(since, which.since or 0))


def _is_news(event: Listed, seen: dict[int, Listed]) -> bool:
    known = seen.get(event.id)
    return known is None or (known.state, known.reason) != (event.state, event.reason)


def _since(listing: Listing, which: Filter) -> list[Listed]:
    found: list[Listed] = []
    after = None
    while True:
        page = listing.list_events(which, limit=LONGEST_PAGE, after=after)
        found += page.events
        after = page.after
        if after is None:
            return found
