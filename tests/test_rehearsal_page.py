"""What a rehearsal sees of the page with the iframe: as a browser, over HTTPS, under every policy that counts."""

from __future__ import annotations

import pytest
from flask import Flask
from flask import request
from flask import Response
from flask import session
from flask.testing import FlaskClient

from flask_pooled.rehearsal.page import browser
from flask_pooled.rehearsal.page import read_page

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient

GAME = "https://app.pooledgame.com"
FRAME = f'<iframe src="{GAME}/?tenant=royal-casino&amp;token=a.b.c"></iframe>'


def page_of(body: str, *policies: str) -> Flask:
    app = Flask("casino")

    @app.get("/lobby")
    def lobby() -> Response:
        answer = Response(body, mimetype="text/html")
        for policy in policies:
            answer.headers.add("content-security-policy", policy)
        return answer

    return app


def test_the_token_is_that_of_the_frame() -> None:
    page = read_page(page_of('<iframe src="/news"></iframe>' + FRAME), "/lobby", None)
    assert (page.status, page.token, page.blocked) == (200, "a.b.c", None)


@pytest.mark.parametrize("body", ["", '<iframe src="/?token="></iframe>', "token=a.b.c"])
def test_a_page_without_such_a_frame_has_no_token(body: str) -> None:
    page = read_page(page_of(body, "frame-src 'none'"), "/lobby", None)
    assert (page.token, page.blocked) == (None, None)


@pytest.mark.parametrize(
    ("policies", "blocks"),
    [
        (["default-src *"], False),
        (["frame-src https:"], False),
        (["FRAME-SRC  HTTPS://APP.PooledGame.com"], False),
        (["child-src *.pooledgame.com; default-src 'none'"], False),
        (["script-src 'self'"], False),
        (["frame-src 'self'"], True),
        # Allowed by one, not by the other: both are enforced.
        (["frame-src https://app.pooledgame.com", "default-src 'self'"], True),
        (["frame-src https://app.pooledgame.com, default-src 'self'"], True),
        # Names the origin, though not for frames.
        (["default-src 'self'; connect-src https://app.pooledgame.com"], True),
        # The first of a name counts.
        (["frame-src 'self'; frame-src https://app.pooledgame.com"], True),
        (["frame-src https://app.pooledgame.com.evil.example"], True),
        (["frame-src https://app.pooledgame.com/elsewhere/"], True),
    ],
)
def test_a_policy_is_read_as_a_browser_reads_it(policies: list[str], blocks: bool) -> None:
    page = read_page(page_of(FRAME, *policies), "/lobby", None)
    assert page.blocked == (GAME if blocks else None)


def test_a_policy_in_the_page_counts_as_well() -> None:
    meta = "<meta http-equiv=content-security-policy content=\"frame-src 'self'\">"
    assert read_page(page_of(meta + FRAME), "/lobby", None).blocked == GAME


def test_what_counts_is_where_the_frame_leads() -> None:
    frame = FRAME.replace(GAME, "http://127.0.0.1:5050")
    page = read_page(page_of(frame, f"frame-src {GAME}"), "/lobby", None)
    assert page.blocked == "http://127.0.0.1:5050"


def test_the_browser_comes_over_https_with_a_referrer_and_keeps_the_apps_own_client() -> None:
    app = Flask("casino")
    app.config.update(SECRET_KEY="sessions", SERVER_NAME="casino.example")

    class Client(FlaskClient):
        def hello(self) -> str:
            return self.get("/hello").text

    app.test_client_class = Client

    @app.get("/hello")
    def hello() -> str:
        session["seen"] = session.get("seen", 0) + 1
        return f"{request.url} {request.referrer} {request.headers['X-Forwarded-Proto']} {session['seen']}"

    client = browser(app)
    assert isinstance(client, Client)
    said = "https://casino.example/hello https://casino.example/ https"
    assert [client.hello(), client.hello()] == [f"{said} 1", f"{said} 2"]
