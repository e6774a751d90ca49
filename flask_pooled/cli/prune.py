"""``flask pooled prune``: forget what was settled long ago."""

from __future__ import annotations

import json
from datetime import datetime
from datetime import UTC

import click
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.app import progress_bar
from flask_pooled.cli.options import json_option
from flask_pooled.inbox.prune import Pruned


@click.command()
@click.option(
    "--keep-days",
    type=click.IntRange(min=0, max=36500),
    metavar="DAYS",
    help="Keep what was settled within so many days. Default: POOLED_KEEP_DAYS.",
)
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
@with_appcontext
def prune(keep_days: int | None, dry_run: bool, as_json: bool) -> None:
    """Delete events that were settled long ago.

    Nothing that waits for anybody is touched, and nothing is ever paid again because of it. It may run while the site
    does, and be stopped at any time.

    Exit code 0: done. 1: the database could not be reached; what was deleted is deleted. 2: an option makes no sense,
    or the app is set up wrongly.
    """
    state = app_state()
    days = state.settings.keep_days if keep_days is None else keep_days
    with needs_database(), progress_bar("Counting" if dry_run else "Pruning") as progress:
        pruned = state.inbox.prune(days, dry_run=dry_run, progress=progress)
    state.inbox.close()
    if as_json:
        click.echo(json.dumps(_facts(pruned, days, dry_run)))
    else:
        click.echo(_summary(pruned, days, dry_run))


def _facts(pruned: Pruned, days: int, dry_run: bool) -> dict[str, object]:
    return {
        "keep_days": days,
        "before": _day(pruned).isoformat(),
        "dry_run": dry_run,
        "events": pruned.events,
        "states": pruned.states,
    }


def _summary(pruned: Pruned, days: int, dry_run: bool) -> str:
    verb = "Would delete" if dry_run else "Deleted"
    states = ", ".join(f"{count} {state}" for state, count in sorted(pruned.states.items()))
    counted = f" ({states})" if states else ""
    return f"{verb} {pruned.events} event(s) that were settled before {_day(pruned):%Y-%m-%d %H:%M} UTC{counted}."


def _day(pruned: Pruned) -> datetime:
    return datetime.fromtimestamp(pruned.before / 1000, UTC)
