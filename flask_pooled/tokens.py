"""Tokens: the signed statement about a player that opens the game (guide, "JWT Token Auth")."""

from __future__ import annotations

import json
import math
import time
import unicodedata
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import Any
from typing import Final
from typing import TYPE_CHECKING

from flask_pooled.errors import TokenError
from flask_pooled.player import Player

if TYPE_CHECKING:
    from jwt.algorithms import HMACAlgorithm

#: Seconds: what the guide recommends, and the most that it allows.
DEFAULT_TTL: Final = 3600
MAX_TTL: Final = 86400

#: What stands behind a last name without being one.
_SUFFIXES: Final = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "esq"})

_write_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def mint_token(
    player: Player,
    secret: str | bytes,
    *,
    now: float | None = None,
    ttl: int = DEFAULT_TTL,
    full_name: bool = False,
) -> str:
    """Sign what Pooled needs to know about a player: exactly the documented claims.

    :param player: who is looking at the page.
    :param secret: the JWT secret; text counts as its UTF-8 bytes.
    :param now: unix seconds. The clock is read only if this is None.
    :param ttl: seconds until the token ends, 1 to 86400.
    :param full_name: show the whole name instead of the last name's initial.
    :raises TokenError: an argument is wrong.

    .. versionadded:: 0.1
    """
    if not isinstance(player, Player):
        raise TokenError(
            f"a token needs a Player, not a {type(player).__name__}. Make one with Player(...) or "
            "Player.from_object(...)."
        )
    claims: dict[str, Any] = {
        "sub": player.id,
        "name": player.name if full_name else abbreviate_name(player.name),
        # Up to the fifteen digits of a Player's balance, a float's text shows the exact cents.
        "balance": float(player.balance),
        "currency": player.currency,
        "verified": player.verified,
        "exp": _seconds(now) + _checked_ttl(ttl),
    }
    if player.email is not None:
        claims["email"] = player.email
    key = _prepared(_checked_secret(secret))
    # The compact serialization of RFC 7515, 7.1. PyJWT's own encode prepares header and key anew for each token.
    signed = b"%b.%b" % (_HEADER, _base64url(_write_json(claims).encode()))
    return (b"%b.%b" % (signed, _base64url(_algorithm().sign(signed, key)))).decode()


def abbreviate_name(name: str) -> str:
    """Shorten the last name to its initial, as the guide asks: ``Jordan Smith`` to ``Jordan S.``.

    All given names stay, and so does a name of one word. ``Smith, Jordan`` counts as ``Jordan
    Smith``, and a suffix like ``Jr.`` is left out, because the last name would show before it.
    Other names are read in the order that they are written in. Whitespace is collapsed.

    :param name: any text.

    .. versionadded:: 0.1
    """
    parts = [part for part in name.split(",") if not _is_suffix(part)]
    if not parts:
        return " ".join(name.split())
    last, *given = parts
    words = " ".join([*given, last]).split()
    while len(words) > 2 and _is_suffix(words[-1]):
        words.pop()
    if len(words) > 1:
        words[-1] = f"{_initial(words[-1])}."
    return " ".join(words)


def _is_suffix(part: str) -> bool:
    """Tell whether a part of a name is empty or nothing but suffixes."""
    return all(word.rstrip(".").lower() in _SUFFIXES for word in part.split())


def _initial(word: str) -> str:
    """Return a word's first letter with the marks that combine with it."""
    composed = unicodedata.normalize("NFC", word)
    start = next((at for at, letter in enumerate(composed) if letter.isalnum()), 0)
    end = start + 1
    while end < len(composed) and unicodedata.category(composed[end]).startswith("M"):
        end += 1
    return composed[start:end]


def _base64url(data: bytes) -> bytes:
    """Encode as RFC 7515 does: without padding."""
    return urlsafe_b64encode(data).rstrip(b"=")


_HEADER: Final = _base64url(b'{"alg":"HS256","typ":"JWT"}')


@lru_cache(maxsize=1)
def _algorithm() -> HMACAlgorithm:
    """PyJWT's own, imported with the first token: where cryptography is installed it brings that along."""
    from jwt.algorithms import HMACAlgorithm

    return HMACAlgorithm(HMACAlgorithm.SHA256)


@lru_cache(maxsize=16)
def _prepared(secret: bytes) -> bytes:
    """Return a secret as PyJWT signs with it: checked once, since it is the same for every token of an app.

    :raises TokenError: it is a key of another algorithm.
    """
    from jwt.exceptions import InvalidKeyError

    try:
        return _algorithm().prepare_key(secret)
    except InvalidKeyError:
        raise TokenError(
            "the JWT secret is a public or private key. Pass the secret that Pooled issued."
        ) from None


def _seconds(now: float | None) -> int:
    if now is None:
        return int(time.time())
    if isinstance(now, bool) or not isinstance(now, int | float) or not math.isfinite(now):
        raise TokenError("now is not a time. Pass unix seconds, such as time.time(), or None.")
    return int(now)


def _checked_ttl(ttl: object) -> int:
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not 1 <= ttl <= MAX_TTL:
        raise TokenError(f"ttl is out of range. Pass whole seconds from 1 to {MAX_TTL}.")
    return ttl


def _checked_secret(secret: object) -> bytes:
    try:
        key = secret.encode() if isinstance(secret, str) else secret
    except UnicodeEncodeError:
        raise TokenError("the JWT secret is not valid Unicode text. Copy it again.") from None
    if not isinstance(key, bytes) or not key:
        raise TokenError("the JWT secret is missing. Pass the one from Pooled's admin panel.")
    return key
