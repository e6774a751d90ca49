"""How events are told to people: amounts, times, and what a sender wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies

from flask_pooled.inbox.listing import Step
from flask_pooled.words import dollars
from flask_pooled.words import exact
from flask_pooled.words import iso
from flask_pooled.words import moment
from flask_pooled.words import read_moment
from flask_pooled.words import safe
from flask_pooled.words import searchable
from flask_pooled.words import span
from flask_pooled.words import step_reason
from flask_pooled.words import text_of
from flask_pooled.words import whole_kind


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


@given(strategies.text())
def test_nothing_that_hides_or_steers_is_left(text: str) -> None:
    assert safe(text).isprintable()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", 910_000),
        (" 15 m ", 100_000),
        ("0.5min", 970_000),
        ("1w", -603_800_000),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01T02:00+02:00", 0),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000),
    ],
)
def test_moments_are_read(text: str, at: int) -> None:
    assert read_moment(text, 1000) == at


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "-1h", "1e9s", "٣h", "9999999999s"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match="it is no time: write it as in"):
        read_moment(text, 0)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_what_no_database_can_look_for(text: str) -> None:
    with pytest.raises(ValueError, match="no text"):
        searchable(text)


def test_kinds() -> None:
    assert [whole_kind(each) for each in ("win", "pool.win", "unheard")] == [
        "pool.win",
        "pool.win",
        "unheard",
    ]


def test_a_traceback_is_told_by_its_end() -> None:
    step = Step(
        at=0, actor=None, action="die", from_state="pending", to_state="dead", reason="a\nb\n"
    )
    assert step_reason(step) == "b"
    named = Step(at=0, actor="dana", action="x", from_state=None, to_state="done", reason="a\nb")
    assert step_reason(named) == "a\nb"


def test_bodies_are_text_whatever_they_hold() -> None:
    assert text_of(b"a\xffb") == "a\\xffb"
