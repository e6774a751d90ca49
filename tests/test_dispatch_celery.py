"""``POOLED_DISPATCH="celery"``: what a webhook sends to the broker, and for whom the tasks work."""

from __future__ import annotations

import gc
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from brokers import Broker
from brokers import celery_casino
from brokers import free_port
from brokers import running_broker
from casino import Casino
from casino import win
from celery import Celery
from flask import Flask
from served_casino import eventually
from served_casino import record_wins
from stopwatch import stopwatch

from flask_pooled import event_held
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.dispatch import celery_tasks
from flask_pooled.dispatch.celery_tasks import beat_schedule
from flask_pooled.dispatch.celery_tasks import PROCESS
from flask_pooled.dispatch.celery_tasks import SWEEP


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def make(make_casino: Callable[..., Casino]) -> Callable[..., Casino]:
    """Makes casinos as in production, whose Celery app uses a broker."""
    return lambda url="redis://127.0.0.1:1/0", **more: celery_casino(make_casino, url, **more)


def test_message_carries_the_rows_id_and_nothing_else(
    make: Callable[..., Casino], broker: Broker
) -> None:
    casino = make(broker.url)
    casino.post_all(win(), win(), win(pool_id="2", amount=0))
    # Neither the repeat nor the held one has anything to wake for.
    casino.state.dispatcher.close()
    assert broker.waiting() == 1
    message = broker.take()
    with casino.app.extensions["celery"].connection_for_read() as connection:
        channel = connection.default_channel
        arguments, keywords, _ = channel.Message(json.loads(message), channel=channel).decode()
    assert (arguments, keywords) == ([casino.rows("id")[0]], {})
    assert b"player_abc123" not in message


