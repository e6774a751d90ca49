from __future__ import annotations

import hashlib
import hmac
import json
import time
import unicodedata
import warnings
from base64 import urlsafe_b64decode
from decimal import Decimal
from typing import Any

import jwt
import pytest
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from flask_pooled.errors import TokenError
from flask_pooled.player import Player
from flask_pooled.tokens import abbreviate_name
from flask_pooled.tokens import mint_token

_SECRET = "a-jwt-secret-of-at-least-32-bytes"
_NOW = 1_716_994_800
_JORDAN = Player("player_abc123", "Jordan Smith", Decimal("250.00"), verified=True)

_NAMES = st.text(min_size=1).filter(str.strip)
_WORDS = st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=2, max_size=9)


def _part(token: str, at: int) -> str:
    part = token.split(".")[at]
    return urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(_part(token, 1), parse_float=Decimal, parse_int=Decimal)
    return claims


def test_the_claims_are_exactly_those_of_the_guide() -> None:
    token = mint_token(_JORDAN, _SECRET, now=_NOW)
    assert json.loads(_part(token, 1)) == {
        "sub": "player_abc123",
        "name": "Jordan S.",
        "balance": 250.0,
        "currency": "USD",
        "verified": True,
        "exp": 1_716_998_400,
    }


def test_the_header_is_exactly_that_of_the_guide() -> None:
    assert json.loads(_part(mint_token(_JORDAN, _SECRET), 0)) == {"alg": "HS256", "typ": "JWT"}


def test_the_signature_is_plain_hmac_sha256() -> None:
    signed, _, signature = mint_token(_JORDAN, _SECRET, now=_NOW).rpartition(".")
    expected = hmac.new(_SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    assert urlsafe_b64decode(signature + "=") == expected


@given(
    _NAMES,
    _NAMES,
    st.integers(0, 10**15 - 1),
    st.booleans(),
    st.sampled_from([None, "jo@b.example", "jös\u00e9@b.example"]),
    st.one_of(st.text(min_size=32), st.binary(min_size=32)),
    st.integers(0, 2**40),
)
@example("player", "Jo", 0, True, None, '{"kty": "oct", "k": "c2VjcmV0IG9mIGEgY2FzaW5v"}', 0)
def test_it_is_what_pyjwt_makes_of_the_claims(
    id: str, name: str, cents: int, verified: bool, email: str | None, secret: str | bytes, now: int
) -> None:
    try:
        player = Player(id, name, Decimal(cents).scaleb(-2), "CAD", verified, email)
        token = mint_token(player, secret, now=now)
    except TokenError:
        return
    assert token == jwt.encode(_claims_as_python(token), secret, algorithm="HS256")


def _claims_as_python(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(_part(token, 1))
    return claims


@given(st.one_of(st.text(min_size=32), st.binary(min_size=32)))
@example("-----BEGIN PUBLIC KEY-----\nMIIBIjANBg\n-----END PUBLIC KEY-----")
@example('{"kty": "oct", "k": "c2VjcmV0IG9mIGEgY2FzaW5v"}')
def test_it_refuses_the_secrets_that_pyjwt_refuses(secret: str | bytes) -> None:
    # Twice: what is known of a secret from the first token counts for the second.
    for _ in range(2):
        try:
            jwt.encode({}, secret, algorithm="HS256")
        except (jwt.InvalidKeyError, UnicodeEncodeError):
            with pytest.raises(TokenError, match="the JWT secret"):
                mint_token(_JORDAN, secret)
        else:
            mint_token(_JORDAN, secret)


def test_an_independent_reader_accepts_it() -> None:
    claims = jwt.decode(mint_token(_JORDAN, _SECRET), _SECRET, algorithms=["HS256"])
    assert claims["sub"] == "player_abc123"


def test_the_types_are_those_of_the_guide() -> None:
    claims = json.loads(_part(mint_token(_JORDAN, _SECRET, now=_NOW + 0.9), 1))
    kinds = {name: type(value) for name, value in claims.items()}
    assert kinds == {
        "sub": str,
        "name": str,
        "balance": float,
        "currency": str,
        "verified": bool,
        "exp": int,
    }


def test_an_email_is_a_claim_only_if_given() -> None:
    player = Player("p1", "Jo", 1, email="jo@b.example")
    assert _claims(mint_token(player, _SECRET))["email"] == "jo@b.example"
    assert "email" not in _claims(mint_token(_JORDAN, _SECRET))


def test_the_whole_name_shows_only_on_request() -> None:
    assert _claims(mint_token(_JORDAN, _SECRET))["name"] == "Jordan S."
    assert _claims(mint_token(_JORDAN, _SECRET, full_name=True))["name"] == "Jordan Smith"


@given(st.integers(0, 10**15 - 1))
def test_the_balance_is_a_number_that_shows_the_exact_cents(cents: int) -> None:
    balance = Decimal(cents).scaleb(-2)
    token = mint_token(Player("p1", "Jo", balance), _SECRET, now=_NOW)
    assert _claims(token)["balance"] == balance
    assert round(float(_claims(token)["balance"]) * 100) == cents


@given(_NAMES, _NAMES)
def test_any_text_survives(id: str, name: str) -> None:
    try:
        player = Player(id, name, 1)
    except TokenError:
        return
    token = mint_token(player, _SECRET, now=_NOW, full_name=True)
    assert (_claims(token)["sub"], _claims(token)["name"]) == (player.id, player.name)
    assert token.isascii()


def test_reads_the_clock_if_no_time_is_given() -> None:
    before = int(time.time())
    ends = _claims(mint_token(_JORDAN, _SECRET))["exp"]
    assert before + 3600 <= ends <= time.time() + 3600


def test_reads_no_clock_if_a_time_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "time")
    assert _claims(mint_token(_JORDAN, _SECRET, now=0))["exp"] == 3600


@pytest.mark.parametrize("ttl", [1, 60, 3600, 86400])
def test_a_ttl_within_the_guide_is_taken(ttl: int) -> None:
    assert _claims(mint_token(_JORDAN, _SECRET, now=_NOW, ttl=ttl))["exp"] == _NOW + ttl


@pytest.mark.parametrize("ttl", [0, -1, 86401, True, 3600.0, "3600", None])
def test_any_other_ttl_is_refused(ttl: Any) -> None:
    with pytest.raises(TokenError, match="ttl is out of range"):
        mint_token(_JORDAN, _SECRET, ttl=ttl)


@pytest.mark.parametrize("now", [True, "1716994800", float("nan"), float("inf"), [], Decimal(1)])
def test_a_time_that_is_none_is_refused(now: Any) -> None:
    with pytest.raises(TokenError, match="now is not a time"):
        mint_token(_JORDAN, _SECRET, now=now)


@pytest.mark.parametrize("secret", ["", b"", None, 5, ["x"]])
def test_a_missing_secret_is_refused(secret: Any) -> None:
    with pytest.raises(TokenError, match="the JWT secret is missing"):
        mint_token(_JORDAN, secret)


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBg\n-----END PUBLIC KEY-----",
        "ssh-rsa AAAAB3NzaC1yc2E",
        "a-half-\ud800-pasted-secret-of-32-bytes",
    ],
)
def test_a_secret_that_cannot_sign_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(TokenError, match="the JWT secret") as caught:
        mint_token(_JORDAN, secret)
    assert secret[-12:] not in str(caught.value)


