"""The last value that is taken, and the first that is not; and what lies on neither side of a check."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jwt
import pytest
from event_samples import BARE_ENTRY
from flask import Flask

from flask_pooled import abbreviate_name
from flask_pooled import ConfigError
from flask_pooled import mint_token
from flask_pooled import parse_event
from flask_pooled import PayloadError
from flask_pooled import Player
from flask_pooled import pool_win
from flask_pooled import PoolEntry
from flask_pooled import PoolWin
from flask_pooled import TokenError
from flask_pooled.csp import allow_own
from flask_pooled.csp import allows_frame
from flask_pooled.setting_values import app_url
from flask_pooled.setting_values import choice
from flask_pooled.setting_values import Fault
from flask_pooled.setting_values import is_loopback
from flask_pooled.setting_values import url_prefix
from flask_pooled.setting_values import whole
from flask_pooled.settings import Settings
from flask_pooled.token_check import check_token
from flask_pooled.token_check import is_signed

_INT64 = 2**63 - 1
_SECRET = "j" * 32
_WIN = {
    "event": "pool.win",
    "tenant_id": "t",
    "pool_id": "p",
    "pool_size": 100,
    "winner_id": "u",
    "amount": 1,
}


def _win(**fields: Any) -> PoolWin:
    event = parse_event(json.dumps({**_WIN, **fields}).encode())
    assert isinstance(event, PoolWin)
    return event


def _slots(number: str) -> int | None:
    body = json.dumps(BARE_ENTRY).removesuffix("}") + f', "slots_filled": {number}}}'
    event = parse_event(body.encode())
    assert isinstance(event, PoolEntry)
    return event.slots_filled


def _refused(work: Any, kind: type[Exception]) -> bool:
    with pytest.raises(kind):
        work()
    return True


def test_id_of_255_characters() -> None:
    assert _win(winner_id="x" * 255).winner_id == "x" * 255
    assert _refused(lambda: _win(winner_id="x" * 256), PayloadError)
    assert Player("x" * 255, "A", 1).id == "x" * 255
    assert Player(int("9" * 255), "A", 1).id == "9" * 255
    assert _refused(lambda: Player(10**255, "A", 1), TokenError)


def test_name_of_an_event_has_no_limit() -> None:
    assert parse_event(json.dumps({"event": "x" * 300}).encode()).kind == "x" * 300


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_first_and_last_of_the_surrogates(code: int) -> None:
    assert _refused(lambda: _win(winner_id=chr(code)), PayloadError)
    assert _win(winner_name=chr(code)).winner_name is None
    assert _win(winner_id=chr(0xD7FF) + chr(0xE000)).winner_id == "\ud7ff\ue000"


def test_largest_number_of_a_column() -> None:
    assert _win(pool_size=_INT64 // 100).pool_size == _INT64 // 100
    largest = Decimal(_INT64) / 100
    assert _win(amount=1).cents == 100
    body = json.dumps(_WIN).replace('"amount": 1', f'"amount": {largest}').encode()
    event = parse_event(body)
    assert isinstance(event, PoolWin)
    assert event.cents == _INT64
    below_zero = json.dumps(_WIN).replace('"amount": 1', f'"amount": -{largest}').encode()
    event = parse_event(below_zero)
    assert isinstance(event, PoolWin)
    assert event.cents == -_INT64
    assert _refused(lambda: _win(pool_size=_INT64), PayloadError)


def test_most_places_of_an_amount() -> None:
    for places, taken in ((64, True), (65, False)):
        amount = "1." + "0" * places
        body = json.dumps(_WIN).replace('"amount": 1', f'"amount": {amount}').encode()
        if taken:
            event = parse_event(body)
            assert isinstance(event, PoolWin)
            assert event.amount == 1
        else:
            assert _refused(lambda body=body: parse_event(body), PayloadError)


@pytest.mark.parametrize(
    ("spelled", "slots"),
    [
        (str(_INT64), _INT64),
        (str(-_INT64), -_INT64),
        (str(_INT64 + 1), None),
        (str(-_INT64 - 1), None),
        (f"{_INT64}.0", _INT64),
        ("347.0", 347),
        ("3.47e2", 347),
        ("347.5", None),
        ("1e20", None),
        ("1" * 21, None),
        ("1e999999999999999999999", None),
    ],
)
def test_whole_number_that_nobody_needs(spelled: str, slots: int | None) -> None:
    assert _slots(spelled) == slots


def test_number_of_twenty_digits_is_kept_as_it_was() -> None:
    for digits, kind in ((20, int), (21, Decimal)):
        body = json.dumps(_WIN).removesuffix("}") + f', "extra": {"9" * digits}}}'
        extra = parse_event(body.encode()).raw["extra"]
        assert (type(extra), extra) == (kind, int("9" * digits))


def test_time_is_told_in_utc() -> None:
    moment = _win(timestamp="2026-05-29T14:32:00+02:00").timestamp
    assert moment is not None
    assert moment.isoformat() == "2026-05-29T12:32:00+00:00"


def test_variant_is_part_of_the_identity_where_there_is_one() -> None:
    win = _win()
    assert win.identity == ("pool.win", "t", "p")
    assert replace(win, variant="v").identity == ("pool.win", "t", "p", "v")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Smith Jr", "Smith J."),
        ("Jordan Smith Jr", "Jordan S."),
        ("Jordan Smith JrX", "Jordan Smith J."),
        ("Raj किशोर", "Raj कि."),
        ("Raj (किशोर", "Raj कि."),
    ],
)
def test_initial_with_its_marks(name: str, short: str) -> None:
    assert abbreviate_name(name) == short


def test_token_of_a_day_and_no_second_more() -> None:
    token = mint_token(Player("a", "A", 1), _SECRET, now=1000, ttl=86_400)
    assert check_token(token, _SECRET, now=1000).faults == ()
    assert check_token(token, _SECRET, now=999).faults == ("it lasts for more than 86400 seconds",)
    assert check_token(token, _SECRET, now=87_399).faults == ()
    assert check_token(token, _SECRET, now=87_400).faults == (
        "it has expired: mint one for each page",
    )


def test_token_is_compact() -> None:
    payload = mint_token(Player("a", "A", 1), _SECRET).split(".")[1]
    assert b" " not in jwt.utils.base64url_decode(payload)


def test_secret_as_text_or_bytes() -> None:
    token = mint_token(Player("a", "A", 1), "é" * 16)
    assert is_signed(token, "é" * 16)
    assert is_signed(token, ("é" * 16).encode())
    assert not is_signed(token, "e" * 16)


def test_claims_that_are_no_object_are_not_signed() -> None:
    token = jwt.api_jws.encode(b"[]", _SECRET, "HS256")
    checked = check_token(token, _SECRET, now=0)
    assert (dict(checked.claims), checked.signed) == ({}, False)
    assert checked.faults == ("its claims are no JSON object",)
    nan = jwt.api_jws.encode(b'{"balance": NaN}', _SECRET, "HS256")
    assert check_token(nan, _SECRET, now=0).faults == (
        "it is no JWT: copy all of it, and nothing around it",
    )


def test_whole_setting_between_its_bounds() -> None:
    parse = whole(2, 5, "tries")
    assert [parse(value) for value in (2, 5, "2", " 5 ")] == [2, 5, 2, 5]
    for value in (1, 6, True, 2.0, None, "x", "1.5", "6"):
        with pytest.raises(Fault, match=r"Give tries from 2 to 5\.$"):
            parse(value)


def test_choice_is_one_of_the_words() -> None:
    parse = choice("a", "b")
    assert parse("b") == "b"
    with pytest.raises(Fault, match=r"^is not a choice\. Give one of a, b\.$"):
        parse("c")


def test_ports() -> None:
    assert app_url("https://example.com:1") == "https://example.com:1"
    assert app_url("https://example.com:65535") == "https://example.com:65535"
    assert app_url("http://localhost:80") == "http://localhost"
    for port in ("0", "65536"):
        assert _refused(lambda port=port: app_url(f"https://example.com:{port}"), Fault)


def test_nothing_but_slashes_and_brackets_is_left_out() -> None:
    assert url_prefix("/poolX/") == "/poolX"
    assert is_loopback("[::1]")
    assert not is_loopback("X127.0.0.1X")


def test_similar_keys_name_the_nearest_alone() -> None:
    config = {
        "POOLED_TENANT": "a",
        "POOLED_JWT_SECRET": _SECRET,
        "POOLED_WEBHOOK_SECRET": "w" * 32,
        "POOLED_TENANTID": "x",
    }
    with pytest.raises(ConfigError, match=r"Did you mean POOLED_TENANT_ID\?"):
        Settings.from_mapping(config, {})


def test_frame_of_a_plain_origin() -> None:
    """80 is the port of http, and 443 that of https: a policy may name it or not."""
    assert allows_frame("frame-src http://localhost:80", "http://localhost")
    assert allows_frame("frame-src http://localhost", "http://localhost:80")
    assert not allows_frame("frame-src http://localhost:443", "http://localhost")
    assert not allows_frame("frame-src http://localhost:81", "http://localhost")
    assert allows_frame("frame-src https://a.example:443", "https://a.example")
    assert not allows_frame("frame-src 'none'", "https://a.example")


_URL = "https://casino.example/pooled/session"


@pytest.mark.parametrize(
    "policy",
    [
        f"connect-src {_URL}",
        "connect-src 'SELF'",
        "connect-src *",
        "default-src 'self'",
        "script-src 'self'",
        "connect-src 'nonce-abc'",
        "connect-src 'strict-dynamic'",
        "img-src 'none'",
    ],
)
def test_own_address_that_a_policy_allows_already(policy: str) -> None:
    assert allow_own(policy, "connect", _URL, "abc") == policy


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("connect-src 'none'", f"connect-src {_URL}"),
        ("connect-src x.example", f"connect-src x.example {_URL}"),
        ("default-src 'NONE'", f"default-src 'NONE'; connect-src {_URL}"),
        (
            "default-src x.example",
            f"default-src x.example; connect-src x.example {_URL}",
        ),
        ("connect-src 'nonce-other'", f"connect-src 'nonce-other' {_URL}"),
        (
            "connect-src a.example,connect-src b.example",
            f"connect-src a.example {_URL},connect-src b.example {_URL}",
        ),
    ],
)
def test_own_address_is_added_to_each_policy(policy: str, allowed: str) -> None:
    assert allow_own(policy, "connect", _URL, "abc") == allowed


def test_disconnected_from_one_app_alone() -> None:
    one, other = Flask("one"), Flask("other")
    heard = []

    def receive(app: Flask, **extra: object) -> None:
        heard.append(app)

    pool_win.connect(receive, sender=one)
    pool_win.connect(receive, sender=other)
    pool_win.disconnect(receive, sender=one)
    pool_win.send(one)
    pool_win.send(other)
    assert heard == [other]


def test_receiver_of_one_app_is_held_strongly() -> None:
    app = Flask("one")
    heard = []
    pool_win.connect_via(app)(lambda app, **extra: heard.append(app))
    pool_win.send(app)
    assert heard == [app]
