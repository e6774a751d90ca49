"""Importing the package brings little; what is heavy comes when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Nobody who mints a token or checks a signature waits for these.
HEAVY = (
    *("sqlalchemy", "sqlite3", "psycopg", "asyncio"),
    *("celery", "kombu", "redis", "flask_talisman", "flask_sqlalchemy"),
)
OWN_HEAVY = ("inbox", "dispatch", "wiring", "console", "doctor", "rehearsal", "sandbox", "testing")

_SET_UP = """
from flask import Flask
from flask_pooled import Pooled
app = Flask("casino", instance_path={folder!r})
app.config.update(TESTING=True, POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 32,
                  POOLED_WEBHOOK_SECRET="w" * 32)
pooled = Pooled(app)
"""


def _imported_by(program: str) -> set[str]:
    """The modules that a process has imported after *program*."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(answer.stdout.split())


def test_package_brings_neither_database_nor_broker_nor_sandbox() -> None:
    modules = _imported_by("import flask_pooled")
    assert "flask_pooled.extension" in modules
    assert modules & {*HEAVY, *(f"flask_pooled.{name}" for name in OWN_HEAVY)} == set()


def test_package_brings_no_cryptography_either() -> None:
    """PyJWT imports all of it where it is installed: it comes with the first token."""
    assert _imported_by("import flask_pooled") & {"jwt", "cryptography"} == set()
    assert "jwt" in _imported_by(
        'from flask_pooled import mint_token, Player\nmint_token(Player("a", "A", 1), "j" * 32)'
    )


def test_tokens_signatures_and_events_need_none_of_it() -> None:
    modules = _imported_by(
        "from flask_pooled import mint_token, parse_event, Player, sign_body, verify_signature\n"
        'mint_token(Player("a", "A", 1), "j" * 32)\n'
        'verify_signature(b"", sign_body(b"", "w" * 32), "w" * 32)\n'
        """parse_event(b'{"event": "pool.unheard"}')"""
    )
    assert modules & {*HEAVY, *(f"flask_pooled.{name}" for name in OWN_HEAVY)} == set()


def test_app_that_is_set_up_imports_no_broker_no_console_and_no_tools(tmp_path: Path) -> None:
    modules = _imported_by(_SET_UP.format(folder=str(tmp_path)))
    assert {"sqlalchemy", "flask_pooled.wiring"} <= modules
    tools = {f"flask_pooled.{name}" for name in ("console", "doctor", "rehearsal", "sandbox")}
    assert modules & {"celery", "kombu", "redis", "psycopg", "flask_sqlalchemy", *tools} == set()


def test_commands_are_listed_without_a_database() -> None:
    modules = _imported_by("import flask_pooled.cli")
    assert modules & {*HEAVY, *(f"flask_pooled.{name}" for name in OWN_HEAVY)} == set()
