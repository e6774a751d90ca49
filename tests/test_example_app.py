"""Royal Casino, used as a player uses it, and called as Pooled calls it."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from example_app import create_app
from example_app import db
from example_app import pooled
from example_app.formats import initials
from example_app.formats import signed_usd
from example_app.formats import usd
from example_app.models import Kind
from example_app.models import LedgerEntry
from example_app.models import Player
from example_app.players import READY_PLAYERS
from example_app.players import ReadyPlayer
from flask_pooled.state import state_of

JWT_SECRET = "jwt-secret-of-the-example-casino-tests"
WEBHOOK_SECRET = "webhook-secret-of-the-example-casino-tests"
GAME = "https://app.pooledgame.com"

JORDAN, ALEX, SAM, ROBIN = READY_PLAYERS

SEED = "a3f8c2d1"

# The integration guide's samples, each with a pool of its own.
WIN = {
    "event": "pool.win",
    "tenant_id": "7f3c9a52-6f5e-4a57-9f39-0e8f5f6d2b11",
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-won",
    "pool_size": 1000,
    "winner_id": JORDAN.id,
    "winner_name": "Jordan S.",
    "amount": 1000,
    "seed": SEED,
    "seed_commit": hashlib.sha256(SEED.encode()).hexdigest(),
    "entry_count": 1000,
}
REFUND = {
    "event": "pool.refund",
    "tenant_id": WIN["tenant_id"],
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-expired",
    "pool_size": 1000,
    "user_id": JORDAN.id,
    "refund_amount": 1.00,
    "entry_type": "paid",
}
ENTRY = {
    "event": "pool.entry",
    "tenant_id": WIN["tenant_id"],
    "timestamp": "2026-05-29T14:32:00Z",
    "pool_id": "pool-open",
    "pool_size": 1000,
    "user_id": JORDAN.id,
    "entry_type": "paid",
    "tx_id": "tx-1",
    "slots_filled": 347,
    "slots_total": 1000,
}


@pytest.fixture
def make_casino(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes casinos that share one instance folder; keyword arguments are configuration."""
    made: list[Flask] = []

    def make(**config: Any) -> Flask:
        app = create_app(
            {
                "INSTANCE_PATH": str(tmp_path / "instance"),
                "SECRET_KEY": "session-secret-of-the-example-casino-tests",
                "POOLED_TENANT": "royal-casino",
                "POOLED_JWT_SECRET": JWT_SECRET,
                "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "TESTING": True,
                **config,
            }
        )
        made.append(app)
        return app

    yield make
    for app in made:
        state_of(app).dispatcher.close()
        state_of(app).inbox.store.close()
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def casino(make_casino: Callable[..., Flask]) -> Flask:
    return make_casino()


@pytest.fixture
def browser(casino: Flask) -> FlaskClient:
    return casino.test_client()


