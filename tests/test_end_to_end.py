"""The whole loop in a real browser: casino and sandbox as ``make demo`` starts them, played in Chromium."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit
from urllib.request import Request
from urllib.request import urlopen

import pytest
from chromium import chromium
from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import expect
from playwright.sync_api import FrameLocator
from playwright.sync_api import Page
from running_demo import Demo
from running_demo import demo

pytestmark = pytest.mark.browser

#: Milliseconds in which a webhook has to reach an open page: delivery, dispatch, and the page's next look.
SOON = 15_000


class Sandbox:
    """The control API of the running sandbox."""

    def __init__(self, delivery_log: str) -> None:
        self._address, _, query = delivery_log.partition("/?")
        self._key = parse_qs(query)["key"][0]

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"X-Sandbox-Key": self._key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self._address}/_control/{path}", data=data, headers=headers)
        with urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def statuses(self, player: str) -> dict[str, set[int]]:
        """How the casino answered the events of a player: event -> HTTP statuses."""
        answers: dict[str, set[int]] = {}
        for delivery in self.ask("deliveries")["deliveries"]:
            body = json.loads(delivery["body"])
            if player in (body.get("winner_id"), body.get("user_id")):
                answers.setdefault(delivery["event"], set()).add(delivery["status"])
        return answers


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo; without a browser nothing is started for it."""
    with demo(tmp_path_factory.mktemp("demo")) as running:
        yield running
        # All that casino, worker and sandbox have said while everything here was played.
        assert re.search(r"eyJ[\w-]+\.", running.printed) is None


@pytest.fixture(scope="module")
def sandbox(running: Demo) -> Sandbox:
    return Sandbox(running.delivery_log)


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: blocked content, errors in scripts, failed requests."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            # Without the query: that is where a token would be.
            complaints.append(re.sub(r"\?\S+", "", message.text))

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(error.message))
    yield page
    context.close()


def sign_in(page: Page, running: Demo, name: str) -> FrameLocator:
    """Click on the player at the front door; the game in the lobby."""
    page.goto(running.casino)
    page.get_by_role("button", name=name).click()
    page.wait_for_url("**/lobby")
    return game(page)


def game(page: Page) -> FrameLocator:
    return page.frame_locator('iframe[title="Prize Pools"]')


def enter(game: FrameLocator, size: int) -> None:
    card = game.locator(f'[data-size="{size}"]')
    card.locator('[data-entry="paid"]').click()
    expect(card.locator("[data-mine]")).to_be_visible()


def expect_balance(page: Page, balance: str) -> None:
    for place in page.locator("[data-balance]").all():
        expect(place).to_have_text(balance, timeout=SOON)


def wallet(page: Page, running: Demo) -> list[list[str]]:
    """The wallet page, loaded anew: memo, amount and balance of every movement."""
    page.goto(f"{running.casino}/wallet")
    return [
        [row.locator(part).inner_text() for part in (".memo", ".amount", ".after")]
        for row in page.locator("tbody tr").all()
    ]


def test_a_player_enters_a_pool_wins_it_and_is_paid_to_the_cent(
    running: Demo, sandbox: Sandbox, page: Page, complaints: list[str]
) -> None:
    frame = sign_in(page, running, "Jordan Smith")
    expect(frame.locator("[data-player-name]")).to_have_text("Jordan S.")
    expect(frame.locator("[data-balance]")).to_have_text("$250.00")

    enter(frame, 100)
    expect(frame.locator("[data-balance]")).to_have_text("$248.50")
    expect_balance(page, "$248.50")

    drawn = sandbox.ask("draw", {"size": 100, "winner": "player_abc123"})["drawn"]
    assert drawn["winner_id"] == "player_abc123"
    expect(frame.get_by_role("heading", name="You won")).to_be_visible()
    expect_balance(page, "$348.50")
    expect(page.get_by_role("status")).to_have_text("Won the $100 pool: +$100.00")

    assert wallet(page, running) == [
        ["Won the $100 pool", "+$100.00", "$348.50"],
        ["Entry, $100 pool", "\N{MINUS SIGN}$1.50", "$248.50"],
        ["First deposit", "+$250.00", "$250.00"],
    ]
    page.goto(f"{running.casino}/lobby")
    expect(game(page).locator("[data-balance]")).to_have_text("$348.50")
    assert sandbox.statuses("player_abc123") == {"pool.entry": {200}, "pool.win": {200}}
    assert complaints == []


