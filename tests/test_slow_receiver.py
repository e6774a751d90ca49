"""A receiver that takes longer than the pause between attempts is still the only one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox.delivery import accept
from flask_pooled.state import state_of

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient


class _Slow:
    """Works in a thread until it is let go."""

    def __init__(self, app: Flask, pooled: Pooled, pay: Callable[[Any, Any], None]) -> None:
        self.calls = 0
        self._running, self._finish = threading.Event(), threading.Event()

        @pool_win.connect_via(app)
        def slow(app: Flask, event: Any, session: Any, **extra: Any) -> None:
            self.calls += 1
            pay(session, event)
            self._running.set()
            self._finish.wait(60)

        def drain() -> None:
            with app.app_context():
                pooled.drain()

        self._thread = threading.Thread(target=drain)
        self._thread.start()
        assert self._running.wait(60)

    def finish(self) -> None:
        self._finish.set()
        self._thread.join()


@pytest.mark.both_databases
def test_nobody_else_takes_the_event_meanwhile(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.001)
    casino.post_all(win())
    slow = _Slow(casino.app, casino.pooled, casino.credit)
    if backend == "postgresql":
        # Its next attempt is due by now, but whoever looks skips a row that is locked; and webhooks come in.
        assert [casino.drain() for _ in range(3)] == [0, 0, 0]
        assert casino.rows("attempts") == [1]
        casino.post_all(win(pool_id="2", amount=0))
    others = [threading.Thread(target=casino.drain) for _ in range(2)]
    for other in others:
        other.start()
    slow.finish()
    for other in others:
        other.join()
    assert slow.calls == 1
    assert casino.states()[0] == "done"
    assert casino.balance() == 100_000


def test_nobody_else_takes_the_event_of_the_embedded_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_RETRY_BASE=0.001)
    pooled = Pooled(app)
    inbox = state_of(app).inbox
    inbox.store.record([accept(json.dumps(win(pool_id=pool)).encode(), 1) for pool in "ab"])
    slow = _Slow(app, pooled, lambda session, event: None)
    with app.app_context():
        assert [pooled.drain() for _ in range(3)] == [0, 0, 0]
    assert slow.calls == 1
    slow.finish()
    assert inbox.figures.count_states() == {"done": 2}
    assert slow.calls == 2
