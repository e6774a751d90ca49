"""What the sandbox's tests share: tokens, a small sandbox with a clock by hand, a receiver of webhooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any

import jwt
from flask import Flask

from flask_pooled.sandbox import create_sandbox
from flask_pooled.sandbox.state import Sandbox
from flask_pooled.sandbox.state import sandbox_of

JWT_SECRET = "jwt-secret-of-the-sandbox-tests-0123456789"
WEBHOOK_SECRET = "webhook-secret-of-the-sandbox-tests-012345"

#: 2026-05-29T14:32:00Z, the moment of the guide's samples.
NOW = 1780065120.0


def claims(now: float = NOW, **changes: Any) -> dict[str, Any]:
    """The guide's sample payload, an hour to live; a change to ``...`` leaves the claim out."""
    sample = {
        "sub": "player_abc123",
        "name": "Jordan S.",
        "balance": 250.00,
        "currency": "USD",
        "verified": True,
        "exp": int(now) + 3600,
    }
    return {name: value for name, value in {**sample, **changes}.items() if value is not ...}


def token(now: float = NOW, secret: str = JWT_SECRET, **changes: Any) -> str:
    """A signed token of :func:`claims`."""
    return jwt.encode(claims(now, **changes), secret, algorithm="HS256")


@dataclass
class Clock:
    """A clock that stands still until it is told otherwise."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def sandbox(clock: Clock | None = None, **options: Any) -> Flask:
    """A sandbox without a server, at the moment of the guide's samples."""
    defaults: dict[str, Any] = {
        "jwt_secret": JWT_SECRET,
        "webhook_secret": WEBHOOK_SECRET,
        "seed": 7,
        "fill_seconds": 20,
        "key": "the-key",
        "clock": clock or Clock(),
    }
    return create_sandbox(**{**defaults, **options})


def parts(app: Flask) -> Sandbox:
    """The world and the sender behind an app."""
    return sandbox_of(app)


def bearer(value: str) -> dict[str, str]:
    """The header of the game page's own calls."""
    return {"Authorization": f"Bearer {value}"}


@dataclass(frozen=True)
class Received:
    """One webhook as it came over the wire."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """A casino's endpoint that keeps what it gets and answers what it is told."""

    status: int = 200
    answer: bytes = b'{"received": true}'
    delay: float = 0.0
    #: Called with each, before it is answered.
    on_receive: Callable[[], object] = lambda: None
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received(self.path, dict(self.headers.items()), body))
                time.sleep(receiver.delay)
                receiver.on_receive()
                try:
                    self.send_response(receiver.status)
                    self.send_header("Content-Length", str(len(receiver.answer)))
                    self.end_headers()
                    self.wfile.write(receiver.answer)
                except OSError:
                    return  # the sender hung up, as it may

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address to send webhooks to."""
        return f"http://127.0.0.1:{self._server.server_port}/pooled/webhook"