def test_a_pool_that_expires_gives_a_dollar_back(
    running: Demo, sandbox: Sandbox, page: Page, complaints: list[str]
) -> None:
    frame = sign_in(page, running, "Alex Rivera")
    expect(frame.locator("[data-balance]")).to_have_text("$19.99")
    enter(frame, 1000)
    expect_balance(page, "$18.49")
    sandbox.ask("expire", {"size": 1000})
    expect_balance(page, "$19.49")
    assert wallet(page, running) == [
        ["Refund, $1,000 pool", "+$1.00", "$19.49"],
        ["Entry, $1,000 pool", "\N{MINUS SIGN}$1.50", "$18.49"],
        ["First deposit", "+$19.99", "$19.99"],
    ]
    assert sandbox.statuses("player_def456") == {"pool.entry": {200}, "pool.refund": {200}}
    assert complaints == []


@pytest.mark.parametrize(
    ("name", "shown", "balance", "reason"),
    [
        ("Sam Lee", "Sam L.", "$80.00", "complete verification"),
        ("Robin Berg", "Robin B.", "$1.20", "below $1.50"),
    ],
)
def test_who_may_not_enter_sees_the_game_and_cannot(
    running: Demo, page: Page, name: str, shown: str, balance: str, reason: str
) -> None:
    frame = sign_in(page, running, name)
    expect(frame.locator("[data-player-name]")).to_have_text(shown)
    expect(frame.locator("[data-balance]")).to_have_text(balance)
    expect(frame.get_by_role("status")).to_contain_text(reason)
    buttons = frame.locator('[data-entry="paid"]')
    expect(buttons).to_have_count(5)
    for button in buttons.all():
        expect(button).to_be_disabled()
    assert len(wallet(page, running)) == 1


def test_a_bad_token_shows_an_error_and_no_game(running: Demo, page: Page) -> None:
    frame = sign_in(page, running, "Jordan Smith")
    expect(frame.locator("[data-entry]").first).to_be_visible()
    page.eval_on_selector(
        'iframe[title="Prize Pools"]',
        """frame => {
            const address = new URL(frame.src);
            const [header, claims, signature] = address.searchParams.get("token").split(".");
            const other = signature.startsWith("A") ? "B" : "A";
            address.searchParams.set("token", [header, claims, other + signature.slice(1)].join("."));
            frame.src = address;
        }""",
    )
    expect(frame.get_by_role("heading", name="The game could not be opened")).to_be_visible()
    expect(frame.get_by_text("Token validation failed")).to_be_visible()
    expect(frame.locator("[data-entry]")).to_have_count(0)


def test_the_policy_of_the_casino_blocks_any_other_frame(running: Demo, page: Page) -> None:
    asked: list[str] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    # Threads, because Chromium may connect without ever asking, which would block a single one.
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        serving = threading.Thread(target=stranger.serve_forever, args=(0.05,))
        serving.start()
        try:
            address = f"http://127.0.0.1:{stranger.server_port}/game"
            with urlopen(address, timeout=60) as answer:
                assert answer.status == 200
            sign_in(page, running, "Jordan Smith")
            violation = page.evaluate(
                """address => new Promise(resolve => {
                    document.addEventListener("securitypolicyviolation", event =>
                        resolve([event.effectiveDirective, event.disposition, event.blockedURI]));
                    const frame = document.createElement("iframe");
                    frame.src = address;
                    document.body.append(frame);
                })""",
                address,
            )
        finally:
            stranger.shutdown()
            serving.join()
    directive, disposition, blocked = violation
    assert (directive, disposition) == ("frame-src", "enforce")
    assert urlsplit(blocked).port == stranger.server_port
    assert asked == ["/game"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lobby_fits_a_phone(browser: Browser, running: Demo, scheme: Any) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, color_scheme=scheme
    )
    page = context.new_page()
    try:
        frame = sign_in(page, running, "Jordan Smith")
        expect(frame.locator("[data-player-name]")).to_be_visible()
        for address in ("/lobby", "/wallet"):
            page.goto(f"{running.casino}{address}")
            assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.goto(f"{running.casino}/lobby")
        box = page.locator('iframe[title="Prize Pools"]').bounding_box()
        assert box is not None
        assert (box["x"], box["width"], box["height"]) == (0, 390, 800)
    finally:
        context.close()