def csrf_token(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def sign_in(browser: FlaskClient, player: ReadyPlayer) -> TestResponse:
    """Click on the player at the front door; the page that opens."""
    form = {"csrf_token": csrf_token(browser.get("/")), "player": player.id}
    return browser.post("/login", data=form, follow_redirects=True)


def send(browser: FlaskClient, event: Mapping[str, Any]) -> TestResponse:
    """Post a webhook, signed with nothing but the standard library."""
    body = json.dumps(event).encode()
    signature = hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return browser.post(
        "/pooled/webhook",
        data=body,
        content_type="application/json",
        headers={"X-Pooled-Signature": signature},
    )


def drain(casino: Flask) -> int:
    with casino.app_context():
        return pooled.drain()


def ledger(casino: Flask, player: ReadyPlayer) -> list[tuple[str, int, str]]:
    """What happened to a player's money since the first deposit: kind, cents, memo."""
    with casino.app_context():
        query = select(LedgerEntry).where(LedgerEntry.player_id == player.id)
        rows = db.session.scalars(query.order_by(LedgerEntry.id)).all()
        return [(row.kind.value, row.cents, row.memo) for row in rows[1:]]


def game_address(page: TestResponse) -> str:
    """The address in the frame."""
    frames = re.findall(r"<iframe ([^>]*)></iframe>", page.text)
    assert len(frames) == 1
    source = re.search(r'src="([^"]*)"', frames[0])
    assert source is not None
    return html.unescape(source[1])


def claims(page: TestResponse) -> dict[str, Any]:
    """What the page tells Pooled about the player."""
    query = parse_qs(urlsplit(game_address(page)).query)
    return jwt.decode(query["token"][0], JWT_SECRET, algorithms=["HS256"])


def shown_movements(page: TestResponse) -> list[tuple[str, str, str]]:
    """The rows of the movements table: memo, amount, balance."""
    cells = (
        r'class="memo">([^<]*)<.*?class="amount">([^<]*)<.*?class="after">([^<]*)<',
        page.text,
    )
    return re.findall(*cells, flags=re.DOTALL)


def shown_balance(page: TestResponse) -> set[str]:
    return set(re.findall(r"<strong data-balance>([^<]*)</strong>", page.text))


# --- The pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("player", "name", "balance"),
    [
        (JORDAN, "Jordan S.", 250.00),
        (ALEX, "Alex R.", 19.99),
        (SAM, "Sam L.", 80.00),
        (ROBIN, "Robin B.", 1.20),
    ],
    ids=lambda value: value.full_name if isinstance(value, ReadyPlayer) else None,
)
def test_every_ready_player_gets_a_frame_with_their_own_claims(
    browser: FlaskClient, player: ReadyPlayer, name: str, balance: float
) -> None:
    before = time.time()
    page = sign_in(browser, player)
    told = claims(page)
    expires = told.pop("exp")
    assert told == {
        "sub": player.id,
        "name": name,
        "balance": balance,
        "currency": "USD",
        "verified": player.kyc_passed,
    }
    assert before + 3595 <= expires <= time.time() + 3605
    assert shown_balance(page) == {usd(player.cents)}
    address = urlsplit(game_address(page))
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{GAME}/"
    assert parse_qs(address.query)["tenant"] == ["royal-casino"]


def test_the_lobby_is_fresh_on_every_load_and_kept_by_no_cache(browser: FlaskClient) -> None:
    page = sign_in(browser, JORDAN)
    assert page.cache_control.no_store
    send(browser, WIN)
    drain(browser.application)
    assert claims(browser.get("/lobby"))["balance"] == 1250.00


def test_the_lobby_says_why_a_player_cannot_enter(browser: FlaskClient) -> None:
    assert "You may watch the pools" in sign_in(browser, SAM).text
    assert "Low balance" in sign_in(browser.application.test_client(), ROBIN).text
    assert "badge warn" not in sign_in(browser.application.test_client(), JORDAN).text


def test_a_new_wallet_shows_its_first_deposit(browser: FlaskClient) -> None:
    sign_in(browser, ALEX)
    page = browser.get("/wallet")
    assert shown_movements(page) == [("First deposit", "+$19.99", "$19.99")]
    assert shown_balance(page) == {"$19.99"}
    assert page.cache_control.no_store


def test_a_player_sees_only_their_own_movements(browser: FlaskClient) -> None:
    send(browser, WIN)
    drain(browser.application)
    sign_in(browser, ALEX)
    assert shown_movements(browser.get("/wallet")) == [("First deposit", "+$19.99", "$19.99")]


def test_a_long_wallet_comes_in_pages_with_the_balance_that_each_movement_left(
    casino: Flask, browser: FlaskClient
) -> None:
    with casino.app_context():
        db.session.add_all(
            LedgerEntry(
                player_id=JORDAN.id,
                kind=Kind.ENTRY,
                cents=-150,
                memo=f"Entry {n}",
                key=f"entry-{n}",
            )
            for n in range(1, 121)
        )
        db.session.commit()
    sign_in(browser, JORDAN)
    address = "/wallet"
    seen = []
    sizes = []
    while address:
        page = browser.get(address)
        rows = shown_movements(page)
        seen += rows
        sizes.append(len(rows))
        older = re.search(r'href="([^"]*)">Older<', page.text)
        address = html.unescape(older[1]) if older else ""
    assert sizes == [50, 50, 21]
    newest_first = [
        (f"Entry {n}", "\N{MINUS SIGN}$1.50", usd(250_00 - 150 * n)) for n in range(120, 0, -1)
    ]
    assert seen == [*newest_first, ("First deposit", "+$250.00", "$250.00")]


