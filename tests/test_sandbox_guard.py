"""Every route: loopback names only, no cookies, a strict policy, nothing kept in a cache."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sandbox_parts import bearer
from sandbox_parts import sandbox
from sandbox_parts import token

ROUTES = [
    "/?role=game&tenant=demo&demo=true",
    f"/?tenant=royal-casino&token={token()}",
    "/?tenant=royal-casino&token=bad",
    "/?role=casino&tenant=demo",
    "/?role=casino&tenant=royal-casino&key=the-key",
    "/_play/royal-casino/state",
    "/_control/state",
    "/_brand/demo.css",
    "/_static/game.js",
    "/nowhere",
]


@pytest.fixture
def client() -> FlaskClient:
    return sandbox().test_client()


@pytest.mark.parametrize("url", ROUTES)
def test_no_route_sets_a_cookie(client: FlaskClient, url: str) -> None:
    headers = {**bearer(token()), "X-Sandbox-Key": "the-key"}
    answer = client.get(url, headers=headers, buffered=True)
    assert answer.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("url", ROUTES)
def test_every_route_refuses_other_host_names(client: FlaskClient, url: str) -> None:
    headers = {**bearer(token()), "X-Sandbox-Key": "the-key", "Host": "evil.example"}
    answer = client.get(url, headers=headers)
    assert answer.status_code == 403
    assert set(answer.get_json()) == {"error"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "127.0.0.1:80"])
def test_names_of_this_machine_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/_brand/demo.css", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost:81",
        "127.0.0.1:5000",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "0.0.0.0",
        "10.0.0.1",
        "evil.example@localhost:x",
        "[::1",
    ],
)
def test_other_names_and_ports_are_refused(client: FlaskClient, host: str) -> None:
    assert client.get("/_brand/demo.css", headers={"Host": host}).status_code in {400, 403}


@pytest.mark.parametrize("url", ROUTES)
def test_every_answer_carries_the_strict_policy(client: FlaskClient, url: str) -> None:
    headers = client.get(url, buffered=True).headers
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


def test_casinos_on_this_machine_may_frame_the_game_and_nobody_the_admin_page(
    client: FlaskClient,
) -> None:
    game, admin = (
        client.get(url).headers["Content-Security-Policy"] for url in (ROUTES[0], ROUTES[3])
    )
    assert "http://127.0.0.1:*" in game
    assert "http://localhost:*" in game
    assert "frame-ancestors 'none'" in admin


@pytest.mark.parametrize("url", [url for url in ROUTES if "_static" not in url])
def test_nothing_with_a_token_or_a_key_is_cached(client: FlaskClient, url: str) -> None:
    assert client.get(url).headers["Cache-Control"] == "no-store"
