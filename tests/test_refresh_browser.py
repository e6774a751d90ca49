"""A page that stays open, in Chromium, with a game on another origin that looks at every token."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from chromium import chromium
from flask import Flask
from flask import render_template_string
from flask import request
from http_server import serving
from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import expect
from playwright.sync_api import Page

from flask_pooled import Player
from flask_pooled import Pooled

pytestmark = pytest.mark.browser

#: Seconds. The real ones are an hour.
TTL = 4

LOBBY = "<title>Lobby</title>{{ pooled_iframe(refresh=True) }}"


@dataclass
class Game:
    """What app.pooledgame.com would be asked."""

    url: str = ""
    #: Of each token that opened the game: for how long it was still valid, seconds, and the balance in it.
    opened: list[tuple[float, str]] = field(default_factory=list)

    def app(self) -> Flask:
        app = Flask("game")

        @app.get("/")
        def play() -> str:
            claims = jwt.decode(request.args["token"], options={"verify_signature": False})
            self.opened.append((claims["exp"] - time.time(), str(claims["balance"])))
            return f"<h1>Playing with {claims['balance']}</h1><button>Enter</button>"

        return app


@dataclass
class Lobby:
    """The casino, whose session endpoint can be made to fail."""

    url: str = ""
    balance: int = 250
    logged_in: bool = True
    #: What becomes of the next requests for a token.
    trouble: str | None = None
    asked: int = 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def game() -> Iterator[Game]:
    game = Game()
    with serving(game.app()) as game.url:
        yield game


@pytest.fixture
def make_lobby(make_app: Callable[..., Flask], game: Game) -> Iterator[Callable[..., Lobby]]:
    servers = ExitStack()

    def make(template: str = LOBBY, **config: Any) -> Lobby:
        lobby = Lobby()
        app = make_app(POOLED_APP_URL=game.url, **{"POOLED_TOKEN_TTL": TTL, **config})
        pooled = Pooled(app)

        @pooled.player_loader
        def load() -> Player | None:
            return Player("p-1", "Jordan Smith", lobby.balance) if lobby.logged_in else None

        @app.before_request
        def interfere() -> Any:
            if request.endpoint != "pooled.session":
                return None
            lobby.asked += 1
            if lobby.trouble == "hang":
                time.sleep(1)
            return None if lobby.trouble is None else ("out of order", 500)

        app.add_url_rule("/", "lobby", lambda: render_template_string(template))
        lobby.url = servers.enter_context(serving(app))
        return lobby

    with servers:
        yield make


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Security Policy" in message.text:
            complaints.append(message.text)

    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", note)
    yield page
    context.close()
    assert complaints == []


def _wait(page: Page, condition: Callable[[], object], seconds: float = 60) -> None:
    # Playwright's own wait: only it lets the page's events be told.
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_page_left_open_for_two_lifetimes_still_plays(
    page: Page, make_lobby: Callable[..., Lobby], game: Game
) -> None:
    lobby = make_lobby()
    page.goto(lobby.url)
    page.wait_for_timeout(2 * TTL * 1000 + 1000)
    expect(page.frame_locator("iframe").get_by_role("button", name="Enter")).to_be_visible()
    src = page.locator("iframe").get_attribute("src")
    claims = jwt.decode(str(src).partition("token=")[2], options={"verify_signature": False})
    assert claims["exp"] > time.time()
    assert len(game.opened) >= 3
    assert all(left > 0 for left, _ in game.opened)
    assert page.evaluate("history.length") <= 2


def test_wallet_change_reaches_the_game(
    page: Page, make_lobby: Callable[..., Lobby], game: Game
) -> None:
    lobby = make_lobby(POOLED_TOKEN_TTL=3600)
    page.goto(lobby.url)
    expect(page.frame_locator("iframe").get_by_text("250")).to_be_visible()
    for target in ("document", "window"):
        lobby.balance += 1
        page.evaluate(f"{target}.dispatchEvent(new Event('pooled:refresh', {{bubbles: true}}))")
        expect(page.frame_locator("iframe").get_by_text(str(lobby.balance))).to_be_visible()
    lobby.balance += 1
    page.evaluate("document.dispatchEvent(new Event('pooled:refresh'))")
    expect(page.frame_locator("iframe").get_by_text(str(lobby.balance))).to_be_visible()
    assert lobby.asked == 3


def test_two_frames_are_both_refreshed(
    page: Page, make_lobby: Callable[..., Lobby], game: Game
) -> None:
    lobby = make_lobby(LOBBY + "<p>and</p>" + LOBBY)
    page.goto(lobby.url)
    before = [frame.get_attribute("src") for frame in page.locator("iframe").all()]
    assert len(before) == 2
    _wait(page, lambda: len(game.opened) >= 4)
    after = [frame.get_attribute("src") for frame in page.locator("iframe").all()]
    assert not {*before} & {*after}
    assert lobby.asked == 1


def test_logged_out_player_sees_the_anonymous_template_and_nothing_is_asked_again(
    page: Page, make_lobby: Callable[..., Lobby], game: Game
) -> None:
    lobby = make_lobby()
    page.goto(lobby.url)
    lobby.logged_in = False
    expect(page.get_by_text("log in", exact=False)).to_be_visible(timeout=60_000)
    assert page.locator("iframe").count() == 0
    asked = lobby.asked
    page.wait_for_timeout(2 * TTL * 1000)
    assert lobby.asked == asked == 1


@pytest.mark.parametrize("trouble", ["fail", "hang"])
def test_trouble_is_waited_out(
    page: Page, make_lobby: Callable[..., Lobby], game: Game, trouble: str
) -> None:
    lobby = make_lobby()
    page.goto(lobby.url)
    lobby.trouble = trouble
    _wait(page, lambda: lobby.asked >= 2)
    assert page.locator("iframe").count() == 1
    lobby.trouble = None
    _wait(page, lambda: len(game.opened) >= 2)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clock_of_the_browser_is_wrong(
    page: Page, make_lobby: Callable[..., Lobby], game: Game, minutes: int
) -> None:
    page.add_init_script(
        f"""
        const skew = {minutes} * 60000, real = Date.now.bind(Date), origin = performance.timeOrigin;
        Date.now = () => real() + skew;
        Object.defineProperty(Performance.prototype, "timeOrigin", {{ get: () => origin + skew }});
        """
    )
    lobby = make_lobby()
    page.goto(lobby.url)
    page.wait_for_timeout(2 * TTL * 1000 + 1000)
    assert all(left > 0 for left, _ in game.opened)
    assert 3 <= len(game.opened) <= 6


def test_page_that_was_hidden_asks_when_it_is_shown(
    page: Page, make_lobby: Callable[..., Lobby], game: Game
) -> None:
    page.add_init_script(
        """
        window.away = true;
        Object.defineProperty(Document.prototype, "hidden", { get: () => window.away });
        """
    )
    lobby = make_lobby()
    page.goto(lobby.url)
    page.wait_for_timeout(TTL * 1000 + 500)
    assert lobby.asked == 0
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    _wait(page, lambda: len(game.opened) == 2)


def test_page_that_is_come_back_to_plays(
    page: Page, make_lobby: Callable[..., Lobby], game: Game
) -> None:
    lobby = make_lobby()
    page.goto(lobby.url)
    page.goto("about:blank")
    page.wait_for_timeout(TTL * 1000)
    page.go_back()
    expect(page.frame_locator("iframe").get_by_role("button", name="Enter")).to_be_visible()
    page.wait_for_timeout(TTL * 1000)
    assert len(game.opened) >= 3
    assert all(left > 0 for left, _ in game.opened)


@pytest.mark.parametrize(
    "policy",
    [
        {"default-src": "'none'"},
        {"default-src": "'self'", "script-src": "'none'", "connect-src": "'none'"},
        {"script-src": "'strict-dynamic'", "require-trusted-types-for": "'script'"},
        {"default-src": "'none'", "sandbox": "allow-scripts allow-same-origin"},
    ],
)
@pytest.mark.parametrize("nonce", [True, False])
def test_strict_policy_holds(
    page: Page,
    make_lobby: Callable[..., Lobby],
    game: Game,
    policy: dict[str, str],
    nonce: bool,
) -> None:
    if "strict-dynamic" in policy.get("script-src", "") and not nonce:
        # There only a nonce counts.
        return
    sections = ["script-src"] if nonce else []
    if nonce and "script-src" not in policy:
        policy = {**policy, "script-src": "'none'"}
    lobby = make_lobby(
        LOBBY,
        POOLED_TALISMAN={
            "force_https": False,
            "content_security_policy": policy,
            "content_security_policy_nonce_in": sections,
        },
    )
    answer = page.goto(lobby.url)
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    _wait(page, lambda: len(game.opened) >= 2)
    assert urlsplit(str(page.locator("iframe").get_attribute("src"))).netloc
