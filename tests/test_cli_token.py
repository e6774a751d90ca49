"""``flask pooled token``: what it prints, and wrong options."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from click.testing import _NamedTextIOWrapper
from click.testing import Result
from conftest import JWT_SECRET
from flask import Flask

from flask_pooled import Pooled
from flask_pooled.cli import pooled

PLAYER = ["--id", "player_abc123", "--name", "Jordan Smith"]


@pytest.fixture
def make_pooled(make_app: Callable[..., Flask]) -> Callable[..., Flask]:
    """Makes apps with Pooled; keyword arguments are configuration."""

    def make(**more: Any) -> Flask:
        app = make_app(**more)
        Pooled(app)
        return app

    return make


def _run(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(pooled, ["token", *options])


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token.strip(), JWT_SECRET, algorithms=["HS256"])
    return claims


def test_token_is_all_that_is_printed(make_pooled: Callable[..., Flask]) -> None:
    result = _run(make_pooled(), *PLAYER, "--balance", "42.509", "--verified")
    assert (result.exit_code, result.stderr) == (0, "")
    claims = _claims(result.stdout)
    assert claims.pop("exp") > 0
    assert claims == {
        "sub": "player_abc123",
        "name": "Jordan S.",
        "balance": 42.5,
        "currency": "USD",
        "verified": True,
    }


def test_options_are_what_the_token_says(make_pooled: Callable[..., Flask]) -> None:
    app = make_pooled()
    options = ["--currency", "eur", "--full-name", "--email", "j@casino.example", "--ttl", "60"]
    claims = _claims(_run(app, *PLAYER, *options).stdout)
    short = claims.pop("exp")
    assert claims == {
        "sub": "player_abc123",
        "name": "Jordan Smith",
        "balance": 0.0,
        "currency": "EUR",
        "verified": False,
        "email": "j@casino.example",
    }
    assert 3000 < _claims(_run(app, *PLAYER).stdout)["exp"] - short < 3600


def test_address(make_pooled: Callable[..., Flask]) -> None:
    result = _run(make_pooled(), *PLAYER, "--url")
    start, token = result.stdout.split("&token=")
    assert start == "https://app.pooledgame.com/?tenant=royal-casino"
    assert _claims(token)["sub"] == "player_abc123"


def test_demo_without_a_secret_has_an_address_and_no_token(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(POOLED_DEMO=True, POOLED_TENANT=None, POOLED_JWT_SECRET=None)
    Pooled(app)
    assert _run(app, *PLAYER, "--url").stdout == (
        "https://app.pooledgame.com/?role=game&tenant=demo&demo=true\n"
    )
    refused = _run(app, *PLAYER)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "POOLED_JWT_SECRET" in refused.stderr


def test_json(make_pooled: Callable[..., Flask]) -> None:
    facts = json.loads(_run(make_pooled(), *PLAYER, "--json").stdout)
    assert facts["claims"] == _claims(facts["token"])
    assert facts["url"].endswith(f"&token={facts['token']}")


def test_on_a_terminal_it_warns(
    make_pooled: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda stream: True)
    result = _run(make_pooled(), "--id", "x\x1b[2J", "--name", "Jordan")
    assert result.stderr == "Who has this plays as x\\x1b[2J until it ends.\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--id"),
        (["--id", "x"], "--name"),
        ([*PLAYER, "--balance", "much"], "is no amount in USD"),
        ([*PLAYER, "--balance", "NaN"], "not a finite number"),
        ([*PLAYER, "--currency", "CHF"], "CHF"),
        ([*PLAYER, "--ttl", "0"], "--ttl"),
        ([*PLAYER, "--ttl", "86401"], "--ttl"),
        (["--id", " ", "--name", "x"], "id begins or ends with whitespace"),
        (["--id", "", "--name", "x"], "id is empty"),
        ([*PLAYER, "--email", "nobody"], "email is not an address"),
        ([*PLAYER, "more"], "unexpected extra argument"),
    ],
)
def test_wrong_options(make_pooled: Callable[..., Flask], options: list[str], words: str) -> None:
    result = _run(make_pooled(), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_without_pooled() -> None:
    assert _run(Flask(__name__), *PLAYER).exit_code == 2


def test_it_needs_no_database(make_pooled: Callable[..., Flask]) -> None:
    app = make_pooled(POOLED_DATABASE_URI="postgresql+psycopg://casino:a-password@127.0.0.1:1/x")
    assert _run(app, *PLAYER).exit_code == 0
