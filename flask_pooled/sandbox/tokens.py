"""The token check of the sandbox: every fault names the claim and the fix (guide, Token and Error Reference)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.algorithms import HMACAlgorithm
from jwt.utils import base64url_decode

from .errors import PageError
from .money import claim_to_cents

CURRENCIES = ("USD", "EUR", "GBP", "CAD", "AUD", "NZD")

#: Seconds. The guide allows 24 hours "from issuance"; a minute more, because two clocks are never the same.
LONGEST_LIFE = 24 * 3600
LEEWAY = 60

#: Bytes. Servers and browsers give up on longer URLs long before a real token gets there.
LONGEST_TOKEN = 8192

#: USD. A larger number is a mistake of units, not a wallet.
LARGEST_BALANCE = 10**12

_INVALID = "Invalid or expired JWT token"
_VALIDATION = "Token validation failed"
_BALANCE = "Wrong balance displayed"
_REGENERATE = "Regenerate token server-side."
_REGENERATE_EXP = "Regenerate token server-side. Check exp claim is in the future."
_MISMATCH_FIX = "Verify the JWT secret matches exactly what's in your admin panel. No trailing whitespace or newlines."
_BALANCE_FIX = 'Regenerate token on every page load. Ensure balance is a number, not "250.00".'

#: What a secret read from a file or pasted into a dashboard gains at its edges.
_STRAY_EDGES = ("\n", "\r\n", " ", "\t")


@dataclass(frozen=True, slots=True)
class Visitor:
    """The player that a valid token describes.

    :param digest: names this very token without holding it: a new one brings a new balance.
    """

    sub: str
    name: str
    balance_cents: int
    currency: str
    verified: bool
    digest: str


def check_token(token: str, secrets: Sequence[str], now: float) -> Visitor:
    """The visitor of a token, if the token is good in every respect that the guide names.

    :param token: the compact JWT of the page's URL.
    :param secrets: the JWT secrets that this tenant accepts.
    :param now: seconds since the epoch.
    :raises PageError: with the first thing that is wrong.
    """
    if not token:
        raise PageError(_INVALID, "token", "The URL has no token.", _REGENERATE)
    if len(token) > LONGEST_TOKEN:
        raise PageError(
            _INVALID, "token", f"The token is longer than {LONGEST_TOKEN} bytes.", _REGENERATE
        )
    claims = _signed_claims(token, secrets)
    _check_times(claims, now)
    return Visitor(
        sub=_text(claims, "sub", "Your internal player ID, as a string."),
        name=_text(claims, "name", 'The display name, last name as an initial only: "Jordan S."'),
        balance_cents=_balance(claims),
        currency=_currency(claims),
        verified=_verified(claims),
        digest=hashlib.sha256(token.encode()).hexdigest(),
    )


def _signed_claims(token: str, secrets: Sequence[str]) -> dict[str, Any]:
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
        message, _, signature = token.rpartition(".")
        signed, given = message.encode(), base64url_decode(signature.encode())
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise PageError(_INVALID, "token", "This is not a JWT.", _REGENERATE) from None
    if parts["header"].get("alg") != "HS256":
        raise PageError(_VALIDATION, "alg", "The token is not signed with HS256.", "Must be HS256.")
    if not any(_is_signed_by(secret, signed, given) for secret in secrets):
        raise PageError(
            _VALIDATION, "signature", _why_not_signed(secrets, signed, given), _MISMATCH_FIX
        )
    claims: dict[str, Any] = parts["payload"]
    return claims


def _is_signed_by(secret: str, signed: bytes, signature: bytes) -> bool:
    return HMACAlgorithm(HMACAlgorithm.SHA256).verify(signed, secret.encode(), signature)


def _why_not_signed(secrets: Sequence[str], signed: bytes, signature: bytes) -> str:
    """The guide's favourite mistake is found by trying it."""
    for secret in secrets:
        for edge in _STRAY_EDGES:
            if _is_signed_by(secret + edge, signed, signature) or _is_signed_by(
                edge + secret, signed, signature
            ):
                return "JWT secret mismatch: yours has whitespace or a newline at an edge."
    return "JWT secret mismatch."


def _check_times(claims: dict[str, Any], now: float) -> None:
    expires_at = _time(claims, "exp", required=True)
    if expires_at <= now:
        raise PageError(_INVALID, "exp", "The token has expired.", _REGENERATE_EXP)
    issued_at = _time(claims, "iat", required=False)
    # Compared, never subtracted, before it is known to be near: JSON's integers have no end.
    if expires_at > now + LONGEST_LIFE + LEEWAY or (
        0 < issued_at <= now + LEEWAY and expires_at - issued_at > LONGEST_LIFE + LEEWAY
    ):
        raise PageError(
            _INVALID,
            "exp",
            "The token lives longer than 24 hours.",
            "Maximum 24 hours from issuance. Recommended: 1 hour, in seconds, not milliseconds.",
        )
    if _time(claims, "nbf", required=False) > now + LEEWAY:
        raise PageError(_INVALID, "nbf", "The token is not valid yet.", _REGENERATE)


def _time(claims: dict[str, Any], claim: str, *, required: bool) -> int | float:
    if claim not in claims and not required:
        return 0
    value = _required(claims, claim, "A unix timestamp in seconds: now + 3600 is recommended.")
    if not _is_number(value):
        raise _wrong_type(claim, "a unix timestamp (a number)", "Send it as a number of seconds.")
    number: int | float = value
    return number


def _balance(claims: dict[str, Any]) -> int:
    value = _required(claims, "balance", _BALANCE_FIX)
    if not _is_number(value):
        found = "a string" if isinstance(value, str) else "not a number"
        raise PageError(_BALANCE, "balance", f"The claim balance is {found}.", _BALANCE_FIX)
    if not 0 <= value <= LARGEST_BALANCE:
        raise PageError(_BALANCE, "balance", "The claim balance is out of range.", _BALANCE_FIX)
    return claim_to_cents(value)


def _currency(claims: dict[str, Any]) -> str:
    value = _required(claims, "currency", f"Supported: {' '.join(CURRENCIES)}")
    if value not in CURRENCIES:
        raise PageError(
            _VALIDATION,
            "currency",
            "The claim currency is not supported.",
            f"Supported: {' '.join(CURRENCIES)}",
        )
    return str(value)


def _verified(claims: dict[str, Any]) -> bool:
    fix = "Set verified: true after KYC, false before: a boolean, not a string or a number."
    value = _required(claims, "verified", fix)
    if not isinstance(value, bool):
        raise _wrong_type("verified", "a boolean", fix)
    return value


def _text(claims: dict[str, Any], claim: str, fix: str) -> str:
    value = _required(claims, claim, fix)
    if not isinstance(value, str):
        raise _wrong_type(claim, "a string", fix)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise PageError(
            _VALIDATION, claim, f"The claim {claim} is no text: it has half a character.", fix
        )
    if not value.strip():
        raise PageError(_VALIDATION, claim, f"The claim {claim} is empty.", fix)
    return value


def _required(claims: dict[str, Any], claim: str, fix: str) -> Any:
    if claim not in claims:
        raise PageError(_VALIDATION, claim, f"The claim {claim} is missing.", fix)
    return claims[claim]


def _wrong_type(claim: str, expected: str, fix: str) -> PageError:
    return PageError(_VALIDATION, claim, f"The claim {claim} is not {expected}.", fix)


def _is_number(value: object) -> bool:
    """JSON numbers only: ``true`` is an int in Python, and NaN is no JSON."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)
