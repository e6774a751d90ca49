"""What commands write for a person: nothing of a sender's steers the terminal, and tables fit into 80 columns."""

from __future__ import annotations

import pytest
from click import unstyle

from flask_pooled.cli.terminal import coloured
from flask_pooled.cli.terminal import Field
from flask_pooled.cli.terminal import table

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
