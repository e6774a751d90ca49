"""The wallet of Royal Casino, as Pooled's events move it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from royal_casino import ALEX
from royal_casino import claims
from royal_casino import ENTRY
from royal_casino import JORDAN
from royal_casino import REFUND
from royal_casino import ROBIN
from royal_casino import RoyalCasino
from royal_casino import shown_balance
from royal_casino import shown_movements
from royal_casino import sign_in
from royal_casino import WIN
from sqlalchemy import select

from example_app import db
from example_app.formats import signed_usd
from example_app.formats import usd
from example_app.models import LedgerEntry
from example_app.models import Player
from example_app.players import READY_PLAYERS


@pytest.fixture
def casino(tmp_path: Path) -> Iterator[RoyalCasino]:
    with RoyalCasino(tmp_path / "instance") as casino:
        yield casino


@pytest.fixture
def browser(casino: RoyalCasino) -> FlaskClient:
    return casino.browser()


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
    casino: RoyalCasino, browser: FlaskClient, event: dict[str, Any], movement: tuple[str, int, str]
) -> None:
    for _ in range(5):
        answer = casino.send(event)
        assert answer.status_code == 200
        assert answer.get_json() == {"received": True}
    casino.drain()
    assert casino.ledger(JORDAN) == [movement]
    sign_in(browser, JORDAN)
    balance = usd(250_00 + movement[1])
    assert shown_balance(browser.get("/wallet")) == {balance}
    assert shown_movements(browser.get("/wallet"))[0] == (
        movement[2],
        signed_usd(movement[1]),
        balance,
    )


def test_all_three_events_five_times_each_between_drains(casino: RoyalCasino) -> None:
    for _ in range(5):
        for event in (ENTRY, REFUND, WIN):
            assert casino.send(event).status_code == 200
        casino.drain()
    assert casino.ledger(JORDAN) == [
        ("entry", -1_50, "Entry, $1,000 pool"),
        ("refund", 1_00, "Refund, $1,000 pool"),
        ("prize", 1000_00, "Won the $1,000 pool"),
    ]


def test_a_debit_tolerates_debt_and_the_token_then_says_zero(
    casino: RoyalCasino, browser: FlaskClient
) -> None:
    casino.send(ENTRY | {"user_id": ROBIN.id})
    casino.drain()
    page = sign_in(browser, ROBIN)
    assert shown_balance(page) == {"\N{MINUS SIGN}$0.30"}
    assert claims(page)["balance"] == 0


def test_a_prize_for_nobody_waits_and_holds_up_no_other(
    casino: RoyalCasino, caplog: pytest.LogCaptureFixture
) -> None:
    assert casino.send(WIN | {"winner_id": "nobody", "pool_id": "pool-1"}).status_code == 200
    assert casino.send(WIN | {"winner_id": ALEX.id, "pool_id": "pool-2"}).status_code == 200
    casino.drain()
    assert casino.ledger(ALEX) == [("prize", 1000_00, "Won the $1,000 pool")]
    with casino.app.app_context():
        assert "nobody" not in db.session.scalars(select(LedgerEntry.player_id)).all()
    assert "the ledger has no player 'nobody'" in caplog.text


def test_an_app_made_twice_pays_once_and_keeps_its_players(tmp_path: Path) -> None:
    with RoyalCasino(tmp_path), RoyalCasino(tmp_path) as casino:
        casino.send(WIN)
        casino.drain()
        assert casino.ledger(JORDAN) == [("prize", 1000_00, "Won the $1,000 pool")]
        with casino.app.app_context():
            assert len(db.session.scalars(select(Player)).all()) == len(READY_PLAYERS)


def test_sqlite_is_set_up_for_readers_beside_a_writer(casino: RoyalCasino) -> None:
    with casino.app.app_context(), db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
