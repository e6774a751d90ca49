"""Royal Casino's operators: the key of a run opens the console, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_parts import Operator
from console_parts import words
from royal_casino import JORDAN
from royal_casino import RoyalCasino
from royal_casino import sign_in
from royal_casino import WIN

pytestmark = pytest.mark.receivers


def test_operator_releases_a_win(tmp_path: Path) -> None:
    with RoyalCasino(tmp_path, OPERATOR_KEY="key-of-this-run", POOLED_HOLD_OVER=500) as casino:
        casino.send(WIN)
        browser = casino.browser()
        entered = browser.get("/operator?key=key-of-this-run", follow_redirects=True)
        assert "1 event is held" in words(entered)
        operator = Operator(browser)
        page = operator.decide("release", "known to us", state="held")
        assert "1 of 1 event released." in words(page)
        assert casino.drain() == 1
        assert casino.ledger(JORDAN)[0][:2] == ("prize", 100_000)


@pytest.mark.parametrize("key", ["", "?key=", "?key=wrong", "?key=%C3%BC", "?key=None"])
@pytest.mark.parametrize("wanted", [None, "", "key-of-this-run"])
def test_nobody_else_gets_in(tmp_path: Path, key: str, wanted: str | None) -> None:
    with RoyalCasino(tmp_path, OPERATOR_KEY=wanted) as casino:
        browser = casino.browser()
        sign_in(browser, JORDAN)
        assert browser.get(f"/operator{key}").status_code == 404
        assert browser.get("/pooled-console/").status_code == 404


def test_who_was_let_in_is_out_when_there_is_no_key_any_more(tmp_path: Path) -> None:
    with RoyalCasino(tmp_path, OPERATOR_KEY="key-of-this-run") as casino:
        browser = casino.browser()
        browser.get("/operator?key=key-of-this-run")
        assert browser.get("/pooled-console/").status_code == 200
        casino.app.config["OPERATOR_KEY"] = None
        assert browser.get("/pooled-console/").status_code == 404
