"""The page with the iframe, as a player's browser gets it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ..csp import allows_frame
from ..sender import host_of

_log = logging.getLogger("flask_pooled")

_POLICY = "Content-Security-Policy"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the casino's.

    :param address: where the first frame with a token leads; ``None`` if there is none.
    :param policies: each Content-Security-Policy that the browser heeds, by header or by ``<meta>``.
    """

    status: int
    address: str | None
    policies: tuple[str, ...]
    #: Why the app put a placeholder in the place of its frame.
    why_no_frame: str | None = None

    @property
    def token(self) -> str | None:
        """The token in the frame's address."""
        return None if self.address is None else _tokens(self.address)[0]

    @property
    def blocked(self) -> str | None:
        """The frame's origin, if a policy keeps the browser from loading it."""
        parts = urlsplit(self.address or "")
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        is_allowed = all(allows_frame(policy, origin) for policy in self.policies)
        return None if self.address is None or is_allowed else origin


def read_page(app: Flask, path: str, log_in: Callable[[FlaskClient], object] | None) -> Page:
    """Open a page.

    :param log_in: logs the player in with the test client that it is given.
    """
    client = browser(app)
    if log_in is not None:
        with app.app_context():
            log_in(client)
    with _listening() as heard:
        answer: TestResponse = client.get(path)
    reader = _Reader()
    reader.feed(answer.text)
    policies = (*answer.headers.getlist(_POLICY), *reader.policies)
    return Page(
        answer.status_code, next(iter(reader.addresses), None), policies, next(iter(heard), None)
    )


def browser(app: Flask) -> FlaskClient:
    """A test client of the app's own kind that asks as a browser does, behind a proxy that ends TLS."""
    kind = type("Browser", (_Browser, app.test_client_class or FlaskClient), {})
    client: FlaskClient = kind(app, app.response_class, use_cookies=True)
    address = f"https://{host_of(app)}/"
    # Flask-WTF wants to see the page that a form was on.
    client.environ_base |= {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_REFERER": address}
    return client


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect why no frame could be made, which production tells to nobody but the log."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # A stranger's exception has a traceback, and a text that may hold a secret.
            if getattr(record, "pooled_news", None) == "frame.failed" and not record.exc_info:
                heard.append(record.getMessage())

    ear = Ear()
    level, propagates = _log.level, _log.propagate
    # A rehearsal may have silenced the log, and must go on to.
    _log.propagate = propagates and _log.isEnabledFor(logging.ERROR)
    _log.setLevel(min(level, logging.ERROR))
    _log.addHandler(ear)
    try:
        yield heard
    finally:
        _log.removeHandler(ear)
        _log.setLevel(level)
        _log.propagate = propagates


class _Browser(FlaskClient):
    def open(self, *args: Any, **options: Any) -> TestResponse:
        if args and isinstance(args[0], str):
            options.setdefault("base_url", f"https://{host_of(self.application)}/")
        return super().open(*args, **options)


class _Reader(HTMLParser):
    """Collects frames with a token, and policies."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.policies: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "iframe" and _tokens(given.get("src", "")):
            self.addresses.append(given["src"])
        elif tag == "meta" and given.get("http-equiv", "").lower() == _POLICY.lower():
            self.policies.append(given.get("content", ""))


def _tokens(address: str) -> list[str]:
    return parse_qs(urlsplit(address).query).get("token", [])