def _assert_quick(casino: Casino, count: int = 10) -> None:
    slowest = 0.0
    for number in range(count):
        with stopwatch() as watch:
            casino.post_all(win(pool_id=str(number)))
        slowest = max(slowest, watch.seconds - watch.allowance)
    assert slowest < 1


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_dead_broker_delays_no_webhook(
    make: Callable[..., Casino], scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    casino = make(f"{scheme}://casino:a-password@127.0.0.1:{free_port()}/0")
    _assert_quick(casino)
    eventually(lambda: "broker cannot be reached" in caplog.text)
    time.sleep(1.1)
    casino.post_all(win(pool_id="later"))
    started = time.monotonic()
    casino.state.dispatcher.close()
    assert time.monotonic() - started < 20
    assert caplog.text.count("broker cannot be reached") == 1
    assert "a-password" not in caplog.text
    # The row is the truth.
    assert casino.drain() == 11


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_hung_broker_delays_no_webhook(
    make: Callable[..., Casino], scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        casino = make(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/0")
        _assert_quick(casino)
        started = time.monotonic()
        eventually(lambda: "broker cannot be reached" in caplog.text)
        assert time.monotonic() - started < 20
        _assert_quick(casino)
        started = time.monotonic()
        casino.state.dispatcher.close()
        assert time.monotonic() - started < 20
    assert casino.drain() == 10


def test_broker_that_was_restarted(
    make: Callable[..., Casino], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    casino = make(f"redis://127.0.0.1:{port}/0")
    # The second time over a connection that has gone stale meanwhile.
    for number in range(2):
        with running_broker(tmp_path, port) as broker:
            casino.post_all(win(pool_id=str(number)))
            eventually(broker.waiting)
    assert "broker" not in caplog.text


def test_broker_that_comes_back_is_told_of(
    make: Callable[..., Casino], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    port = free_port()
    casino = make(f"redis://127.0.0.1:{port}/0")
    casino.post_all(win())
    eventually(lambda: "cannot be reached" in caplog.text)
    with running_broker(tmp_path, port) as broker:
        time.sleep(1.1)
        casino.post_all(win(pool_id="2"))
        eventually(lambda: "reached again" in caplog.text)
        assert broker.waiting() == 1


def test_slow_observer_of_a_held_event_delays_no_answer(make: Callable[..., Casino]) -> None:
    casino = make()
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


def test_under_testing_nothing_is_sent(make: Callable[..., Casino], broker: Broker) -> None:
    casino = make(broker.url, TESTING=True)
    casino.post_all(win())
    casino.state.dispatcher.close()
    assert broker.waiting() == 0
    assert casino.drain() == 1


def test_eager_tasks_pay_without_a_broker(make: Callable[..., Casino]) -> None:
    casino = make()
    casino.app.extensions["celery"].conf.task_always_eager = True
    casino.post_all(win())
    eventually(lambda: casino.balance() == 100_000)


def test_brands_of_one_process_each_work_for_their_own(
    make_casino: Callable[..., Casino],
) -> None:
    celeries = [Celery(name, set_as_current=False) for name in "ab"]
    casinos = []
    for number, celery in enumerate([*celeries, celeries[1]]):
        casino = make_casino(
            POOLED_DISPATCH="celery",
            POOLED_TENANT=f"brand-{number}",
            SQLALCHEMY_DATABASE_URI=f"sqlite:///wallet-{number}.sqlite",
        )
        casino.app.extensions["celery"] = celery
        casino.connect()
        casino.post_all(win())
        casinos.append(casino)
    celeries[1].tasks[SWEEP].apply()
    assert [casino.balance() for casino in casinos] == [0, 100_000, 100_000]
    celeries[0].tasks[PROCESS].apply((1,))
    assert casinos[0].balance() == 100_000


def test_failure_is_no_failure_of_the_task(
    make: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make(TESTING=True)
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    task = casino.app.extensions["celery"].tasks[SWEEP]
    assert [task.apply().state for _ in range(2)] == ["SUCCESS"] * 2
    assert caplog.text.count("trying again") == 1
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_task_without_a_flask_app_is_said(
    caplog: pytest.LogCaptureFixture, make: Callable[..., Casino]
) -> None:
    make()
    stranger = Celery("stranger", set_as_current=False)
    for name in (PROCESS, SWEEP):
        assert stranger.tasks[name].acks_late
        assert stranger.tasks[name].reject_on_worker_lost
        assert stranger.tasks[name].ignore_result
    stranger.tasks[SWEEP].apply()
    assert "'stranger' has no Flask app to work for" in caplog.text


def test_shift_ends_while_there_is_work(
    make: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    casino = make(TESTING=True)
    record_wins(casino, 3)
    pool_win.connect_via(casino.app)(lambda app, **extra: time.sleep(1.1))
    monkeypatch.setattr(celery_tasks, "_SHIFT", 1)
    for done in (1, 2, 3):
        casino.app.extensions["celery"].tasks[PROCESS].apply((1,))
        assert casino.states().count("done") == done


def test_no_celery_app_is_a_config_error(make_app: Callable[..., Flask]) -> None:
    # In a process of its own: which Celery app is current is a matter of the whole process.
    program = f"""
        from flask import Flask
        from flask_pooled import ConfigError, Pooled
        app = Flask("casino", instance_path={make_app().instance_path!r})
        app.config.update(POOLED_TENANT="t", POOLED_JWT_SECRET="j" * 32, POOLED_WEBHOOK_SECRET="w" * 32,
                          POOLED_DISPATCH="celery", PROPAGATE_EXCEPTIONS=True)
        Pooled(app)
        try:
            app.test_client().get("/")
        except ConfigError as error:
            print(error)
        from celery import Celery
        celery = Celery("casino")
        celery.set_default()
        print(app.test_client().get("/").status_code)
        print(app.extensions["pooled"].dispatcher._dispatcher._celery is celery)
    """
    lines = _run(program)
    assert 'app.extensions["celery"]' in lines[0]
    assert lines[1:] == ["404", "True"]


def test_celery_that_is_not_installed(make_app: Callable[..., Flask]) -> None:
    program = f"""
        import sys
        sys.modules["celery"] = None
        from flask import Flask
        from flask_pooled import ConfigError, Pooled
        app = Flask("casino", instance_path={make_app().instance_path!r})
        app.config.update(POOLED_TENANT="t", POOLED_JWT_SECRET="j" * 32, POOLED_WEBHOOK_SECRET="w" * 32,
                          POOLED_DISPATCH="celery")
        try:
            Pooled(app)
        except ConfigError as error:
            print(error)
    """
    [line] = _run(program)
    assert "install Flask-Pooled[celery]" in line


def _run(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_apps_that_are_gone_are_worked_for_no_more(tmp_path: Path, config: dict[str, Any]) -> None:
    gc.collect()
    before = len(celery_tasks._dispatchers)
    app = Flask("casino", instance_path=str(tmp_path))
    app.config.update(config, POOLED_DISPATCH="celery")
    Pooled(app)
    assert len(celery_tasks._dispatchers) == before + 1
    del app
    gc.collect()
    assert len(celery_tasks._dispatchers) == before


def test_beat_schedule() -> None:
    assert beat_schedule() == {
        "flask-pooled-sweep": {
            "task": "flask_pooled.sweep",
            "schedule": 10.0,
            "options": {"expires": 10.0},
        }
    }
