"""``flask pooled doctor``: each fault of the guide's error table and go-live list is named, in an app that has it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import TENANT_ID
from casino import win
from click.testing import Result
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from doc_pages import readers_environment
from doc_pages import ROOT
from flask import abort
from flask import Flask
from flask import redirect
from flask import request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect

from flask_pooled import Player
from flask_pooled import pool_win
from flask_pooled.cli import pooled

#: All that a careful casino sets.
_CAREFUL = {
    "POOLED_TENANT_ID": TENANT_ID,
    "POOLED_HOLD_OVER": 5000,
    "POOLED_HOLD_DAILY_OVER": 50_000,
}


def _run(app: Flask, *options: str) -> Result:
    result = app.test_cli_runner().invoke(pooled, ["doctor", *options])
    assert JWT_SECRET not in result.output
    assert WEBHOOK_SECRET not in result.output
    return result


def _findings(app: Flask, *options: str) -> dict[str, dict[str, str]]:
    result = _run(app, "--json", *options)
    findings = {finding["check"]: finding for finding in json.loads(result.stdout)}
    faults = [finding for finding in findings.values() if finding["result"] == "fault"]
    assert result.exit_code == (1 if faults else 0)
    assert all(finding["fix"] for finding in faults)
    return findings


@pytest.fixture
def careful(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch, backend: str
) -> Casino:
    """A casino that has done all of it; its secrets are in the environment."""
    monkeypatch.setenv("POOLED_JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", WEBHOOK_SECRET)
    casino = make_casino(**_CAREFUL)
    casino.connect()
    casino.pooled.player_loader(lambda: Player("7", "Jordan Smith", 42, verified=True))

    @casino.app.get("/lobby")
    def lobby() -> str:
        return str(casino.pooled.iframe())

    if backend == "sqlite":
        casino.sql("PRAGMA journal_mode=WAL")
    return casino


@pytest.mark.both_databases
def test_nothing_to_find(careful: Casino, backend: str) -> None:
    findings = _findings(careful.app, "--page", "/lobby")
    yours = {"SLA", "webhook address", "players", "wins", "refunds", "mobile"}
    assert {name for name, finding in findings.items() if finding["result"] == "yours"} == yours
    # The test's PostgreSQL does not sync, because processes die in tests and machines do not.
    unsound = {"database"} if backend == "postgresql" else set()
    fine = {name for name, finding in findings.items() if finding["result"] == "ok"}
    # The file of a test may well be on a disk that goes with its container.
    assert findings.keys() - yours - fine <= unsound | {"spool"}
    assert ("fsync = off" in findings["database"]["evidence"]) == (backend == "postgresql")
    # The probe was recorded, and the next one is a repeat of it.
    _run(careful.app)
    assert careful.rows("kind", "state")[0][0] == "pooled.doctor"
    assert len(careful.rows("id")) == 2
    careful.drain()
    assert careful.states() == ["done", "duplicate"]
    assert careful.movements() == []


def test_text(careful: Casino) -> None:
    careful.app.config["TESTING"] = True
    result = _run(careful.app, "--no-probe")
    assert result.exit_code == 0
    assert "\nok       receivers: wins and refunds have receivers\n" in result.stdout
    assert "\nyours    SLA: it is signed\n" in result.stdout
    assert "\n\n0 fault(s), " in result.stdout
    assert careful.rows("id") == []
    careful.post_all(win(amount=9999, pool_size=10_000))
    result = _run(careful.app, "--no-probe")
    assert (
        "\nwarning  backlog: 1 event(s) wait for somebody\n         -> see 'flask" in result.stdout
    )


@pytest.mark.parametrize(
    ("check", "more", "evidence"),
    [
        ("tenant id", {"POOLED_TENANT_ID": None}, "events of any tenant are paid"),
        ("hold limits", {"POOLED_HOLD_OVER": None}, "no POOLED_HOLD_OVER: a stolen"),
        ("spool", {"POOLED_SPOOL": False}, "there is none: webhooks get 503"),
        ("workers", {"POOLED_DISPATCH": "inline"}, "a slow receiver delays the answer"),
        ("player loader", {}, "each pooled_iframe() must be given its player"),
        ("secrets", {}, "came from app.config, not from the environment"),
    ],
)
def test_warnings(
    make_casino: Callable[..., Casino], check: str, more: dict[str, Any], evidence: str
) -> None:
    casino = make_casino(**_CAREFUL | more)
    casino.connect()
    finding = _findings(casino.app)[check]
    assert finding["result"] == "warning"
    assert evidence in finding["evidence"]


def test_secret_that_differs_from_the_environments(
    careful: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", "x" * 40)
    assert "another secret than the environment" in _findings(careful.app)["secrets"]["evidence"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"POOLED_JWT_SECRET": f"{JWT_SECRET}\n"}, "POOLED_JWT_SECRET"),
        ({"POOLED_WEBHOOK_SECRET": JWT_SECRET}, "POOLED_WEBHOOK_SECRET"),
    ],
)
def test_app_that_is_refused_at_its_start(more: dict[str, str], words: str, tmp_path: Path) -> None:
    """The guide's "Token validation failed": a newline at the end of a secret, or one secret for both."""
    (tmp_path / "casino.py").write_text(
        "from flask import Flask\nfrom flask_pooled import Pooled\napp = Flask(__name__)\nPooled(app)\n"
    )
    secrets = {"POOLED_JWT_SECRET": JWT_SECRET, "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET}
    for name, expected in (("casino", words), ("nowhere", "nowhere")):
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", name, "pooled", "doctor"],
            cwd=tmp_path,
            env=readers_environment(
                PYTHONPATH=str(ROOT), POOLED_TENANT="royal-casino", **secrets | more
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert done.stdout.startswith("FAULT    ")
        assert expected in done.stdout
        assert JWT_SECRET not in done.stdout + done.stderr


def test_demo_is_no_place_for_money(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_DEMO=True, POOLED_TENANT="demo")
    assert _findings(casino.app)["demo"]["result"] == "fault"


def test_nobody_pays(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    pool_win.connect_via(casino.app)(lambda app, **extra: None)
    finding = _findings(casino.app)["receivers"]
    assert finding["result"] == "fault"
    assert "no receiver is connected to pool_refund" in finding["evidence"]
    assert "pool_win" not in finding["evidence"]


def test_nobody_works(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_DISPATCH="worker")
    assert _findings(casino.app)["workers"]["result"] == "fault"
    casino.state.workers.note("host:7:worker-ab", "worker")
    assert _findings(casino.app)["workers"]["result"] == "ok"


def test_dead_and_late_events(careful: Casino) -> None:
    careful.post_all(win())
    careful.sql("UPDATE pooled_event SET received_at = received_at - 301000")
    assert "waits for 30" in _findings(careful.app, "--no-probe")["backlog"]["evidence"]
    careful.sql("UPDATE pooled_event SET state = 'dead'")
    assert "1 event(s) are dead" in _findings(careful.app)["backlog"]["evidence"]


def test_database_without_its_tables(careful: Casino) -> None:
    careful.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    findings = _findings(careful.app)
    assert "pooled_event is missing" in findings["tables"]["evidence"]
    assert findings["backlog"]["evidence"] == "the database failed (OperationalError)"
    # What could not be recorded waits, and the next look says so.
    assert findings["webhook"]["result"] == "ok"
    assert _findings(careful.app)["spool"]["result"] == "fault"
    careful.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_journal_mode(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.sql("PRAGMA journal_mode=DELETE")
    assert "journal mode is delete" in _findings(casino.app)["database"]["evidence"]


def _reads_the_body() -> None:
    request.get_data(cache=False)


def _sends_to_the_login() -> ResponseReturnValue | None:
    return redirect("/login?next=/") if request.method == "POST" else None


def _sends_to_https() -> ResponseReturnValue | None:
    return redirect("https://casino.example/", 308) if request.method == "POST" else None


def _is_slow() -> None:
    time.sleep(1.1)


def _fails() -> None:
    raise LookupError


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (_reads_the_body, "something reads the body before the webhook does"),
        (_sends_to_the_login, "a login wall stands before the webhook"),
        (_sends_to_https, "something redirects the webhook"),
        (lambda: abort(401), "a login wall"),
        (lambda: abort(403), "something forbids the webhook"),
        (lambda: abort(404), "something hides the webhook"),
        (
            lambda: abort(400, "The CSRF token is missing."),
            "a CSRF check stands before the webhook",
        ),
        (lambda: abort(413), "something limits the body's length"),
        (_fails, "look at the app's log"),
    ],
)
def test_what_stands_before_the_webhook_is_named(
    careful: Casino, hook: Callable[[], Any], words: str
) -> None:
    careful.app.before_request(hook)
    finding = _findings(careful.app)["webhook"]
    assert finding["result"] == "fault"
    assert words in finding["fix"]
    assert careful.rows("id") == []


def test_csrf_protection_is_no_fault(careful: Casino) -> None:
    careful.app.config["SECRET_KEY"] = "x"
    CSRFProtect(careful.app)
    assert _findings(careful.app)["webhook"]["result"] == "ok"


def test_slow_answer(careful: Casino) -> None:
    careful.app.before_request(_is_slow)
    assert _findings(careful.app)["webhook"]["result"] == "warning"


def test_page_that_blocks_the_frame(make_casino: Callable[..., Casino], careful: Casino) -> None:
    assert _findings(careful.app, "--page", "/lobby")["page"]["result"] == "ok"
    casino = make_casino(POOLED_CSP="off", POOLED_TENANT="noble-casino")

    @casino.app.get("/lobby")
    def lobby() -> ResponseReturnValue:
        return "<p>", {"Content-Security-Policy": "default-src 'self'"}

    finding = _findings(casino.app, "--page", "/lobby")["page"]
    assert finding["result"] == "fault"
    assert "blocks https://app.pooledgame.com" in finding["evidence"]
    assert "answered 404" in _findings(casino.app, "--page", "/no")["page"]["evidence"]


def test_page_that_is_cached(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()

    @casino.app.get("/lobby")
    def lobby() -> ResponseReturnValue:
        return "<iframe src=kept></iframe>", {"Cache-Control": "public, max-age=600"}

    finding = _findings(casino.app, "--page", "/lobby")["page"]
    assert finding["evidence"] == "/lobby may be cached, with its token"


def test_page_that_raises(careful: Casino) -> None:
    @careful.app.get("/broken")
    def broken() -> str:
        raise LookupError("a-password")

    finding = _findings(careful.app, "--page", "/broken")["page"]
    assert finding["evidence"] in ("the app raised LookupError", "/broken answered 500")


def test_deployed_site(careful: Casino) -> None:
    plain = "http://127.0.0.1:1/pooled/webhook"
    assert "is not HTTPS" in _findings(careful.app, "--url", plain)["deployed webhook"]["evidence"]
    nobody = _findings(careful.app, "--url", "https://127.0.0.1:1/")["deployed webhook"]
    assert nobody["evidence"].startswith("it answered nothing: no connection")
    wrong = _findings(careful.app, "--url", "https://")["deployed webhook"]
    assert wrong["result"] == "fault"


@pytest.mark.parametrize("options", [["--page", "lobby"], ["--fix"], ["more"]])
def test_wrong_options(careful: Casino, options: list[str]) -> None:
    assert _run(careful.app, *options).exit_code == 2


def test_without_pooled() -> None:
    result = _run(Flask(__name__))
    assert result.exit_code == 1
    assert "call pooled.init_app(app) in create_app()" in result.stdout