@pytest.mark.parametrize("before", ["99999999999999999999", "-1", "x", "9" * 5000])
def test_a_page_that_cannot_be_is_the_newest(browser: FlaskClient, before: str) -> None:
    sign_in(browser, ALEX)
    page = browser.get("/wallet", query_string={"before": before})
    assert shown_movements(page) == [("First deposit", "+$19.99", "$19.99")]


def test_an_open_page_learns_of_a_prize(browser: FlaskClient) -> None:
    sign_in(browser, JORDAN)
    before = browser.get("/wallet/state").get_json()
    assert before["balance"] == "$250.00"
    send(browser, WIN)
    drain(browser.application)
    after = browser.get("/wallet/state").get_json()
    assert after["balance"] == "$1,250.00"
    assert after["latest"] > before["latest"]
    rows = browser.get("/wallet/movements?limit=1")
    assert shown_movements(rows) == [("Won the $1,000 pool", "+$1,000.00", "$1,250.00")]


@pytest.mark.parametrize("path", ["/lobby", "/wallet", "/wallet/state", "/wallet/movements"])
def test_a_stranger_is_sent_to_the_front_door(browser: FlaskClient, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 302
    assert urlsplit(answer.location).path == "/"
    assert "<iframe" not in browser.get(path, follow_redirects=True).text


def test_signing_out_ends_the_session(browser: FlaskClient) -> None:
    token = csrf_token(sign_in(browser, JORDAN))
    browser.post("/logout", data={"csrf_token": token})
    assert browser.get("/lobby").status_code == 302


def test_nobody_signs_in_as_a_player_of_the_casino_itself(
    casino: Flask, browser: FlaskClient
) -> None:
    with casino.app_context():
        db.session.add(Player(id="a-real-customer", full_name="Kim Doe"))
        db.session.commit()
    page = browser.get("/")
    assert "Kim Doe" not in page.text
    form = {"csrf_token": csrf_token(page), "player": "a-real-customer"}
    assert browser.post("/login", data=form).status_code == 404
    assert browser.get("/lobby").status_code == 302


def test_a_wrong_address_gets_a_page_of_the_casino(browser: FlaskClient) -> None:
    answer = browser.get("/roulette")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


# --- What the browser may do -------------------------------------------------------------------


def policy(answer: TestResponse) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, *sources in parts}


def test_the_policy_lets_the_game_in_and_nothing_else(browser: FlaskClient) -> None:
    strict = {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    assert policy(sign_in(browser, JORDAN)) == {**strict, "frame-src": ["'self'", GAME]}
    assert policy(browser.get("/wallet")) == strict


@pytest.mark.parametrize("path", ["/", "/lobby", "/wallet", "/roulette"])
def test_no_page_needs_what_the_policy_forbids(browser: FlaskClient, path: str) -> None:
    assert "<script>" not in browser.get(path).text
    sign_in(browser, JORDAN)
    text = browser.get(path).text
    assert re.search(r"<style|<script(?! src=\"/)|\sstyle=|\son\w+=|javascript:", text) is None


def test_signing_in_without_a_csrf_token_is_refused(browser: FlaskClient) -> None:
    answer = browser.post("/login", data={"player": JORDAN.id})
    assert answer.status_code == 400
    assert "open too long" in answer.text
    assert browser.get("/lobby").status_code == 302


def test_the_webhook_needs_no_csrf_token_but_a_signature(browser: FlaskClient) -> None:
    assert send(browser, WIN).status_code == 200
    unsigned = browser.post("/pooled/webhook", json=WIN)
    assert unsigned.status_code == 401
    assert unsigned.get_json() == {"error": "Invalid signature"}


def test_outside_tests_and_debug_pages_want_https_and_so_does_the_cookie(
    make_casino: Callable[..., Flask],
) -> None:
    browser = make_casino(TESTING=False).test_client()
    answer = browser.get("/", base_url="http://casino.example")
    assert answer.location == "https://casino.example/"
    cookie = browser.get("/", base_url="https://casino.example").headers["Set-Cookie"]
    assert re.match("royal_casino=", cookie) is not None
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


# --- The wallet --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "movement"),
    [
        (WIN, ("prize", 1000_00, "Won the $1,000 pool")),
        (REFUND, ("refund", 1_00, "Refund, $1,000 pool")),
        (ENTRY, ("entry", -1_50, "Entry, $1,000 pool")),
        (ENTRY | {"entry_type": "bundle"}, ("entry", 0, "Bundle entry, $1,000 pool")),
        (ENTRY | {"entry_type": "credit"}, ("entry", 0, "Free entry, $1,000 pool")),
        (WIN | {"amount": 99.95, "pool_size": 100}, ("prize", 99_95, "Won the $100 pool")),
    ],
    ids=["win", "refund", "entry", "bundle", "credit", "win-with-cents"],
)
def test_an_event_that_comes_five_times_moves_money_once(
    casino: Flask, browser: FlaskClient, event: dict[str, Any], movement: tuple[str, int, str]
) -> None:
    for _ in range(5):
        answer = send(browser, event)
        assert answer.status_code == 200
        assert answer.get_json() == {"received": True}
    drain(casino)
    assert ledger(casino, JORDAN) == [movement]
    sign_in(browser, JORDAN)
    balance = usd(250_00 + movement[1])
    assert shown_balance(browser.get("/wallet")) == {balance}
    assert shown_movements(browser.get("/wallet"))[0] == (
        movement[2],
        signed_usd(movement[1]),
        balance,
    )


