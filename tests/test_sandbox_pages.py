"""The documented URLs: player's view, demo view, token check with the demo tenant, admin page, errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sandbox_parts import bearer
from sandbox_parts import Clock
from sandbox_parts import NOW
from sandbox_parts import parts
from sandbox_parts import sandbox
from sandbox_parts import token
from werkzeug.test import TestResponse

from flask_pooled.sandbox import state


@pytest.fixture
def box() -> Flask:
    return sandbox(tenant_name="Royal & Casino")


@pytest.fixture
def client(box: Flask) -> FlaskClient:
    return box.test_client()


def game(client: FlaskClient, tenant: str = "royal-casino", **changes: Any) -> TestResponse:
    return client.get(f"/?{urlencode({'tenant': tenant, 'token': token(**changes)})}")


@pytest.mark.parametrize("tenant", ["royal-casino", "demo"])
def test_a_good_token_opens_the_game(client: FlaskClient, tenant: str) -> None:
    page = game(client, tenant)
    assert page.status_code == 200
    assert "<strong data-balance>$250.00</strong>" in page.text
    assert '<span class="purse-name" data-player-name>Jordan S.</span>' in page.text
    assert re.findall(r'data-size="(\d+)"', page.text) == [
        "100",
        "1000",
        "10000",
        "100000",
        "1000000",
    ]
    assert page.text.count('data-entry="paid"') == 5


@pytest.mark.parametrize(
    ("balance", "shown"),
    [(0, "$0.00"), (1.5, "$1.50"), (19.99, "$19.99"), (1234567.8, "$1,234,567.80")],
)
def test_the_balance_is_shown_to_the_cent(client: FlaskClient, balance: float, shown: str) -> None:
    assert f"<strong data-balance>{shown}</strong>" in game(client, balance=balance).text


def test_the_page_has_the_casinos_branding_and_escapes_every_name(client: FlaskClient) -> None:
    page = game(client, name='<script>alert("x")</script>')
    assert "Royal &amp; Casino" in page.text
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    brand = client.get("/_brand/royal-casino.css")
    assert brand.mimetype == "text/css"
    assert "--accent:#4a2a94" in brand.text


def test_another_display_currency_is_named_and_not_made_up(client: FlaskClient) -> None:
    page = game(client, currency="EUR")
    assert "$250.00" in page.text
    assert "display currency is EUR" in page.text
    assert "€" not in page.text


def test_the_seal_is_on_every_card_before_the_draw(box: Flask, client: FlaskClient) -> None:
    page = game(client).text
    with parts(box).world.house("royal-casino") as house:
        for pool in house.pools.values():
            assert f'data-commit="{pool.seed_commit}"' in page
            assert pool.seed not in page


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"verified": False}, "complete verification"), ({"balance": 1.49}, "below $1.50")],
)
def test_who_cannot_enter_is_told_why(
    client: FlaskClient, changes: dict[str, Any], message: str
) -> None:
    page = game(client, **changes)
    assert page.status_code == 200
    assert message in page.text


def test_the_demo_view_needs_no_token_and_has_a_fake_balance(client: FlaskClient) -> None:
    page = client.get("/?role=game&tenant=demo&demo=true")
    assert page.status_code == 200
    assert "$1,000.00" in page.text
    assert " data-demo" in page.text


def test_every_demo_view_is_a_player_of_its_own_who_survives_a_reload(client: FlaskClient) -> None:
    pages = [client.get("/?role=game&tenant=demo&demo=true").text for _ in range(2)]
    tokens = [
        found.group(1) for page in pages if (found := re.search(r'data-token="([^"]+)"', page))
    ]
    assert len(set(tokens)) == 2
    again = client.get(f"/?role=game&tenant=demo&demo=true&token={tokens[0]}").text
    assert f'data-token="{tokens[0]}"' in again


def test_a_demo_token_opens_no_other_tenant(client: FlaskClient) -> None:
    page = client.get("/?role=game&tenant=demo&demo=true").text
    demo = re.search(r'data-token="([^"]+)"', page)
    assert demo is not None
    assert client.get(f"/?tenant=royal-casino&token={demo.group(1)}").status_code == 401


@pytest.mark.parametrize(
    ("query", "status", "claim"),
    [
        ("", 400, "tenant"),
        ("tenant=nowhere", 400, "tenant"),
        ("tenant=ROYAL-CASINO", 400, "tenant"),
        ("tenant=royal-casino&role=admin", 400, "role"),
        ("tenant=royal-casino&role=game&demo=true", 400, "demo"),
        ("tenant=royal-casino", 401, "token"),
        ("tenant=royal-casino&token=", 401, "token"),
        ("tenant=royal-casino&token=x.y.z", 401, "token"),
        ("tenant=demo", 401, "token"),
        (f"tenant=royal-casino&token={token(balance='250')}", 401, "balance"),
        (f"tenant=royal-casino&token={token(exp=int(NOW))}", 401, "exp"),
        (f"tenant=demo&token={token(verified='true')}", 401, "verified"),
        (
            f"tenant=royal-casino&token={token(secret='wrong-secret-0123456789-0123456789')}",
            401,
            "signature",
        ),
    ],
)
def test_a_fault_shows_an_error_and_no_game(
    client: FlaskClient, query: str, status: int, claim: str
) -> None:
    page = client.get(f"/?{query}")
    assert page.status_code == status
    assert f'data-fault="{claim}"' in page.text
    assert f"<code>{claim}</code>" in page.text
    assert "data-entry" not in page.text
    assert "data-token" not in page.text


def test_a_later_look_with_an_expired_token_names_the_claim() -> None:
    clock = Clock()
    client = sandbox(clock).test_client()
    given = token()
    assert client.get("/_play/royal-casino/state", headers=bearer(given)).status_code == 200
    clock.now += 3600
    answer = client.get("/_play/royal-casino/state", headers=bearer(given))
    assert answer.status_code == 401
    assert answer.get_json()["claim"] == "exp"


def test_the_demo_tenants_delivery_log_is_open_to_read(client: FlaskClient) -> None:
    page = client.get("/?role=casino&tenant=demo")
    assert page.status_code == 200
    assert "Webhook delivery log" in page.text
    assert "data-do=" not in page.text
    assert "data-key" not in page.text


def test_the_other_log_needs_the_key_and_says_where_it_is(client: FlaskClient) -> None:
    for query in ("", "&key=", "&key=wrong"):
        page = client.get(f"/?role=casino&tenant=royal-casino{query}")
        assert page.status_code == 403
        assert "printed when it started" in page.text
        assert "the-key" not in page.text


def test_the_admin_page_shows_pools_log_and_the_rehearsal_rule(
    box: Flask, client: FlaskClient
) -> None:
    with parts(box).world.house("royal-casino") as house:
        pool = house.pools[100]
    client.post(
        "/_play/royal-casino/enter",
        headers=bearer(token(sub="<b>")),
        json={"pool": pool.pool_id, "kind": "paid"},
    )
    assert parts(box).courier.wait_idle(60)
    page = client.get("/?role=casino&tenant=royal-casino&key=the-key").text
    assert "pool.entry" in page
    assert "2026-05-29T14:32:00Z" in page
    assert "no webhook address" in page
    assert "&lt;b&gt;" in page
    assert 'data-do="resend"' in page
    assert page.count('data-do="draw"') == 5
    assert page.count('data-do="expire"') == 5
    assert "1 entry, 1 player" in page
    assert "wins their first draw and 50% of the later ones" in page


PLAYER_PAGES = [
    "/?role=game&tenant=demo&demo=true",
    f"/?tenant=royal-casino&token={token()}",
    f"/?tenant=royal-casino&token={token(verified=False)}",
    f"/?tenant=royal-casino&token={token(secret='wrong-secret-0123456789-0123456789')}",
    f"/?tenant=royal-casino&token={token(balance='250')}",
    "/?tenant=nowhere",
    "/nowhere",
]


@pytest.mark.parametrize("url", PLAYER_PAGES)
def test_nothing_that_a_player_gets_mentions_pooled(client: FlaskClient, url: str) -> None:
    page = client.get(url)
    assert "pooled" not in (page.text + str(page.headers)).lower()


def test_no_script_style_or_answer_of_the_game_mentions_pooled(client: FlaskClient) -> None:
    static = Path(state.__file__).parent / "static"
    names = [path.name for path in static.iterdir()]
    assert "game.js" in names
    for name in names:
        file = client.get(f"/_static/{name}", buffered=True)
        assert file.status_code == 200
        assert "pooled" not in file.text.lower()
    answer = client.get("/_play/demo/state", headers=bearer(token()))
    assert "pooled" not in json.dumps(answer.get_json()).lower()
    assert "pooled" not in client.get("/_brand/demo.css").text.lower()


@pytest.mark.parametrize("url", [*PLAYER_PAGES, "/?role=casino&tenant=demo"])
def test_pages_have_no_inline_code_or_style_and_nothing_from_elsewhere(
    client: FlaskClient, url: str
) -> None:
    page = client.get(url).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
