"""A casino with the console on it, and operators who use it like a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from html.parser import HTMLParser
from typing import Any

from casino import Casino
from casino import entry
from casino import win
from flask import Flask
from flask import request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_pooled import pool_win

URL = "/pooled-console"

#: As a browser sends it with a form of the same site.
OWN_SITE = {"Sec-Fetch-Site": "same-origin"}


def operator_name() -> str | None:
    """Who the casinos of these tests let in: whoever says a name."""
    return request.headers.get("X-Operator")


def add_console(casino: Casino, **options: Any) -> Operator:
    """Mount the console; returns an operator."""
    casino.app.config["SECRET_KEY"] = "a secret key of the casino's own session"
    casino.app.register_blueprint(casino.pooled.console(access=operator_name), **options)
    return Operator(casino.app.test_client())


def troubled_casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino in which the wins of somebody unlucky fail, and large ones are held."""
    casino = make_casino(POOLED_MAX_ATTEMPTS=1, POOLED_HOLD_OVER=5000, POOLED_DISPATCH="worker")
    casino.connect()

    @pool_win.connect_via(casino.app)
    def asks_the_bank(app: Flask, event: Any, **extra: Any) -> None:
        if event.winner_id == "unlucky":
            raise ConnectionRefusedError("the bank's service is down")

    return casino


def fill(casino: Casino) -> dict[str, int]:
    """One event in each state; their numbers by their state."""
    casino.post_all(win(), entry(pool_id="e"), win(pool_id="dead", winner_id="unlucky"))
    casino.drain()
    casino.post_all(win(), win(pool_id="large", pool_size=10_000, amount=6000, winner_id="lucky"))
    casino.post_all(win(pool_id="soon", winner_id="patient"))
    casino.post(b"[]")
    ids = {state: event_id for event_id, state in casino.rows("id", "state")}
    assert set(ids) == {"done", "dead", "duplicate", "held", "pending", "rejected"}
    return ids


@dataclass
class Operator:
    """Somebody at the console."""

    client: FlaskClient
    name: str = "dana"
    url: str = URL

    def get(self, path: str = "/", **query: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(
            f"{self.url}{path}",
            query_string=query,
            headers={"X-Operator": self.name},
            buffered=True,
        )

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> TestResponse:
        """Send a form."""
        given = {"X-Operator": self.name, **(OWN_SITE if headers is None else headers)}
        return self.client.post(f"{self.url}{path}", data=form, headers=given)

    def token(self, action: str, **which: Any) -> str:
        """What the page that asks about a decision has in its form."""
        asked = self.get(f"/decide/{action}", **which)
        assert asked.status_code == 200, asked.text
        found = re.search(r'name="token" value="([^"]+)"', asked.text)
        assert found is not None
        return found[1]

    def decide(self, action: str, why: str = "", **which: Any) -> TestResponse:
        """Ask, answer, and go where the answer leads."""
        answer = self.post(f"/decide/{action}", token=self.token(action, **which), reason=why)
        if answer.status_code != 303:
            return answer
        return self.client.get(answer.location, headers={"X-Operator": self.name})


@dataclass
class _Text(HTMLParser):
    """Collects what a person reads."""

    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def words(page: TestResponse) -> str:
    """The text of a page, on one line."""
    parser = _Text()
    parser.feed(page.text)
    return " ".join(" ".join(parser.parts).split())
