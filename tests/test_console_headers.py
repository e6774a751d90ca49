"""The console's pages leave with the console's own headers, whatever the app sends with its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from console_parts import add_console
from console_parts import Operator
from flask import Flask
from flask import Response
from flask_talisman import Talisman

from flask_pooled.console.rendering import HEADERS

PATHS = [
    "/",
    "/events",
    "/events/7",
    "/queues/held",
    "/find?q=x",
    "/decide/retry",
    "/nothing",
    "/static/console.css",
]


def _plain(app: Flask) -> None:
    """No policy of the app's own."""


def _talisman(app: Flask) -> None:
    Talisman(
        app,
        force_https=False,
        content_security_policy={"default-src": "'none'", "style-src": "'unsafe-inline'"},
        frame_options="SAMEORIGIN",
        referrer_policy="no-referrer",
    )


def _by_hand(app: Flask) -> None:
    @app.after_request
    def allow_everything(response: Response) -> Response:
        response.headers["content-security-policy"] = "default-src * 'unsafe-inline'"
        response.headers.add("Content-Security-Policy", "frame-ancestors *")
        response.headers["X-FRAME-OPTIONS"] = "ALLOWALL"
        response.headers["Cache-Control"] = "public, max-age=600"
        response.headers["CDN-Cache-Control"] = "max-age=600"
        response.headers["ETag"] = '"x"'
        return response


@pytest.mark.parametrize("set_up", [_plain, _talisman, _by_hand])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("csp", ["extend", "always", "off"])
def test_own_headers_hold(
    make_casino: Callable[..., Casino], set_up: Callable[[Flask], Any], first: bool, csp: str
) -> None:
    casino = make_casino(POOLED_CSP=csp)
    if first:
        set_up(casino.app)
    operator = add_console(casino)
    if not first:
        set_up(casino.app)
    for path in PATHS:
        headers = operator.client.get(
            operator.url + path, headers={"X-Operator": "dana"}, buffered=True
        ).headers
        for name, value in HEADERS.items():
            assert headers.getlist(name) == [value], (path, name)
        assert headers.getlist("Cache-Control") == ["no-store"]
        assert not {"ETag", "Last-Modified", "CDN-Cache-Control"} & set(headers.keys())


def test_policy_lets_nothing_inline_and_nothing_foreign_in() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy


def test_pages_have_nothing_inline(operator: Operator) -> None:
    for path in PATHS[:-1]:
        text = operator.client.get(operator.url + path, headers={"X-Operator": "dana"}).text
        assert "<style" not in text
        assert "style=" not in text
        assert text.count("<script") == text.count("<script src=")


def test_other_pages_keep_their_headers(casino: Casino) -> None:
    _by_hand(casino.app)
    add_console(casino)
    casino.app.add_url_rule("/", "home", lambda: "home")
    assert casino.client.get("/").headers["X-Frame-Options"] == "ALLOWALL"


@pytest.fixture
def operator(casino: Casino) -> Operator:
    """Somebody at the console."""
    return add_console(casino)
