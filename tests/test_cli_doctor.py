"""``flask pooled doctor``: each fault of the guide's error table and go-live list is named, in an app that has it."""

from __future__ import annotations

import json
import subprocess
import sys
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
from flask_pooled import Pooled
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
    make_casino: Callable[..., Casino],
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    tmp_path: Path,
) -> Casino:
    """A casino that has done all of it; its secrets are in the environment."""
    # What is looked through for secrets.
    monkeypatch.chdir(tmp_path)
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


def test_probe_is_recorded_once_and_moves_nothing(careful: Casino) -> None:
    for _ in range(2):
        assert _findings(careful.app)["webhook"]["result"] == "ok"
    assert careful.rows("kind", "state")[0][0] == "pooled.doctor"
    assert len(careful.rows("id")) == 2
    careful.drain()
    assert careful.states() == ["done", "duplicate"]
    assert careful.movements() == []


def test_text(careful: Casino) -> None:
    careful.app.config["TESTING"] = True
    result = _run(careful.app, "--no-probe")
    assert result.exit_code == 0
    assert (
        "\nok       win receivers: pool.win has its receivers, none of them twice\n"
        in result.stdout
    )
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
        ("player loader", {}, "each pooled_iframe() must be given its player"),
        ("jwt secret", {}, "came from app.config, not from the environment"),
        ("webhook secret", {}, "came from app.config, not from the environment"),
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


def test_only_the_secret_that_is_short_is_called_so(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLED_JWT_SECRET", "short-jwt-secret")
    monkeypatch.setenv("POOLED_WEBHOOK_SECRET", WEBHOOK_SECRET)
    casino = make_casino(
        POOLED_JWT_SECRET="short-jwt-secret", POOLED_WEBHOOK_SECRET_FALLBACKS=["an-old-one"]
    )
    casino.connect()
    found = _findings(casino.app)
    assert found["jwt secret"]["evidence"] == "it is shorter than 32 bytes"
    assert found["webhook secret"]["result"] == "ok"


@pytest.mark.parametrize(
    ("code", "evidence", "fix"),
    [
        (
            "import not_there",
            "app: it does not load: ModuleNotFoundError: No module named 'not_there'",
            "install what is missing",
        ),
        ("def app(:", "SyntaxError in {file}, line 1", "run 'flask routes'"),
        (
            "def create_app():\n    raise RuntimeError('a-password')",
            "app: it does not load: RuntimeError in {file}, line 2",
            "run 'flask routes'",
        ),
        ("raise SystemExit('a-password')", "SystemExit in {file}, line 1", "run 'flask routes'"),
        ("x = 1", "app: Failed to find Flask application", "flask --app casino pooled doctor"),
        (None, "app: Could not import 'casino'", "flask --app casino pooled doctor"),
        (
            "import flask\napp = flask.Flask(__name__)",
            "set-up: Pooled is not set up on this app",
            "nothing else can be checked",
        ),
        (
            "import flask, flask_pooled\napp = flask.Flask(__name__)\nflask_pooled.Pooled(app)",
            "set-up: POOLED_JWT_SECRET begins or ends with whitespace",
            "nothing else can be checked",
        ),
    ],
)
def test_app_that_does_not_load(code: str | None, evidence: str, fix: str, tmp_path: Path) -> None:
    if code is not None:
        (tmp_path / "casino.py").write_text(f"{code}\n")
    environment = readers_environment(
        PYTHONPATH=str(ROOT),
        POOLED_TENANT="royal-casino",
        POOLED_JWT_SECRET=f"{JWT_SECRET}\n",
        POOLED_WEBHOOK_SECRET=WEBHOOK_SECRET,
    )
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "casino", "pooled", "doctor"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    first, second, *more = done.stdout.splitlines()
    assert evidence.format(file=tmp_path / "casino.py") in first
    assert second.startswith("         -> ")
    assert fix in second
    assert more[-1] == "Nothing else could be checked."
    assert JWT_SECRET not in done.stdout
    assert "a-password" not in done.stdout


def test_tenant_ids_that_were_seen(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.connect()
    fix = _findings(casino.app, "--no-probe")["tenant id"]["fix"]
    assert fix == "set it to the tenant_id of your webhooks"
    casino.post_all(win(), win(pool_id="p2"), win(pool_id="p3", tenant_id="another\x1b[31m"))
    result = _run(casino.app, "--no-probe")
    assert f"webhooks; the newest have {TENANT_ID}, another\\x1b[31m\n" in result.stdout


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
    # Told once; and no event is sent into the spool.
    assert {name for name, each in findings.items() if each["result"] == "fault"} == {"tables"}
    assert findings["backlog"]["fix"] == findings["webhook"]["fix"] == "mend 'tables' first"
    assert findings["spool"]["result"] == "ok"
    careful.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    assert _findings(careful.app)["webhook"]["result"] == "ok"


def test_database_that_is_away(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DATABASE_URI="postgresql+psycopg://me:a-password@127.0.0.1:1/inbox")
    Pooled(app)
    findings = _findings(app)
    evidence = findings["tables"]["evidence"]
    assert evidence == "the database could not be reached (OperationalError)"
    faults = {name for name, each in findings.items() if each["result"] == "fault"}
    # Nobody receives anything, and that may be a fault of other kinds as well.
    assert faults - {"other receivers"} == {"tables", "win receivers", "refund receivers"}


def test_journal_mode(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.sql("PRAGMA journal_mode=DELETE")
    assert "journal mode is delete" in _findings(casino.app)["durability"]["evidence"]


def _reads_the_body() -> None:
    request.get_data(cache=False)


def _sends_to_the_login() -> ResponseReturnValue | None:
    return redirect("/login?next=/") if request.method == "POST" else None


def _sends_to_https() -> ResponseReturnValue | None:
    return redirect("https://casino.example/", 308) if request.method == "POST" else None


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


def test_page_that_raises(careful: Casino) -> None:
    @careful.app.get("/broken")
    def broken() -> str:
        raise LookupError("a-password")

    finding = _findings(careful.app, "--page", "/broken")["page"]
    assert finding["evidence"] == "/broken answered 500: the app raised LookupError"
    assert "answered 404" in _findings(careful.app, "--page", "/no")["page"]["evidence"]


@pytest.mark.parametrize(
    "options",
    [["--page", "lobby"], ["--fix"], ["more"], ["--signed"], ["--url", "casino.example"]],
)
def test_wrong_options(careful: Casino, options: list[str]) -> None:
    assert _run(careful.app, *options).exit_code == 2


def test_without_pooled() -> None:
    result = _run(Flask(__name__))
    assert result.exit_code == 1
    assert "call pooled.init_app(app) in create_app()" in result.stdout
