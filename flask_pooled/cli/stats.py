"""``flask pooled stats``: how the inbox stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.options import json_option
from flask_pooled.cli.terminal import coloured
from flask_pooled.inbox.listing import STATES
from flask_pooled.stats import read_stats
from flask_pooled.stats import spool_stats
from flask_pooled.words import safe
from flask_pooled.words import span

#: What a person should do about events in a state.
_HINTS = {
    "held": "waiting for somebody: flask pooled events --state held",
    "dead": "nobody was paid: flask pooled events --state dead",
}


@click.command(short_help="Tell how the inbox stands.")
@json_option
@with_appcontext
def stats(as_json: bool) -> None:
    """Tell how the inbox stands: events by state, what came lately, the spool, and who works.

    Exit code 0: told. 1: the database could not be reached; what is in the spool is told all the same. 2: the app is
    set up wrongly.
    """
    state = app_state()
    with needs_database():
        try:
            facts = read_stats(state)
        except SQLAlchemyError:
            click.echo(_spool(spool_stats(state)), err=True)
            raise
    state.inbox.close()
    # Counted by each serving process for itself, and this is none.
    facts["unsigned_refused"] = None
    click.echo(json.dumps(facts) if as_json else "\n".join(_lines(facts)))


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"Tenant {facts['tenant']}, dispatch by {facts['dispatch']}"
    yield ""
    for name in STATES:
        count = facts["states"].get(name, 0)
        hint = _HINTS.get(name, "") if count else ""
        if name == "pending" and facts["oldest_pending_seconds"] is not None:
            hint = f"the oldest came {span(facts['oldest_pending_seconds'])} ago"
        colour = coloured(name).colour if count else None
        yield f"{click.style(f'{name:<10}', fg=colour)}{count:>12,}  {hint}".rstrip()
    yield ""
    received = ", ".join(
        f"{count:,} in the last {name}" for name, count in facts["received"].items()
    )
    yield f"Received  {received}"
    yield _spool(facts["spool"])
    if not facts["workers"]:
        yield "Workers   none was seen"
    for worker in facts["workers"]:
        seen = f"seen {span(worker['seen_seconds'])} ago"
        lost = "" if worker["alive"] else click.style(", not alive", fg="red")
        yield f"Worker    {safe(worker['name'])}, {seen}{lost}"


def _spool(facts: Mapping[str, Any] | None) -> str:
    if facts is None:
        return "Spool     none"
    waiting = f"{facts['waiting']:,} waiting, {facts['refused']:,} refused"
    colour = "red" if facts["waiting"] or facts["refused"] else None
    room = "" if facts["free"] is None else f", {facts['free'] // 2**20:,} MiB free"
    return f"Spool     {click.style(waiting, fg=colour)}{room}, {safe(facts['path'])}"
