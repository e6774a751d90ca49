"""docs/cli.rst: every command and option is there, and every example prints what the page says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from click.testing import Result
from conftest import WEBHOOK_SECRET
from doc_pages import Page
from flask import Flask

from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.cli import pooled

PAGE = Page("cli.rst")

#: What differs from run to run, and what the page has in its place.
_CHANGES = [
    (r"eyJ[\w.-]+", "eyJ..."),
    (r"\d{10} \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)", "EXP"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d", "MINUTE"),
    (r"MINUTE:\d\d\.\d{3} UTC", "MOMENT"),
    (r"[\d,]+ MiB free, \S+", "DISK"),
    (r"Worker    \S+, seen \d+ s ago", "WORKER"),
    (r"sqlite:///\S+", "ADDRESS"),
    (r"(?<=Key         pool.win:)\S+", "KEY"),
    (r'(?<=\{"event": "pool.win", ).*', "...}"),
]


def _command(name: str) -> click.Command:
    command = pooled.get_command(click.Context(pooled), name)
    assert command is not None
    return command


def test_every_command_is_there() -> None:
    """Sphinx writes down its options, by docs/click_commands.py."""
    told = re.findall(r"^\.\. pooled-command:: (\S+)$", PAGE.source, re.MULTILINE)
    assert sorted(told) == pooled.list_commands(click.Context(pooled))


def test_no_option_is_spoken_of_that_there_is_not() -> None:
    commands = [_command(name) for name in pooled.list_commands(click.Context(pooled))]
    options = {
        option
        for command in commands
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    spoken_of = set(re.findall(r"``(--[\w-]+)", PAGE.source)) - {"--help"}
    assert spoken_of <= options


def _examples(name: str) -> list[tuple[list[str], str]]:
    """Each command line of a section, without what stands before its name, and what it prints."""
    blocks = [block for block in PAGE.blocks if block.language == "console"]
    texts = [block.text for block in blocks if block.text.split(" pooled ")[1].startswith(name)]
    examples = []
    for text in texts:
        line, _, output = text.partition("\n")
        examples.append((shlex.split(line.split(" pooled ")[1]), output))
    assert examples
    return examples


def _plain(text: str) -> str:
    for pattern, word in _CHANGES:
        text = re.sub(pattern, word, text)
    return text


def _run(casino: Casino, arguments: list[str], stdin: str | None = None) -> Result:
    return casino.app.test_cli_runner().invoke(pooled, arguments, input=stdin)


def test_token(casino: Casino) -> None:
    [(arguments, output)] = _examples("token")
    result = _run(casino, arguments)
    assert (result.exit_code, _plain(result.output)) == (0, output)


def test_verify(casino: Casino, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = json.dumps(win()).encode()
    Path("body.json").write_bytes(body + b"\n")
    signature = sign_body(body, WEBHOOK_SECRET)
    player = Player("player_abc123", "Jordan Smith", 42.5, verified=True)
    token = mint_token(player, WEBHOOK_SECRET)
    for arguments, output in _examples("verify"):
        given = {"5c44...": signature, "eyJ...": token}
        result = _run(casino, [given.get(each, each) for each in arguments])
        assert (result.exit_code, _plain(result.output)) == (1, _plain(output))


@pytest.fixture
def night(make_casino: Callable[..., Casino]) -> Casino:
    """The casino of the examples: three wins that failed, one above the limit, a contradiction, surplus refunds."""
    casino = make_casino(POOLED_HOLD_OVER=5000, POOLED_MAX_ATTEMPTS=1, POOLED_DISPATCH="worker")
    casino.connect()
    broken = [True]

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        if broken:
            raise LookupError("no such account")

    casino.post_all(*(win(pool_id=f"pool-{number}") for number in (1, 2, 3)))
    casino.drain()
    broken.clear()
    casino.post_all(
        win(pool_id="pool-5", pool_size=10_000, amount=10_000),
        win(winner_id="player_xyz789"),
        *(entry(pool_id="pool-4"), refund(pool_id="pool-4"), refund(pool_id="pool-4")),
        *(refund(pool_id="pool-4", user_id="player_def456") for _ in range(2)),
    )
    casino.drain()
    return casino


def test_stats(night: Casino) -> None:
    night.state.workers.note("casino-1:4711:worker-3f9c2a", "worker")
    [(arguments, output)] = _examples("stats")
    result = _run(night, arguments)
    assert (result.exit_code, _plain(result.output)) == (0, _plain(output))


def test_doctor(night: Casino, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # What is looked through for secrets.
    monkeypatch.setattr(night.app, "root_path", str(tmp_path))
    for key in ("POOLED_JWT_SECRET", "POOLED_WEBHOOK_SECRET"):
        monkeypatch.setenv(key, night.app.config[key])
    [(arguments, output)] = _examples("doctor")
    result = _run(night, arguments)
    assert result.exit_code == 1
    # The page leaves lines out, by "...", and keeps the order of the others.
    said = iter(re.sub(r"in \d\.\d\d s", "in 0.02 s", result.output).splitlines())
    for line in output.splitlines():
        assert line == "..." or line in said, line


def test_init_db(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    [(arguments, output)] = _examples("init-db")
    result = app.test_cli_runner().invoke(pooled, arguments)
    assert (result.exit_code, _plain(result.output)) == (0, _plain(output))


def test_events(night: Casino) -> None:
    [(arguments, output)] = _examples("events")
    result = _run(night, arguments)
    assert (result.exit_code, _plain(result.output)) == (0, _plain(output))


def test_show(night: Casino) -> None:
    [event_id, *_] = night.rows("id")
    night.state.inbox.decisions.retry(event_id, who="dana", why="the receiver is mended")
    night.drain()
    night.sql(
        "UPDATE pooled_event SET receivers = '[\"casino.credit_winner\"]' WHERE state = 'done'"
    )
    [(arguments, output)] = _examples("show")
    result = _run(night, arguments)
    assert (result.exit_code, _plain(result.output)) == (0, _plain(output))


def test_decisions(night: Casino) -> None:
    examples = [*_examples("release"), *_examples("retry"), *_examples("discard")]
    assert len(examples) == 4
    for arguments, output in examples:
        result = _run(night, arguments, "y\n")
        assert (result.exit_code, result.output) == (0, output)
    night.drain()
    assert {*night.states()} == {"done", "discarded"}
    assert night.balance() == 3 * 100_000 + 1_000_000 + 2 * 100
