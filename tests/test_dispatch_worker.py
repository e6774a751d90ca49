"""``POOLED_DISPATCH="worker"``: webhooks only record, and processes of their own do the work."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from served_casino import eventually
from served_casino import record_wins
from served_casino import Served
from served_casino import served

from flask_pooled import event_held
from flask_pooled import pool_win
from flask_pooled.dispatch.base import Run
from flask_pooled.dispatch.worker import Crew
from flask_pooled.inbox.heartbeat import Heartbeat


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino as in production, whose receivers are connected."""
    casino = make_casino(TESTING=False, POOLED_DISPATCH="worker", POOLED_RETRY_BASE=0.01)
    casino.connect()
    return casino


@pytest.fixture
def processes(casino: Casino) -> Iterator[Served]:
    with served(casino) as processes:
        yield processes


@pytest.fixture
def make_crew(casino: Casino) -> Iterator[Callable[..., Crew]]:
    """Makes crews that work in a thread of the test's."""
    working: list[tuple[Crew, threading.Thread]] = []

    def make(run: Run | None = None, **options: Any) -> Crew:
        crew = Crew(
            run or casino.state.inbox.run,
            Heartbeat(casino.state.workers, "worker"),
            pause=0.02,
            **options,
        )
        thread = threading.Thread(target=crew.work)
        thread.start()
        working.append((crew, thread))
        return crew

    yield make
    for crew, thread in working:
        crew.stop()
        thread.join(60)
        assert not thread.is_alive()


def _workers(casino: Casino) -> list[str]:
    with casino.app.app_context():
        return [worker["mode"] for worker in casino.pooled.stats()["workers"]]


def test_webhook_only_records(casino: Casino) -> None:
    before = threading.active_count()
    casino.post_all(win())
    time.sleep(0.1)
    assert (casino.states(), casino.balance()) == (["pending"], 0)
    assert threading.active_count() == before
    assert _workers(casino) == []


@pytest.mark.both_databases
def test_worker_pays_and_ends_at_sigterm(casino: Casino, processes: Served) -> None:
    casino.post_all(win())
    worker = processes.start_worker()
    eventually(lambda: casino.balance() == 100_000)
    casino.post_all(win(pool_id="later", amount=1))
    eventually(lambda: casino.balance() == 100_100)
    with casino.app.app_context():
        [seen] = casino.pooled.stats()["workers"]
    assert (seen["mode"], seen["alive"]) == ("worker", True)
    assert 0 <= seen["seen_seconds"] < 60
    worker.send(signal.SIGTERM)
    assert worker.ends() == 0
    assert "Worker ended." in worker.said
    assert _workers(casino) == []


