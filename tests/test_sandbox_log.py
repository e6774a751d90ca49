"""The filters of the delivery log: by the admin page's address, and by the control API."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sandbox_parts import parts
from sandbox_parts import Receiver
from sandbox_parts import sandbox
from sandbox_parts import token

from flask_pooled.sandbox.server import RunningSandbox

ADMIN = "/?role=casino&tenant=royal-casino&key=the-key"
KEY = {"X-Sandbox-Key": "the-key"}


@pytest.fixture
def box() -> Iterator[Flask]:
    """A win, a refund and three entries; the last was answered with 500."""
    with Receiver() as casino:
        app = sandbox(webhook_url=casino.url)
        running = RunningSandbox(app)
        with running:
            running.enter(token())
            running.draw(winner="player_abc123")
            running.enter(token(sub="another"))
            running.expire()
            assert running.wait_delivered()
            casino.status = 500
            running.enter(token(), 1000)
            assert running.wait_delivered()
            yield app


@pytest.fixture
def client(box: Flask) -> FlaskClient:
    return box.test_client()


def shown(page: str) -> list[str]:
    """The events of the log, newest first."""
    return re.findall(r'<code class="event">([^<]*)<', page)


FILTERS = [
    ("", ["pool.entry", "pool.refund", "pool.entry", "pool.win", "pool.entry"]),
    ("event=pool.entry", ["pool.entry"] * 3),
    ("event=pool.win", ["pool.win"]),
    ("result=failed", ["pool.entry"]),
    ("result=ok", ["pool.refund", "pool.entry", "pool.win", "pool.entry"]),
    ("event=pool.entry&result=ok", ["pool.entry"] * 2),
    ("text=ANOTHER", ["pool.refund", "pool.entry"]),
    ("text=another&event=pool.refund", ["pool.refund"]),
    ("event=pool.win&result=failed", []),
]


@pytest.mark.parametrize(("query", "events"), FILTERS)
def test_the_page_and_the_control_api_show_what_is_asked_for(
    client: FlaskClient, query: str, events: list[str]
) -> None:
    assert shown(client.get(f"{ADMIN}&{query}").text) == events
    answer = client.get(f"/_control/deliveries?{query}", headers=KEY).get_json()
    assert [each["event"] for each in answer["deliveries"]] == events


def test_each_filter_is_a_link_that_keeps_the_others(client: FlaskClient) -> None:
    page = client.get(f"{ADMIN}&event=pool.entry&text=abc").text
    links = dict(re.findall(r'<a href="/\?([^"]*)"[^>]*>([^<]*)</a>', page))
    asked = {label: set(query.split("&amp;")) for query, label in links.items()}
    common = {"role=casino", "tenant=royal-casino", "key=the-key", "text=abc"}
    assert asked["Failed"] == common | {"event=pool.entry", "result=failed"}
    assert asked["Wins"] == common | {"event=pool.win"}
    assert asked["All events"] == common
    current = re.findall(r'aria-current="true">([^<]*)<', page)
    assert current == ["Entries", "All answers"]


def test_what_nobody_can_ask_for_is_said(client: FlaskClient) -> None:
    for query in ("event=pool.unheard", "result=maybe"):
        page = client.get(f"{ADMIN}&{query}")
        assert page.status_code == 400
        assert ": use " in page.text
        assert client.get(f"/_control/deliveries?{query}", headers=KEY).status_code == 400


def test_the_open_log_of_the_demo_has_filters_without_a_key(
    box: Flask, client: FlaskClient
) -> None:
    assert parts(box).world.tenant("demo") is not None
    page = client.get("/?role=casino&tenant=demo&result=failed").text
    assert "No delivery is like this." in page
    assert "key=" not in re.sub(r"&amp;key=…", "", page)