def test_all_three_events_five_times_each_between_drains(
    casino: Flask, browser: FlaskClient
) -> None:
    for _ in range(5):
        for event in (ENTRY, REFUND, WIN):
            assert send(browser, event).status_code == 200
        drain(casino)
    assert ledger(casino, JORDAN) == [
        ("entry", -1_50, "Entry, $1,000 pool"),
        ("refund", 1_00, "Refund, $1,000 pool"),
        ("prize", 1000_00, "Won the $1,000 pool"),
    ]


def test_a_debit_tolerates_debt_and_the_token_then_says_zero(
    casino: Flask, browser: FlaskClient
) -> None:
    send(browser, ENTRY | {"user_id": ROBIN.id})
    drain(casino)
    page = sign_in(browser, ROBIN)
    assert shown_balance(page) == {"\N{MINUS SIGN}$0.30"}
    assert claims(page)["balance"] == 0


def test_a_prize_for_nobody_waits_and_holds_up_no_other(
    casino: Flask, browser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert send(browser, WIN | {"winner_id": "nobody", "pool_id": "pool-1"}).status_code == 200
    assert send(browser, WIN | {"winner_id": ALEX.id, "pool_id": "pool-2"}).status_code == 200
    drain(casino)
    assert ledger(casino, ALEX) == [("prize", 1000_00, "Won the $1,000 pool")]
    with casino.app_context():
        assert (
            db.session.scalars(select(LedgerEntry.player_id).distinct()).all().count("nobody") == 0
        )
    assert "the ledger has no player 'nobody'" in caplog.text


def test_an_app_made_twice_pays_once_and_keeps_its_players(
    make_casino: Callable[..., Flask],
) -> None:
    make_casino()
    casino = make_casino()
    send(casino.test_client(), WIN)
    drain(casino)
    assert ledger(casino, JORDAN) == [("prize", 1000_00, "Won the $1,000 pool")]
    with casino.app_context():
        assert len(db.session.scalars(select(Player)).all()) == len(READY_PLAYERS)


def test_sqlite_is_set_up_for_readers_beside_a_writer(casino: Flask) -> None:
    with casino.app_context(), db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


# --- The formats -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "shown"),
    [
        (0, "$0.00"),
        (7, "$0.07"),
        (-150, "\N{MINUS SIGN}$1.50"),
        (100_000_000, "$1,000,000.00"),
    ],
)
def test_money_is_shown_to_the_cent(cents: int, shown: str) -> None:
    assert usd(cents) == shown


@pytest.mark.parametrize(
    ("name", "shown"), [("Jordan Smith", "JS"), ("Ana de la Cruz", "AC"), ("Zoe", "Z")]
)
def test_a_badge_holds_the_initials(name: str, shown: str) -> None:
    assert initials(name) == shown
