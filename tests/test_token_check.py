"""Reading a token back: every fault that Pooled would refuse it for is named, and no text makes an error."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled import mint_token
from flask_pooled import Player
from flask_pooled.token_check import check_token

SECRET = "jwt-secret-that-is-long-enough-for-hs256"
NOW = 1_780_000_000

GOOD: dict[str, Any] = {
    "sub": "player_abc123",
    "name": "Jordan S.",
    "balance": 42.5,
    "currency": "USD",
    "verified": True,
    "exp": NOW + 3600,
}


def _token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    said = {name: value for name, value in (GOOD | claims).items() if value is not ...}
    payload = json.dumps(said).encode()
    return jwt.api_jws.encode(payload, secret, algorithm)


def test_what_we_mint_is_in_order() -> None:
    player = Player("player_abc123", "Jordan Smith", Decimal("42.50"), verified=True)
    checked = check_token(mint_token(player, SECRET, now=NOW), SECRET, now=NOW)
    assert (checked.signed, checked.faults) == (True, ())
    assert checked.claims == GOOD


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"sub": ...}, "the claim sub is missing"),
        ({"sub": 7}, "the claim sub is not text that is not empty"),
        ({"name": ""}, "the claim name is not text that is not empty"),
        ({"balance": "42.50"}, "the claim balance is not a JSON number"),
        ({"balance": True}, "the claim balance is not a JSON number"),
        ({"balance": 10**400}, "the claim balance is not a JSON number"),
        ({"currency": "usd"}, "the claim currency is not one of USD, EUR, GBP, CAD, AUD, NZD"),
        ({"currency": []}, "the claim currency is not one of USD, EUR, GBP, CAD, AUD, NZD"),
        ({"verified": 1}, "the claim verified is not true or false"),
        ({"exp": ...}, "the claim exp is missing"),
        ({"exp": "soon"}, "the claim exp is not a time in unix seconds"),
        ({"exp": NOW}, "it has expired: mint one for each page"),
        ({"exp": NOW + 86_401}, "it lasts for more than 86400 seconds"),
    ],
)
def test_every_fault_is_named(claims: dict[str, Any], fault: str) -> None:
    checked = check_token(_token(**claims), SECRET, now=NOW)
    assert (checked.signed, checked.faults) == (True, (fault,))


def test_another_secret() -> None:
    checked = check_token(_token("another-secret-that-is-long-enough-too"), SECRET, now=NOW)
    assert (checked.signed, checked.claims) == (False, GOOD)
    assert checked.faults == ("it was not signed with POOLED_JWT_SECRET",)


def test_another_algorithm() -> None:
    checked = check_token(_token(SECRET * 2, algorithm="HS512"), SECRET * 2, now=NOW)
    assert (checked.signed, checked.faults) == (False, ("its algorithm is not HS256",))
    unsigned = jwt.encode(GOOD, "", algorithm="none")
    assert not check_token(unsigned, SECRET, now=NOW).signed


def _signed(payload: bytes) -> str:
    return jwt.api_jws.encode(payload, SECRET, "HS256")


@pytest.mark.parametrize(
    "text", ["", "a.b.c", "a.b", "ü", _token() + "x.y", _signed(b"NaN"), _signed(b"{"), "." * 9999]
)
def test_no_token(text: str) -> None:
    checked = check_token(text, SECRET, now=NOW)
    assert (checked.claims, checked.signed, len(checked.faults)) == ({}, False, 1)


def test_claims_that_are_no_object() -> None:
    assert check_token(_signed(b"[]"), SECRET, now=NOW).faults == ("its claims are no JSON object",)


@given(st.text(), st.binary(), st.binary())
def test_no_text_makes_an_error(text: str, header: bytes, payload: bytes) -> None:
    assert not check_token(text, SECRET, now=NOW).signed
    parts = [base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (header, payload)]
    assert not check_token(".".join([*parts, "AA"]), SECRET, now=NOW).signed


def test_it_is_not_in_its_own_repr() -> None:
    assert "Jordan" not in repr(check_token(_token(), SECRET, now=NOW))
