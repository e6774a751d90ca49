"""``flask pooled show``: one event's life."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import fail
from flask_pooled.cli.app import needs_database
from flask_pooled.cli.events import event_facts
from flask_pooled.cli.options import EVENT_ID
from flask_pooled.cli.options import json_option
from flask_pooled.cli.terminal import coloured
from flask_pooled.errors import InboxError
from flask_pooled.inbox.holds import EXPLANATIONS
from flask_pooled.inbox.listing import Life
from flask_pooled.inbox.listing import Listed
from flask_pooled.inbox.listing import MOST_REPEATS
from flask_pooled.words import exact
from flask_pooled.words import iso
from flask_pooled.words import properties
from flask_pooled.words import safe
from flask_pooled.words import state_words
from flask_pooled.words import step_reason
from flask_pooled.words import text_of

#: Exit code for an event that is not there.
_NOT_FOUND = 1


@click.command(short_help="Tell one event's life.")
@click.argument("event_id", type=EVENT_ID, metavar="ID")
@click.option("--body", "only_body", is_flag=True, help="Print the body alone, byte by byte.")
@json_option
@with_appcontext
def show(event_id: int, only_body: bool, as_json: bool) -> None:
    """Tell one event's life: when it came, what became of it, who was paid by what, and who decided.

    Exit code 0: told. 1: there is no such event, or the database could not be reached. 2: an option makes no sense, or
    the app is set up wrongly.
    """
    state = app_state()
    try:
        with needs_database():
            life = state.inbox.listing.life(event_id)
    except InboxError as error:
        fail(str(error), _NOT_FOUND)
    state.inbox.close()
    if as_json:
        click.echo(json.dumps(_facts(life)))
    elif only_body:
        _print_body(life)
    else:
        click.echo("\n".join(_lines(life)))


def _facts(life: Life) -> dict[str, Any]:
    """An event's life for scripts."""
    facts = {
        **event_facts(life.event),
        "explanation": EXPLANATIONS.get(life.event.reason or ""),
        "idempotency_key": life.idempotency_key,
        "receivers": life.receivers,
        "fairness": life.fairness,
        "error": life.error,
        "repeats": [event_facts(event) for event in life.repeats],
        "trail": [asdict(step) | {"at": iso(step.at)} for step in life.trail],
        "body": None,
    }
    if life.body is not None:
        try:
            facts["body"] = life.body.decode()
        except UnicodeDecodeError:
            facts["body_base64"] = base64.b64encode(life.body).decode()
    return facts


def _print_body(life: Life) -> None:
    if life.body is None:
        fail(f"event {life.event.id} repeats event {life.event.original_id}: show that", _NOT_FOUND)
    if sys.stdout.isatty():
        click.echo(safe(text_of(life.body)))
    else:
        click.echo(life.body, nl=False)


def _lines(life: Life) -> Iterator[str]:
    event = life.event
    yield click.style(f"Event {event.id}: {safe(event.kind)}, ", bold=True) + _state(event)
    if explanation := EXPLANATIONS.get(event.reason or ""):
        yield explanation
    yield ""
    for name, value in properties(life):
        yield f"{name:<12}{safe(value)}"
    yield from _deliveries(life)
    yield from _trail(life)
    if life.error is not None:
        yield from _section("Error", life.error.rstrip().splitlines())
    if life.body is not None:
        yield from _section(f"Body, {len(life.body)} bytes", text_of(life.body).splitlines())


def _state(event: Listed) -> str:
    return click.style(safe(state_words(event)), fg=coloured(event.state).colour)


def _deliveries(life: Life) -> Iterator[str]:
    if not life.repeats:
        return
    count = len(life.repeats)
    more = " times or more" if count == MOST_REPEATS else " time" if count == 1 else " times"
    yield from ("", click.style(f"Came again {count}{more}", bold=True))
    for event in life.repeats:
        yield f"  {exact(event.received_at)}  event {event.id}, {_state(event)}"


def _trail(life: Life) -> Iterator[str]:
    if not life.trail:
        return
    yield from ("", click.style("Audit trail", bold=True))
    for step in life.trail:
        why = step_reason(step)
        yield safe(
            f"  {exact(step.at)}  {step.actor or 'the inbox'}: {step.action}, "
            f"{step.from_state} -> {step.to_state}" + (f": {why}" if why else "")
        )


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield from ("", click.style(title, bold=True))
    for line in lines:
        yield f"  {safe(line)}"
