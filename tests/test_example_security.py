"""What Royal Casino lets a browser and a stranger do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from royal_casino import GAME
from royal_casino import JORDAN
from royal_casino import RoyalCasino
from royal_casino import sign_in
from royal_casino import WIN
from werkzeug.test import TestResponse


@pytest.fixture
def casino(tmp_path: Path) -> Iterator[RoyalCasino]:
    with RoyalCasino(tmp_path / "instance") as casino:
        yield casino


@pytest.fixture
def browser(casino: RoyalCasino) -> FlaskClient:
    return casino.browser()


def policy(answer: TestResponse) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split(";")]
    return {name: sources for name, *sources in parts}


def test_the_policy_lets_the_game_in_and_nothing_else(browser: FlaskClient) -> None:
    strict = {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    assert policy(sign_in(browser, JORDAN)) == {**strict, "frame-src": ["'self'", GAME]}
    assert policy(browser.get("/wallet")) == strict


@pytest.mark.parametrize("path", ["/", "/lobby", "/wallet", "/roulette"])
def test_no_page_needs_what_the_policy_forbids(browser: FlaskClient, path: str) -> None:
    assert "<script>" not in browser.get(path).text
    sign_in(browser, JORDAN)
    text = browser.get(path).text
    assert re.search(r"<style|<script(?! src=\"/)|\sstyle=|\son\w+=|javascript:", text) is None


def test_signing_in_without_a_csrf_token_is_refused(browser: FlaskClient) -> None:
    answer = browser.post("/login", data={"player": JORDAN.id})
    assert answer.status_code == 400
    assert "open too long" in answer.text
    assert browser.get("/lobby").status_code == 302


def test_the_webhook_needs_no_csrf_token_but_a_signature(
    casino: RoyalCasino, browser: FlaskClient
) -> None:
    assert casino.send(WIN).status_code == 200
    unsigned = browser.post("/pooled/webhook", json=WIN)
    assert unsigned.status_code == 401
    assert unsigned.get_json() == {"error": "Invalid signature"}


def test_outside_tests_and_debug_pages_want_https_and_so_does_the_cookie(
    tmp_path: Path,
) -> None:
    with RoyalCasino(tmp_path, TESTING=False) as casino:
        browser = casino.browser()
        answer = browser.get("/", base_url="http://casino.example")
        assert answer.location == "https://casino.example/"
        cookie = browser.get("/", base_url="https://casino.example").headers["Set-Cookie"]
    assert re.match("royal_casino=", cookie) is not None
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
