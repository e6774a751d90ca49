"""The pages of Royal Casino, as its players use them."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from royal_casino import ALEX
from royal_casino import claims
from royal_casino import csrf_token
from royal_casino import GAME
from royal_casino import game_address
from royal_casino import JORDAN
from royal_casino import ROBIN
from royal_casino import RoyalCasino
from royal_casino import SAM
from royal_casino import shown_balance
from royal_casino import shown_movements
from royal_casino import sign_in
from royal_casino import WIN

from example_app import db
from example_app.formats import usd
from example_app.models import Kind
from example_app.models import LedgerEntry
from example_app.models import Player
from example_app.players import ReadyPlayer


@pytest.fixture
def casino(tmp_path: Path) -> Iterator[RoyalCasino]:
    with RoyalCasino(tmp_path / "instance") as casino:
        yield casino


@pytest.fixture
def browser(casino: RoyalCasino) -> FlaskClient:
    return casino.browser()


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


def test_the_lobby_is_fresh_on_every_load_and_kept_by_no_cache(
    casino: RoyalCasino, browser: FlaskClient
) -> None:
    page = sign_in(browser, JORDAN)
    assert page.cache_control.no_store
    casino.send(WIN)
    casino.drain()
    assert claims(browser.get("/lobby"))["balance"] == 1250.00


def test_the_lobby_says_why_a_player_cannot_enter(
    casino: RoyalCasino, browser: FlaskClient
) -> None:
    assert "You may watch the pools" in sign_in(browser, SAM).text
    assert "Low balance" in sign_in(casino.browser(), ROBIN).text
    assert "badge warn" not in sign_in(casino.browser(), JORDAN).text


def test_a_new_wallet_shows_its_first_deposit(browser: FlaskClient) -> None:
    sign_in(browser, ALEX)
    page = browser.get("/wallet")
    assert shown_movements(page) == [("First deposit", "+$19.99", "$19.99")]
    assert shown_balance(page) == {"$19.99"}
    assert page.cache_control.no_store


def test_a_player_sees_only_their_own_movements(casino: RoyalCasino, browser: FlaskClient) -> None:
    casino.send(WIN)
    casino.drain()
    sign_in(browser, ALEX)
    assert shown_movements(browser.get("/wallet")) == [("First deposit", "+$19.99", "$19.99")]


def test_a_long_wallet_comes_in_pages_with_the_balance_that_each_movement_left(
    casino: RoyalCasino, browser: FlaskClient
) -> None:
    with casino.app.app_context():
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


def test_an_open_page_learns_of_a_prize(casino: RoyalCasino, browser: FlaskClient) -> None:
    sign_in(browser, JORDAN)
    before = browser.get("/wallet/state").get_json()
    assert before["balance"] == "$250.00"
    casino.send(WIN)
    casino.drain()
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
    casino: RoyalCasino, browser: FlaskClient
) -> None:
    with casino.app.app_context():
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
