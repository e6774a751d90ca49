"""``flask pooled import``: what it reads, asks, says and ends with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from click.testing import Result
from flask_sqlalchemy import SQLAlchemy

from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.errors import PayloadError
from flask_pooled.events import parse_event
from flask_pooled.inbox import delivery


def _run(casino: Casino, *options: object, answer: str | bytes | None = None) -> Result:
    runner = casino.app.test_cli_runner()
    return runner.invoke(pooled, ["import", "--who", "dana", *map(str, options)], input=answer)


def _lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file with two wins, one of them twice, and an entry."""
    file = tmp_path / "deliveries.jsonl"
    file.write_text(_lines(win(), entry(), win(pool_id="pool-2"), win()))
    return file


@pytest.mark.both_databases
def test_imports_after_a_yes(casino: Casino, log: Path) -> None:
    casino.post_all(win(pool_id="pool-2"))
    result = _run(casino, log, "--why", "we were down", answer="y\n")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:4] == [
        "Import into royal-casino:",
        "  1 pool.entry pending",
        "  2 pool.win duplicate (repeat)",
        "  1 pool.win pending",
    ]
    assert "1,000.00 USD would be paid. Go on? [y/N]" in result.stderr
    assert result.stdout.splitlines() == [
        "4 of 4 event(s) recorded, 1,000.00 USD to be paid.",
        "  1 pool.entry pending",
        "  2 pool.win duplicate (repeat)",
        "  1 pool.win pending",
    ]
    casino.drain()
    assert casino.balance() == 200_000
    assert {tuple(row) for row in casino.sql("SELECT actor, action, reason FROM pooled_audit")} == {
        ("dana", "import", "we were down")
    }
    again = _run(casino, log, "--yes")
    assert again.stdout.startswith("4 of 4 event(s) recorded, 0.00 USD to be paid.")
    assert (casino.drain(), casino.balance()) == (0, 200_000)


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_no_is_no(casino: Casino, log: Path, answer: str) -> None:
    result = _run(casino, log, answer=answer)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("Nothing was done.\n")
    assert casino.rows("id") == []


def test_nobody_is_asked_in_debug(
    casino: Casino, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    result = _run(casino, log)
    assert (result.exit_code, result.stderr) == (0, "")


def test_nobody_is_asked_in_the_demo(make_casino: Callable[..., Casino], log: Path) -> None:
    result = _run(make_casino(POOLED_DEMO=True, POOLED_TENANT="demo"), log)
    assert (result.exit_code, result.stderr) == (0, "")


def test_dry_run_asks_nothing_and_writes_nothing(casino: Casino, log: Path) -> None:
    result = _run(casino, log, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("4 of 4 event(s) would be recorded, 2,000.00 USD to be paid.")
    assert casino.rows("id") == []


def test_stdin(casino: Casino) -> None:
    text = json.dumps([win(), refund(pool_id="pool-2")], indent=2)
    refused = _run(casino, "-", answer=text)
    assert refused.exit_code == 2
    assert "give --yes" in refused.stderr
    result = _run(casino, "-", "--yes", answer=text)
    assert result.stdout.startswith("2 of 2 event(s) recorded, 1,001.00 USD to be paid.")
    assert casino.rows("kind") == ["pool.win", "pool.refund"]


def test_bodies_are_kept_to_the_byte(casino: Casino, tmp_path: Path) -> None:
    body = json.dumps(win()).replace('"amount": 1000', '"amount":  1.000e3').encode()
    file = tmp_path / "one"
    file.write_bytes(b"\xef\xbb\xbf" + body + b"\r\n")
    assert _run(casino, file, "--yes").exit_code == 0
    assert [bytes(each) for each in casino.rows("body")] == [body]


def test_json(casino: Casino, log: Path) -> None:
    log.write_text(_lines(win()) + "5\n")
    for dry_run in (["--dry-run"], []):
        result = _run(casino, log, "--yes", "--json", *dry_run)
        assert result.exit_code == 1
        assert json.loads(result.stdout) == {
            "dry_run": bool(dry_run),
            "events": [{"kind": "pool.win", "state": "pending", "reason": None, "count": 1}],
            "cents": 100_000,
            "promoted": 0,
            "faults": [
                {
                    "where": f"{log}, line 2",
                    "why": "the body is not a JSON object but a number",
                }
            ],
        }


def test_promoted_refunds_are_told(casino: Casino) -> None:
    casino.post_all(refund(), refund())
    result = _run(casino, "-", "--yes", answer=_lines(entry(slots_filled=1), entry(slots_filled=2)))
    assert result.stdout.splitlines() == [
        "2 of 2 event(s) recorded, 1.00 USD to be paid.",
        "  2 pool.entry pending",
        "  1 refund(s) that waited for these entries",
    ]


def test_no_events_at_all(casino: Casino, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    result = _run(casino, tmp_path / "empty")
    assert result.exit_code == 1
    assert result.stdout == "0 of 0 event(s) recorded, 0.00 USD to be paid.\n"


@pytest.mark.parametrize("text", [b'{"event"', b"\xff", b"time,event\n"])
def test_file_that_is_no_json_imports_nothing(casino: Casino, log: Path, text: bytes) -> None:
    broken = log.with_name("broken")
    broken.write_bytes(log.read_bytes() + text)
    result = _run(casino, log, broken, "--yes")
    assert result.exit_code == 2
    assert "broken: line 5: it is no" in result.stderr
    assert casino.rows("id") == []


def test_what_a_sender_wrote_steers_no_terminal(casino: Casino) -> None:
    result = _run(casino, "-", "--yes", answer='{"event": "\\u001b[2J"}')
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\\x1b[2J pending" in result.stdout


@pytest.mark.parametrize("options", [[], ["--rejected", "FILE"], ["no-such-file"], ["--all"]])
def test_wrong_options(casino: Casino, log: Path, options: list[str]) -> None:
    options = [str(log) if option == "FILE" else option for option in options]
    assert _run(casino, *options).exit_code == 2


def test_without_a_database(casino: Casino, log: Path) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    result = _run(casino, log, "--yes")
    assert result.exit_code == 1
    assert "Error: the database refused what was asked (OperationalError)" in result.stderr
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_app_that_is_set_up_wrongly(make_app: Any, log: Path) -> None:
    app = make_app()
    Pooled(app, db=SQLAlchemy())
    assert app.test_cli_runner().invoke(pooled, ["import", str(log)]).exit_code == 2


@pytest.mark.both_databases
def test_rejected_bodies_after_an_upgrade(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_nothing(body: bytes) -> Any:
        raise PayloadError("what is that?")

    monkeypatch.setattr(delivery, "parse_event", parse_nothing)
    casino.post(win())
    casino.post(b"[]")
    monkeypatch.setattr(delivery, "parse_event", parse_event)
    foreseen = _run(casino, "--rejected", "--dry-run")
    assert foreseen.stdout.startswith("1 of 2 event(s) would be recorded, 1,000.00 USD")
    result = _run(casino, "--rejected", "--why", "version 2", answer="y\n")
    assert result.exit_code == 1
    _, broken, _ = casino.rows("id")
    assert f"Not imported: event {broken}: the body is not a JSON object" in result.stderr
    assert "1,000.00 USD would be paid. Go on?" in result.stderr
    assert result.stdout.startswith("1 of 2 event(s) recorded, 1,000.00 USD to be paid.")
    casino.drain()
    assert casino.balance() == 100_000
    again = _run(casino, "--rejected", "--yes")
    assert (again.exit_code, casino.drain()) == (1, 0)
