"""The console in Chromium: for eyes, ears and keyboards, without JavaScript, on a phone."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from chromium import chromium
from console_site import operators_pages
from console_site import served_site
from console_site import Site
from http_server import serving
from npm_packages import install
from playwright.sync_api import Browser
from playwright.sync_api import expect
from playwright.sync_api import Page

from flask_pooled.inbox.holds import EXPLANATIONS

pytestmark = pytest.mark.browser


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


#: How many lines each text takes in an element.
_LINES = """(element, texts) => texts.map(text => {
    element.textContent = text;
    const range = document.createRange();
    range.selectNodeContents(element);
    return range.getClientRects().length;
})"""


@pytest.mark.parametrize("width", [1280, 390])
def test_no_reason_is_broken_in_two(site: Site, open_page: Callable[..., Page], width: int) -> None:
    page = open_page(viewport={"width": width, "height": 844})
    page.goto(f"{site.url}/queues/held")
    lines = page.locator(".reasons dt").first.evaluate(_LINES, [*EXPLANATIONS])
    assert dict(zip(EXPLANATIONS, lines, strict=True)) == dict.fromkeys(EXPLANATIONS, 1)


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
    assert site.casino.states().count("discarded") == 0
