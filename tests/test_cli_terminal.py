"""What commands write for a person: nothing of a sender's steers the terminal, and tables fit into 80 columns."""

from __future__ import annotations

import pytest
from click import unstyle

from flask_pooled.cli.terminal import coloured
from flask_pooled.cli.terminal import Field
from flask_pooled.cli.terminal import table
from flask_pooled.words import dollars
from flask_pooled.words import exact
from flask_pooled.words import iso
from flask_pooled.words import moment
from flask_pooled.words import safe
from flask_pooled.words import span


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Jürgen 王", "Jürgen 王"),
        ("\x1b[2J\r\n\t\x07\x7f", "\\x1b[2J\\r\\n\\t\\x07\\x7f"),
        # What reads from right to left could hide an amount.
        ("\u202e00.1", "\\u202e00.1"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
        (7, "7"),
    ],
)
def test_control_characters_are_written_out(text: object, shown: str) -> None:
    assert safe(text) == shown
    safe(text).encode()


def test_amounts_and_times() -> None:
    assert [dollars(cents) for cents in (None, 0, 150, 123_456_789)] == [
        "",
        "0.00",
        "1.50",
        "1,234,567.89",
    ]
    at = 1_780_065_120_007
    assert moment(at) == "2026-05-29 14:32"
    assert exact(at) == "2026-05-29 14:32:00.007 UTC"
    assert iso(at) == "2026-05-29T14:32:00.007+00:00"
    assert (moment(None), exact(None), iso(None)) == ("", "", None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


FIELDS = [Field("ID", right=True), Field("STATE"), Field("PLAYER", least=6), Field("POOL", least=6)]


def test_columns_are_as_wide_as_they_need() -> None:
    assert table(FIELDS, [["7", "held", "p1", "x"], ["12", "done", "player_2", "y"]]) == [
        "ID  STATE  PLAYER    POOL",
        " 7  held   p1        x",
        "12  done   player_2  y",
    ]


@pytest.mark.parametrize("letter", ["x", "王"])
@pytest.mark.parametrize("columns", [None, "40", "80", "120"])
def test_long_values_are_shortened_to_the_terminals_width(
    monkeypatch: pytest.MonkeyPatch, columns: str | None, letter: str
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    room = max(int(columns or 80), 80)
    line = table(FIELDS, [["7", "held", letter * 200, letter * 200]])[1]
    wide = sum(1 + (each == "王") for each in line)
    assert room - 4 <= wide <= room
    assert line.count("…") == 2


def test_colours_take_no_room() -> None:
    plain = table(FIELDS, [["7", "dead", "p1", "x"]])
    styled = table(FIELDS, [["7", coloured("dead"), "p1", "x"]])
    assert [unstyle(line) for line in styled] == plain
    assert "\x1b[31mdead\x1b[0m" in styled[1]


def test_parts_of_a_table_are_aligned() -> None:
    fields = [Field("ID", right=True, wide=6), Field("STATE", wide=10), Field("POOL")]
    assert table(fields, [["7", "held", "x"]]) == [
        "    ID  STATE       POOL",
        "     7  held        x",
    ]
