"""``flask pooled verify``: signatures and tokens, what is wrong with them, and no secret in any of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import win
from click.testing import Result
from conftest import JWT_SECRET
from conftest import WEBHOOK_SECRET
from flask import Flask

from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.cli import pooled

BODY = json.dumps(win()).encode()
OLD = "the-webhook-secret-of-last-year-long-enough"


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """An app that still takes an older webhook secret."""
    app = make_app(POOLED_WEBHOOK_SECRET_FALLBACKS=["x" * 40, OLD])
    Pooled(app)
    return app


def _run(app: Flask, *options: str, stdin: bytes | None = None) -> Result:
    result = app.test_cli_runner().invoke(pooled, ["verify", *options], input=stdin)
    for secret in (JWT_SECRET, WEBHOOK_SECRET, OLD):
        assert secret not in result.output
    return result


def _signature(app: Flask, signature: str, body: bytes = BODY) -> Result:
    return _run(app, "--signature", signature, "--body", "-", stdin=body)


def test_says_which_secret(app: Flask) -> None:
    result = _signature(app, sign_body(BODY, WEBHOOK_SECRET))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "Valid: signed with POOLED_WEBHOOK_SECRET.\n"
        f"The body has {len(BODY)} bytes and is a pool.win.\n"
    )
    result = _signature(app, sign_body(BODY, OLD).upper())
    assert result.exit_code == 0
    assert "signed with POOLED_WEBHOOK_SECRET_FALLBACKS number 2." in result.stdout


def test_body_from_a_file_or_from_standard_input(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_bytes(BODY)
    signature = sign_body(BODY, WEBHOOK_SECRET)
    assert _run(app, "--signature", signature, "--body", str(file)).exit_code == 0
    assert _run(app, "--signature", signature, stdin=BODY).exit_code == 0


@pytest.mark.parametrize(
    ("signature", "body", "hint"),
    [
        (sign_body(BODY, JWT_SECRET), BODY, "the two secrets are swapped"),
        (
            f" sha256={sign_body(BODY, WEBHOOK_SECRET)}",
            BODY,
            "right without what stands around the 64 hex digits",
        ),
        (sign_body(BODY, WEBHOOK_SECRET)[:-1], BODY, "copy all of them"),
        ("ü" * 64, BODY, "copy all of them"),
        (
            sign_body(BODY, WEBHOOK_SECRET),
            BODY + b"\n",
            "without the line break at the end of the file (POOLED_WEBHOOK_SECRET)",
        ),
        (sign_body(BODY, WEBHOOK_SECRET), BODY + b"\r\n", "without the line break"),
        (sign_body(BODY + b"\n", OLD), BODY, "with a line break at the end (POOLED_WEBHOOK_SECRET"),
        (sign_body(BODY, OLD), b"\xef\xbb\xbf" + BODY, "without the byte order mark"),
        (sign_body(BODY, "another"), BODY, "not the one in Pooled's admin panel"),
    ],
)
def test_says_why_not(app: Flask, signature: str, body: bytes, hint: str) -> None:
    result = _signature(app, signature, body)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith("Invalid: no webhook secret of this app makes this signature.")
    assert hint in result.stdout


def test_body_that_is_no_event(app: Flask) -> None:
    result = _signature(app, sign_body(b"{", WEBHOOK_SECRET), b"{")
    assert result.exit_code == 0
    assert "is no event that can be read: the body is not JSON" in result.stdout
    body = json.dumps({"event": "\x1b[2J"}).encode()
    assert "is a \\x1b[2J." in _signature(app, sign_body(body, WEBHOOK_SECRET), body).stdout


def test_signature_as_json(app: Flask) -> None:
    result = _run(app, "--json", "--signature", sign_body(BODY, OLD), stdin=BODY)
    assert json.loads(result.stdout) == {
        "valid": True,
        "secret": "POOLED_WEBHOOK_SECRET_FALLBACKS number 2",
        "bytes": len(BODY),
        "event": "pool.win",
        "fault": None,
    }
    facts = json.loads(_run(app, "--json", "--signature", "0" * 64, stdin=BODY).stdout)
    assert (facts["valid"], facts["secret"]) == (False, None)


def _token(secret: str = JWT_SECRET, **more: Any) -> str:
    return mint_token(
        Player("player_abc123", "Jordan\x1b Smith", 42, verified=True), secret, **more
    )


def test_good_token(app: Flask) -> None:
    for options, stdin in (([_token()], None), (["-"], _token().encode() + b"\n")):
        result = _run(app, "--token", *options, stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, "")
        verdict, *claims = result.stdout.splitlines()
        assert verdict == "Valid: Pooled would take it."
        assert claims[:5] == [
            'sub        "player_abc123"',
            'name       "Jordan\\u001b S."',
            "balance    42.0",
            'currency   "USD"',
            "verified   true",
        ]
        assert claims[5].endswith(" UTC)")


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (_token(WEBHOOK_SECRET), "it was signed with the webhook secret: the two secrets are"),
        (_token("x" * 40), "it was not signed with POOLED_JWT_SECRET"),
        (_token(now=0), "it has expired: mint one for each page"),
        ("x", "it is no JWT: copy all of it, and nothing around it"),
    ],
)
def test_token_that_is_refused(app: Flask, token: str, fault: str) -> None:
    result = _run(app, "--token", token)
    assert result.exit_code == 1
    assert result.stdout.startswith("Invalid: Pooled would refuse it.\n  ")
    assert fault in result.stdout
    assert token not in result.stdout or token == "x"


def test_token_as_json(app: Flask) -> None:
    facts = json.loads(_run(app, "--json", "--token", _token(now=time.time(), ttl=60)).stdout)
    assert (facts["valid"], facts["signed"], facts["faults"]) == (True, True, [])
    assert facts["claims"]["sub"] == "player_abc123"


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--signature", "x", "--token", "x"],
        ["--token", "x", "--body", "-"],
        ["--signature", "x", "--body", "/no/such/file"],
        ["--body", "-"],
    ],
)
def test_wrong_options(app: Flask, options: list[str]) -> None:
    assert _run(app, *options, stdin=b"").exit_code == 2


def test_without_a_jwt_secret(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DEMO=True, POOLED_TENANT=None, POOLED_JWT_SECRET=None)
    Pooled(app)
    assert _run(app, "--token", "x").exit_code == 2
