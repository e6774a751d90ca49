"""``flask pooled rehearse``: the whole integration, played through against the casino's own app."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask.cli import ScriptInfo

from flask_pooled.cli.app import fail
from flask_pooled.cli.app import go_on
from flask_pooled.cli.app import USAGE
from flask_pooled.cli.options import json_option
from flask_pooled.cli.options import yes_option
from flask_pooled.errors import ConfigError
from flask_pooled.errors import PooledError
from flask_pooled.rehearsal import Line
from flask_pooled.rehearsal import not_started
from flask_pooled.rehearsal import rehearse as play
from flask_pooled.rehearsal import Report
from flask_pooled.state import state_of

#: A test failed, or it was not begun.
_FAILED = 1

_NOT_ISOLATED = (
    "The wallet cannot be isolated: {why_not}. Wins and refunds are written to it and stay there: better point the app "
    "at a copy."
)
_ISOLATED = (
    "The app's databases are copied and left as they are. What its wallet code does elsewhere, such as sending mail, "
    "is real."
)
_GO_ON = "Go on?"


@click.command(short_help="Play the whole integration through.")
@yes_option
@click.option(
    "--in-place", is_flag=True, help="Play in the app's own databases, and not on copies of them."
)
@json_option
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write JUnit XML there.",
)
@click.pass_context
def rehearse(
    context: click.Context, yes: bool, in_place: bool, as_json: bool, junit: Path | None
) -> None:
    """Play the guide's end-to-end tests and hostile ones against this app.

    A sandbox drives it, over HTTP, with the app's own secrets and wallet code, for the player that the app gives by
    @pooled.rehearsal. It plays on copies of the app's SQLite files. A wallet that cannot be copied keeps what is won:
    that is said before it begins.

    Exit code 0: all passed. 1: a test failed, or it was not begun. 2: the app is set up wrongly.
    """

    def tell(line: Line) -> None:
        if not as_json:
            click.echo(line.as_rows())

    report, code = _play(context.ensure_object(ScriptInfo), tell, yes=yes, in_place=in_place)
    if junit is not None:
        junit.write_text(report.as_junit(), encoding="utf-8")
    click.echo(json.dumps(report.as_facts()) if as_json else f"\n{report.summary}")
    context.exit(code)


def _play(
    info: ScriptInfo, tell: Callable[[Line], None], *, yes: bool, in_place: bool
) -> tuple[Report, int]:
    try:
        app = info.load_app()
    except ConfigError as error:
        report = not_started(str(error))
        tell(report.lines[0])
        return report, USAGE
    try:
        state = state_of(app)
        is_play = app.debug or state.settings.demo

        def ask(why_not: str | None) -> None:
            if why_not is not None:
                click.echo(_NOT_ISOLATED.format(why_not=why_not), err=True)
            if not (yes or is_play):
                question = _GO_ON if why_not is not None else f"{_ISOLATED} {_GO_ON}"
                go_on(question)

        with _silence():
            report = play(app, in_place=in_place, ask=ask, tell=tell)
    except PooledError as error:
        fail(str(error), USAGE)
    state.dispatcher.close()
    state.inbox.close()
    return report, _FAILED if report.failed else 0


@contextmanager
def _silence() -> Iterator[None]:
    """Rehearsed failures are no news; what they say is in the report."""
    logger = logging.getLogger("flask_pooled")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
