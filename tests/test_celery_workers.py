"""Celery workers in processes of their own, on a real Redis: they pay, crash, stop, and sweep what was lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from collections.abc import Iterator

import pytest
from brokers import Broker
from brokers import celery_casino
from brokers import running_broker
from casino import Casino
from casino import win
from served_casino import eventually
from served_casino import Process
from served_casino import record_wins
from served_casino import Served
from served_casino import served

from flask_pooled.dispatch.celery_tasks import PROCESS
from flask_pooled.dispatch.celery_tasks import SWEEP

#: Celery beat in the worker's own process, and its file.
BEAT = ("-B", "-s", "beat-schedule")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("redis")) as broker:
        yield broker


@pytest.fixture
def broker(redis: Broker) -> Broker:
    """An empty broker."""
    redis.lose_everything()
    return redis


@pytest.fixture
def casino(make_casino: Callable[..., Casino], broker: Broker) -> Casino:
    return celery_casino(make_casino, broker.url, POOLED_RETRY_BASE=0.01)


@pytest.fixture
def processes(casino: Casino) -> Iterator[Served]:
    with served(casino) as processes:
        yield processes


def _start(processes: Served, *options: str) -> Process:
    """Start a Celery worker."""
    pool = () if "-P" in options else ("-P", "solo")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "info")
    command = ("celery", "-A", "served_celery:celery_app", "worker", *quiet)
    process = processes.start(*command, *pool, *options)
    process.says(" ready.")
    return process


def _workers(casino: Casino) -> list[str]:
    with casino.app.app_context():
        return [worker["mode"] for worker in casino.pooled.stats()["workers"]]


@pytest.mark.both_databases
def test_celery_worker_pays_and_ends_at_sigterm(casino: Casino, processes: Served) -> None:
    worker = _start(processes)
    casino.post_all(win())
    eventually(lambda: casino.balance() == 100_000)
    assert casino.states() == ["done"]
    assert _workers(casino) == ["celery"]
    worker.send(signal.SIGTERM)
    assert worker.ends() == 0
    assert _workers(casino) == []
    assert all(f". {task}\n" in worker.said for task in (PROCESS, SWEEP))


@pytest.mark.both_databases
def test_lost_message_is_swept(casino: Casino, processes: Served, broker: Broker) -> None:
    casino.post_all(win())
    eventually(lambda: broker.waiting() == 1)
    broker.lose_everything()
    worker = _start(processes, *BEAT)
    eventually(lambda: casino.balance() == 100_000)
    assert casino.states() == ["done"]
    assert f"{PROCESS}[" not in worker.said


def test_lost_message_is_found_by_any_worker(
    casino: Casino, processes: Served, broker: Broker
) -> None:
    casino.post_all(win())
    eventually(lambda: broker.waiting() == 1)
    broker.lose_everything()
    assert processes.start_worker("--once").ends() == 0
    assert casino.balance() == 100_000


@pytest.mark.both_databases
def test_killed_worker_leaves_its_event_to_another_one(casino: Casino, processes: Served) -> None:
    first = _start(processes)
    casino.post_all(win(winner_id="slow"))
    processes.handling()
    first.kill()
    assert (casino.states(), casino.balance("slow")) == (["pending"], 0)
    processes.finish()
    _start(processes, *BEAT)
    eventually(lambda: casino.balance("slow") == 100_000)
    eventually(lambda: casino.states() == ["done"])
    assert len(casino.movements()) == 1


def test_killed_process_of_a_pool_is_replaced_and_its_message_comes_again(
    casino: Casino, processes: Served
) -> None:
    worker = _start(processes, "-P", "prefork", "-c", "2")
    casino.post_all(win(winner_id="slow"))
    os.kill(processes.handling(), signal.SIGKILL)
    # Nothing sweeps here: it is the message, which was not acknowledged.
    processes.handling()
    processes.finish()
    eventually(lambda: casino.balance("slow") == 100_000)
    eventually(lambda: casino.states() == ["done"])
    assert len(casino.movements()) == 1
    worker.send(signal.SIGTERM)
    assert worker.ends() == 0
    # The process that was killed could not take its row away.
    assert _workers(casino) == ["celery"]


def test_sigterm_lets_the_event_at_hand_be_finished(casino: Casino, processes: Served) -> None:
    worker = _start(processes)
    casino.post_all(win(winner_id="slow"))
    processes.handling()
    worker.send(signal.SIGTERM)
    time.sleep(0.3)
    assert worker.running
    processes.finish()
    assert worker.ends() == 0
    assert casino.balance("slow") == 100_000


@pytest.mark.both_databases
def test_one_message_is_enough_for_a_backlog(casino: Casino, processes: Served) -> None:
    record_wins(casino, 50)
    worker = _start(processes, "-P", "prefork", "-c", "2")
    casino.post_all(win(pool_id="the one that wakes"))
    eventually(lambda: casino.states() == ["done"] * 51)
    assert len(casino.movements()) == 51
    assert worker.said.count(f"Task {PROCESS}[") <= 2, "received once, succeeded once"
