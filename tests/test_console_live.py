"""News come to an open page of the console by themselves, and disturb nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from casino import Casino
from casino import win
from chromium import chromium
from console_site import operators_pages
from console_site import served_site
from console_site import Site
from playwright.sync_api import Browser
from playwright.sync_api import expect
from playwright.sync_api import Page

import flask_pooled.console

pytestmark = pytest.mark.browser

SCRIPT = Path(flask_pooled.console.__file__).parent / "static" / "live.js"

#: Milliseconds between two looks of the script.
PAUSE = 5000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(make_casino: Callable[..., Casino]) -> Iterator[Site]:
    with served_site(make_casino) as site:
        yield site


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    with operators_pages(browser) as open_page:
        yield open_page


def test_script_is_small() -> None:
    assert SCRIPT.stat().st_size < 3000


@pytest.fixture
def live(open_page: Callable[..., Page]) -> Page:
    """A page whose clock is turned by the test."""
    page = open_page()
    page.clock.install()
    return page


def _requests_of(page: Page, path: str) -> list[str]:
    """What the page asks for from now on, of one path."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(path) if request.url.endswith(path) else None)
    return asked


def test_news_come_by_themselves(site: Site, live: Page) -> None:
    live.goto(f"{site.url}/events")
    rows = live.locator("tbody tr")
    before = rows.count()
    site.casino.post_all(win(pool_id="new", winner_id="somebody new"))
    live.clock.fast_forward(PAUSE)
    expect(rows).to_have_count(before + 1)
    expect(rows.first).to_contain_text("somebody new")
    expect(live.locator("#live")).to_have_text("Live")
    live.goto(site.url)
    pending = live.locator("dl.states dd").first
    number = int(pending.inner_text())
    site.casino.post_all(win(pool_id="newest", winner_id="another"))
    live.clock.fast_forward(PAUSE)
    expect(pending).to_have_text(str(number + 1))


def test_what_somebody_is_doing_stays(site: Site, live: Page) -> None:
    live.goto(f"{site.url}/queues/held")
    box = live.get_by_role("checkbox").first
    box.check()
    field = live.get_by_label("Player", exact=True)
    field.fill("half a na")
    site.casino.post_all(win(pool_id="new", winner_id="new", amount=0))
    rows = live.locator("tbody tr")
    before = rows.count()
    with live.expect_response(f"{site.url}/queues/held"):
        live.clock.fast_forward(PAUSE)
    expect(live.locator("#live")).to_have_text("Live")
    expect(box).to_be_checked()
    expect(field).to_have_value("half a na")
    expect(field).to_be_focused()
    assert rows.count() == before
    box.uncheck()
    live.get_by_role("link", name=str(site.ids["held"]), exact=True).focus()
    live.clock.fast_forward(PAUSE)
    expect(rows).to_have_count(before + 1)
    # The list is new, and who was in it still is.
    expect(live.get_by_role("link", name=str(site.ids["held"]), exact=True)).to_be_focused()
    expect(field).to_have_value("half a na")


def test_opened_figures_stay_open(site: Site, live: Page) -> None:
    live.goto(site.url)
    live.locator("#hour-figures summary").click()
    site.casino.post_all(win(pool_id="new", winner_id="new"))
    total = live.locator("#hour-sum")
    before = total.inner_text()
    live.locator("h1").click()
    live.evaluate("document.activeElement.blur()")
    live.clock.fast_forward(PAUSE)
    expect(total).not_to_have_text(before)
    expect(live.locator("#hour-figures")).to_have_attribute("open", "")


def test_it_stops_with_a_word_when_there_is_no_answer(site: Site, live: Page) -> None:
    live.goto(f"{site.url}/events")
    asked = _requests_of(live, "/events")
    live.route("**/events", lambda route: route.fulfill(status=404, body="Royal 404"))
    live.clock.fast_forward(PAUSE)
    expect(live.locator("#live")).to_have_text(re.compile("Not live any more"))
    expect(live.locator("tbody tr").first).to_be_visible()
    assert len(asked) == 1
    live.clock.fast_forward(10 * PAUSE)
    live.wait_for_timeout(200)
    assert len(asked) == 1
    # It tries again when somebody looks again.
    live.unroute("**/events")
    live.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(live.locator("#live")).to_have_text("Live")


def test_nobody_asks_for_a_page_that_nobody_sees(site: Site, live: Page) -> None:
    live.goto(f"{site.url}/events")
    asked = _requests_of(live, "/events")
    live.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    live.clock.fast_forward(10 * PAUSE)
    live.wait_for_timeout(200)
    assert asked == []
    live.evaluate("Object.defineProperty(document, 'hidden', { value: false, configurable: true })")
    live.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(live.locator("#live")).to_have_text("Live")
    assert len(asked) == 1


def test_a_slow_inbox_is_asked_less_often(site: Site, live: Page) -> None:
    live.goto(f"{site.url}/events")
    asked = _requests_of(live, "/events")
    # Each look at the clock takes a second.
    live.evaluate("performance.now = ((now) => () => (now += 1000))(0)")
    live.clock.fast_forward(PAUSE)
    expect(live.locator("#live")).to_have_text("Live")
    live.clock.fast_forward(3 * PAUSE)
    live.wait_for_timeout(200)
    assert len(asked) == 1
    with live.expect_request("**/events"):
        live.clock.fast_forward(PAUSE)
