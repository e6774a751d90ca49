"""Forms that only the console's own pages can send: signed by the app's ``SECRET_KEY``, with no state on the server.

A form's token names the operator and holds what was shown to them: which decision about which events. So nobody can be
made to send it from another site, it is of no use to anybody else, and what is decided is what was asked. Besides,
browsers say where a form came from (Fetch Metadata; the ``Origin`` header).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint
from flask import current_app
from flask import Flask
from flask import request
from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from flask_pooled.console.access import operator
from flask_pooled.errors import ConfigError

#: How long a form, or the notice of a decision, is good for, seconds: a shift.
LIFETIME = 12 * 3600


def seal(purpose: str, content: dict[str, Any]) -> str:
    """Sign what only the current operator may hand back.

    :param purpose: what it is for; it is good for nothing else.
    :raises ConfigError: the app has no ``SECRET_KEY``.
    """
    sealed = _serializer(purpose).dumps({"operator": operator(), **content})
    return sealed if isinstance(sealed, str) else sealed.decode()


def unseal(purpose: str, text: str) -> dict[str, Any] | None:
    """What was sealed for this operator and purpose; ``None``: it was not, or too long ago."""
    try:
        content: dict[str, Any] = _serializer(purpose).loads(text, max_age=LIFETIME)
    except (BadData, ConfigError, ValueError):
        return None
    return content if content["operator"] == operator() else None


def is_foreign() -> bool:
    """Whether the browser says that the current request comes from a page of another site."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    # Behind a proxy the app may not know that the site is served by HTTPS.
    try:
        return urlsplit(origin).netloc != request.host
    except ValueError:
        return True


def exempt_from_flask_wtf(app: Flask, blueprint: Blueprint) -> None:
    """Have a CSRFProtect of the casino's leave the console's forms to us: they carry no token of its."""
    csrf = app.extensions.get("csrf")
    if csrf is not None and hasattr(csrf, "exempt"):
        csrf.exempt(blueprint)


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    key = current_app.secret_key
    if not key:
        raise ConfigError(
            "the console signs its forms: set SECRET_KEY, as Flask's session needs it"
        )
    # As Flask's session does: the newest comes last.
    fallbacks = current_app.config.get("SECRET_KEY_FALLBACKS") or ()
    return URLSafeTimedSerializer([*fallbacks, key], salt=f"flask_pooled.console.{purpose}")
