"""A page with the frame, as a player's browser gets it through the whole WSGI stack."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from flask import Flask
from flask import got_request_exception
from werkzeug.datastructures import Headers
from werkzeug.test import Client

from flask_pooled.errors import PooledError
from flask_pooled.rehearsal.page import browser
from flask_pooled.rehearsal.plan import Plan
from flask_pooled.state import state_of


@dataclass(frozen=True, slots=True)
class Frame:
    """An iframe that leads to the game."""

    attributes: Mapping[str, str]

    @property
    def token(self) -> str | None:
        """The token in its address."""
        return next(iter(self._query.get("token", ())), None)

    @property
    def tenant(self) -> str | None:
        """The tenant in its address."""
        return next(iter(self._query.get("tenant", ())), None)

    @property
    def origin(self) -> str:
        """Where it leads to, as in ``https://app.pooledgame.com``."""
        parts = urlsplit(self.attributes.get("src", ""))
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def _query(self) -> Mapping[str, Sequence[str]]:
        return parse_qs(urlsplit(self.attributes.get("src", "")).query)


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of asking for the page once."""

    status: int
    headers: Headers
    text: str
    frames: Sequence[Frame]
    #: What its ``<meta>`` elements say, by their name or the header that they stand for, in lower case.
    metas: Sequence[tuple[str, str]]
    #: Why there is no page, or no frame on it, as far as that may be told.
    trouble: str | None


class Visits:
    """Asks for a page, logged in if the app's rehearsal knows how.

    :param path: as ``/lobby``.
    :param plan: the app's rehearsal, if it has one whose player is there.
    """

    def __init__(self, app: Flask, path: str, plan: Plan | None) -> None:
        self.path = path
        self.plan = plan
        self._app = app
        self._login = None if plan is None else plan.read().get("login")

    @property
    def logs_in(self) -> bool:
        """Whether it is a player who looks."""
        return self._login is not None

    @cached_property
    def first(self) -> Visit:
        """The page."""
        return self._visit(self._client)

    @cached_property
    def second(self) -> Visit:
        """The page again, late enough for its token to be another one."""
        # A token's exp counts whole seconds: in another one, it is another token.
        self.first  # noqa: B018 - must have been before
        time.sleep(1 - time.time() % 1 + 0.01)
        return self._visit(self._client)

    @cached_property
    def _client(self) -> Client:
        state_of(self._app).one_off.set()
        client = browser(self._app)
        if self._login is not None:
            with self._app.app_context():
                self._login(client)
        return client

    def _visit(self, client: Client) -> Visit:
        with _listening(self._app) as troubles:
            try:
                answer = client.get(self.path)
            except Exception as error:
                return Visit(500, Headers(), "", (), (), _told(error))
        html = _Reader(answer.text)
        origin = state_of(self._app).settings.origin
        frames = [each for each in html.frames if each.token or each.origin == origin]
        trouble = next(iter(troubles), None)
        return Visit(answer.status_code, answer.headers, answer.text, frames, html.metas, trouble)


def visits_of(app: Flask, path: str | None) -> tuple[Visits | None, str]:
    """The visits of a page, or of that which the app's rehearsal names; and what is wrong with the rehearsal.

    Its player need not be in every database, and then it is a stranger who looks.
    """
    find: Any = state_of(app).find_rehearsal()
    plan, trouble = None, ""
    if find is not None:
        try:
            plan = Plan(app, find)
            given = plan.read()
            path = path or given.get("page")
        except Exception as error:
            plan, trouble = None, f"the rehearsal's player is not there: {_told(error)}"
    return (None if path is None else Visits(app, path, plan)), trouble


@contextmanager
def _listening(app: Flask) -> Iterator[list[str]]:
    """What the app raises meanwhile, or logs about a frame that it could not render."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # Only our own message holds nothing that is not ours to tell.
            kind = record.exc_info and record.exc_info[0]
            heard.append(
                f"the frame failed: {kind.__name__}, see the log" if kind else record.getMessage()
            )

    def raised(sender: Flask, exception: Exception, **extra: object) -> None:
        heard.insert(0, _told(exception))

    listener, log = Listener(logging.ERROR), logging.getLogger("flask_pooled")
    log.addHandler(listener)
    try:
        with got_request_exception.connected_to(raised, app):
            yield heard
    finally:
        log.removeHandler(listener)


def _told(error: Exception) -> str:
    # Whatever else the app raises may hold what is not ours to print.
    return (
        str(error) if isinstance(error, PooledError) else f"the app raised {type(error).__name__}"
    )


class _Reader(HTMLParser):
    """Finds iframes and ``<meta>`` elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.metas: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "iframe":
            self.frames.append(Frame(attributes))
        elif tag == "meta":
            name = attributes.get("http-equiv") or attributes.get("name") or ""
            self.metas.append((name.lower(), attributes.get("content", "")))
