"""How commands write for a person: what a sender wrote cannot steer the terminal, and tables fit into it."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import UTC
from itertools import pairwise

import click

from flask_pooled.money import from_cents

#: Between two columns.
_GAP = "  "

#: The narrowest terminal that tables are made for, and the width of what is no terminal, characters.
NARROWEST = 80

_COLOURS = {
    "pending": "yellow",
    "done": "green",
    "dead": "red",
    "held": "magenta",
    "rejected": "red",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one field of a table."""

    text: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a table."""

    title: str
    right: bool = False
    #: Shortened, down to so many characters, where the table would not fit; 0: never.
    least: int = 0
    #: At least so wide, for a table that is written in parts.
    wide: int = 0


def safe(text: object) -> str:
    """Text with every character that could steer a terminal or hide others written out."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in str(text)
    )


def coloured(state: str) -> Cell:
    """A state in its colour."""
    return Cell(state, _COLOURS.get(state))


def dollars(cents: int | None) -> str:
    """An amount as in ``1,000.00``; empty for none."""
    return "" if cents is None else f"{from_cents(cents):,}"


def moment(at: int | None) -> str:
    """A time in UTC to the minute, for tables; empty for none.

    :param at: milliseconds since the epoch.
    """
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M}"


def exact(at: int | None) -> str:
    """A time in UTC to the millisecond; empty for none.

    :param at: milliseconds since the epoch.
    """
    if at is None:
        return ""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}.{at % 1000:03} UTC"


def iso(at: int | None) -> str | None:
    """A time for scripts, ISO 8601 in UTC.

    :param at: milliseconds since the epoch.
    """
    return (
        None
        if at is None
        else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    )


def span(seconds: float) -> str:
    """A length of time by its two largest units, as in ``2 h 5 min``."""
    whole = int(seconds)
    units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)]
    for (large, size), (small, part) in pairwise(units):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def table(fields: Sequence[Field], rows: Sequence[Sequence[Cell | str]]) -> list[str]:
    """The lines of a table that fits into the terminal, titles first."""
    cells = [[_cell(each) for each in row] for row in rows]
    titles = [Cell(field.title) for field in fields]
    widths = _fit(
        fields,
        [
            max(field.wide, *(_width(row[at].text) for row in [titles, *cells]))
            for at, field in enumerate(fields)
        ],
    )
    return [_line(fields, widths, row) for row in [titles, *cells]]


def _cell(cell: Cell | str) -> Cell:
    given = cell if isinstance(cell, Cell) else Cell(cell)
    return Cell(safe(given.text), given.colour)


def _fit(fields: Sequence[Field], widths: list[int]) -> list[int]:
    room = max(shutil.get_terminal_size((NARROWEST, 24)).columns, NARROWEST)
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    while excess > 0:
        # A character at a time from the widest of those that may give.
        giving = [at for at, field in enumerate(fields) if 0 < field.least < widths[at]]
        if not giving:
            break
        widths[max(giving, key=lambda at: widths[at])] -= 1
        excess -= 1
    return widths


def _line(fields: Sequence[Field], widths: Sequence[int], row: Sequence[Cell]) -> str:
    parts = []
    for field, width, cell in zip(fields, widths, row, strict=True):
        text = _shortened(cell.text, width)
        room = " " * (width - _width(text))
        text = click.style(text, fg=cell.colour) if cell.colour else text
        parts.append(room + text if field.right else text + room)
    return _GAP.join(parts).rstrip()


def _shortened(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    while _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _width(text: str) -> int:
    """How many places of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
