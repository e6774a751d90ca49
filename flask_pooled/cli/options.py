"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import click

from flask_pooled.words import read_moment
from flask_pooled.words import searchable
from flask_pooled.words import whole_kind

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _EventId(click.IntRange):
    """The number of an event; those of rows are 64 bits wide."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail("it is no number of an event: see those in 'flask pooled events'", param, ctx)


EVENT_ID = _EventId(1, 2**63 - 1)


def text_value(text: str) -> str:
    """Text that a database can look for.

    :raises click.BadParameter: it is none.
    """
    try:
        return searchable(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def kind_value(text: str) -> str:
    """The name of an event; those that Pooled documents may be written without ``pool.``."""
    return whole_kind(text_value(text))


def moment_value(text: str) -> int:
    """A moment, as ``2h`` (so long ago) or in ISO 8601 (UTC unless it says otherwise).

    :returns: milliseconds since the epoch.
    :raises click.BadParameter: it is neither.
    """
    try:
        return read_moment(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def filter_options(command: _Command) -> _Command:
    """Add ``--kind --player --pool --since --until``."""
    for option in (
        click.option(
            "--until",
            type=moment_value,
            metavar="TIME",
            help="Only what arrived before. As with --since.",
        ),
        click.option(
            "--since",
            type=moment_value,
            metavar="TIME",
            help="Only what arrived since then, as in 90s, 15m, 2h, 3d, 1w or 2026-05-29T14:32 (UTC).",
        ),
        click.option("--pool", type=text_value, metavar="ID", help="Only of this pool."),
        click.option("--player", type=text_value, metavar="ID", help="Only of this player."),
        click.option(
            "--kind",
            type=kind_value,
            metavar="NAME",
            help="Only win, refund, entry, or another event's whole name.",
        ),
    ):
        command = option(command)
    return command


def check_span(since: int | None, until: int | None) -> None:
    """See that something can be between two moments.

    :raises click.UsageError: nothing can.
    """
    if since is not None and until is not None and until <= since:
        raise click.UsageError("--until is not after --since: nothing is between them")


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def yes_option(command: _Command) -> _Command:
    """Add ``--yes``."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(command)


def why_option(*, required: bool = False) -> Callable[[_Command], _Command]:
    """Add ``--why``."""
    return click.option(
        "--why",
        "--reason",
        "why",
        type=text_value,
        required=required,
        metavar="TEXT",
        help="The reason, for the audit trail.",
    )


def who_option(command: _Command) -> _Command:
    """Add ``--who``."""
    return click.option(
        "--who",
        type=_name,
        default=_system_user,
        envvar="POOLED_OPERATOR",
        metavar="NAME",
        help="Who decides, for the audit trail. Default: the system's user. [env: POOLED_OPERATOR]",
    )(command)


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise click.BadParameter("it is no name")
    return text


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        raise click.UsageError(
            "the system does not say who you are: give --who, or set POOLED_OPERATOR"
        ) from None
