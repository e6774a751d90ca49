"""``flask pooled show``: one event's life, for a person and for a script."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from click.testing import _NamedTextIOWrapper
from click.testing import Result
from flask import Flask

from flask_pooled import parse_event
from flask_pooled import pool_win
from flask_pooled.cli import pooled


def _run(casino: Casino, *arguments: object) -> Result:
    words = ["show", *(str(each) for each in arguments)]
    return casino.app.test_cli_runner().invoke(pooled, words)


def _shown(casino: Casino, event_id: int) -> str:
    """What it says, without times."""
    result = _run(casino, event_id)
    assert (result.exit_code, result.stderr) == (0, "")
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC", "TIME", result.stdout)


@pytest.mark.both_databases
def test_paid_win(casino: Casino) -> None:
    casino.post_all(win(), win())
    casino.drain()
    event_id, repeat = casino.rows("id")
    [(_, _, key)] = casino.movements()
    body = json.dumps(win())
    assert _shown(casino, event_id).splitlines() == [
        f"Event {event_id}: pool.win, done",
        "",
        "Received    TIME",
        "Player      player_abc123",
        "Pool        pool-1 of 1,000 USD",
        "Amount      1,000.00 USD",
        "Fairness    the seed matches its commitment (SHA-256 of its text)",
        "Attempts    1",
        "Done        TIME",
        "By          casino.Casino.connect.<locals>.credit_winner",
        f"Key         {key}",
        "",
        "Came again 1 time",
        f"  TIME  event {repeat}, duplicate",
        "",
        f"Body, {len(body)} bytes",
        f"  {body}",
    ]
    assert _shown(casino, repeat).splitlines() == [
        f"Event {repeat}: pool.win, duplicate",
        "",
        "Received    TIME",
        "Player      player_abc123",
        "Pool        pool-1 of 1,000 USD",
        "Amount      1,000.00 USD",
        "Fairness    the seed matches its commitment (SHA-256 of its text)",
        f"Repeats     event {event_id}",
        "Attempts    0",
    ]


@pytest.mark.both_databases
def test_night_shift(make_casino: Callable[..., Casino]) -> None:
    """It fails, dies, is retried by somebody, and is paid: the trail tells all of it."""
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    broken = [True]

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        if broken:
            raise LookupError("no account \x1b[31m7")

    casino.post_all(win())
    casino.drain()
    [event_id] = casino.rows("id")
    shown = _shown(casino, event_id)
    assert shown.startswith(f"Event {event_id}: pool.win, dead\n")
    assert "\nError\n  Traceback (most recent call last):\n" in shown
    assert "\n  LookupError: no account \\x1b[31m7\n" in shown
    broken.clear()
    casino.state.inbox.decisions.retry(event_id, who="dana", why="mended\nat night")
    casino.drain()
    shown = _shown(casino, event_id)
    assert "Error" not in shown.replace("LookupError", "")
    assert (
        "Audit trail\n"
        "  TIME  the inbox: die, pending -> dead: LookupError: no account \\x1b[31m7\n"
        "  TIME  dana: retry, dead -> pending: mended\\nat night\n"
    ) in shown
    assert shown.startswith(f"Event {event_id}: pool.win, done\n")


def test_contradiction(casino: Casino) -> None:
    casino.post_all(win(), win(winner_id="other", seed="x"))
    first, second = casino.rows("id")
    shown = _shown(casino, second)
    assert shown.startswith(
        f"Event {second}: pool.win, held conflict\nit contradicts an event that was recorded before\n"
    )
    assert f"Contradicts event {first}\n" in shown
    assert "Fairness    the seed does not match its commitment\n" in shown
    assert f"  TIME  event {second}, held conflict\n" in _shown(casino, first)


def test_refund_that_waits(casino: Casino) -> None:
    casino.post_all(entry(), refund(), refund())
    shown = _shown(casino, casino.rows("id")[-1])
    assert (
        "duplicate surplus\nevery entry known of this player in this pool was given back" in shown
    )
    assert "Entry       paid\n" in shown
    assert "Key" not in shown


@pytest.mark.both_databases
def test_rejected_body(casino: Casino) -> None:
    body = b'{"event": "\x1b[2J\xff'
    assert casino.post(body).status_code == 400
    [event_id] = casino.rows("id")
    shown = _shown(casino, event_id)
    assert "\nError\n  the body is not JSON" in shown
    assert '\nBody, 16 bytes\n  {"event": "\\x1b[2J\\xff\n' in shown
    facts = json.loads(_run(casino, event_id, "--json").stdout)
    assert (facts["body"], facts["body_base64"]) == (None, "eyJldmVudCI6ICIbWzJK/w==")


@pytest.mark.both_databases
def test_json(casino: Casino) -> None:
    casino.post_all(win(), win())
    casino.drain()
    event_id, repeat = casino.rows("id")
    facts = json.loads(_run(casino, event_id, "--json").stdout)
    assert facts["body"] == json.dumps(win())
    assert facts["idempotency_key"] == casino.movements()[0][2]
    assert (facts["state"], facts["attempts"], facts["cents"]) == ("done", 1, 100_000)
    assert facts["receivers"] == ["casino.Casino.connect.<locals>.credit_winner"]
    assert facts["settled_at"].endswith("+00:00")
    assert [each["id"] for each in facts["repeats"]] == [repeat]
    assert (facts["trail"], facts["error"], facts["explanation"]) == ([], None, None)


def test_trail_as_json(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_OVER=1)
    casino.post_all(win())
    [event_id] = casino.rows("id")
    casino.state.inbox.decisions.discard(event_id, who="dana", why="twice")
    facts = json.loads(_run(casino, event_id, "--json").stdout)
    [step] = facts["trail"]
    assert step.pop("at") == facts["settled_at"]
    assert step == {
        "actor": "dana",
        "action": "discard",
        "from_state": "held",
        "to_state": "discarded",
        "reason": "twice",
    }
    assert facts["explanation"] == "the amount is above POOLED_HOLD_OVER"


def test_key_is_the_one_that_a_released_contradiction_is_paid_under(casino: Casino) -> None:
    casino.post_all(win(), win(winner_id="other"))
    second = casino.rows("id")[1]
    before = json.loads(_run(casino, second, "--json").stdout)["idempotency_key"]
    casino.state.inbox.decisions.release(second, who="dana")
    casino.drain()
    assert {key for player, _, key in casino.movements() if player == "other"} == {before}


def test_body_alone_is_what_was_sent(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(win(winner_name="\x1b[2Jü"), ensure_ascii=False, indent=1).encode()
    assert casino.post(body.replace(b"\x1b", b"\\u001b")).status_code == 200
    casino.post(body.replace(b"\x1b", b"\\u001b"))
    event_id, repeat = casino.rows("id")
    result = _run(casino, event_id, "--body")
    assert result.stdout_bytes == body.replace(b"\x1b", b"\\u001b")
    assert parse_event(result.stdout_bytes).kind == "pool.win"
    # A repeat has none of its own.
    refused = _run(casino, repeat, "--body")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"repeats event {event_id}: show that" in refused.stderr
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda stream: True)
    assert "\\n" in _run(casino, event_id, "--body").stdout


def test_colours_on_a_terminal_alone(casino: Casino) -> None:
    casino.post_all(win())
    [event_id] = casino.rows("id")
    runner = casino.app.test_cli_runner()
    assert "\x1b" not in runner.invoke(pooled, ["show", str(event_id)]).stdout
    assert "\x1b[33mpending" in runner.invoke(pooled, ["show", str(event_id)], color=True).stdout


def test_not_there(casino: Casino) -> None:
    result = _run(casino, 7)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: there is no event 7: look its number up")


def test_another_tenants_event(make_casino: Callable[..., Casino]) -> None:
    first = make_casino()
    second = make_casino(first.db, POOLED_TENANT="noble-casino")
    first.post_all(win())
    assert _run(second, first.rows("id")[0]).exit_code == 1


def test_without_a_database(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    result = _run(casino, 1)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the database refused what was asked" in result.stderr
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


@pytest.mark.parametrize("arguments", [[], ["x"], ["0"], ["1", "2"], [2**63], ["1", "--all"]])
def test_wrong_usage(casino: Casino, arguments: list[object]) -> None:
    assert _run(casino, *arguments).exit_code == 2


@pytest.mark.parametrize("number", ["abc", "0", "1.5", "9" * 30, "9" * 5000, "²"])
def test_what_is_no_number_of_an_event(casino: Casino, number: str) -> None:
    result = casino.app.test_cli_runner().invoke(pooled, ["show", number])
    assert result.exit_code == 2
    assert "it is no number of an event: see those in 'flask pooled events'" in result.stderr
