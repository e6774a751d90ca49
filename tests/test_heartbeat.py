"""Who works on events: rows that live as long as their process."""

from __future__ import annotations

import logging
import os
import re
import socket
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData
from sqlalchemy import URL

from flask_pooled.inbox.database import Database
from flask_pooled.inbox.database import open_engine
from flask_pooled.inbox.heartbeat import BEAT
from flask_pooled.inbox.heartbeat import Heartbeat
from flask_pooled.inbox.heartbeat import KEEP
from flask_pooled.inbox.heartbeat import Workers
from flask_pooled.inbox.schema import create_schema
from flask_pooled.inbox.tables import define_tables


class Clock:
    """Seconds that pass when they are told to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_workers(
    tmp_path: Path, backend: str, wallet_uri: str | URL, clock: Clock
) -> Iterator[Callable[..., Workers]]:
    """Makes the workers of a tenant, in one database."""
    tables = define_tables(MetaData())
    url = f"sqlite:///{tmp_path}/inbox.sqlite" if backend == "sqlite" else wallet_uri
    database = Database(lambda: open_engine(url), owned=True)
    create_schema(database.engine, tables, wal=False)
    yield lambda tenant="royal-casino": Workers(database, tables, tenant, clock=clock)
    database.close()


@pytest.fixture
def workers(make_workers: Callable[..., Workers]) -> Workers:
    return make_workers()


@pytest.mark.both_databases
def test_seen_while_it_beats_and_gone_when_it_ends(workers: Workers, clock: Clock) -> None:
    heartbeat = Heartbeat(workers, "thread", monotonic=clock)
    assert workers.seen() == []
    heartbeat.beat()
    clock.now += 7
    [seen] = workers.seen()
    assert (seen.mode, seen.seen_seconds, seen.alive) == ("thread", 7.0, True)
    host = re.escape(socket.gethostname())
    assert re.fullmatch(rf"{host}:{os.getpid()}:thread-[0-9a-f]{{6}}", seen.name)
    heartbeat.close()
    assert workers.seen() == []


@pytest.mark.both_databases
def test_writes_every_ten_seconds_at_most(workers: Workers, clock: Clock) -> None:
    heartbeat = Heartbeat(workers, "thread", monotonic=clock)
    ages = []
    for _ in range(5):
        heartbeat.beat()
        ages.append(workers.seen()[0].seen_seconds)
        clock.now += BEAT / 4
    assert ages == [0, 2.5, 5, 7.5, 0]


def test_alive_is_who_was_seen_within_a_minute(workers: Workers, clock: Clock) -> None:
    Heartbeat(workers, "celery", monotonic=clock).beat()
    clock.now += 60
    assert workers.seen()[0].alive
    clock.now += 1
    assert not workers.seen()[0].alive


def test_clock_of_another_machine_is_ahead(workers: Workers, clock: Clock) -> None:
    Heartbeat(workers, "worker", monotonic=clock).beat()
    clock.now -= 5
    assert [(seen.seen_seconds, seen.alive) for seen in workers.seen()] == [(0, True)]


@pytest.mark.both_databases
def test_who_starts_forgets_whom_nobody_saw_for_a_day(
    make_workers: Callable[..., Workers], clock: Clock
) -> None:
    ours, theirs = make_workers(), make_workers("noble-casino")
    ours.note("old", "worker")
    theirs.note("other", "worker")
    clock.now += KEEP
    ours.note("recent", "worker")
    clock.now += 1
    ours.note("recent", "worker")
    assert [seen.name for seen in ours.seen()] == ["recent", "old"]
    ours.note("new", "worker")
    assert [seen.name for seen in ours.seen()] == ["new", "recent"]
    assert [seen.name for seen in theirs.seen()] == ["other"]


def test_two_of_one_process_are_two(workers: Workers, clock: Clock) -> None:
    beats = [Heartbeat(workers, "thread", monotonic=clock) for _ in range(2)]
    for heartbeat in beats:
        heartbeat.beat()
    assert len({seen.name for seen in workers.seen()}) == 2
    beats[0].close()
    assert len(workers.seen()) == 1


def test_row_says_who_it_is_and_since_when(workers: Workers, clock: Clock) -> None:
    heartbeat = Heartbeat(workers, "celery", monotonic=clock)
    heartbeat.beat()
    clock.now += BEAT
    heartbeat.beat()
    with workers._database.read() as connection:
        [row] = connection.exec_driver_sql("SELECT * FROM pooled_worker").mappings()
    [seen] = workers.seen()
    assert dict(row) == {
        "name": seen.name,
        "tenant": "royal-casino",
        "mode": "celery",
        "started_at": 1_000_000_000,
        "seen_at": 1_000_010_000,
    }


def test_name_of_a_host_may_be_longer_than_the_column(
    workers: Workers, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 300)
    Heartbeat(workers, "worker", monotonic=clock).beat()
    [seen] = workers.seen()
    assert seen.name.startswith(f"{'h' * 200}:{os.getpid()}:worker-")


def test_who_has_ended_takes_no_row_away_and_may_begin_again(
    workers: Workers, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeat = Heartbeat(workers, "worker", monotonic=clock)
    heartbeat.beat()
    [first] = workers.seen()
    heartbeat.close()
    workers.note(first.name, "worker")
    heartbeat.close()
    assert len(workers.seen()) == 1
    # At once, under another name.
    heartbeat.beat()
    assert len({seen.name for seen in workers.seen()}) == 2
    assert caplog.records == []


def test_row_that_was_never_written_is_not_taken_back(
    workers: Workers, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_back: list[str] = []
    heartbeat = Heartbeat(workers, "worker", monotonic=clock)
    monkeypatch.setattr(workers, "forget", taken_back.append)
    with workers._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE pooled_worker")
    heartbeat.beat()
    heartbeat.close()
    assert taken_back == []


def test_each_failure_after_a_success_is_told(
    workers: Workers, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    heartbeat = Heartbeat(workers, "worker", monotonic=clock)
    for names in (("pooled_worker", "elsewhere"), ("elsewhere", "pooled_worker")) * 2:
        with workers._database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE {} RENAME TO {}".format(*names))
        for _ in range(2):
            heartbeat.beat()
            clock.now += BEAT
    assert len(caplog.records) == 2


def test_row_that_was_taken_away_comes_back(workers: Workers, clock: Clock) -> None:
    heartbeat = Heartbeat(workers, "worker", monotonic=clock)
    heartbeat.beat()
    workers.forget(workers.seen()[0].name)
    clock.now += BEAT
    heartbeat.beat()
    assert len(workers.seen()) == 1


def test_fork_beats_under_its_own_name_and_leaves_its_parents_alone(
    workers: Workers, clock: Clock
) -> None:
    heartbeat = Heartbeat(workers, "thread", monotonic=clock)
    heartbeat.beat()
    [parent] = workers.seen()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of just what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            heartbeat.close()
            heartbeat.beat()
            names = [seen.name for seen in workers.seen()]
            assert len(names) == 2
            assert any(f":{os.getpid()}:" in name for name in names)
        except BaseException:
            os._exit(1)
        # As if killed: the row stays.
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(workers.seen()) == 2
    heartbeat.close()
    assert [seen.name != parent.name for seen in workers.seen()] == [True]


def test_failure_is_told_once_and_disturbs_nobody(
    workers: Workers, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    heartbeat = Heartbeat(workers, "thread", monotonic=clock)
    with workers._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE pooled_worker RENAME TO elsewhere")
    for _ in range(3):
        heartbeat.beat()
        clock.now += BEAT
    # It never wrote a row, so there is none to take back.
    heartbeat.close()
    [record] = caplog.records
    assert (record.levelname, vars(record)["pooled_news"]) == ("WARNING", "worker.unnoted")
    told = rf"the heartbeat of \S+:{os.getpid()}:thread-\w+ could not be written \(OperationalError\); the work goes on"
    assert re.fullmatch(told, record.getMessage())
    with workers._database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO pooled_worker")
    heartbeat.beat()
    assert len(workers.seen()) == 1
    with workers._database.write() as connection:
        connection.exec_driver_sql("DROP TABLE pooled_worker")
    heartbeat.close()
    [_, record] = caplog.records
    assert re.fullmatch(told, record.getMessage())
