"""``flask pooled worker``: a process that works on pending events."""

from __future__ import annotations

import signal
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from flask.cli import with_appcontext

from flask_pooled.cli.app import app_state
from flask_pooled.cli.app import needs_database
from flask_pooled.dispatch.worker import Crew
from flask_pooled.inbox.heartbeat import Heartbeat
from flask_pooled.state import State


@click.command()
@click.option("--once", is_flag=True, help="Work until nothing is due, and end.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads, each of which handles one event at a time and takes two database connections. On SQLite more "
    "than one is pointless: one event at a time can be written there.",
)
@click.option(
    "--poll",
    type=click.FloatRange(min=0.01, max=3600),
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="Pause after a look that found nothing.",
)
@with_appcontext
def worker(once: bool, concurrency: int, poll: float) -> None:
    """Work on the events that are due.

    Run as many as you like: on PostgreSQL on any number of machines, on SQLite on the machine of the file. SIGTERM or
    Ctrl-C ends it after the event at hand, a second one at once; an event that is broken off is handled again.

    Exit code 0: it was told to end, or with --once nothing was due any more. 1: with --once, the database could not be
    reached. 2: the app is set up wrongly.
    """
    state = _checked_state()
    crew = Crew(
        state.inbox.run, Heartbeat(state.workers, "worker"), concurrency=concurrency, pause=poll
    )
    with _signals(crew.stop):
        if once:
            with needs_database():
                crew.work_once()
        else:
            click.echo(f"Working on the events of {state.settings.tenant}. Ctrl-C ends it.")
            crew.work()
            click.echo("Worker ended.")
    state.inbox.close()


def _checked_state() -> State:
    state = app_state()
    if state.settings.dispatch == "thread":
        click.echo(
            "Warning: POOLED_DISPATCH is 'thread', so each serving process works on events as well. That is safe. Set "
            "it to 'worker' to leave the work to this command.",
            err=True,
        )
    return state


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call *stop* at the first signal to end; leave the second one to the system, which ends the process."""
    kinds = (signal.SIGTERM, signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        for kind in kinds:
            signal.signal(kind, signal.SIG_DFL)
        stop()

    before = {kind: signal.signal(kind, handle) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