@pytest.mark.both_databases
def test_killed_worker_leaves_its_event_to_another_one(casino: Casino, processes: Served) -> None:
    casino.post_all(win(winner_id="slow"))
    first = processes.start_worker()
    processes.handling()
    first.send(signal.SIGKILL)
    assert first.ends() == -signal.SIGKILL
    assert (casino.states(), casino.balance("slow")) == (["pending"], 0)
    processes.start_worker()
    processes.handling()
    processes.finish()
    eventually(lambda: casino.balance("slow") == 100_000)
    eventually(lambda: casino.states() == ["done"])
    assert len(casino.movements()) == 1
    # The one that was killed is still listed, until a day has passed or somebody sees that it is not alive.
    assert _workers(casino) == ["worker", "worker"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_lets_the_event_at_hand_be_finished_and_no_other_begun(
    casino: Casino, processes: Served, number: signal.Signals
) -> None:
    casino.post_all(win(winner_id="slow"))
    worker = processes.start_worker()
    processes.handling()
    worker.send(number)
    time.sleep(0.2)
    assert worker.running
    processes.finish()
    assert worker.ends() == 0
    assert casino.balance("slow") == 100_000


def test_events_behind_the_one_at_hand_stay_pending(
    casino: Casino, make_crew: Callable[..., Crew]
) -> None:
    running, finish = threading.Event(), threading.Event()

    @pool_win.connect_via(casino.app)
    def slow(app: Flask, **extra: Any) -> None:
        running.set()
        finish.wait(60)
        # So that the second look, which takes several at once, is what would come next.
        raise LookupError

    record_wins(casino, 30)
    crew = make_crew()
    assert running.wait(60)
    crew.stop()
    finish.set()
    eventually(lambda: sum(casino.rows("attempts")))
    time.sleep(0.2)
    assert sorted(casino.rows("attempts")) == [0] * 29 + [1]


def test_second_signal_ends_it_at_once(casino: Casino, processes: Served) -> None:
    casino.post_all(win(winner_id="slow"))
    worker = processes.start_worker()
    processes.handling()
    for _ in range(2):
        worker.send(signal.SIGTERM)
        time.sleep(0.2)
    assert worker.ends(1) == -signal.SIGTERM
    assert (casino.states(), casino.balance("slow")) == (["pending"], 0)
    processes.finish()
    assert processes.start_worker("--once").ends() == 0
    assert casino.balance("slow") == 100_000


@pytest.mark.parametrize("backend", ["postgresql"])
def test_two_workers_of_four_threads_share_the_events(casino: Casino) -> None:
    record_wins(casino, 2000)
    # An attempt is over long before the next one would be due.
    with served(casino, POOLED_RETRY_BASE=30) as processes:
        workers = [processes.start_worker("--once", "--concurrency", "4") for _ in range(2)]
        assert [worker.ends(60) for worker in workers] == [0, 0]
    assert casino.states() == ["done"] * 2000
    assert set(casino.rows("attempts")) == {1}
    paid = [(player, cents) for player, cents, _ in casino.movements()]
    assert sorted(paid) == sorted((f"player-{n}", 1) for n in range(2000))


@pytest.mark.parametrize("backend", ["postgresql"])
def test_idle_worker_holds_no_transaction(casino: Casino, make_crew: Callable[..., Crew]) -> None:
    make_crew(concurrency=3)
    casino.post_all(win())
    eventually(lambda: casino.balance() == 100_000)
    time.sleep(0.1)
    for _ in range(20):
        # Between two looks only: what is in a transaction now must be another one each time, or none.
        oldest = casino.sql(
            "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) "
            "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )[0][0]
        assert oldest < 0.5
        time.sleep(0.05)


def test_crew_works_side_by_side(casino: Casino) -> None:
    together = threading.Barrier(3)

    def run(limit: int | None = None, **options: Any) -> int:
        # Lets nobody pass before all three are here.
        together.wait(60)
        crew.stop()
        return 0

    crew = Crew(run, Heartbeat(casino.state.workers, "worker"), concurrency=3)
    crew.work()
    assert not together.broken


def test_outage_is_told_once_and_waited_out(
    casino: Casino, make_crew: Callable[..., Crew], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    casino.post_all(win())
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    make_crew(concurrency=2)
    eventually(lambda: "trying again" in caplog.text)
    time.sleep(0.2)
    assert caplog.text.count("trying again") == 1
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    eventually(lambda: casino.balance() == 100_000)
    eventually(lambda: "worked on again" in caplog.text)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("once", [True, False])
def test_receiver_cannot_end_the_worker(
    casino: Casino, make_crew: Callable[..., Crew], error: type[BaseException], once: bool
) -> None:
    @pool_win.connect_via(casino.app)
    def ends(app: Flask, event: Any, **extra: Any) -> None:
        if event.pool_id == "poison":
            raise error

    casino.post_all(win(pool_id="poison"), win(amount=1))
    if once:
        heartbeat = Heartbeat(casino.state.workers, "worker")
        Crew(casino.state.inbox.run, heartbeat).work_once()
    else:
        make_crew()
    eventually(lambda: casino.balance() == 100)


def test_failures_cost_the_others_no_time(casino: Casino, make_crew: Callable[..., Crew]) -> None:
    @pool_win.connect_via(casino.app)
    def fails(app: Flask, event: Any, **extra: Any) -> None:
        if event.pool_id != "good":
            raise LookupError

    record_wins(casino, 40)
    casino.post_all(win(pool_id="good", amount=1))
    started = time.monotonic()
    make_crew()
    eventually(lambda: casino.balance() == 100)
    assert time.monotonic() - started < 20


def test_slow_observer_of_a_held_event_delays_no_answer(casino: Casino) -> None:
    finish, told = threading.Event(), threading.Event()

    @event_held.connect_via(casino.app)
    def slow(app: Flask, **extra: Any) -> None:
        told.set()
        finish.wait(60)

    started = time.monotonic()
    casino.post_all(win(amount=0))
    assert time.monotonic() - started < 20
    assert told.wait(60)
    finish.set()


def test_under_testing_observers_are_told_at_once(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_DISPATCH="worker")
    told: list[str] = []

    @event_held.connect_via(casino.app)
    def note(app: Flask, reason: str, **extra: Any) -> None:
        told.append(reason)

    casino.post_all(win(amount=0))
    assert told == ["wrong_amount"]


def test_observers_who_fall_behind_are_said_and_never_waited_for(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    finish, told = threading.Event(), threading.Event()

    @event_held.connect_via(casino.app)
    def slow(app: Flask, **extra: Any) -> None:
        told.set()
        finish.wait(60)

    casino.state.dispatcher._dispatcher._held._background._limit = 1  # type: ignore[attr-defined]  # the worker's own
    casino.post_all(win(amount=0))
    assert told.wait(60)
    casino.post_all(win(amount=0, pool_id="2"), win(amount=0, pool_id="3"))
    assert caplog.text.count("observers are not told") == 1
    finish.set()
    assert casino.states() == ["held"] * 3
