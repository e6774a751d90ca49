"""``flask pooled doctor``: what the app believes of what a proxy, or anybody, says of a request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from flask import Flask
from patients import findings
from werkzeug.middleware.proxy_fix import ProxyFix


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is looked through for secrets.
    monkeypatch.chdir(tmp_path)


def _proxies(app: Flask) -> dict[str, Any]:
    return findings(app, "--no-probe")["proxy headers"]


def _wrap(app: Flask, **trusted: int) -> None:
    app.wsgi_app = ProxyFix(app.wsgi_app, **trusted)  # type: ignore[method-assign]


def test_no_proxy_is_believed(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _proxies(casino.app)
    assert found["result"] == "yours"
    assert "ProxyFix(app.wsgi_app, x_for=1, x_proto=1)" in found["fix"]
    # Where the host says that there is one, somebody forgot it.
    monkeypatch.setenv("DYNO", "web.1")
    found = _proxies(casino.app)
    assert found["result"] == "warning"
    assert "DYNO says so" in found["evidence"]


@pytest.mark.parametrize(
    ("trusted", "evidence"),
    [
        (
            {"x_for": 1, "x_proto": 1, "x_host": 1},
            "believed: X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-For of 1 proxy",
        ),
        ({"x_for": 2, "x_proto": 1}, "believed: X-Forwarded-Proto, X-Forwarded-For of 2 proxies"),
        ({"x_for": 2, "x_proto": 2, "x_host": 2}, "X-Forwarded-Host, X-Forwarded-For of 2 proxies"),
        ({"x_for": 0, "x_proto": 1}, "believed: X-Forwarded-Proto;"),
    ],
)
def test_proxy_that_is_believed(trusted: dict[str, int], evidence: str, casino: Casino) -> None:
    _wrap(casino.app, **trusted)
    found = _proxies(casino.app)
    assert found["result"] == "ok"
    assert evidence in found["evidence"]
    assert casino.rows("id") == []


@pytest.mark.parametrize("hops", [3, 5])
def test_anybody_is_believed(hops: int, casino: Casino) -> None:
    _wrap(casino.app, x_for=hops, x_proto=1)
    found = _proxies(casino.app)
    assert found["result"] == "warning"
    assert f"X-Forwarded-For is believed {hops} entries back" in found["evidence"]
    assert "x_for" in found["fix"]


def test_leftmost_entry_is_believed(casino: Casino) -> None:
    """As code does it that reads the header by hand."""
    inside = casino.app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Any) -> Any:
        senders = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        environ["REMOTE_ADDR"] = senders[0].strip()
        return inside(environ, start_response)

    casino.app.wsgi_app = wsgi_app  # type: ignore[method-assign]
    assert _proxies(casino.app)["result"] == "warning"


def test_hosts_that_are_named(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(TRUSTED_HOSTS=["casino.example"])
    _wrap(casino.app, x_for=1, x_proto=1, x_host=1)
    assert _proxies(casino.app)["result"] == "ok"
