"""What the commands share that look after an app's inbox: finding it, and the exit codes of what can go wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from typing import NoReturn

import click
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled.errors import ConfigError
from flask_pooled.inbox.outages import is_outage
from flask_pooled.inbox.spool import SpoolError
from flask_pooled.state import State
from flask_pooled.state import state_of

#: The database could not be reached.
OUTAGE = 1

#: Something could not be done, there was nothing to do, or somebody said no.
NOT_DONE = 1

#: An option that makes no sense, or an app that is set up wrongly: click's own code for usage errors.
USAGE = 2

#: Steps of a progress bar.
_STEPS = 1000


def app_state(*, inbox: bool = True) -> State:
    """The state of the app that the command was given; ends the command if it is set up wrongly.

    :param inbox: whether the command needs the inbox.
    """
    try:
        state = state_of(current_app._get_current_object())  # type: ignore[attr-defined]  # documented by Werkzeug
        if inbox:
            # The engine is found, or not, when it is first used. That it cannot be reached is told by the work itself.
            with suppress(SQLAlchemyError):
                state.workers.seen()
    except ConfigError as error:
        fail(str(error), USAGE)
    return state


@contextmanager
def needs_database() -> Iterator[None]:
    """End the command if the database, or the spool, fails in the block."""
    try:
        yield
    except SpoolError as error:
        fail(str(error), OUTAGE)
    except SQLAlchemyError as error:
        fail(_told(error), OUTAGE)


def _told(error: SQLAlchemyError) -> str:
    # The text of the error may hold the address with its password.
    kind = type(error).__name__
    if is_outage(error):
        return f"the database could not be reached ({kind})"
    return (
        f"the database refused what was asked ({kind}): 'flask pooled init-db' says whether the inbox's tables are "
        "as they should be"
    )


def go_on(question: str) -> None:
    """Ask before something is done; ends the command unless the answer is yes."""
    try:
        said = click.confirm(question, err=True)
    except click.Abort:
        click.echo("\nNobody answered: in a script, answer with --yes.", err=True)
        said = False
    if not said:
        click.echo("Nothing was done.", err=True)
        raise click.exceptions.Exit(NOT_DONE)


def fail(reason: str, code: int) -> NoReturn:
    """End the command with an error."""
    click.echo(f"Error: {reason}", err=True)
    raise click.exceptions.Exit(code)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], object]]:
    """A bar on a terminal, and nothing in a log or a mail of cron's.

    :returns: moves it, from 0 to 1.
    """
    if not sys.stderr.isatty():
        yield lambda part: None
        return
    with click.progressbar(length=_STEPS, label=label, file=sys.stderr) as bar:
        yield lambda part: bar.update(int(part * _STEPS) - bar.pos)
