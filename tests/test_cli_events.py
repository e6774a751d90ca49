"""``flask pooled events``: filters, pages, the tail, 80 columns, and nothing of a sender's that steers the terminal."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from click.testing import Result
from flask import Flask
from served_casino import served

from flask_pooled import Pooled
from flask_pooled.cli import pooled


def _run(casino: Casino, *options: str) -> Result:
    return casino.app.test_cli_runner().invoke(pooled, ["events", *options])


def _ids(result: Result) -> list[int]:
    assert result.exit_code == 0
    return [event["id"] for event in json.loads(result.stdout)["events"]]


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino with six events of three kinds."""
    casino = make_casino(POOLED_HOLD_OVER=5000)
    casino.connect()
    casino.post_all(
        entry(),
        win(),
        win(),
        win(pool_id="pool-2", pool_size=10_000, amount=10_000, winner_id="other"),
        refund(pool_id="pool-3"),
        {"event": "pool.\x1b[2J\u202e"},
    )
    return casino


@pytest.mark.both_databases
def test_table(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    casino.drain()
    # Ids may have gaps, times differ.
    casino.sql("UPDATE pooled_event SET received_at = 1780065120000")
    result = _run(casino)
    assert (result.exit_code, result.stderr) == (0, "")
    titles, *lines = result.stdout.splitlines()
    assert titles.split() == ["ID", "RECEIVED", "(UTC)", "KIND", "STATE", "USD", "PLAYER", "POOL"]
    ids = casino.rows("id")[::-1]
    shown = [" ".join(line.split()) for line in lines]
    assert shown == [
        f"{ids[0]} 2026-05-29 14:32 \\x1b[2J\\u202e done",
        f"{ids[1]} 2026-05-29 14:32 refund done 1.00 player_abc123 pool-3",
        f"{ids[2]} 2026-05-29 14:32 win held over_limit 10,000.00 other pool-2",
        f"{ids[3]} 2026-05-29 14:32 win duplicate 1,000.00 player_abc123 pool-1",
        f"{ids[4]} 2026-05-29 14:32 win done 1,000.00 player_abc123 pool-1",
        f"{ids[5]} 2026-05-29 14:32 entry done 1.50 player_abc123 pool-1",
    ]


@pytest.mark.both_databases
def test_filters(casino: Casino) -> None:
    first, second, third, fourth, fifth, last = casino.rows("id")
    for options, found in (
        (["--kind", "win"], [fourth, third, second]),
        (["--kind", "pool.refund"], [fifth]),
        (["--kind", "pool.\x1b[2J\u202e"], [last]),
        (["--state", "held"], [fourth]),
        (["--player", "other"], [fourth]),
        (["--player", "player_abc123", "--kind", "win", "--state", "duplicate"], [third]),
        (["--pool", "pool-3"], [fifth]),
        (["--since", "2h", "--limit", "2"], [last, fifth]),
        (["--until", "2999-01-01", "--pool", "pool-1", "--kind", "entry"], [first]),
    ):
        assert _ids(_run(casino, "--json", *options)) == found


def test_nothing_found(casino: Casino) -> None:
    for options in (["--state", "dead"], ["--until", "1d"], ["--since", "2999-01-01T00:00Z"]):
        result = _run(casino, *options)
        assert (result.exit_code, result.output) == (1, "Nothing found.\n")
        result = _run(casino, "--json", *options)
        assert (result.exit_code, json.loads(result.stdout)) == (1, {"events": [], "after": None})


@pytest.mark.both_databases
def test_pages(casino: Casino) -> None:
    listed: list[int] = []
    after: list[str] = []
    for size in (2, 2, 2):
        page = json.loads(_run(casino, "--json", "--limit", str(size), *after).stdout)
        listed += [event["id"] for event in page["events"]]
        after = ["--after", page["after"]]
    assert listed == casino.rows("id")[::-1]
    assert page["after"] is None
    *_, more = _run(casino, "--limit", "2").stdout.splitlines()
    option, cursor = more.removeprefix("More with ").split()
    rest = _run(casino, "--limit", "2", option, cursor).stdout
    assert "held over_limit" in rest
    assert "refund" not in rest


def test_json_has_times_for_machines(casino: Casino) -> None:
    [event] = json.loads(_run(casino, "--json", "--state", "held").stdout)["events"]
    assert event.pop("received_at").endswith("+00:00")
    assert event == {
        "id": casino.rows("id")[3],
        "kind": "pool.win",
        "state": "held",
        "reason": "over_limit",
        "original_id": None,
        "waits": False,
        "pool_id": "pool-2",
        "pool_size": 10_000,
        "player_id": "other",
        "entry_type": None,
        "cents": 1_000_000,
        "ordinal": None,
        "attempts": 0,
        "due_at": None,
        "settled_at": None,
    }


def test_eighty_columns(casino: Casino) -> None:
    casino.post_all(
        win(pool_id="p" * 255, winner_id="王" * 255, pool_size=1_000_000, amount=1_000_000)
    )
    lines = _run(casino).stdout.splitlines()
    assert "…" in lines[1]
    assert max(len(line) + line.count("王") for line in lines) == 80
    casino.sql(
        "UPDATE pooled_event SET id = id + 1000000, state = 'discarded', reason = 'foreign_tenant'"
    )
    assert max(len(line) + line.count("王") for line in _run(casino).stdout.splitlines()) == 80
    # A column in which everything is the same is left out.
    assert "PLAYER" not in _run(casino, "--player", "other").stdout
    assert "POOL" not in _run(casino, "--pool", "pool-1").stdout


class _Looks:
    """Stands for the pauses of the tail: does something in each, and then presses Ctrl-C."""

    def __init__(self, *works: Callable[[], object]) -> None:
        self._works = iter(works)

    def __call__(self, seconds: float) -> None:
        work = next(self._works, None)
        if work is None:
            raise KeyboardInterrupt
        work()


def _follow(
    casino: Casino,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    *works: Callable[[], object],
) -> Result:
    monkeypatch.setattr("flask_pooled.cli.events.time.sleep", _Looks(*works))
    return _run(casino, "--follow", *options)


@pytest.mark.both_databases
def test_tail(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _follow(
        casino,
        monkeypatch,
        ["--limit", "2", "--json"],
        lambda: None,
        lambda: casino.post_all(win(pool_id="new"), win(pool_id="newer")),
        lambda: None,
        casino.drain,
        lambda: None,
    )
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    shown = [(event["kind"], event["pool_id"], event["state"]) for event in events]
    unknown = "pool.\x1b[2J\u202e"
    assert shown[:4] == [
        ("pool.refund", "pool-3", "pending"),
        (unknown, None, "pending"),
        ("pool.win", "new", "pending"),
        ("pool.win", "newer", "pending"),
    ]
    # Then what was worked on meanwhile, also what had come before the first page.
    assert [event[1:] for event in shown[4:]] == [
        ("pool-1", "done"),
        ("pool-1", "done"),
        ("pool-3", "done"),
        (None, "done"),
        ("new", "done"),
        ("newer", "done"),
    ]


def test_tail_from_nothing(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    casino = make_casino()
    result = _follow(casino, monkeypatch, [], lambda: None, lambda: casino.post_all(win()))
    assert result.exit_code == 0
    titles, line = result.stdout.splitlines()
    assert titles.startswith("     ID  RECEIVED")
    assert "pending" in line


def test_tail_keeps_to_the_filter(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _follow(
        casino,
        monkeypatch,
        ["--kind", "win", "--state", "held", "--since", "1h"],
        lambda: casino.post_all(entry(slots_filled=2), win(pool_id="5", amount=0)),
    )
    assert [line.split()[4:6] for line in result.stdout.splitlines()[1:]] == [
        ["held", "over_limit"],
        ["held", "wrong_amount"],
    ]


@pytest.mark.both_databases
def test_tail_as_a_process(casino: Casino) -> None:
    with served(casino) as processes:
        command = ("flask", "--app", "served_casino", "pooled", "events", "--follow")
        tail = processes.start(*command)
        tail.says("held over_limit")
        casino.post_all(win(pool_id="later"))
        tail.says("later")
        tail.send(signal.SIGINT)
        assert tail.ends() == 0
        assert "Traceback" not in tail.said


def test_database_that_is_gone(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    for options in ([], ["--follow"]):
        result = _run(casino, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "the database refused what was asked" in result.stderr
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


@pytest.mark.parametrize(
    "options",
    [
        ["--state", "lost"],
        ["--limit", "0"],
        ["--limit", "1001"],
        ["--after", "x"],
        ["--after", "0" * 31],
        ["--since", "tomorrow"],
        ["--since", "2h30"],
        ["--since", "9" * 400 + "h"],
        ["--player", "\0"],
        ["--follow", "--after", "0" * 32],
        ["--follow", "--until", "1h"],
        ["7"],
    ],
)
def test_wrong_options(casino: Casino, options: list[str]) -> None:
    result = _run(casino, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_any_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    result = app.test_cli_runner().invoke(pooled, ["events"])
    assert (result.exit_code, result.stdout) == (1, "Nothing found.\n")
    assert app.test_cli_runner().invoke(pooled, ["events", "--player", "x\x1b"]).exit_code == 1


def test_kind_that_is_a_slip(casino: Casino) -> None:
    result = _run(casino, "--kind", "wins")
    assert (result.exit_code, result.stdout) == (
        1,
        "Nothing found. Is 'wins' a kind of event? Those of the guide are win, refund and entry.\n",
    )
    assert _run(casino, "--kind", "casino.other").stdout == "Nothing found.\n"


def test_until_before_since(casino: Casino) -> None:
    result = _run(casino, "--since", "2h", "--until", "3h")
    assert result.exit_code == 2
    assert "--until is not after --since: nothing is between them" in result.stderr
