"""``flask pooled retry``, ``release`` and ``discard``: what a person decides about events."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from typing import TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import fail
from flask_pooled.cli.app import go_on
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.app import NOT_DONE
from flask_pooled.cli.app import OUTAGE
from flask_pooled.cli.app import progress_bar
from flask_pooled.cli.options import check_span
from flask_pooled.cli.options import EVENT_ID
from flask_pooled.cli.options import filter_options
from flask_pooled.cli.options import json_option
from flask_pooled.cli.options import who_option
from flask_pooled.cli.options import why_option
from flask_pooled.cli.options import yes_option
from flask_pooled.inbox.bulk import choose
from flask_pooled.inbox.bulk import choose_by_id
from flask_pooled.inbox.bulk import Chosen
from flask_pooled.inbox.bulk import DECIDABLE
from flask_pooled.inbox.bulk import decide_all
from flask_pooled.inbox.bulk import Outcome
from flask_pooled.inbox.listing import Filter
from flask_pooled.state import State
from flask_pooled.words import DECIDED
from flask_pooled.words import dollars
from flask_pooled.words import safe

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _decision(action: str, *, why_required: bool = False) -> Callable[[_Command], _Command]:
    """The arguments and options of a decision."""

    def decorate(command: _Command) -> _Command:
        for add in (
            with_appcontext,
            json_option,
            yes_option,
            why_option(required=why_required),
            who_option,
            filter_options,
            click.option(
                "--state", type=click.Choice(DECIDABLE[action]), help="Only what is in this state."
            ),
            click.argument("ids", nargs=-1, type=EVENT_ID, metavar="[ID]..."),
        ):
            command = add(command)
        return command

    return decorate


@click.command(short_help="Try dead and pending events again.")
@_decision("retry")
def retry(**options: Any) -> None:
    """Give dead events all their attempts again, and try pending ones now.

    Name them by their numbers, or by a filter: then it is about every dead event that the filter finds. Mend the
    receiver first. With a filter, and outside debug and demo always, it asks before it does anything.

    Exit code 0: all were retried. 1: some could not be, there were none, or you said no. 2: an option makes no sense,
    or the app is set up wrongly.
    """
    _run("retry", **options)


@click.command()
@_decision("release")
def release(**options: Any) -> None:
    """Let held events be paid.

    Name them by their numbers, or by a filter: then it is about every held event that the filter finds. Refunds beyond
    the entries that are known are among them with --kind refund and --pool together, or with --state duplicate. With a
    filter, and outside debug and demo always, it asks before it does anything.

    Exit code 0: all were released. 1: some could not be, there were none, or you said no. 2: an option makes no sense,
    or the app is set up wrongly.
    """
    _run("release", **options)


@click.command()
@_decision("discard", why_required=True)
def discard(**options: Any) -> None:
    """Never pay held or dead events. The reason is required.

    Name them by their numbers, or by a filter: then it is about every held or dead event that the filter finds. Refunds
    beyond the entries that are known are among them with --kind refund and --pool together, or with --state duplicate.
    With a filter it asks before it does anything.

    Exit code 0: all were discarded. 1: some could not be, there were none, or you said no. 2: an option makes no sense,
    or the app is set up wrongly.
    """
    _run("discard", **options)


def _run(
    action: str,
    *,
    ids: tuple[int, ...],
    state: str | None,
    kind: str | None,
    player: str | None,
    pool: str | None,
    since: int | None,
    until: int | None,
    who: str,
    why: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    which = Filter(state=state, kind=kind, player_id=player, pool_id=pool, since=since, until=until)
    by_filter = which != Filter()
    check_span(since, until)
    if by_filter and ids:
        raise click.UsageError("give numbers of events or a filter, not both")
    if not by_filter and not ids:
        raise click.UsageError(f"say what to {action}: numbers of events, or a filter")
    if why is not None and not why.strip():
        raise click.UsageError("the reason is empty: somebody will ask for it")
    found = app_state()
    numbers = list(dict.fromkeys(ids))
    asks = not yes and (by_filter or _is_careful(found, action))
    with needs_database():
        if by_filter:
            chosen = choose(found.inbox.listing, action, which)
            numbers = chosen.ids
        elif asks:
            chosen = choose_by_id(found.inbox.listing, numbers)
    if asks and chosen.ids:
        _ask(found, action, chosen)
    decide = partial(getattr(found.inbox.decisions, action), who=who, why=why)
    with progress_bar(action.capitalize()) as progress:
        outcome = decide_all(decide, numbers, progress)
    found.inbox.close()
    _report(action, outcome, len(numbers), as_json=as_json)


def _is_careful(state: State, action: str) -> bool:
    """Whether real money would move."""
    return action != "discard" and not (current_app.debug or state.settings.demo)


def _ask(state: State, action: str, chosen: Chosen) -> None:
    lines = [
        f"  {count} {safe(kind)} {in_state}" + (f" ({reason})" if reason else "")
        for (kind, in_state, reason), count in sorted(
            chosen.groups.items(), key=lambda group: str(group)
        )
    ]
    click.echo(f"{action.capitalize()} in {state.settings.tenant}:\n" + "\n".join(lines), err=True)
    amount = f"{dollars(chosen.cents)} USD"
    go_on(f"{len(chosen.ids)} event(s), {amount}. Go on?")


def _report(action: str, outcome: Outcome, asked: int, *, as_json: bool) -> None:
    word = DECIDED[action]
    if as_json:
        refused = [{"id": each, "why": why} for each, why in outcome.refused.items()]
        facts = {word: outcome.done, "refused": refused, "outage": outcome.outage}
        click.echo(json.dumps(facts))
    else:
        for why in outcome.refused.values():
            click.echo(f"Not {word}: {safe(why)}", err=True)
        click.echo(
            f"{len(outcome.done)} of {asked} event(s) {word}." if asked else "Nothing found."
        )
    if outcome.outage is not None:
        left = asked - len(outcome.done) - len(outcome.refused)
        fail(
            f"the database could not be reached ({outcome.outage}); {left} event(s) were not decided about",
            OUTAGE,
        )
    if outcome.refused or not outcome.done:
        raise click.exceptions.Exit(NOT_DONE)
