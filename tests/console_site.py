"""The console in Chromium: a served casino with trouble, and somebody's browser."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from casino import Casino
from casino import win
from console_parts import add_console
from console_parts import fill
from console_parts import troubled_casino
from http_server import serving
from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import Page


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


@contextmanager
def served_site(make_casino: Callable[..., Casino]) -> Iterator[Site]:
    """Serve a casino with one event in each state, and some with long names."""
    casino = troubled_casino(make_casino)
    add_console(casino)
    ids = fill(casino)
    casino.post_all(win(pool_id="twice", winner_id="twice"))
    long = "0123456789abcdef" * 15
    casino.post_all(win(pool_id=long, winner_id=long, amount=0))
    casino.state.workers.note("a-host-with-a-long-name.casino.example:4711:worker-3f9c2a", "worker")
    with serving(casino.app) as url:
        yield Site(casino, f"{url}/pooled-console", ids)


@contextmanager
def operators_pages(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a browser of its own; nothing may break a policy or raise in a script."""
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
