"""What the log says for machines: stable names and ids, and nothing that must stay out of it."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from doc_pages import load
from doc_pages import Page
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

import flask_pooled
from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled import pool_win
from flask_pooled.news import masked
from flask_pooled.news import NAMES
from flask_pooled.news import news

ROOT = Path(flask_pooled.__file__).parent

#: Pooled's stand-in knows nothing of ours, and a rehearsal is told in its report.
_APART = {"sandbox", "rehearsal"}

_LEVELS = ("debug", "info", "warning", "error", "critical", "exception", "log")


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Every line that is written to the log, with its place."""
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] in _APART:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("logger", "_log")
                and node.func.attr in _LEVELS
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def _name(call: ast.Call) -> object:
    """The name that a line gives its news."""
    for keyword in call.keywords:
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Call) and keyword.value.args:
            first = keyword.value.args[0]
            return first.value if isinstance(first, ast.Constant) else None
    return None


def test_every_line_of_the_log_has_a_name() -> None:
    named = {place: _name(call) for place, call in _calls()}
    assert [place for place, name in named.items() if name not in NAMES] == []
    assert {*named.values()} == {*NAMES}


def test_every_name_is_documented() -> None:
    source = Page("monitoring.rst").source
    table = source.split("     - What happened\n")[1].split("\n\n\n")[0]
    rows = [
        (row.split("``")[1], " ".join(row.partition("\n     - ")[2].split()))
        for row in f"\n{table}".split("\n   * - ")[1:]
    ]
    assert rows == [(name, text) for name, text in NAMES.items()]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What has been logged, as machines see it."""
    caplog.set_level(logging.INFO, "flask_pooled")

    def read() -> list[dict[str, Any]]:
        return [
            {key: value for key, value in vars(record).items() if key.startswith("pooled_")}
            for record in caplog.records
            if record.name == "flask_pooled"
        ]

    return read


def test_formatter_of_the_page_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Page("monitoring.rst").write(tmp_path)
    formatter = load(tmp_path / "json_log.py", monkeypatch).Lines()
    record = logging.makeLogRecord(
        {"msg": "event %d", "args": (7,), "levelname": "INFO", **news("event.done", id=7)}
    )
    assert json.loads(formatter.format(record)) == {
        "level": "INFO",
        "text": "event 7",
        "pooled_news": "event.done",
        "pooled_id": 7,
    }


def test_one_events_life_can_be_followed_by_its_id(
    make_casino: Callable[..., Casino], told: Callable[[], list[dict[str, Any]]]
) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    broken = [True]

    @pool_win.connect_via(casino.app)
    def asks_the_bank(app: Flask, **extra: Any) -> None:
        if broken:
            raise LookupError("no such account")

    casino.post_all(win(winner_id="p\x1b[31m"))
    casino.drain()
    broken.clear()
    [number] = casino.rows("id")
    casino.state.inbox.decisions.retry(number, who="dana@casino.example", why="mended")
    casino.drain()
    lines = [line for line in told() if line.get("pooled_id") == number]
    assert [line["pooled_news"] for line in lines] == [
        *("event.recorded", "event.failed", "event.dead", "event.decided", "event.done")
    ]
    assert lines[0]["pooled_player"] == "p\\x1b[31m"
    assert lines[0] | {"pooled_player": ""} == {
        "pooled_news": "event.recorded",
        "pooled_id": number,
        "pooled_kind": "pool.win",
        "pooled_player": "",
        "pooled_pool": "pool-1",
        "pooled_state": "pending",
    }
    assert lines[1]["pooled_attempts"] == 1
    assert (lines[3]["pooled_action"], lines[3]["pooled_who"]) == ("retry", "(email)")


def test_what_is_not_paid_is_told_with_its_reason(
    make_casino: Callable[..., Casino], told: Callable[[], list[dict[str, Any]]]
) -> None:
    casino = make_casino(POOLED_HOLD_OVER=500)
    casino.connect()
    casino.post_all(win(seed="other"), entry(), *[refund(pool_id="pool-1")] * 2)
    assert casino.post(b"[]").status_code == 400
    casino.post(b"{}", secret="x" * 40)
    names = [line["pooled_news"] for line in told()]
    assert {"event.unpaid", "event.unfair", "event.rejected", "webhook.unsigned"} <= {*names}
    first = told()[0]
    assert (first["pooled_state"], first["pooled_reason"]) == ("held", "over_limit")


def test_no_secret_token_or_address_is_in_the_log(
    make_casino: Callable[..., Casino],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a casino whose player ids are email addresses, and one thing after another going wrong."""
    caplog.set_level(logging.DEBUG)
    casino = make_casino(POOLED_MAX_ATTEMPTS=1, POOLED_HOLD_OVER=500, DEBUG=False)
    player = Player("jordan@mail.example", "Jordan Smith", 7, verified=True, email="j@mail.example")
    casino.pooled.player_loader(lambda: player)

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        raise LookupError("no such account")

    @casino.app.get("/lobby")
    def lobby() -> str:
        return str(casino.pooled.iframe())

    who = {"winner_id": "jordan@mail.example"}
    casino.post_all(win(**who), win(pool_id="pool-2", amount=100, pool_size=100, **who))
    casino.post_all(entry(user_id="jordan@mail.example"), refund(user_id="jordan@mail.example"))
    token = mint_token(player, JWT_SECRET)
    casino.post(b"{}", secret="x" * 40)
    casino.post(b'{"event": "x", "token": "' + token.encode() + b'"}', secret="x" * 40)
    casino.drain()

    casino.client.get("/lobby")
    said = caplog.text + repr([vars(record) for record in caplog.records])
    for secret in (JWT_SECRET, WEBHOOK_SECRET, token, "mail.example", "eyJ"):
        assert secret not in said
    assert "player '(email)'" in caplog.text


@given(st.text())
def test_facts_are_printable(text: str) -> None:
    fact = news("event.done", player=text)["pooled_player"]
    assert isinstance(fact, str)
    assert fact.isprintable()


@given(st.from_regex(r"\A[a-z.+]{1,9}@[a-z]{1,9}\.[a-z]{2,3}\Z"), st.text(), st.text())
def test_addresses_are_masked(address: str, before: str, after: str) -> None:
    assert address not in str(news("event.done", player=f"{before}{address}{after}"))
    assert address not in str(masked(f"{before}{address}{after}"))


def test_numbers_stay_numbers() -> None:
    assert news("event.done", id=7, reason=None) == {
        "pooled_news": "event.done",
        "pooled_id": 7,
        "pooled_reason": None,
    }


def test_what_is_sent_is_in_no_error_of_the_database(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    casino.post_all(win(pool_id="a-pool", winner_name="Jordan Smith", email="j@mail.example"))
    assert "cannot be written" in caplog.text
    for word in ("a-pool", "Jordan", "mail.example"):
        assert word not in caplog.text
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_traceback_steers_no_terminal(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()
    casino.connect()

    @pool_win.connect_via(casino.app)
    def finds_nobody(app: Flask, event: Any, **extra: Any) -> None:
        raise LookupError(f"no account of {event.winner_id}")

    casino.post_all(win(winner_id="p\x1b]0;owned\x07\u202e"))
    casino.drain()
    [record] = [each for each in caplog.records if each.exc_info]
    text = logging.Formatter().format(record)
    assert text.endswith("LookupError: no account of p\\x1b]0;owned\\x07\\u202e")
    assert "\n  File " in text
    assert all(line.isprintable() for line in text.splitlines())
    # Who reports exceptions elsewhere has it as it was.
    assert record.exc_info is not None
    assert "\x1b" in str(record.exc_info[1])
