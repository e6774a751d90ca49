"""docs/dispatch.rst: its casino works with Celery, and its figures are those of the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import Page
from doc_pages import readers_environment

from flask_pooled.cli.worker import worker
from flask_pooled.dispatch import background
from flask_pooled.dispatch import celery_tasks
from flask_pooled.dispatch import thread
from flask_pooled.dispatch.celery_tasks import beat_schedule
from flask_pooled.inbox import heartbeat

PAGE = Page("dispatch.rst")
SECRETS = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": "jwt-secret-of-the-tests-0123456789abcdef",
    "POOLED_WEBHOOK_SECRET": "webhook-secret-of-the-tests-0123456789abcdef",
}


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=readers_environment(**SECRETS),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every file of the page, as a reader would have saved them."""
    for name in ("casino.py", "make_celery.py"):
        (tmp_path / name).write_text(PAGE.captioned()[name])
    return tmp_path


def test_tasks_and_sweep_are_in_the_celery_app(folder: Path) -> None:
    program = (
        "from make_celery import celery_app, flask_app;"
        "print(sorted(name for name in celery_app.tasks if name.startswith('flask_pooled')));"
        "print(celery_app.conf.beat_schedule)"
    )
    done = _run(folder, "-W", "error", "-c", program)
    assert done.returncode == 0, done.stderr
    tasks, schedule = map(ast.literal_eval, done.stdout.splitlines())
    assert tasks == ["flask_pooled.process", "flask_pooled.sweep"]
    assert schedule == beat_schedule()
    assert schedule == ast.literal_eval(PAGE.captioned()["beat_schedule()"])


def test_task_pays_and_so_does_the_command(folder: Path) -> None:
    program = (
        "import json;"
        "from flask_pooled import sign_body;"
        "from make_celery import celery_app, flask_app;"
        "from casino import db, LedgerEntry;"
        "flask_app.testing = True;"
        "body = json.dumps({'event': 'pool.win', 'tenant_id': 't', 'pool_id': 'p', 'pool_size': 100,"
        " 'winner_id': 'w', 'amount': 100}).encode();"
        "headers = {'X-Pooled-Signature': sign_body(body, flask_app.extensions['pooled'].settings.webhook_secrets[0])};"
        "print(flask_app.test_client().post('/pooled/webhook', data=body, headers=headers).json);"
        "celery_app.tasks['flask_pooled.sweep'].apply();"
        "context = flask_app.app_context(); context.push();"
        "print([entry.cents for entry in LedgerEntry.query])"
    )
    done = _run(folder, "-c", program)
    assert done.stdout.splitlines() == ["{'received': True}", "[10000]"], done.stderr
    done = _run(folder, "-m", "flask", "--app", "casino", "pooled", "worker", "--once")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_every_option_is_there_with_its_default() -> None:
    context = worker.make_context("worker", [])
    documented = set(re.findall(r"^``(--\w+)", PAGE.source, re.MULTILINE))
    assert documented == {f"--{name}" for name in context.params}
    assert context.params == {"once": False, "concurrency": 1, "poll": 0.5}
    assert "Default 1." in PAGE.words
    assert "Default 0.5, a fifth more or less" in PAGE.words


def test_modes_are_those_of_the_setting() -> None:
    assert re.findall(r'^   \* - ``"(\w+)"``', PAGE.source, re.MULTILINE) == [
        "thread",
        "worker",
        "celery",
        "inline",
    ]


def test_figures_are_those_of_the_code() -> None:
    figures = (
        thread._PAUSE,
        thread._PATIENCE,
        celery_tasks.SWEEP_EVERY,
        celery_tasks._SHIFT,
        celery_tasks._TIMEOUT,
        heartbeat.BEAT,
        heartbeat.ALIVE,
        heartbeat.KEEP,
        background._LIMIT,
    )
    assert figures == (1, 5, 10, 20, 1, 10, 60, 86_400, 1000)
    for words in (
        "once a second",
        "for up to five seconds",
        "every ten seconds, and",
        "for up to twenty seconds",
        "timeouts of one second",
        "every ten seconds at most",
        "seen within the last minute",
        "not been seen for a day",
        "At most a thousand held events",
    ):
        assert words in PAGE.words
