"""``pooled_iframe(refresh=True)``: what the page gets, and who is answered at ``/pooled/session``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import jwt
import pytest
from flask import Flask
from flask import render_template_string
from werkzeug.test import TestResponse

from flask_pooled import ConfigError
from flask_pooled import Player
from flask_pooled import Pooled

HEADERS = {"X-Pooled-Refresh": "1"}

MakeApp = Callable[..., Flask]


def _casino(app: Flask, player: Any = Player("p-1", "Jordan Smith", 250)) -> Flask:  # noqa: B008  # frozen
    pooled = Pooled(app)

    @pooled.player_loader
    def load() -> Any:
        if isinstance(player, Exception):
            raise player
        return player

    app.add_url_rule(
        "/", "lobby", lambda: render_template_string("{{ pooled_iframe(refresh=True) }}")
    )
    return app


def _ask(app: Flask, **headers: str) -> TestResponse:
    return app.test_client().get("/pooled/session", headers={**HEADERS, **headers})


def _elements(html: str) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found[tag] = dict(attrs)

    Reader().feed(html)
    return found


def test_page_has_an_external_script_and_nothing_inline(make_app: MakeApp) -> None:
    app = _casino(make_app(POOLED_TOKEN_TTL=600))
    page = app.test_client().get("/")
    elements = _elements(page.text)
    frame, script = elements["iframe"], elements["script"]
    assert frame["data-pooled-session"] == "/pooled/session"
    assert frame["data-pooled-ttl"] == "600"
    assert "<script src=" in page.text
    assert "></script>" in page.text
    assert "Log in" in page.text or "log in" in page.text
    assert script["src"] is not None
    with app.test_client().get(script["src"]) as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "text/javascript"
    assert page.headers["Cache-Control"] == "no-store"


def test_session_answers_with_a_new_address(make_app: MakeApp) -> None:
    app = _casino(make_app(POOLED_TOKEN_TTL=600))
    answer = _ask(app)
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["ttl"] == 600
    [token] = parse_qs(urlsplit(answer.json["src"]).query)["token"]
    claims = jwt.decode(token, app.config["POOLED_JWT_SECRET"], algorithms=["HS256"])
    assert claims["sub"] == "p-1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Cookie" in answer.vary
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_nobody_is_logged_in(make_app: MakeApp) -> None:
    answer = _ask(_casino(make_app(), player=None))
    assert answer.status_code == 401
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Cookie" in answer.vary


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**HEADERS, "Sec-Fetch-Site": "cross-site"},
        {**HEADERS, "Sec-Fetch-Site": "same-site"},
        {**HEADERS, "Sec-Fetch-Site": "none"},
    ],
)
def test_other_sites_and_address_bars_get_nothing(
    make_app: MakeApp, headers: dict[str, str]
) -> None:
    answer = _casino(make_app()).test_client().get("/pooled/session", headers=headers)
    assert answer.status_code == 403
    assert "token" not in answer.text


def test_preflight_of_another_site_is_not_answered(make_app: MakeApp) -> None:
    answer = (
        _casino(make_app())
        .test_client()
        .options("/pooled/session", headers={"Origin": "https://evil.example"})
    )
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("player", [LookupError("the session is broken"), "no player"])
def test_trouble_is_no_500(
    make_app: MakeApp, player: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = _ask(_casino(make_app(), player=player))
    assert answer.status_code == 503
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_parameters_choose_nobody(make_app: MakeApp) -> None:
    answer = (
        _casino(make_app()).test_client().get("/pooled/session?player=p-2&id=p-2", headers=HEADERS)
    )
    assert answer.json is not None
    token = parse_qs(urlsplit(answer.json["src"]).query)["token"][0]
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == "p-1"


def test_without_a_loader_nobody_could_answer_later(make_app: MakeApp) -> None:
    app = make_app()
    pooled = Pooled(app)
    with app.test_request_context(), pytest.raises(ConfigError, match="player_loader"):
        pooled.iframe(Player("p-1", "Jordan Smith", 250), refresh=True)


def test_demo_view_has_no_token_to_refresh(make_app: MakeApp) -> None:
    app = _casino(make_app(POOLED_DEMO=True, POOLED_TENANT=None, POOLED_JWT_SECRET=None))
    assert "<script" not in app.test_client().get("/").text


def test_page_under_a_prefix_of_the_server_asks_under_it(make_app: MakeApp) -> None:
    app = _casino(make_app(POOLED_URL_PREFIX="/prizes"))
    page = app.test_client().get("/", base_url="http://casino.example/brand")
    elements = _elements(page.text)
    assert elements["iframe"]["data-pooled-session"] == "/brand/prizes/session"
    assert str(elements["script"]["src"]).startswith("/brand/prizes/static/refresh.js?v=")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("script-src 'self'; connect-src 'self'", None),
        ("default-src 'self'; frame-src *", None),
        ("script-src 'strict-dynamic' 'nonce-abc'", None),
        ("script-src 'none'", "script-src http://localhost/pooled/static/refresh.js"),
        (
            "script-src-elem https://cdn.example; script-src 'self'",
            "script-src-elem https://cdn.example http://localhost/pooled/static/refresh.js; script-src 'self'",
        ),
        ("connect-src 'none'", "connect-src http://localhost/pooled/session"),
        (
            "default-src 'none'; frame-src *",
            "default-src 'none'; frame-src *; connect-src http://localhost/pooled/session; "
            "script-src http://localhost/pooled/static/refresh.js",
        ),
    ],
)
def test_policy_lets_the_script_load_and_ask(
    make_app: MakeApp, policy: str, expected: str | None
) -> None:
    app = _casino(make_app())

    @app.after_request
    def protect(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = policy
        return response

    page = app.test_client().get("/")
    assert page.headers["Content-Security-Policy"] == (expected or policy)
    other = app.test_client().get("/pooled/session", headers=HEADERS)
    assert "refresh.js" not in other.headers["Content-Security-Policy"]


def test_nonce_of_talisman_is_on_the_script(make_app: MakeApp) -> None:
    app = _casino(
        make_app(
            POOLED_TALISMAN={
                "force_https": False,
                "content_security_policy": {"script-src": []},
                "content_security_policy_nonce_in": ["script-src"],
            }
        )
    )
    page = app.test_client().get("/")
    nonce = _elements(page.text)["script"]["nonce"]
    assert f"'nonce-{nonce}'" in page.headers["Content-Security-Policy"]
    assert "refresh.js" not in page.headers["Content-Security-Policy"]


def test_nonce_by_hand_is_the_scripts(make_app: MakeApp) -> None:
    app = make_app()
    pooled = Pooled(app, player_loader=lambda: Player("p-1", "Jordan Smith", 250))
    with app.test_request_context():
        elements = _elements(pooled.iframe(refresh=True, nonce="abc"))
    assert elements["script"]["nonce"] == "abc"
    assert "nonce" not in elements["iframe"]
