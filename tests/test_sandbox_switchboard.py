"""The casino's admin page in a real browser: faults and storms are switched there, also on a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from chromium import chromium
from playwright.sync_api import Browser
from playwright.sync_api import expect
from playwright.sync_api import Page
from sandbox_parts import JWT_SECRET
from sandbox_parts import token

from flask_pooled.sandbox import Faults
from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import serve_in_thread

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def running() -> Iterator[RunningSandbox]:
    with serve_in_thread(jwt_secret=JWT_SECRET, fill_seconds=600) as running:
        yield running


@pytest.fixture
def page(browser: Browser, running: RunningSandbox) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(running.admin_url())
    yield page
    context.close()
    assert [line for line in complaints if "400" not in line] == []


def test_faults_are_switched_on_and_off(page: Page, running: RunningSandbox) -> None:
    said = page.locator("#faults-said")
    with page.expect_response("**/_control/faults"):
        page.get_by_label("Duplicates").fill("2")
        page.keyboard.press("Tab")
    with page.expect_response("**/_control/faults"):
        page.get_by_label("Secret").select_option("old")
    expect(said).to_have_text("Switched for every event from now on.")
    assert running.faults == Faults(duplicates=2, secret="old")
    running.enter(token(time.time()))
    expect(page.locator(".fault")).to_have_text(["duplicates 2, secret old"] * 3)
    page.reload()
    expect(page.get_by_label("Duplicates")).to_have_value("2")
    page.get_by_role("button", name="Switch all off").click()
    expect(said).to_have_text("All off.")
    expect(page.get_by_label("Duplicates")).to_have_value("0")
    assert running.faults == Faults()


def test_a_value_that_cannot_be_is_not_sent(page: Page, running: RunningSandbox) -> None:
    page.get_by_label("Duplicates").fill("1000")
    page.keyboard.press("Tab")
    page.get_by_label("Delay").fill("0.5")
    page.keyboard.press("Tab")
    expect(page.locator("#faults-said")).to_have_text("Switched for every event from now on.")
    assert running.faults == Faults(delay=0.5)


def test_a_storm_is_started(page: Page, running: RunningSandbox) -> None:
    said = page.locator("#faults-said")
    start = page.get_by_role("button", name="Start the storm")
    start.click()
    expect(said).to_contain_text("no such player has opened the game yet")
    running.enter(token(time.time()))
    page.get_by_label("Storm").fill("5")
    start.click()
    expect(said).to_have_text("5 refunds are on their way.")
    assert running.wait_delivered()
    assert [each.event for each in running.deliveries()].count("pool.refund") >= 5


def test_it_fits_on_a_phone(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_the_key_there_are_no_switches(page: Page, running: RunningSandbox) -> None:
    page.goto(f"{running.url}/?role=casino&tenant=demo")
    expect(page.locator("#log-title")).to_be_visible()
    expect(page.locator("#faults")).to_have_count(0)


def test_the_log_is_filtered_without_a_reload_and_stays_so_after_one(
    page: Page, running: RunningSandbox
) -> None:
    running.enter(token(time.time()))
    running.draw(winner="player_abc123")
    running.enter(token(time.time(), sub="another"))
    assert running.wait_delivered()
    events = page.locator(".line .event")
    expect(events).to_have_text(["pool.entry", "pool.win", "pool.entry"])
    page.get_by_role("link", name="Wins").click()
    expect(events).to_have_text(["pool.win"])
    expect(page.get_by_role("link", name="Wins")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="All events").click()
    page.get_by_placeholder("Player, pool").fill("another")
    expect(events).to_have_text(["pool.entry"])
    page.get_by_role("link", name="Failed").click()
    page.reload()
    expect(page.get_by_placeholder("Player, pool")).to_have_value("another")
    expect(events).to_have_text(["pool.entry"])
    page.get_by_role("link", name="200").click()
    expect(page.get_by_text("No delivery is like this.")).to_be_visible()
