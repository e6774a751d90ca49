"""How an event leaves the state ``pending``, and what the row, its trail, the log and the observers have of that."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from casino import Casino
from casino import win
from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from flask_pooled import PoolWin
from flask_pooled.events import Event
from flask_pooled.inbox.endings import Afterwards
from flask_pooled.inbox.endings import Endings

pytestmark = pytest.mark.both_databases

#: When it ends, milliseconds since the epoch.
_NOW = 2_000_000_000_500

Told = list[tuple[str, Event, str | None]]


class _Ended:
    """One event of a casino, of two, that is about to end."""

    def __init__(self, casino: Casino, **fields: Any) -> None:
        casino.post_all(win(**fields), win(pool_id="another"))
        casino.sql(
            "UPDATE pooled_event SET attempts = 3, settled_at = 5, due_at = 6, reason = 'r', error = 'e'"
        )
        store = casino.state.inbox.store
        self._casino = casino
        self._database, self._tables = store._database, store._tables
        #: What the observers were told.
        self.told: Told = []
        self.endings = Endings(self._tables, lambda *news: self.told.append(news), lambda: _NOW)

    def __call__(self, end: str, *args: Any, **more: Any) -> Afterwards | None:
        with self._database.write() as connection:
            method = getattr(self.endings, end)
            afterwards: Afterwards | None = method(connection, self._row(connection), *args, **more)
        return afterwards

    def _row(self, connection: Connection) -> Row[Any]:
        return connection.execute(select(self._tables.event).order_by("id").limit(1)).one()

    @property
    def rows(self) -> list[Any]:
        columns = ("state", "reason", "due_at", "settled_at", "receivers", "error")
        return [tuple(row) for row in self._casino.rows(*columns)]

    @property
    def trail(self) -> list[Any]:
        return self._casino.sql(
            "SELECT event_id, at, actor, action, from_state, to_state, reason FROM pooled_audit"
        )


#: The event that nobody is to touch.
_OTHER = ("pending", "r", 6, 5, None, "e")


def _logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str, dict[str, Any]]]:
    return [
        (
            record.levelno,
            record.getMessage(),
            {key: value for key, value in vars(record).items() if key.startswith("pooled_")},
        )
        for record in caplog.records
    ]


def _facts(event_id: int, name: str) -> dict[str, Any]:
    return {
        "pooled_news": name,
        "pooled_id": event_id,
        "pooled_kind": "pool.win",
        "pooled_player": "(email)",
        "pooled_pool": "pool-1",
        "pooled_attempts": 3,
    }


def test_done(casino: Casino) -> None:
    ended = _Ended(casino)
    assert ended("done", ("shop.credit", "shop.mail")) is None
    done = ("done", None, None, _NOW, '["shop.credit", "shop.mail"]', None)
    assert ended.rows == [done, _OTHER]
    assert (ended.trail, ended.told) == ([], [])


def test_held(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    ended = _Ended(casino, winner_id="ada@example.com")
    [event_id, _] = casino.rows("id")
    caplog.clear()
    afterwards = ended("held", "it has committed", "a traceback", at=7)
    assert ended.rows == [("held", "bypass", None, 5, None, "a traceback"), _OTHER]
    assert ended.trail == [(event_id, 7, None, "hold", "pending", "held", "it has committed")]
    # Nobody hears of it before it is committed.
    assert (caplog.records, ended.told) == ([], [])
    assert afterwards is not None
    afterwards()
    words = f"event {event_id} is held: it has committed"
    assert _logged(caplog) == [(logging.CRITICAL, words, _facts(event_id, "event.held"))]
    [(state, event, reason)] = ended.told
    assert isinstance(event, PoolWin)
    assert (state, event.pool_id, reason) == ("held", "pool-1", "bypass")


def test_dead(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    ended = _Ended(casino, winner_id="ada@example.com")
    [event_id, _] = casino.rows("id")
    caplog.clear()
    afterwards = ended("dead", "a traceback")
    assert ended.rows == [("dead", "attempts", None, _NOW, None, "a traceback"), _OTHER]
    assert ended.trail == [(event_id, _NOW, None, "die", "pending", "dead", "a traceback")]
    assert (caplog.records, ended.told) == ([], [])
    assert afterwards is not None
    afterwards()
    words = (
        f"event {event_id} ('pool.win', player '(email)') is dead after 3 attempts: nobody was paid. "
        "Mend the receiver, then retry it"
    )
    assert _logged(caplog) == [(logging.CRITICAL, words, _facts(event_id, "event.dead"))]
    [(state, event, reason)] = ended.told
    assert isinstance(event, PoolWin)
    assert (state, event.pool_id, reason) == ("dead", "pool-1", "attempts")


@pytest.mark.parametrize("end", ["held", "dead"])
def test_body_that_cannot_be_read_any_more_is_told_to_no_observer(
    casino: Casino, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    ended = _Ended(casino)
    casino.sql("UPDATE pooled_event SET body = :body", body=b"{}")
    afterwards = ended("held", "why", "trace", at=7) if end == "held" else ended("dead", "trace")
    caplog.clear()
    assert afterwards is not None
    afterwards()
    assert ([record.levelno for record in caplog.records], ended.told) == ([logging.CRITICAL], [])
