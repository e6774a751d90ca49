"""Each row of the table in docs/csp.rst, in Chromium, with real frames from other origins.

The game loads and may take payments; a frame of a stranger loads or is blocked just as without Pooled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import chromium
from csp_cases import Case
from csp_cases import CASES
from csp_cases import make_app
from csp_cases import rows
from csp_cases import TABLE
from csp_cases import table
from csp_cases import WITHOUT_HELP
from flask import Flask
from http_server import serving
from playwright.sync_api import Browser
from playwright.sync_api import Error
from playwright.sync_api import Frame
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def _site(text: str) -> Flask:
    app = Flask(text)
    app.add_url_rule("/", "page", lambda: f"<h1>{text}</h1>")
    return app


@pytest.fixture(scope="module")
def game() -> Iterator[str]:
    with serving(_site("Prize Pools")) as origin:
        yield origin


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    with serving(_site("A stranger")) as origin:
        yield origin


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def _shows(frame: Frame, text: str) -> bool:
    # A frame that was blocked has an error page, into which nobody may look.
    try:
        return frame.locator("h1").inner_text(timeout=1000) == text
    except Error:
        return False


def _visit(page: Page, app: Flask) -> tuple[bool, bool, bool]:
    """Whether the game loads, whether it may take payments there, and whether the stranger loads."""
    with serving(app) as casino:
        # The second time everybody has found their place around the app.
        page.goto(casino)
        page.goto(casino)
        _, game, stranger = page.frames
        loads = _shows(game, "Prize Pools")
        pays = loads and game.evaluate("document.featurePolicy.allowsFeature('payment')")
        return loads, pays, _shows(stranger, "A stranger")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_frame_loads_and_no_other_does(
    case: Case, page: Page, game: str, stranger: str, tmp_path: Path
) -> None:
    loads, pays, other = _visit(page, make_app(case, game, stranger, str(tmp_path)))
    assert (loads, pays) == (True, True)
    without = make_app(case, game, stranger, str(tmp_path), **WITHOUT_HELP)
    loads_without, pays_without, other_without = _visit(page, without)
    assert loads_without is not case.blocks
    assert pays_without is (loads_without and "payments" not in case.name)
    if "POOLED_TALISMAN" not in case.config:
        assert other is other_without


def test_table_of_the_docs_says_what_leaves_the_app(tmp_path: Path) -> None:
    assert TABLE.read_text() == table(rows(str(tmp_path))), "run: python tests/csp_cases.py"