@pytest.mark.parametrize("player", [None, "player_abc123", {"id": 1}])
def test_what_is_no_player_is_refused(player: Any) -> None:
    with pytest.raises(TokenError, match=r"Player\.from_object"):
        mint_token(player, _SECRET)


def test_text_and_bytes_are_the_same_secret() -> None:
    token = mint_token(_JORDAN, _SECRET, now=_NOW)
    assert mint_token(_JORDAN, _SECRET.encode(), now=_NOW) == token


def test_a_short_secret_does_not_warn_at_every_token() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mint_token(_JORDAN, "short")
    assert caught == []


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Jordan Smith", "Jordan S."),
        ("Jordan S.", "Jordan S."),
        ("Jordan S", "Jordan S."),
        ("Cher", "Cher"),
        ("jordan.smith", "jordan.smith"),
        ("Anna Maria Rossi", "Anna Maria R."),
        ("Jean-Luc Smith-Jones", "Jean-Luc S."),
        ("Ursula von der Leyen", "Ursula von der L."),
        ("Sinead O'Brien", "Sinead O."),
        ("Jordan (Smith)", "Jordan S."),
        ("jordan smith", "jordan s."),
        ("  Jordan \t Smith\n", "Jordan S."),
        ("Jordan\u00a0Smith", "Jordan S."),
        ("Smith, Jordan", "Jordan S."),
        ("Smith, Anna Maria", "Anna Maria S."),
        ("Jordan Smith Jr.", "Jordan S."),
        ("Jordan Smith, Jr.", "Jordan S."),
        ("Smith Jr., Jordan", "Jordan S."),
        ("Jordan Smith III", "Jordan S."),
        ("Иван Петров", "Иван П."),
        ("Γιώργος Παπαδόπουλος", "Γιώργος Π."),
        ("محمد علي", "محمد ع."),
        ("Zoë E\u0301tienne", "Zoë \u00c9."),
        ("Jo X\u0301\u0302yz", "Jo X\u0301\u0302."),
        ("राम क\u094dषत्रिय", "राम क\u094d."),
        ("Jo \u1112\u1161\u11ab", "Jo 한."),
        ("Player 42", "Player 4."),
        ("Jo 🎲", "Jo 🎲."),
        ("Jo -", "Jo -."),
        ("Jo .", "Jo .."),
        ("Jr., II", "Jr., II"),
        ("II II", "II II"),
        (",", ","),
        ("Smith,", "Smith"),
        ("", ""),
    ],
)
def test_abbreviates(name: str, short: str) -> None:
    assert abbreviate_name(name) == short


@given(st.text())
@example("Jr., II")
@example(", Jo .. Sr")
def test_abbreviating_twice_changes_nothing(name: str) -> None:
    short = abbreviate_name(name)
    assert abbreviate_name(short) == short


@given(_NAMES)
def test_a_name_never_vanishes(name: str) -> None:
    assert abbreviate_name(name).strip()


@given(st.lists(_WORDS, min_size=1, max_size=3), _WORDS)
def test_no_more_than_the_initial_of_the_last_name_shows(given_names: list[str], last: str) -> None:
    # Of what is nothing but suffixes, none is a name.
    assume(abbreviate_name(f"{last} {last}") != f"{last} {last}")
    first = unicodedata.normalize("NFC", last)[0]
    for written in (" ".join([*given_names, last]), f"{last}, {' '.join(given_names)}"):
        short = abbreviate_name(written)
        if len(written.split()) == len(short.split()):  # no word was taken for a suffix
            assert short == " ".join([*given_names, f"{first}."])
