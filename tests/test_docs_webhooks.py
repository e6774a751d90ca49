"""docs/webhooks.rst: its code runs, and its tables say what the code does."""

from __future__ import annotations

import json
import logging
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import refund
from casino import win
from doc_pages import load
from doc_pages import Page
from doc_pages import readers_environment
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy import text
from stopwatch import stopwatch

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.cli import pooled
from flask_pooled.inbox.database import _ALIVE
from flask_pooled.inbox.holds import EXPLANATIONS
from flask_pooled.state import state_of

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient

PAGE = Page("webhooks.rst")
ROW = re.compile(r"^   \* - (.+(?:\n       .+)*)\n     - (.+(?:\n       .+)*)\n", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every file of the page, as a reader would have saved them."""
    PAGE.write(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(folder: Path, config: dict[str, Any], *command: str) -> subprocess.CompletedProcess[str]:
    secrets = {key: value for key, value in config.items() if isinstance(value, str)}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=readers_environment(**secrets),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def post(app: Flask, event: dict[str, Any]) -> int:
    body = json.dumps(event).encode()
    headers = {"X-Pooled-Signature": sign_body(body, app.config["POOLED_WEBHOOK_SECRET"])}
    return app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code


def test_every_block_is_run() -> None:
    assert {block.language for block in PAGE.blocks if not block.caption} == {"text"}
    assert set(PAGE.captioned()) == {
        *("wallet.py", "casino.py", "brands.py", "plain.py", "remote.py", "observers.py"),
        "other_database.py",
        *("test_wallet.py", "crontab", "retry the dead"),
        "config.py",
    }


def test_documented_connections_notice_as_soon_as_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documented = load(folder / "config.py", monkeypatch).SQLALCHEMY_ENGINE_OPTIONS["connect_args"]
    assert documented == _ALIVE


def test_the_documented_test_passes(folder: Path) -> None:
    done = run(folder, {}, "pytest", "-q", "-p", "no:cacheprovider", "test_wallet.py")
    assert "1 passed" in done.stdout, done.stdout


def test_the_documented_command_works_on_what_is_due(
    folder: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = load(folder / "wallet.py", monkeypatch)
    casino = load(folder / "casino.py", monkeypatch, "documented_casino")
    app: Flask = casino.create_app(config)
    assert post(app, win()) == 200
    done = run(folder, config, *PAGE.captioned()["crontab"].split())
    assert done.stdout == "1 done\n", done.stderr
    with app.app_context():
        assert [entry.cents for entry in wallet.LedgerEntry.query] == [100_000]
        wallet.db.engine.dispose()
    state_of(app).inbox.close()


def test_plain_sqlalchemy_is_paid_as_documented(
    folder: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load(folder / "plain.py", monkeypatch)
    app: Flask = plain.create_app(config)
    for _ in range(2):
        assert post(app, win()) == 200
    with app.app_context():
        assert plain.pooled.drain() == 1
    engine = create_engine(plain.WALLET)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT player_id, cents FROM ledger")).all()
    assert [tuple(row) for row in rows] == [("player_abc123", 100_000)]
    engine.dispose()
    state_of(app).inbox.close()


class RemoteWallet(BaseHTTPRequestHandler):
    """Remembers every request, and answers as it is told."""

    asked: list[tuple[str | None, dict[str, Any]]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(self.answers.pop(0))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def wallet_api() -> Iterator[str]:
    RemoteWallet.asked, RemoteWallet.answers = [], [500, 201]
    with HTTPServer(("127.0.0.1", 0), RemoteWallet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/credits"
        server.shutdown()
        thread.join()


def test_a_remote_wallet_gets_one_key_for_every_attempt(
    folder: Path,
    make_app: Callable[..., Flask],
    wallet_api: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = make_app(WALLET_URL=wallet_api)
    pooled = Pooled(app)
    load(folder / "remote.py", monkeypatch)
    assert post(app, win()) == 200
    inbox = state_of(app).inbox
    with app.app_context():
        assert pooled.drain() == 0
        with inbox.store._database.write() as connection:
            connection.execute(text("UPDATE pooled_event SET due_at = 0"))
        assert pooled.drain() == 1
    credit = {"player": "player_abc123", "cents": 100_000, "currency": "USD"}
    assert [asked for _, asked in RemoteWallet.asked] == [credit, credit]
    [key] = {key for key, _ in RemoteWallet.asked}
    assert key is not None
    assert len(key) <= 80
    inbox.close()


def test_a_wallet_in_another_database_remembers_the_key(
    folder: Path, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "other_database.py"
    address = f"sqlite:///{folder / 'other.db'}"
    file.write_text(file.read_text().replace("mysql+pymysql://casino@localhost/wallet", address))
    app = make_app()
    pooled = Pooled(app)
    other = load(file, monkeypatch)
    other.Base.metadata.create_all(other.engine)
    assert post(app, win()) == 200
    inbox = state_of(app).inbox
    # An earlier attempt paid, and ended before that was written down.
    with app.app_context():
        assert pooled.drain() == 1
        with inbox.store._database.write() as connection:
            connection.execute(text("UPDATE pooled_event SET state = 'pending', due_at = 0"))
        assert pooled.drain() == 1
    with other.Session() as session:
        assert [entry.cents for entry in session.query(other.LedgerEntry)] == [100_000]
    other.engine.dispose()
    inbox.close()


def test_a_factory_may_connect_for_each_app(
    folder: Path, make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    brands = load(folder / "brands.py", monkeypatch)
    casinos = [
        make_casino(POOLED_TENANT=name, SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / name}.sqlite")
        for name in ("royal", "grand")
    ]
    credited: list[tuple[str, int]] = []

    class Wallet:
        def __init__(self, name: str) -> None:
            self.name = name

        def credit(self, player: str, cents: int, session: object) -> None:
            credited.append((self.name, cents))

    for casino in casinos:
        brands.connect_wallet(casino.app, Wallet(casino.app.config["POOLED_TENANT"]))
    casinos[1].post_all(win())
    assert [casino.drain() for casino in casinos] == [0, 1]
    assert credited == [("grand", 100_000)]


def test_observers_call_somebody(
    folder: Path, casino: Casino, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder / "observers.py", monkeypatch)
    casino.post_all(win(amount=0))
    told = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert [record.getMessage() for record in told] == [
        "Pooled needs a person: pool.win, wrong_amount"
    ]


def test_a_dead_event_is_tried_again_as_documented(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        raise LookupError

    casino.post_all(win())
    casino.drain()
    assert casino.states() == ["dead"]
    pool_win.disconnect(fails, casino.app)
    casino.connect()
    words = shlex.split(PAGE.captioned()["retry the dead"])
    assert words[:4] == ["flask", "--app", "casino", "pooled"]
    result = casino.app.test_cli_runner().invoke(pooled, [*words[4:], "--who", "dana", "--yes"])
    assert result.exit_code == 0, result.output
    assert casino.drain() == 1
    assert casino.balance() == 100_000


def table(title: str) -> dict[str, str]:
    """The first two columns of the table under a heading."""
    section = PAGE.source.split(f"\n{title}\n", 1)[1]
    rows = section.split(".. list-table::", 1)[1].split("\n\n\n", 1)[0]
    return {
        first.strip("`"): " ".join(second.split()) for first, second in ROW.findall(rows.strip())
    }


def test_the_table_of_holds_is_that_of_the_code() -> None:
    documented = table("Held events")
    documented.pop("Reason")
    assert documented == EXPLANATIONS


def test_the_table_of_answers_is_what_the_webhook_answers(
    casino: Casino, make_casino: Callable[..., Casino]
) -> None:
    answers = [
        casino.post(win()),
        casino.post(b"no event"),
        casino.post(win(), secret="another"),
        casino.client.get("/pooled/webhook"),
        casino.post(b"x" * 65_537),
    ]
    assert casino.rows("state") == ["pending", "rejected"]
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    assert casino.post(win()).status_code == 200
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    spool.path.write_bytes(b"no spool" * 1000)
    answers.append(casino.post(win()))
    assert [answer.is_json for answer in answers] == [True] * 6
    assert [str(answer.status_code) for answer in answers] == [*table("What the webhook answers")][
        1:
    ]
    for answer in (answers[0], answers[2]):
        assert json.dumps(answer.json) in table("What the webhook answers")[str(answer.status_code)]


@pytest.mark.both_databases
def test_a_slow_receiver_keeps_no_webhook_waiting(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    answers: list[int] = []

    @pool_win.connect_via(casino.app)
    def slow(app: Flask, **extra: Any) -> None:
        # In a thread, as any other request is.
        other = threading.Thread(
            target=lambda: answers.append(casino.post(refund(pool_id="r")).status_code)
        )
        other.start()
        other.join()

    casino.post_all(win())
    with stopwatch() as watch:
        casino.drain()
    assert answers == [200]
    assert watch.seconds < 2.5 + watch.allowance
