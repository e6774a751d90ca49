"""``POOLED_DISPATCH="thread"``: a thread of the serving process works on what is pending."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask

from flask_pooled import event_held
from flask_pooled import pool_win
from flask_pooled.dispatch.base import Run
from flask_pooled.dispatch.held import HeldObservers
from flask_pooled.dispatch.thread import ThreadDispatcher
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.heartbeat import Heartbeat


def _eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "flask-pooled"]


@pytest.fixture
def serving(make_casino: Callable[..., Casino]) -> Casino:
    """A casino as in production."""
    casino = make_casino(TESTING=False)
    casino.connect()
    return casino


def test_event_is_paid_by_itself(serving: Casino) -> None:
    assert _threads() == []
    serving.post_all(win())
    _eventually(lambda: serving.balance() == 100_000)
    assert _threads() == ["flask-pooled"]
    serving.state.dispatcher.close()
    assert _threads() == []


def test_no_thread_under_testing_or_without_a_request(
    make_casino: Callable[..., Casino], serving: Casino
) -> None:
    casino = make_casino(SQLALCHEMY_DATABASE_URI="sqlite:///other.sqlite")
    casino.post_all(win())
    with serving.app.app_context():
        serving.pooled.stats()
    assert _threads() == []


def test_what_an_earlier_process_left_is_found_without_a_webhook(serving: Casino) -> None:
    serving.state.inbox.store.record([accept(json.dumps(win()).encode(), 1)])
    serving.client.get("/")
    _eventually(lambda: serving.balance() == 100_000)


def test_retry_comes_by_itself(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(TESTING=False, POOLED_RETRY_BASE=0.01)
    casino.connect()
    calls: list[int] = []

    @pool_win.connect_via(casino.app)
    def fails_twice(app: Flask, **extra: Any) -> None:
        calls.append(1)
        if len(calls) < 3:
            raise LookupError

    casino.post_all(win())
    _eventually(lambda: casino.balance() == 100_000)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_thread_survives_whatever_a_receiver_raises(
    serving: Casino, error: type[BaseException]
) -> None:
    @pool_win.connect_via(serving.app)
    def ends(app: Flask, event: Any, **extra: Any) -> None:
        if event.pool_id == "poison":
            raise error

    serving.post_all(win(pool_id="poison"))
    serving.post_all(win(amount=1))
    _eventually(lambda: serving.balance() == 100)


def test_database_that_was_gone_for_a_while(
    serving: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    serving.client.get("/")
    serving.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    _eventually(lambda: "trying again" in caplog.text)
    serving.sql("ALTER TABLE elsewhere RENAME TO pooled_event")
    serving.post_all(win())
    _eventually(lambda: serving.balance() == 100_000)
    assert caplog.text.count("trying again") == 1


def test_slow_observer_delays_no_answer(serving: Casino) -> None:
    finish = threading.Event()
    told = threading.Event()

    @event_held.connect_via(serving.app)
    def slow(app: Flask, **extra: Any) -> None:
        told.set()
        finish.wait(60)

    started = time.monotonic()
    serving.post_all(win(amount=0))
    assert time.monotonic() - started < 20
    assert told.wait(60)
    finish.set()


def test_stops_after_the_event_at_hand(serving: Casino) -> None:
    running, finish = threading.Event(), threading.Event()

    @pool_win.connect_via(serving.app)
    def slow(app: Flask, **extra: Any) -> None:
        running.set()
        finish.wait(60)

    serving.post_all(win())
    assert running.wait(60)
    threading.Timer(0.2, finish.set).start()
    serving.state.dispatcher.close()
    assert serving.states() == ["done"]


def _in_a_child(work: Callable[[], object]) -> int:
    """Run something in a forked process; returns its exit code, 0 if nothing was raised."""
    with warnings.catch_warnings():
        # Python 3.12 and later warn of just what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_preforking_server(serving: Casino) -> None:
    """The app is made, and its database touched, before the workers are forked."""
    for number in range(2):

        def serve(number: int = number) -> None:
            serving.post_all(win(winner_id=f"player-{number}", pool_id=str(number)))
            _eventually(lambda: serving.balance(f"player-{number}") == 100_000)

        assert _in_a_child(serve) == 0
    assert [serving.balance(f"player-{number}") for number in range(2)] == [100_000] * 2
    assert _threads() == []


def _dispatcher(casino: Casino, run: Run) -> ThreadDispatcher:
    return ThreadDispatcher(
        run,
        HeldObservers(lambda recorded: None, enabled=lambda: True),
        Heartbeat(casino.state.workers, "thread"),
        enabled=lambda: True,
    )


def test_starts_anew_after_a_fork(casino: Casino) -> None:
    runs: list[int] = []

    def run(limit: int | None = None, **options: Any) -> int:
        runs.append(os.getpid())
        return 0

    dispatcher = _dispatcher(casino, run)
    dispatcher.start()
    _eventually(lambda: runs)

    def serve() -> None:
        dispatcher.start()
        _eventually(lambda: os.getpid() in runs)

    assert _in_a_child(serve) == 0
    dispatcher.close()


def test_close_without_start(casino: Casino) -> None:
    dispatcher = _dispatcher(casino, lambda limit=None, **options: 0)
    dispatcher.close()
    dispatcher.start()
    dispatcher.start()
    assert _threads() == ["flask-pooled"]
    dispatcher.close()
    dispatcher.close()
