"""Signatures: HMAC-SHA256 in hex over the raw body (guide, "Signature Verification")."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from flask_pooled.errors import ConfigError


def sign_body(body: bytes, secret: str | bytes) -> str:
    """Sign as Pooled does, for tests and tools.

    :param body: the exact bytes that are sent.
    :param secret: the webhook secret; text counts as its UTF-8 bytes.
    :raises ConfigError: the secret is empty.

    .. versionadded:: 0.1
    """
    key = _key(secret)
    if not key:
        raise ConfigError("the webhook secret is empty. Pass the one from Pooled's admin panel.")
    return _signed(key, body)


def verify_signature(
    body: bytes, signature: str | bytes | None, secrets: str | bytes | Iterable[str | bytes]
) -> bool:
    """Tell whether a signature was made over these bytes with one of the secrets.

    Takes the same time whichever secret matches. A signature of any value or type is answered, and
    never raises. An empty secret never matches, since everybody knows it.

    :param body: the raw bytes as received.
    :param signature: the value of ``X-Pooled-Signature``: 64 hex digits in either case, and nothing
        around them.
    :param secrets: one secret, or several while they are rotated.

    .. versionadded:: 0.1
    """
    given = _signature_bytes(signature)
    candidates = (secrets,) if isinstance(secrets, str | bytes) else secrets
    matched = False
    for key in filter(None, map(_key, candidates)):
        matched |= hmac.compare_digest(_signed(key, body).encode(), given)
    return matched


def _signed(key: bytes, body: bytes) -> str:
    # Not by hmac.digest(), which lets other threads go first, however short the body is.
    return hmac.new(key, body, "sha256").hexdigest()


def _signature_bytes(signature: object) -> bytes:
    # compare_digest() takes bytes of any value, but raises for text that is not ASCII.
    if isinstance(signature, str) and signature.isascii():
        return signature.encode().lower()
    return signature.lower() if isinstance(signature, bytes) else b""


def _key(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret
