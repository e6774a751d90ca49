"""Reading a token back: what it says of the player, and what Pooled would refuse it for (guide, "Token Reference")."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Final

from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from flask_pooled.player import CURRENCIES
from flask_pooled.tokens import MAX_TTL


class _QuietHMAC(HMACAlgorithm):
    """HMAC-SHA256 without PyJWT's warning at every token about a short key: the settings warn once."""

    def check_key_length(self, key: Any) -> None:
        """Accept every length that Pooled may issue."""


def _hs256() -> PyJWS:
    """What reads HS256, and no other algorithm."""
    jws = PyJWS(algorithms=[])
    jws.register_algorithm("HS256", _QuietHMAC(HMACAlgorithm.SHA256))
    return jws


_SIGNER: Final = _hs256()

#: Each claim that a token must have: what it must be, and how to tell.
_CLAIMS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "sub": ("text that is not empty", lambda value: isinstance(value, str) and value != ""),
    "name": ("text that is not empty", lambda value: isinstance(value, str) and value != ""),
    "balance": ("a JSON number", lambda value: _is_number(value)),
    "currency": (
        f"one of {', '.join(CURRENCIES)}",
        lambda value: isinstance(value, str) and value in CURRENCIES,
    ),
    "verified": ("true or false", lambda value: isinstance(value, bool)),
    "exp": ("a time in unix seconds", lambda value: _is_number(value)),
}


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """What a token says, and what is wrong with it."""

    #: Empty where it could not be read. Not to be believed unless :attr:`signed`.
    claims: Mapping[str, Any] = field(repr=False)
    #: Whether it was signed with the secret.
    signed: bool
    #: What Pooled would refuse it for; empty for a good token.
    faults: tuple[str, ...]


def check_token(token: str, secret: str | bytes, *, now: float) -> CheckedToken:
    """Read a token and check it like Pooled does.

    :param token: any text. It is quoted nowhere.
    :param secret: the JWT secret.
    :param now: unix seconds.
    """
    try:
        parts = _SIGNER.decode_complete(token, options={"verify_signature": False})
        claims = json.loads(parts["payload"], parse_constant=_refuse_constant)
    except (PyJWTError, ValueError, RecursionError):
        return CheckedToken({}, False, ("it is no JWT: copy all of it, and nothing around it",))
    if not isinstance(claims, dict):
        return CheckedToken({}, False, ("its claims are no JSON object",))
    if parts["header"].get("alg") != "HS256":
        faults = ["its algorithm is not HS256"]
        signed = False
    else:
        signed = is_signed(token, secret)
        faults = [] if signed else ["it was not signed with POOLED_JWT_SECRET"]
    return CheckedToken(
        claims, signed, (*faults, *_wrong_claims(claims), *_wrong_time(claims, now))
    )


def is_signed(token: str, secret: str | bytes) -> bool:
    """Whether a token was signed by HS256 with this secret."""
    key = secret.encode() if isinstance(secret, str) else secret
    try:
        _SIGNER.decode_complete(token, key, algorithms=["HS256"])
    except (PyJWTError, ValueError, RecursionError):
        return False
    return True


def _wrong_claims(claims: Mapping[str, Any]) -> Iterator[str]:
    for name, (wanted, is_good) in _CLAIMS.items():
        if name not in claims:
            yield f"the claim {name} is missing"
        elif not is_good(claims[name]):
            yield f"the claim {name} is not {wanted}"


def _wrong_time(claims: Mapping[str, Any], now: float) -> Iterator[str]:
    end = claims.get("exp")
    if end is None or not _is_number(end):
        return
    if end <= now:
        yield "it has expired: mint one for each page"
    elif end > now + MAX_TTL:
        yield f"it lasts for more than {MAX_TTL} seconds"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number beyond every float.
        return False


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
