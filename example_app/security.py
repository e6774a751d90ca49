"""What a browser may do on the casino's pages: one strict policy, and the session cookie's flags."""

from __future__ import annotations

from flask import Flask
from flask_talisman import Talisman

#: No inline script, no inline style, nothing from other hosts. The game's origin is not in here on
#: purpose: Flask-Pooled adds it to the responses that hold the frame, and to no others.
CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def init_app(app: Flask) -> None:
    """Send the security headers with every response.

    ``FORCE_HTTPS = False`` (for a loopback address without TLS) also lets the session cookie travel
    over plain HTTP.
    """
    https = app.config["FORCE_HTTPS"]
    Talisman(
        app,
        force_https=https,
        strict_transport_security=https,
        session_cookie_secure=https,
        content_security_policy=CONTENT_SECURITY_POLICY,
        frame_options="DENY",
        referrer_policy="same-origin",
    )
