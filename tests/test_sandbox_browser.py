"""The game page in a real browser: entering, the draw, the refund, the error, nothing blocked by its own policy."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from chromium import chromium
from playwright.sync_api import Browser
from playwright.sync_api import expect
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import ViewportSize
from sandbox_parts import JWT_SECRET
from sandbox_parts import token

from flask_pooled.sandbox import RunningSandbox
from flask_pooled.sandbox import serve_in_thread

pytestmark = pytest.mark.browser

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with serve_in_thread(jwt_secret=JWT_SECRET, fill_seconds=600) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    yield page
    context.close()
    # A refused entry is an answer with an error status, which the browser reports by itself.
    assert [line for line in complaints if "409" not in line] == []


def open_game(page: Page, running: RunningSandbox, **changes: Any) -> None:
    page.goto(running.player_url(token(time.time(), **changes)))
    page.wait_for_function("document.querySelector('[data-stage]').textContent.includes('full')")


def card(page: Page, size: int) -> Locator:
    return page.locator(f'[data-size="{size}"]')


def test_the_demo_view_from_entry_to_draw(browser: Browser, page: Page) -> None:
    with serve_in_thread(fill_seconds=1) as quick:
        page.goto(quick.demo_url())
        expect(page.locator("[data-balance]")).to_have_text("$1,000.00")
        card(page, 100).locator('[data-entry="paid"]').click()
        expect(card(page, 100).locator("[data-mine]")).to_contain_text("Your ticket ")
        expect(page.locator("[data-balance]")).to_have_text("$998.50")
        result = page.locator("#result")
        expect(result).to_have_attribute("data-outcome", "won", timeout=60_000)
        expect(result).to_be_visible()
        expect(page.locator("#result-amount")).to_have_text("$100")
        expect(page.locator("#live")).to_contain_text("You won")
        page.locator("#proof summary").click()
        expect(page.locator("#proof-checks li.ok")).to_have_count(2)
        expect(page.locator("#confetti")).to_be_visible()
        page.keyboard.press("Escape")
        expect(result).to_be_hidden()
        expect(page.locator("#confetti")).to_have_attribute("hidden", "")
        expect(page.locator("[data-balance]")).to_have_text("$1,098.50")
        page.reload()
        expect(page.locator("[data-balance]")).to_have_text("$1,098.50")
        expect(page.locator("#results li")).to_have_count(1)
        expect(result).to_be_hidden()


def test_a_lost_draw_and_the_seal_of_the_next(page: Page, running: RunningSandbox) -> None:
    open_game(page, running, sub="loser")
    sealed = card(page, 1000).locator("[data-commit]").get_attribute("data-commit")
    card(page, 1000).locator('[data-entry="bundle"]').click()
    expect(card(page, 1000).locator("[data-mine]")).to_have_text("You hold 5 tickets")
    running.draw(1000, winner=None)
    expect(page.locator("#result")).to_have_attribute("data-outcome", "lost")
    page.locator("#proof summary").click()
    expect(page.locator("#proof-commit")).to_have_text(sealed or "")
    expect(page.locator("#proof-checks li.ok")).to_have_count(2)
    page.locator("#result-close").click()
    card(page, 1000).locator("[data-seal]").click()
    expect(page.locator("#seal-commit")).not_to_have_text(sealed or "")
    page.locator("#seal-last summary").click()
    expect(page.locator("#last-commit")).to_have_text(sealed or "")


def test_a_refund(page: Page, running: RunningSandbox) -> None:
    open_game(page, running, sub="refunded")
    card(page, 10000).locator('[data-entry="paid"]').click()
    expect(page.locator("[data-balance]")).to_have_text("$248.50")
    running.expire(10000)
    expect(page.locator("#result")).to_have_attribute("data-outcome", "refunded")
    expect(page.locator("#result-amount")).to_have_text("$1.00")
    expect(page.locator("[data-balance]")).to_have_text("$249.50")


def test_a_result_waits_for_a_player_who_was_away(page: Page, running: RunningSandbox) -> None:
    open_game(page, running, sub="away")
    card(page, 10000).locator('[data-entry="paid"]').click()
    expect(card(page, 10000).locator("[data-mine]")).to_be_visible()
    url = page.url
    page.goto("about:blank")
    running.draw(10000, winner="away")
    page.goto(url)
    expect(page.locator("#result")).to_have_attribute("data-outcome", "won")


@pytest.mark.parametrize("changes", [{"verified": False}, {"balance": 1.49}])
def test_who_may_not_enter_finds_no_button_that_works(
    page: Page, running: RunningSandbox, changes: dict[str, Any]
) -> None:
    open_game(page, running, sub="blocked", **changes)
    expect(page.locator("#notice")).to_be_visible()
    for button in page.locator("[data-entry]").all():
        expect(button).to_be_disabled()


def test_a_refusal_is_shown_where_the_button_is(page: Page, running: RunningSandbox) -> None:
    open_game(page, running, sub="late")
    page.route(
        "**/enter",
        lambda route: route.fulfill(
            status=409, json={"error": "pool_closed", "message": "Closed."}
        ),
    )
    card(page, 100).locator('[data-entry="paid"]').click()
    expect(card(page, 100).locator("[data-hint]")).to_have_text("Closed.")
    expect(page.locator("[data-balance]")).to_have_text("$250.00")


def test_the_keyboard_is_enough(page: Page, running: RunningSandbox) -> None:
    open_game(page, running, sub="keyboard")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.entry") == "paid"
    page.keyboard.press("Enter")
    expect(card(page, 100).locator("[data-mine]")).to_be_visible()
    running.draw(100, winner="keyboard")
    expect(page.locator("#result-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#result")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
def test_no_width_scrolls_sideways(page: Page, running: RunningSandbox, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for url in (
        running.player_url(
            token(time.time(), name="Wolfeschlegelsteinhausen " * 3, balance=123456789.01)
        ),
        running.admin_url(),
        running.admin_url("demo"),
    ):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_fingers_find_the_buttons_on_a_phone(page: Page, running: RunningSandbox) -> None:
    page.set_viewport_size(PHONE)
    open_game(page, running)
    for button in page.locator('[data-entry="paid"]').all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 250


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(browser: Browser, running: RunningSandbox, scheme: Any) -> None:
    """WCAG 2.1 contrast of every text on its computed background."""
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    open_game(page, running, sub=f"reader-{scheme}")
    card(page, 1000).locator('[data-entry="paid"]').click()
    expect(card(page, 1000).locator("[data-mine]")).to_be_visible()
    faint = page.evaluate(CONTRAST)
    context.close()
    assert faint == []


def test_less_motion_is_respected(browser: Browser, running: RunningSandbox) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    open_game(page, running, sub="calm")
    card(page, 100000).locator('[data-entry="paid"]').click()
    expect(card(page, 100000).locator("[data-mine]")).to_be_visible()
    running.draw(100000, winner="calm")
    expect(page.locator("#result")).to_be_visible()
    assert page.locator("#confetti").is_hidden()
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()


def test_the_admin_page_draws_logs_and_sends_again(page: Page, running: RunningSandbox) -> None:
    game = page.context.new_page()
    open_game(game, running, sub="watched")
    card(game, 1000000).locator('[data-entry="paid"]').click()
    expect(card(game, 1000000).locator("[data-mine]")).to_be_visible()
    page.goto(running.admin_url())
    page.locator('tr[data-size="1000000"] [data-do="draw"]').click()
    expect(page.locator("#said")).to_have_text("The pool is drawn.")
    newest = page.locator("#log .line").first
    expect(newest.locator(".event")).to_have_text("pool.win", timeout=60_000)
    newest.locator("summary").click()
    newest.locator('[data-do="resend"]').click()
    expect(page.locator("#said")).to_have_text(re.compile(r"Sent again as #\d+\."))
    expect(page.locator("#log .line .tag").first).to_contain_text("re-send of #")


#: The contrast of each visible text with the nearest opaque colour behind it. Gradients start at the card's colour.
CONTRAST = """() => {
    const parse = (text) => {
        const numbers = text.match(/[\\d.]+/g).map(Number);
        const scale = text.startsWith("color(") ? 255 : 1;
        return { rgb: numbers.slice(0, 3).map((n) => n * scale), alpha: numbers[3] ?? 1 };
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const style = getComputedStyle(at);
            const colour = parse(style.backgroundColor);
            if (colour.alpha === 1) return colour.rgb;
            const gradient = style.backgroundImage.match(/(?:rgb|color)\\([^)]*\\)/g);
            if (gradient) return parse(gradient[0]).rgb;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest(".hidden, svg, :disabled")) continue;
        const shades = [parse(getComputedStyle(element).color).rgb, behind(element)].map(luminance);
        const [dark, light] = shades.sort((a, b) => a - b);
        const ratio = (light + 0.05) / (dark + 0.05);
        if (ratio < 4.5) faint.push(`${element.className || element.tagName} ${ratio.toFixed(2)}`);
    }
    return [...new Set(faint)];
}"""
