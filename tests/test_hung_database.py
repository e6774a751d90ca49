"""A database that has never answered since the process began: webhooks wait for it once, not twice."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from casino import win
from conftest import WEBHOOK_SECRET
from flask import Flask

from flask_pooled import Pooled
from flask_pooled.sender import into_app
from flask_pooled.sender import seal
from flask_pooled.state import state_of


@pytest.fixture
def hung() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port whose owner takes connections and never says a word, and the connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], taken
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in taken:
            each.close()


@pytest.mark.impatient
def test_first_webhook_waits_once(
    hung: tuple[int, list[socket.socket]], make_app: Callable[..., Flask]
) -> None:
    port, taken = hung
    app = make_app(POOLED_DATABASE_URI=f"postgresql+psycopg://me@127.0.0.1:{port}/casino")
    Pooled(app)
    body = json.dumps(win()).encode()
    assert into_app(app)(seal(body, WEBHOOK_SECRET)).status == 200
    spool = state_of(app).inbox.intake.spool
    assert spool is not None
    assert spool.facts().waiting == 1
    # Each connection is some seconds that Pooled had to wait for its 200.
    assert len(taken) <= 1
