"""``flask pooled import``: events that came in by no webhook, or that could not be read when they did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import go_on
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.app import NOT_DONE
from flask_pooled.cli.app import progress_bar
from flask_pooled.cli.options import json_option
from flask_pooled.cli.options import who_option
from flask_pooled.cli.options import why_option
from flask_pooled.cli.options import yes_option
from flask_pooled.inbox.bodies import BodiesError
from flask_pooled.inbox.bodies import split_bodies
from flask_pooled.inbox.importing import Imported
from flask_pooled.state import State
from flask_pooled.words import dollars
from flask_pooled.words import safe


@dataclass(slots=True)
class _Source:
    """Bodies from files, and where each stood."""

    bodies: list[bytes] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


@click.command("import", short_help="Record events from Pooled's delivery log.")
@click.argument(
    "files",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="[FILE]...",
)
@click.option("--rejected", is_flag=True, help="Read the rejected bodies of the inbox again.")
@who_option
@why_option()
@yes_option
@click.option("--dry-run", is_flag=True, help="Only say what would become of them.")
@json_option
@with_appcontext
def import_(
    files: tuple[str, ...],
    rejected: bool,
    who: str,
    why: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Record events from Pooled's delivery log, or rejected ones after an upgrade.

    FILE holds bodies as Pooled has sent them: JSON, one to a line or otherwise one after the other, or an array of
    them; - is stdin. They are recorded as if they came by the webhook: what is known already pays nothing. Outside
    debug and demo it asks before it does anything.

    Exit code 0: all are recorded. 1: some are no events, there were none, you said no, or the database could not be
    reached. 2: a file cannot be read, an option makes no sense, or the app is set up wrongly.
    """
    if rejected == bool(files):
        raise click.UsageError("say what to import: files, or --rejected")
    source = _read(files)
    state = app_state()
    asks = not (yes or dry_run or current_app.debug or state.settings.demo)
    if asks and "-" in files:
        raise click.UsageError(
            "the bodies come from stdin, so the answer cannot: give --yes, or --dry-run first"
        )
    with needs_database():
        if dry_run or asks:
            imported = _foresee(state, source, rejected=rejected)
        if asks and imported.events:
            _ask(state, imported)
        if not dry_run and not (asks and not imported.events):
            imported = _import(state, source, rejected=rejected, who=who, why=why)
    state.inbox.close()
    _report(imported, source, rejected=rejected, dry_run=dry_run, as_json=as_json)


def _read(files: tuple[str, ...]) -> _Source:
    source = _Source()
    for name in files:
        try:
            with click.open_file(name, "rb") as file:
                bodies = split_bodies(file.read())
        except (BodiesError, OSError) as error:
            raise click.UsageError(f"{safe(name)}: {error}. Nothing was imported") from None
        source.bodies += [body.text for body in bodies]
        source.places += [f"{name}, line {body.line}" for body in bodies]
    return source


def _foresee(state: State, source: _Source, *, rejected: bool) -> Imported:
    importer = state.inbox.importer
    return importer.foresee_reparse() if rejected else importer.foresee_bodies(source.bodies)


def _import(
    state: State, source: _Source, *, rejected: bool, who: str, why: str | None
) -> Imported:
    if rejected:
        return state.inbox.reparse(who=who, why=why)
    with progress_bar("Importing") as progress:
        return state.inbox.import_bodies(source.bodies, who=who, why=why, progress=progress)


def _ask(state: State, imported: Imported) -> None:
    click.echo(f"Import into {state.settings.tenant}:", err=True)
    for line in _lines(imported):
        click.echo(line, err=True)
    go_on(f"{_sum(imported)} would be paid. Go on?")


def _lines(imported: Imported) -> list[str]:
    groups = sorted(imported.events.items(), key=str)
    lines = [
        f"  {count} {safe(kind)} {state}" + (f" ({reason})" if reason else "")
        for (kind, state, reason), count in groups
    ]
    if imported.promoted:
        lines.append(f"  {imported.promoted} refund(s) that waited for these entries")
    return lines


def _sum(imported: Imported) -> str:
    return f"{dollars(imported.cents)} USD"


def _report(
    imported: Imported, source: _Source, *, rejected: bool, dry_run: bool, as_json: bool
) -> None:
    faults = {
        f"event {place}" if rejected else source.places[place]: why
        for place, why in imported.faults.items()
    }
    if as_json:
        click.echo(json.dumps(_facts(imported, faults, dry_run)))
    else:
        for place, why in faults.items():
            click.echo(f"Not imported: {safe(place)}: {safe(why)}", err=True)
        total = imported.events.total()
        verb = "would be recorded" if dry_run else "recorded"
        click.echo(
            f"{total} of {total + len(faults)} event(s) {verb}, {_sum(imported)} to be paid."
        )
        for line in _lines(imported):
            click.echo(line)
    if faults or not imported.events:
        raise click.exceptions.Exit(NOT_DONE)


def _facts(imported: Imported, faults: dict[str, str], dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "events": [
            {"kind": kind, "state": state, "reason": reason, "count": count}
            for (kind, state, reason), count in sorted(imported.events.items(), key=str)
        ],
        "cents": imported.cents,
        "promoted": imported.promoted,
        "faults": [{"where": place, "why": why} for place, why in faults.items()],
    }
