"""docs/console.rst: its few lines mount a console, and what it says of it is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from console_parts import Operator
from console_parts import words
from doc_pages import Page
from flask import request
from flask_login import login_user
from flask_login import LoginManager
from flask_login import logout_user
from flask_login import UserMixin

from flask_pooled.console import actions
from flask_pooled.console import csrf
from flask_pooled.console import pages
from flask_pooled.console import URL_PREFIX
from flask_pooled.inbox.audit import LONGEST_NAME

PAGE = Page("console.rst")


class User(UserMixin):  # type: ignore[misc]  # Flask-Login publishes no types
    """Somebody who may log in."""

    def __init__(self, name: str) -> None:
        self.id = self.name = name
        self.is_operator = name == "dana"


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino with Flask-Login, and the page's lines."""
    casino = make_casino(SECRET_KEY="a secret key of the casino's own session")
    login = LoginManager(casino.app)
    login.user_loader(User)

    @casino.app.post("/login")
    def log_in() -> str:
        login_user(User(request.form["name"]))
        return "welcome"

    @casino.app.post("/logout")
    def log_out() -> str:
        logout_user()
        return "bye"

    names: dict[str, Any] = {"app": casino.app, "pooled": casino.pooled}
    exec(PAGE.files()["casino.py"], names)
    return casino


def test_lines_mount_it(casino: Casino) -> None:
    client = casino.app.test_client()
    operator = Operator(client)
    assert operator.get().status_code == 404
    client.post("/login", data={"name": "player_abc123"})
    assert operator.get().status_code == 404
    client.post("/login", data={"name": "dana"})
    assert operator.get().status_code == 200
    casino.post_all(win(amount=0))
    [event_id] = casino.rows("id")
    assert "1 of 1 event discarded." in words(
        operator.decide("discard", "no such pool", id=event_id)
    )
    assert casino.sql("SELECT actor, reason FROM pooled_audit WHERE actor IS NOT NULL") == [
        ("dana", "no such pool")
    ]
    client.post("/logout")
    assert operator.get().status_code == 404


def test_figures_of_the_text() -> None:
    assert URL_PREFIX == "/pooled-console"
    assert (actions.MOST, pages.PAGE, LONGEST_NAME) == (500, 50, 255)
    assert csrf.LIFETIME == 12 * 3600
    for said in ("up to 500 events", "fifty to a page", "255 characters at most", "twelve hours"):
        assert said in PAGE.words
