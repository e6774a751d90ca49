"""A night at the console, in Chromium: ten wins fail, somebody finds out why, and by morning the wallets are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from chromium import chromium
from console_parts import add_console
from flask import Flask
from http_server import serving
from playwright.sync_api import expect

from flask_pooled import pool_win

pytestmark = [pytest.mark.both_databases, pytest.mark.browser]


def test_night_shift(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=2, POOLED_HOLD_OVER=5000)
    casino.connect()
    add_console(casino)
    broken = [True]

    @pool_win.connect_via(casino.app)
    def asks_the_bank(app: Flask, **extra: Any) -> None:
        if broken:
            raise ConnectionRefusedError("the bank's service is down")

    # At night a receiver fails for ten wins, two of them abc's. A large win and a contradiction come in as well.
    players = ["player_abc123", *(f"player-{number}" for number in range(8)), "player_abc123"]
    casino.post_all(*(win(pool_id=f"pool-{n}", winner_id=who) for n, who in enumerate(players)))
    for _ in range(2):
        casino.drain()
        casino.make_due()
    casino.post_all(
        win(pool_id="pool-large", pool_size=100_000, amount=10_000.01, winner_id="lucky"),
        win(pool_id="pool-3", winner_id="somebody else"),
    )
    large, wrong = (event_id for event_id, state in casino.rows("id", "state") if state == "held")
    with serving(casino.app) as url, chromium() as browser:
        context = browser.new_context(extra_http_headers={"X-Operator": "dana"})
        page = context.new_page()
        main = page.get_by_role("main")
        title = page.get_by_role("heading", level=1)
        news = main.get_by_role("status")

        # At three, somebody asks whether player_abc123 got the money.
        page.goto(f"{url}/pooled-console/")
        expect(main).to_contain_text("10 events are dead: nobody was paid")
        expect(main).to_contain_text("2 events are held")
        page.get_by_label("Player, pool or event").fill("player_abc123")
        page.keyboard.press("Enter")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("dead")
        rows.first.get_by_role("link").first.click()
        expect(main).to_contain_text(
            "Not paid. 1,000.00 USD for player_abc123: every attempt failed"
        )
        expect(page.locator("pre").first).to_contain_text(
            "ConnectionRefusedError: the bank's service is down"
        )
        theirs = page.url

        # The service is back.
        broken.clear()
        page.get_by_role("link", name="Dead", exact=True).click()
        expect(rows).to_have_count(10)
        page.get_by_role("link", name="Retry all…").click()
        expect(title).to_have_text("Retry 10 events?")
        expect(main).to_contain_text("10,000.00 USD")
        page.get_by_label("Why").fill("bank is back")
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(news).to_have_text("10 of 10 events retried.")
        page.get_by_role("link", name="Held", exact=True).click()
        page.get_by_role("link", name=str(large), exact=True).click()
        page.get_by_role("link", name="Release…").click()
        page.get_by_label("Why").fill("called them")
        page.get_by_role("button", name="Release").click()
        expect(news).to_have_text("1 of 1 event released.")
        page.get_by_role("link", name="Held", exact=True).click()
        page.get_by_role("checkbox", name=f"Choose event {wrong}").check()
        page.get_by_role("button", name="Discard…").click()
        # Without a reason nothing happens.
        page.get_by_role("button", name="Discard").click()
        expect(title).to_have_text("Discard 1 event?")
        page.get_by_label("Why").fill("Pooled: a mistake")
        page.get_by_role("button", name="Discard").click()
        expect(news).to_have_text("1 of 1 event discarded.")
        assert casino.drain() == 11

        # The trail tells the story.
        page.goto(theirs)
        expect(main).to_contain_text("1,000.00 USD went to player_abc123 on")
        trail = page.locator(".trail li")
        expect(trail).to_have_count(2)
        expect(trail.first).to_contain_text("the inbox: die, pending → dead")
        expect(trail.last).to_contain_text("dana: retry, dead → pending: bank is back")
        page.get_by_role("link", name="Overview").click()
        expect(main).not_to_contain_text("dead: nobody was paid")
        context.close()

    # In the morning every wallet is right to the cent.
    paid = {player: cents for player, cents, _ in casino.movements() if player != "player_abc123"}
    assert paid == {f"player-{number}": 100_000 for number in range(8)} | {"lucky": 1_000_001}
    assert casino.balance("player_abc123") == 200_000
    assert sorted({*casino.states()}) == ["discarded", "done"]
    decided = casino.sql("SELECT actor, action, reason FROM pooled_audit WHERE actor IS NOT NULL")
    assert sorted(map(tuple, decided)) == [
        ("dana", "discard", "Pooled: a mistake"),
        ("dana", "release", "called them"),
        *[("dana", "retry", "bank is back")] * 10,
    ]
