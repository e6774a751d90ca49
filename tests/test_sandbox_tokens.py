"""The sandbox's own token check: every claim wrong in every way, each fault with its claim and fix."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_parts import claims
from sandbox_parts import JWT_SECRET
from sandbox_parts import NOW
from sandbox_parts import token

from flask_pooled.sandbox.errors import PageError
from flask_pooled.sandbox.tokens import check_token
from flask_pooled.sandbox.tokens import CURRENCIES
from flask_pooled.sandbox.tokens import Visitor


def check(given: str) -> Visitor:
    return check_token(given, [JWT_SECRET], NOW)


def fault(given: str) -> PageError:
    with pytest.raises(PageError) as caught:
        check(given)
    assert caught.value.status == 401
    assert caught.value.fix
    return caught.value


def raw(payload: str, header: str = '{"alg":"HS256","typ":"JWT"}') -> str:
    """A correctly signed token of any text, as no library would make it."""
    head, body = (
        base64.urlsafe_b64encode(part.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()
        for part in (header, payload)
    )
    signed = f"{head}.{body}"
    mac = hmac.new(JWT_SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_the_guides_sample_is_good() -> None:
    visitor = check(token())
    assert visitor.sub == "player_abc123"
    assert visitor.name == "Jordan S."
    assert visitor.balance_cents == 25000
    assert visitor.currency == "USD"
    assert visitor.verified is True


@pytest.mark.parametrize(
    ("balance", "cents"),
    [(0, 0), (250, 25000), (19.99, 1999), (1.499, 149), (0.29, 29), (1e6, 100_000_000), (1e-9, 0)],
)
def test_balances_are_read_to_the_cent(balance: float, cents: int) -> None:
    assert check(token(balance=balance)).balance_cents == cents


@given(st.integers(0, 10**11))
def test_every_balance_of_whole_cents_is_read_exactly(cents: int) -> None:
    assert check(token(balance=cents / 100)).balance_cents == cents


@pytest.mark.parametrize("currency", CURRENCIES)
def test_the_guides_currencies(currency: str) -> None:
    assert check(token(currency=currency)).currency == currency


@pytest.mark.parametrize("changes", [{"email": "j@example.com"}, {"iat": int(NOW)}, {"extra": [1]}])
def test_more_claims_do_no_harm(changes: dict[str, Any]) -> None:
    assert check(token(**changes)).sub == "player_abc123"


@pytest.mark.parametrize("life", [1, 3600, 86400, 86400 + 60])
def test_lives_that_the_guide_allows(life: int) -> None:
    assert check(token(exp=int(NOW) + life))


#: Every claim, wrong in every way. ``...`` leaves it out.
WRONG: dict[str, list[Any]] = {
    "sub": [..., 42, None, "", "  ", True, ["a"], {}],
    "name": [..., 42, None, "", "\t", False, ["a"]],
    "balance": [..., "250", "250.00", None, True, [250], -1, -0.01, 1e13, 10**400],
    "currency": [..., "usd", "CHF", "", None, 840, ["USD"], {"a": 1}],
    "verified": [..., "true", "false", 1, 0, None, "yes", []],
    "exp": [
        *(..., None, str(int(NOW) + 60), True, [1], 0, -1, 10**400),
        *(int(NOW) + seconds for seconds in (0, -1, -3600, 86400 + 61, 86400 * 30)),
        (int(NOW) + 3600) * 1000,  # milliseconds, as Date.now() gives them
    ],
    "nbf": [int(NOW) + 3600, "soon", 10**400],
    "iat": ["now"],
}


@pytest.mark.parametrize(
    ("claim", "value"), [(claim, value) for claim, values in WRONG.items() for value in values]
)
def test_a_wrong_claim_is_named(claim: str, value: Any) -> None:
    found = fault(token(**{claim: value}))
    assert found.claim == claim
    assert "250.00" not in found.cause


def test_a_token_issued_long_ago_for_too_long_is_named() -> None:
    now = int(NOW)
    assert fault(token(iat=now - 86400, exp=now + 3600)).claim == "exp"


@pytest.mark.parametrize(
    ("changes", "error", "fix"),
    [
        (
            {"exp": int(NOW) - 1},
            "Invalid or expired JWT token",
            "Check exp claim is in the future.",
        ),
        ({"balance": "250.00"}, "Wrong balance displayed", 'a number, not "250.00".'),
        ({"currency": "CHF"}, "Token validation failed", "USD EUR GBP CAD AUD NZD"),
    ],
)
def test_faults_speak_the_guides_words(changes: dict[str, Any], error: str, fix: str) -> None:
    found = fault(token(**changes))
    assert found.error == error
    assert fix in found.fix


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps(claims()).replace("250.0", "NaN"),
        json.dumps(claims()).replace("250.0", "Infinity"),
        json.dumps(claims()).replace("250.0", "1e999"),
        json.dumps(claims()).replace("250.0", "9" * 5000),
        json.dumps(claims()).replace("250.0", "[" * 5000 + "]" * 5000),
        json.dumps(claims()).replace("Jordan S.", "\\ud800"),
        json.dumps(claims()).replace("player_abc123", "\\udfff"),
        "[]",
        "null",
        '"text"',
        "{",
        "",
        "\ud800",
    ],
)
def test_signed_nonsense_is_a_fault_too(payload: str) -> None:
    fault(raw(payload))


@pytest.mark.parametrize(
    "given", ["", "x", "a.b", "a.b.c", "a.b.c.d", "...", "é.ü.ß", "\ud800", "x" * 9000]
)
def test_what_is_no_token_is_a_fault(given: str) -> None:
    assert fault(given).claim == "token"


@given(st.text())
def test_any_text_is_a_fault(given: str) -> None:
    fault(given)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none"])
def test_only_hs256_will_do(algorithm: str) -> None:
    key = "" if algorithm == "none" else JWT_SECRET * 3
    assert fault(jwt.encode(claims(), key, algorithm=algorithm)).claim == "alg"


@pytest.mark.parametrize(
    "header", ['{"alg":"none"}', '{"alg":"hs256"}', '{"alg":null}', '{"alg":["HS256"]}']
)
def test_odd_algorithm_headers_will_not_do(header: str) -> None:
    assert fault(raw(json.dumps(claims()), header)).claim in {"alg", "token"}


def test_an_empty_signature_will_not_do() -> None:
    assert fault(token().rpartition(".")[0] + ".").claim == "signature"


def test_a_changed_payload_will_not_do() -> None:
    head, _, mac = token().split(".")
    _, richer, _ = token(balance=10**6).split(".")
    assert fault(f"{head}.{richer}.{mac}").claim == "signature"


def test_another_secret_is_a_mismatch() -> None:
    found = fault(token(secret="another-secret-0123456789-0123456789"))
    assert found.claim == "signature"
    assert found.cause == "JWT secret mismatch."
    assert "No trailing whitespace or newlines." in found.fix


@pytest.mark.parametrize("edge", ["\n", "\r\n", " "])
def test_a_secret_with_a_newline_is_recognised(edge: str) -> None:
    assert "whitespace or a newline" in fault(token(secret=JWT_SECRET + edge)).cause
    assert "whitespace or a newline" in fault(token(secret=edge + JWT_SECRET)).cause


def test_short_secrets_work_without_a_warning() -> None:
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        short = token(secret="short")
    assert check_token(short, ["long" * 10, "short"], NOW).sub == "player_abc123"


def test_no_fault_shows_the_token_or_a_claims_value() -> None:
    given = token(balance="a-secret-value")
    found = fault(given)
    shown = f"{found.error} {found.claim} {found.cause} {found.fix} {found!r} {found}"
    assert given not in shown
    assert "a-secret-value" not in shown
