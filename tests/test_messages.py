"""What the errors of the pure core say, word for word: first the fault, then what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from event_samples import BARE_ENTRY
from flask import current_app
from flask import Flask

from flask_pooled import ConfigError
from flask_pooled import mint_token
from flask_pooled import parse_event
from flask_pooled import PayloadError
from flask_pooled import Player
from flask_pooled import pool_win
from flask_pooled import sign_body
from flask_pooled import TokenError
from flask_pooled.money import to_cents
from flask_pooled.settings import Settings

_NEEDED = {
    "POOLED_TENANT": "royal-casino",
    "POOLED_JWT_SECRET": "j" * 32,
    "POOLED_WEBHOOK_SECRET": "w" * 32,
}
_KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"


def _said(kind: type[Exception], work: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("TENANT", 1, "is of type int. Give text."),
        (
            "TENANT",
            "Royal",
            "is not a slug. Give the one from your iframe code, such as royal-casino: lower-case letters, digits and "
            "inner hyphens, up to 63.",
        ),
        ("TENANT_ID", "x", "is not a uuid. Give the tenant_id that your webhooks carry."),
        ("JWT_SECRET", "", "is empty. Copy it from Pooled's admin panel."),
        ("JWT_SECRET", b"\xff", "is not UTF-8. Copy it again from Pooled's admin panel."),
        (
            "WEBHOOK_SECRET",
            "secret\n",
            "begins or ends with whitespace. Remove it: it would count as part of the key.",
        ),
        (
            "JWT_SECRET",
            _KEY,
            "is a public or private key. Give the JWT secret that Pooled issued.",
        ),
        (
            "WEBHOOK_SECRET_FALLBACKS",
            1,
            "is not a list. Give a list of secrets, or text with spaces between them.",
        ),
        (
            "DEMO",
            "perhaps",
            "is neither true nor false. Give True or False; 1/0, yes/no, on/off as text.",
        ),
        (
            "APP_URL",
            "example.com",
            "is not the address of a host. Give scheme and host alone, such as https://app.pooledgame.com: no "
            "credentials, path, query or fragment.",
        ),
        (
            "APP_URL",
            "http://example.com",
            "is not https. Give an https address; http is for loopback alone.",
        ),
        (
            "APP_URL",
            "https://example.com:65536",
            "has an impossible port. Give one from 1 to 65535, or none.",
        ),
        (
            "URL_PREFIX",
            "pooled",
            "is not a path. Give one that starts with a slash, such as /pooled.",
        ),
        (
            "TOKEN_TTL",
            "1.5",
            "is no whole number in range. Give seconds from 1 to 86400.",
        ),
        (
            "DATABASE_URI",
            "pooled.db",
            "is not a database URI. Give one with a scheme, such as sqlite:///pooled.db.",
        ),
        ("BIND_KEY", " ", "is empty. Give a key of SQLALCHEMY_BINDS, or remove it."),
        (
            "SPOOL",
            "",
            "is not a path. Give the path of a file, or False to have no spool.",
        ),
        (
            "DISPATCH",
            "magic",
            "is not a choice. Give one of thread, worker, celery, inline.",
        ),
        ("RETRY_BASE", "soon", "is no number in range. Give seconds above 0 and up to 3600."),
        (
            "HOLD_OVER",
            "1.005",
            "is not an amount. Give USD above 0 and in whole cents, such as 5000 or 250.50.",
        ),
        (
            "TALISMAN",
            "{",
            "is not a set of keyword arguments for Talisman. Set it in app.config to a dict; in the environment it "
            "must be a JSON object.",
        ),
    ],
)
def test_wrong_setting(key: str, value: object, message: str) -> None:
    config = {**_NEEDED, f"POOLED_{key}": value}
    said = _said(ConfigError, lambda: Settings.from_mapping(config, {}))
    assert said == f"POOLED_{key} {message}"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"POOLED_HOLDOVER": 1},
            "POOLED_HOLDOVER in app.config is no key of Flask-Pooled. Did you mean POOLED_HOLD_OVER? Correct it or "
            "remove it.",
        ),
        (
            {"POOLED_X": 1},
            "POOLED_X in app.config is no key of Flask-Pooled. Did you mean POOLED_CSP? Correct it or remove it.",
        ),
        (
            {"POOLED_TENANT": None},
            "POOLED_TENANT is missing. Set it to the slug from your iframe code, such as royal-casino.",
        ),
        (
            {"POOLED_DEMO": True},
            "POOLED_DEMO plays on the tenant demo, but POOLED_TENANT names another. Remove one of the two.",
        ),
        (
            {"POOLED_JWT_SECRET": None},
            "POOLED_JWT_SECRET is missing. Set it in the environment to the JWT secret from Pooled's admin panel.",
        ),
        (
            {"POOLED_WEBHOOK_SECRET": None},
            "POOLED_WEBHOOK_SECRET is missing. Set it in the environment to the webhook secret from Pooled's admin "
            "panel.",
        ),
        (
            {"POOLED_WEBHOOK_SECRET": "j" * 32},
            "POOLED_WEBHOOK_SECRET holds the same secret as POOLED_JWT_SECRET. Copy both again from Pooled's admin "
            "panel: they are different from each other.",
        ),
        (
            {"POOLED_BIND_KEY": "pooled", "POOLED_DATABASE_URI": "sqlite:///pooled.db"},
            "POOLED_BIND_KEY names a bind of the casino's db, but POOLED_DATABASE_URI gives the inbox a database of "
            "its own. Remove one of the two.",
        ),
    ],
)
def test_settings_that_contradict(more: dict[str, Any], message: str) -> None:
    assert _said(ConfigError, lambda: Settings.from_mapping({**_NEEDED, **more}, {})) == message


def test_warnings_of_settings() -> None:
    more = {
        "POOLED_TENANT": "demo",
        "POOLED_JWT_SECRET": "j",
        "POOLED_WEBHOOK_SECRET": "w",
        "POOLED_APP_URL": "https://example.com",
    }
    assert Settings.from_mapping(more, {}).warnings == (
        "Shorter than 32 bytes: POOLED_JWT_SECRET, POOLED_WEBHOOK_SECRET. HMAC-SHA256 needs that length for its full "
        "strength: ask Pooled for longer secrets.",
        "POOLED_TENANT is demo, whose wins are fake, and POOLED_DEMO is off: wallets would pay them as real. Set "
        "POOLED_DEMO, or your own tenant.",
        "POOLED_APP_URL sends players' names and balances to another host than app.pooledgame.com. Remove it, unless "
        "Pooled gave you that address.",
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": None}, "id is of type NoneType. Pass a str, an int or a UUID."),
        ({"id": ""}, "id is empty. Pass the account's unique, stable id."),
        ({"id": " a"}, "id begins or ends with whitespace. Pass it without."),
        (
            {"id": 10**300},
            "id is longer than 255 characters, and the inbox could not store a win for it. Pass a shorter one.",
        ),
        ({"name": 1}, "name is of type int. Pass a str."),
        ({"name": " "}, "name is empty. Pass the name that the game shows."),
        ({"name": "a\0"}, "name holds a NUL character. Remove it."),
        ({"name": "\ud800"}, "name is not valid Unicode text. Repair it."),
        ({"balance": "1"}, "balance is of type str. Pass USD as a Decimal, an int or a float."),
        (
            {"balance": Decimal("NaN")},
            "balance is not a finite number. Pass what the wallet holds.",
        ),
        (
            {"balance": 10**13},
            "balance is 10,000,000,000,000 USD or more, and no JSON number would keep its cents. Pass dollars, not "
            "cents.",
        ),
        (
            {"currency": "usd"},
            "currency is none that Pooled displays. Pass one of USD, EUR, GBP, CAD, AUD, NZD, in capitals.",
        ),
        (
            {"verified": 1},
            "verified is of type int. Pass True once KYC and the age check are done, otherwise False.",
        ),
        ({"email": 1}, "email is of type int. Pass a str or None."),
        ({"email": "a"}, "email is not an address. Pass one like a@b.example, or None."),
    ],
)
def test_wrong_player(fields: dict[str, Any], message: str) -> None:
    good = {"id": "a", "name": "A", "balance": 1}
    assert _said(TokenError, lambda: Player(**{**good, **fields})) == f"the player's {message}"


def test_user_without_an_attribute() -> None:
    said = _said(TokenError, lambda: Player.from_object(date(2026, 1, 1)))
    assert said == "the date has no attribute id. Add it, or call Player(...) with the values."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"player": "A"},
            "a token needs a Player, not a str. Make one with Player(...) or Player.from_object(...).",
        ),
        (
            {"secret": ""},
            "the JWT secret is missing. Pass the one from Pooled's admin panel.",
        ),
        ({"secret": "\ud800"}, "the JWT secret is not valid Unicode text. Copy it again."),
        (
            {"secret": _KEY},
            "the JWT secret is a public or private key. Pass the secret that Pooled issued.",
        ),
        (
            {"now": True},
            "now is not a time. Pass unix seconds, such as time.time(), or None.",
        ),
        ({"ttl": 0}, "ttl is out of range. Pass whole seconds from 1 to 86400."),
    ],
)
def test_token_that_cannot_be_made(arguments: dict[str, Any], message: str) -> None:
    good = {"player": Player("a", "A", 1), "secret": "j" * 32}
    assert _said(TokenError, lambda: mint_token(**{**good, **arguments})) == message


def test_empty_webhook_secret() -> None:
    assert (
        _said(ConfigError, lambda: sign_body(b"", ""))
        == "the webhook secret is empty. Pass the one from Pooled's admin panel."
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tx_id": None}, "is not a string but null"),
        ({"tx_id": True}, "is not a string but a boolean"),
        ({"tx_id": 1}, "is not a string but a number"),
        ({"tx_id": 1.5}, "is not a string but a number"),
        ({"tx_id": []}, "is not a string but an array"),
        ({"tx_id": {}}, "is not a string but an object"),
        ({"tx_id": ""}, "is empty"),
        ({"tx_id": "\0"}, "holds text that no database can store"),
        ({"tx_id": "x" * 256}, "is longer than 255 characters"),
        ({"pool_size": "100"}, "is not a number but a string"),
        ({"pool_size": 0.5}, "is not a whole number"),
        ({"pool_size": 10**19}, "is a number that no amount can be"),
        ({"pool_size": 2**63}, "is too large"),
    ],
)
def test_field_that_is_not_as_documented(fields: dict[str, Any], message: str) -> None:
    body = json.dumps({**BARE_ENTRY, **fields}).encode()
    [name] = fields
    assert _said(PayloadError, lambda: parse_event(body)) == f"the field {name!r} {message}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "the body is not a JSON object but an array"),
        (b"1", "the body is not a JSON object but a number"),
        (b"NaN", "the body is not JSON: NaN is no number there"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b"{}", "the field 'event' is missing"),
    ],
)
def test_body_that_is_no_event(body: bytes, message: str) -> None:
    assert _said(PayloadError, lambda: parse_event(body)) == message


def test_amounts_that_are_no_money() -> None:
    assert _said(ValueError, lambda: to_cents(Decimal("0.001"))) == "the amount has parts of a cent"
    assert (
        _said(ValueError, lambda: to_cents(Decimal("Infinity")))
        == "the amount is not a finite number of dollars below 10**38"
    )


async def _later(app: Flask, **extra: object) -> None:
    """A receiver that nobody would await."""


def test_receivers_and_senders_that_would_never_match() -> None:
    assert (
        _said(ConfigError, lambda: pool_win.connect())
        == "pool_win.connect() was given no receiver. Decorate with @pool_win.connect, without parentheses, or for "
        "one app with @pool_win.connect_via(app)."
    )
    text: Any = "text"
    assert (
        _said(ConfigError, lambda: pool_win.connect(text))
        == "pool_win.connect() was given a str, which cannot be called. Connect a function that takes (app, event, "
        "**extra)."
    )
    assert (
        _said(ConfigError, lambda: pool_win.connect(_later))
        == "pool_win cannot call an async or generator function: nobody would await it, and the event would be lost. "
        "Connect a normal function; if it needs a coroutine, let it run the coroutine to its end, as with "
        "asyncio.run()."
    )
    assert (
        _said(ConfigError, lambda: pool_win.connect_via(None))
        == "pool_win was given no app as sender, and so would never call the receiver. Decorate with "
        "@pool_win.connect, or @pool_win.connect_via(app)."
    )
    assert (
        _said(ConfigError, lambda: pool_win.connect_via(current_app))
        == "pool_win was given a proxy as sender, like current_app, which matches nobody. Use the real app object."
    )
