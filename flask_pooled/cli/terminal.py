"""How commands write for a person: what a sender wrote cannot steer the terminal, and tables fit into it."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import click

from flask_pooled.words import safe

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


def coloured(state: str) -> Cell:
    """A state in its colour."""
    return Cell(state, _COLOURS.get(state))


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
