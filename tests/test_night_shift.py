"""A night in a terminal: ten wins fail, somebody finds out why, and in the morning the wallets are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from click.testing import Result
from flask import Flask

from flask_pooled import pool_win
from flask_pooled.cli import pooled

pytestmark = pytest.mark.both_databases


def test_night_shift(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=2, POOLED_HOLD_OVER=5000)
    casino.connect()
    broken = [True]

    @pool_win.connect_via(casino.app)
    def asks_the_bank(app: Flask, **extra: Any) -> None:
        if broken:
            raise ConnectionRefusedError("the bank's service is down")

    def run(*arguments: object, answer: str = "") -> Result:
        words = [str(each) for each in arguments]
        return casino.app.test_cli_runner().invoke(pooled, words, input=answer)

    def found(*options: str) -> list[int]:
        result = run("events", "--json", *options)
        return [event["id"] for event in json.loads(result.stdout)["events"]]

    # At night a receiver fails for ten wins, two of them abc's. A large win and a contradiction come in as well.
    players = ["player_abc123", *(f"player-{number}" for number in range(8)), "player_abc123"]
    casino.post_all(*(win(pool_id=f"pool-{n}", winner_id=who) for n, who in enumerate(players)))
    for _ in range(2):
        casino.drain()
        casino.make_due()
    casino.post_all(
        win(pool_id="pool-large", pool_size=10_000, amount=10_000, winner_id="lucky"),
        win(pool_id="pool-3", winner_id="somebody else"),
    )

    # At three, somebody asks whether player_abc123 got the money.
    assert "dead                10  nobody was paid" in run("stats").stdout
    assert run("doctor", "--no-probe").exit_code == 1
    theirs = found("--player", "player_abc123", "--state", "dead", "--since", "2h")
    assert len(theirs) == 2
    shown = run("show", theirs[0]).stdout
    assert shown.startswith(f"Event {theirs[0]}: pool.win, dead\n")
    assert "ConnectionRefusedError: the bank's service is down\n" in shown

    # The service is back.
    broken.clear()
    retried = run(
        "retry", "--state", "dead", "--who", "dana", "--why", "bank is back", answer="y\n"
    )
    assert (retried.exit_code, retried.stdout) == (0, "10 of 10 event(s) retried.\n")
    assert "  10 pool.win dead (attempts)\n10 event(s), 10,000.00 USD. Go on?" in retried.stderr
    [large] = found("--state", "held", "--player", "lucky")
    assert run("release", large, "--yes", "--who", "dana", "--why", "called them").exit_code == 0
    [wrong] = found("--state", "held")
    assert run("discard", wrong, "--who", "dana").exit_code == 2
    assert run("discard", wrong, "--who", "dana", "--reason", "Pooled: a mistake").exit_code == 0
    assert casino.drain() == 11

    # In the morning every wallet is right to the cent, and the trail tells the story.
    paid = {player: cents for player, cents, _ in casino.movements() if player != "player_abc123"}
    assert paid == {f"player-{number}": 100_000 for number in range(8)} | {"lucky": 1_000_000}
    assert casino.balance("player_abc123") == 200_000
    assert sorted({*casino.states()}) == ["discarded", "done"]
    trail = casino.sql("SELECT actor, action, reason FROM pooled_audit WHERE actor IS NOT NULL")
    assert sorted(map(tuple, trail)) == [
        ("dana", "discard", "Pooled: a mistake"),
        ("dana", "release", "called them"),
        *[("dana", "retry", "bank is back")] * 10,
    ]
    life = json.loads(run("show", theirs[0], "--json").stdout)
    assert [step["action"] for step in life["trail"]] == ["die", "retry"]
    assert (life["state"], life["error"]) == ("done", None)
    assert run("doctor", "--no-probe").stdout.count("FAULT    backlog") == 0
