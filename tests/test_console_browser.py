"""The console in Chromium: for eyes, ears and keyboards, without JavaScript, on a phone, and live."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import win
from chromium import chromium
from console_parts import add_console
from console_parts import fill
from console_parts import troubled_casino
from http_server import serving
from npm_packages import install
from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import expect
from playwright.sync_api import Page

import flask_pooled.console

pytestmark = pytest.mark.browser

SCRIPT = Path(flask_pooled.console.__file__).parent / "static" / "live.js"

#: Milliseconds between two looks of the script.
PAUSE = 5000


@dataclass
class Site:
    """A served casino with trouble."""

    casino: Casino
    url: str
    #: Events by their state.
    ids: dict[str, int]

    def pages(self) -> list[str]:
        """Every kind of page, in every shape."""
        return [
            "/",
            "/events",
            "/events?since=yesterday&player=x&after=zz",
            "/queues/held",
            "/queues/dead?player=nobody",
            *(f"/events/{self.ids[state]}" for state in ("done", "dead", "held", "rejected")),
            f"/decide/discard?id={self.ids['held']}",
            "/find?q=twice",
            "/nothing",
        ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site(make_casino: Callable[..., Casino]) -> Iterator[Site]:
    casino = troubled_casino(make_casino)
    add_console(casino)
    ids = fill(casino)
    casino.post_all(win(pool_id="twice", winner_id="twice"))
    long = "0123456789abcdef" * 15
    casino.post_all(win(pool_id=long, winner_id=long, amount=0))
    casino.state.workers.note("a-host-with-a-long-name.casino.example:4711:worker-3f9c2a", "worker")
    with serving(casino.app) as url:
        yield Site(casino, f"{url}/pooled-console", ids)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages in a browser of somebody's; nothing may break a policy or raise in a script."""
    complaints: list[str] = []
    contexts = []

    def note(line: ConsoleMessage) -> None:
        # That an answer is a 4xx, the browser reports by itself.
        if line.type == "error" and "Failed to load resource" not in line.text:
            complaints.append(line.text)

    def make(name: str = "dana", **options: Any) -> Page:
        context = browser.new_context(extra_http_headers={"X-Operator": name}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def axe(pytestconfig: pytest.Config) -> str:
    """axe-core, as it is run in a page."""
    folder = install(Path(__file__).parent / "axe", pytestconfig)
    return (folder / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_nobody_is_kept_out(
    site: Site, open_page: Callable[..., Page], axe: str, width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    wrong = []
    for path in site.pages():
        page.emulate_media(color_scheme="light")
        page.goto(site.url + path)
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate("axe.run({ runOnly: ['color-contrast'] })")
        assert len(found["passes"]) > 10
        assert dark["passes"]
        wrong += [
            (path, each["id"], [node["html"][:200] for node in each["nodes"]])
            for each in found["violations"] + dark["violations"]
        ]
    assert wrong == []


def test_no_width_scrolls_sideways(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    for path in site.pages():
        page.goto(site.url + path)
        for width in (320, 390, 768, 1024):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


def test_fingers_find_the_buttons_on_a_phone(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    for path in (
        "/queues/held",
        f"/events/{site.ids['held']}",
        f"/decide/release?id={site.ids['held']}",
    ):
        page.goto(site.url + path)
        for button in page.locator("button, .button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 44


def test_all_of_it_works_without_javascript(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(site.url)
    page.get_by_label("Player, pool or event").fill("lucky")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name=str(site.ids["held"]), exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("held over_limit")
    page.get_by_role("link", name="Release…").click()
    page.get_by_label("Why").fill("checked by phone")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("status").first).to_have_text("1 of 1 event released.")
    expect(page.get_by_role("listitem").filter(has_text="dana")).to_contain_text("checked by phone")
    # What was sent is not sent again.
    page.reload()
    expect(page.get_by_role("listitem").filter(has_text="dana")).to_have_count(1)


def test_the_keyboard_is_enough(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(f"{site.url}/queues/dead")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    box = page.get_by_role("checkbox")
    for _ in range(10):
        page.keyboard.press("Tab")
        if box.evaluate("box => box === document.activeElement"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Discard…":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Discard 1 event?")
    page.get_by_label("Why").focus()
    page.keyboard.type("nobody knows them")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("1 of 1 event discarded.")
    assert "discarded" in site.casino.states()


def test_a_reason_is_asked_for_before_anything_is_sent(
    site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{site.url}/decide/discard?id={site.ids['held']}")
    page.get_by_role("button", name="Discard").click()
    assert page.get_by_label("Why").evaluate("field => field.validity.valueMissing")
    assert site.casino.states().count("discarded") == 0


def test_another_site_cannot_send_the_form(site: Site, open_page: Callable[..., Page]) -> None:
    mine = open_page()
    mine.goto(f"{site.url}/decide/discard?id={site.ids['held']}")
    token = mine.locator("input[name=token]").input_value()
    evil = (
        f"<form method=post action='{site.url}/decide/discard'><input name=token value='{token}'>"
        "<input name=reason value=evil><button>Win a prize</button></form>"
    )

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [evil.encode()]

    with serving(app) as elsewhere:
        # A host of its own: ports make no other site.
        mine.goto(elsewhere.replace("127.0.0.1", "localhost"))
        mine.get_by_role("button").click()
        expect(mine.get_by_role("heading", level=1)).to_have_text("Nothing was done")
        # And nobody frames the console.
    assert site.casino.states().count("discarded") == 0


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
    live.clock.fast_forward(PAUSE)
    expect(live.locator("#live")).to_have_text("Live")
